"""JSON of anybody's is read, or is an error of one line, wherever it is read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.bold_tree import receipt_of
from tristream.bold.derivatives_text import fmriprep_version
from tristream.bold.readers.fmriprep import RunFiles, _timing
from tristream.describe.sidecar_facts import about
from tristream.errors import UserError
from tristream.errors.json_text import DEEPEST, parse, read_object
from tristream.features.core.networks.load_network import refuse_foreign_code
from tristream.features.core.networks.network_options import read_config
from tristream.features.core.networks.processor_file import read_processor, sizes_of
from tristream.features.core.networks.sound_networks import Preparation
from tristream.features.spaces.two_stream.network import read_shape
from tristream.fetch.contents import DESCRIPTION, description
from tristream.fetch.raw_sidecars import raw_sidecar
from tristream.fetch.weights import network_files
from tristream.genre.description import read_description
from tristream.results.written import listed, lost
from tristream.simulate.synthetic.run_lengths import stated_of
from tristream.store import read_summed

DEEP = "[" * 200_000
ODD = {
    "deep lists": f'{{"a": {DEEP}'.encode(),
    "deep lists that end": f'{{"a": {DEEP[:900]}{"]" * 900}}}'.encode(),
    "deep objects": b'{"a": ' * 100_000,
    "a list": b"[1]",
    "a number": b"3",
    "bytes": b"\xff\xfe{",
    "a large number": b'{"a": ' + b"9" * 5000 + b"}",
    "half": b'{"a"',
    "nothing": b"",
}


def beside(folder: Path) -> Path:
    """What a network's folder needs beside its config."""
    (folder / "config.json").write_text("{}")
    return folder


BOLD = "sub-01/func/sub-01_run-1_bold.json"
# File that is read, and how.
READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "any": ("a.json", lambda folder: read_object(folder / "a.json")),
    "store": ("a.json", lambda folder: read_summed(folder / "a.json")),
    "dataset": (DESCRIPTION, lambda folder: description(folder, [DESCRIPTION])),
    "derivatives": (f"d/{DESCRIPTION}", lambda folder: fmriprep_version(receipt_of(folder), "d")),
    "raw sidecar": (BOLD, lambda folder: raw_sidecar("01", "run-1", receipt_of(folder))),
    "synthetic sidecar": (BOLD, lambda folder: stated_of(folder, "01", "run-1")),
    "fmriprep sidecar": (
        "a.json",
        lambda folder: _timing(RunFiles(folder / "a.nii", folder / "a.json", None), None, 2.0),
    ),
    "index": ("model.safetensors.index.json", lambda folder: network_files(beside(folder))),
    "foreign code": ("config.json", lambda folder: refuse_foreign_code(folder / "config.json")),
    "network": ("config.json", read_config),
    "pictures": ("preprocessor_config.json", read_processor),
    "sounds": ("preprocessor_config.json", Preparation),
    "two streams": ("config.json", read_shape),
    "genre": ("config.json", read_description),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("odd", ODD)
def test_odd_json_is_one_line(reader: str, odd: str, tmp_path: Path) -> None:
    name, read = READERS[reader]
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(ODD[odd])
    with pytest.raises(UserError) as caught:
        read(tmp_path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "stated",
    [
        {"size": [1, 2]},
        {"size": "large"},
        {"size": {"height": [1], "width": 2}},
        {"size": 224, "crop_size": [1], "do_center_crop": True},
        {"image_processor_type": ["VJEPA2"], "crop_size": "x", "do_center_crop": True, "size": 1},
        {"image_processor_type": "DetrImageProcessor", "size": 800, "max_size": []},
        {"image_processor_type": "VJEPA2ImageProcessor", "crop_size": 1e999},
    ],
    ids=str,
)
def test_sizes_of_pictures_that_are_not_numbers(stated: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(stated))
    path, config = read_processor(tmp_path)
    with pytest.raises(UserError, match="size") as caught:
        sizes_of(config, path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "stated",
    [
        {"feature_extractor_type": [1]},
        {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": [1]},
        {"feature_extractor_type": "WhisperFeatureExtractor", "n_fft": 0},
        {"feature_extractor_type": "ViTFeatureExtractor"},
    ],
    ids=str,
)
def test_a_preparation_of_sounds_that_is_not_one(stated: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(stated))
    with pytest.raises(UserError, match="can't be used") as caught:
        Preparation(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("odd", ODD)
def test_odd_json_of_what_need_not_be_there_is_passed_over(odd: str, tmp_path: Path) -> None:
    (tmp_path / DESCRIPTION).write_bytes(ODD[odd])
    assert about(receipt_of(tmp_path)) == {}
    assert lost(tmp_path / DESCRIPTION) == []
    assert listed(tmp_path / DESCRIPTION) == {}


def test_json_that_is_not_odd_is_read(tmp_path: Path) -> None:
    nested: Any = 1
    for _ in range(DEEPEST - 2):
        nested = [nested, {}]
    assert parse(json.dumps({"a": nested})) == {"a": nested}
    with pytest.raises(ValueError, match="nested too deeply"):
        parse(json.dumps({"a": [nested]}))
    (tmp_path / "a.json").write_text("{}", encoding="utf-8-sig")
    assert read_object(tmp_path / "a.json") == {}
    with pytest.raises(UserError, match=r"none\.json"):
        read_object(tmp_path / "none.json")
