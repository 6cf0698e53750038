"""Presets, features and atlases that can't be simulated from are refused in one line."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml

from helpers.small_simulation import write_features, write_layer
from helpers.small_study import STUDY
from tristream.config.load import descriptor
from tristream.config.settings.simulate import SimulateSettings
from tristream.errors import UserError
from tristream.fetch.clone import remove
from tristream.simulate import repository
from tristream.simulate.dataset import check
from tristream.simulate.preset import FOLDER, load_preset
from tristream.simulate.signals import signals
from tristream.simulate.voxels import voxels


def refused(call, *words: str) -> None:
    with pytest.raises(UserError) as caught:
        call()
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def changed(tmp_path: Path, **changes: object) -> Path:
    content = yaml.safe_load((FOLDER / "tiny.yaml").read_text()) | changes
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_an_unknown_preset_names_those_that_exist():
    refused(lambda: load_preset("bunnny"), "bunnny", "bunny, tiny")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"simulated": False}, "simulated"),
        ({"start_time": 1.5}, "start_time"),
        ({"regions": {"x": {"labels": [1], "streams": ["motor"]}}}, "regions.x.streams"),
        ({"regions": {"x": {"labels": [1]}, "y": {"labels": [1]}}}, "two of them"),
        ({"streams": {"ventral": {"features": ["head"], "linear": 2}}}, "SPACE/LAYER"),
        (
            {"streams": {"ventral": {"features": ["a/b"], "linear": 2, "nonlinear": 2}}},
            "streams.ventral",
        ),
        ({"readout": {"share": [0.4, 0.2]}}, "readout"),
        ({"runs": [{"run": "task-a", "media_start": 0, "duration": 8}] * 2}, "task-test"),
    ],
)
def test_an_impossible_preset_is_refused(tmp_path: Path, changes: dict[str, object], words: str):
    refused(lambda: load_preset(changed(tmp_path, **changes)), "mine.yaml", words)


def test_a_preset_that_is_no_yaml(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("a: [")
    refused(lambda: load_preset(tmp_path / "mine.yaml"), "mine.yaml", "not valid YAML")


def test_a_missing_layer_is_named(tmp_path: Path):
    preset = load_preset("tiny")
    files = write_features(tmp_path, preset, 55.0)
    refused(lambda: signals(preset, files[1:]), preset.features[0])


def test_features_of_another_film_and_features_that_stand_still(tmp_path: Path):
    preset = load_preset("tiny")
    files = write_features(tmp_path, preset, 55.0)
    still = np.ones((110, 5))
    write_layer(tmp_path, "trailer", preset.features[0], still)
    refused(lambda: signals(preset, files), preset.features[0], "do not change")
    write_layer(tmp_path, "other", preset.features[0], still)
    refused(lambda: signals(preset, files), preset.features[0], "trailer")


def test_a_film_that_is_shorter_than_the_preset_wants(tmp_path: Path):
    preset = load_preset("tiny")
    files = write_features(tmp_path, preset, 30.0)
    refused(lambda: signals(preset, files), "task-test_run-01", "29.75 s")


def test_an_atlas_that_is_not_one(tmp_path: Path):
    nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.eye(4)).to_filename(tmp_path / "a.nii.gz")
    refused(lambda: voxels(load_preset("tiny"), tmp_path / "a.nii.gz"), "a.nii.gz", "4-D")
    nib.Nifti1Image(np.zeros((4, 4, 4, 2), np.uint8), np.eye(4)).to_filename(tmp_path / "b.nii.gz")
    refused(lambda: voxels(load_preset("tiny"), tmp_path / "b.nii.gz"), "b.nii.gz", "fusiform")


def test_a_descriptor_that_the_preset_does_not_fit(tmp_path: Path):
    dataset = descriptor("tiny", [STUDY / "workflow/datasets"], Path("config.yaml"))
    preset = load_preset("tiny")
    for change in ({"tr": 2.0}, {"subjects": ["02"]}, {"runs": preset.runs[2:]}):
        (key,) = change
        settings = SimulateSettings.of_dataset(dataset, preset.model_copy(update=change))
        refused(lambda s=settings: check(s), "tiny.yaml", key)
    film = preset.film.model_copy(update={"stimulus": "another"})
    settings = SimulateSettings.of_dataset(dataset, preset.model_copy(update={"film": film}))
    refused(lambda: check(settings), "tiny.yaml: stimuli.table: is nothing")


def test_a_failing_program_says_its_last_words(tmp_path: Path):
    refused(lambda: repository.save(tmp_path, "nothing"), str(tmp_path), "datalad save")


def test_read_only_folders_are_removed(tmp_path: Path):
    folder = tmp_path / "dataset/objects"
    folder.mkdir(parents=True)
    (folder / "key").write_text("x")
    (folder / "key").chmod(0o444)
    folder.chmod(0o555)
    remove(tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()
    remove(tmp_path / "dataset")
