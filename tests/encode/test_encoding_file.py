"""The encoding file gives back what was written, whole or in part, predictions when asked for."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from helpers.encoding_files import encode_settings, model, write_study
from tristream.cli import main
from tristream.config.settings.partition import PartitionSettings
from tristream.encode.encoding_file import HeldOut, read_encoding, read_scores, write_encoding
from tristream.encode.fit import fit_subject
from tristream.encode.partition.partition_file import read_partition
from tristream.errors import UserError


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoding")
    study = write_study(folder)
    inputs = study["aligned"], study["bold"], study["samples"]
    fit_subject(encode_settings(model()), "01", *inputs, folder / "encoding.h5")
    return folder / "encoding.h5"


def same(one, other):
    """Whether two values, or all fields of two dataclasses, are equal."""
    if hasattr(one, "__dataclass_fields__"):
        return all(same(getattr(one, f), getattr(other, f)) for f in one.__dataclass_fields__)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other


def test_a_file_written_from_what_was_read_is_the_same(path, tmp_path):
    encoding, provenance = read_encoding(path)
    write_encoding(tmp_path / "again.h5", encoding, provenance)
    again, provenance_again = read_encoding(tmp_path / "again.h5")
    assert provenance_again == provenance
    assert list(again.tests) == list(encoding.tests) == ["clip"]
    assert same(again.tests["clip"], encoding.tests["clip"])
    for part in ("scores", "ceiling", "fitted"):
        assert same(getattr(again, part), getattr(encoding, part)), part


def test_scores_are_read_without_predictions_and_weights(path, tmp_path):
    light = tmp_path / "light.h5"
    light.write_bytes(path.read_bytes())
    with h5py.File(light, "r+") as file:
        del file["test"], file["model"]
    scored, provenance = read_scores(light)
    whole, provenance_whole = read_encoding(path)
    assert provenance == provenance_whole
    assert same(scored.scores, whole.scores)
    assert same(scored.ceiling, whole.ceiling)
    assert np.array_equal(scored.alpha, whole.fitted.alpha)
    assert np.array_equal(scored.cv, whole.fitted.cv)
    assert scored.bands == whole.bands
    assert scored.about == whole.about


def test_test_runs_are_read_when_they_are_asked_for(path, tmp_path):
    moved = tmp_path / "moved.h5"
    moved.write_bytes(path.read_bytes())
    encoding, _ = read_encoding(moved)
    assert len(encoding.tests) == 1
    assert "other" not in encoding.tests
    with pytest.raises(KeyError):
        encoding.tests["other"]
    assert isinstance(encoding.tests["clip"], HeldOut)
    moved.unlink()
    with pytest.raises(UserError, match=r"moved\.h5: can't be read"):
        encoding.tests["clip"]


def test_a_model_without_repeats_has_no_ceiling(path, tmp_path):
    encoding, provenance = read_encoding(path)
    write_encoding(tmp_path / "none.h5", replace(encoding, ceiling=None), provenance)
    assert read_scores(tmp_path / "none.h5")[0].ceiling is None


def test_jobs_need_no_study_beside_their_settings(tmp_path, monkeypatch):
    study = write_study(tmp_path)
    fit = encode_settings(model(candidates=2))
    parts = PartitionSettings(**fit.key(), bands=["dorsal"])
    monkeypatch.chdir(tmp_path)
    inputs = ["--samples", str(study["samples"])]
    for key in ("aligned", "bold"):
        inputs += [f"--{key}", *map(str, study[key])]
    for command in (
        ["fit", "--settings", fit.write("settings"), "--subject", "01", "--output", "e.h5"],
        [
            *("partition", "--settings", parts.write("settings")),
            *("--encoding", "e.h5", "--output", "p.h5"),
        ],
    ):
        assert main(["encode", *command, *inputs, "--code", "abc"]) == 0
    encoding, provenance = read_encoding(tmp_path / "e.h5")
    assert (encoding.about["model"], encoding.about["subject"]) == ("streams", "01")
    assert provenance.config == fit.key()
    stored, provenance = read_partition(tmp_path / "p.h5")
    assert (stored.bands, stored.rest) == (["dorsal"], ["ventral"])
    assert provenance.config == parts.key()
    assert provenance.code == "abc"
    assert "band ventral stayed in every model" in provenance.methods[0]
