"""Inputs that do not fit together: one line that names the file and the remedy."""

import h5py
import numpy as np
import pytest

from helpers.encoding_files import encode_settings, model, write_study
from tristream.cli import main
from tristream.device import choose_device
from tristream.encode.encoding_file import read_encoding
from tristream.encode.fit import fit_subject
from tristream.errors import UserError


def refused(folder, study, match, settings=None):
    output = folder / "encoding.h5"
    with pytest.raises(UserError, match=match) as caught:
        fit_subject(
            encode_settings(settings or model()),
            "01",
            study["aligned"],
            study["bold"],
            study["samples"],
            output,
        )
    assert "\n" not in str(caught.value)
    assert not output.exists()


def test_a_space_without_a_file(tmp_path):
    study = write_study(tmp_path)
    del study["aligned"][-1]
    refused(tmp_path, study, "no aligned features of 'flow/speed', which band 'dorsal' names")


def test_features_of_another_length(tmp_path):
    def change(study):
        by_label = study["x"]["task-training_run-02"]
        by_label["net/early"] = by_label["net/early"][:-1]

    study = write_study(tmp_path, change=change)
    refused(tmp_path, study, "net_early.h5: task-training_run-02 has 91 rows .* has 92")


def test_features_without_a_run(tmp_path):
    study = write_study(tmp_path)
    with h5py.File(study["aligned"][0], "r+") as file:
        del file["times/task-training_run-01"]
    refused(tmp_path, study, "holds no features of task-training_run-01")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite(tmp_path, bad):
    def change(study):
        study["x"]["task-test_run-01"]["motion/energy"][3, 2] = bad

    refused(tmp_path, write_study(tmp_path, change=change), "motion_energy.h5: .* has NaN")


def test_bold_that_is_not_finite(tmp_path):
    def change(study):
        study["y"]["task-training_run-01"][9, 9] = np.nan

    refused(tmp_path, write_study(tmp_path, change=change), "run-01.h5: BOLD has NaN")


def test_features_that_never_vary(tmp_path):
    def change(study):
        for by_label in study["x"].values():
            by_label["flow/speed"][:] = 7

    refused(tmp_path, write_study(tmp_path, change=change), "flow/speed: nothing varies")


def test_features_that_the_confounds_explain(tmp_path):
    def change(study):
        for by_label in study["x"].values():
            by_label["flow/speed"][:] = np.linspace(0, 1, len(by_label["flow/speed"]))[:, None]
        for run in study["runs"].values():
            steps = np.vander(np.arange(len(run["projection"])), 3).astype(float)
            lags = np.eye(len(steps))[:, :3]
            run["projection"] = np.linalg.qr(np.hstack([steps, lags]))[0]

    study = write_study(tmp_path, change=change)
    refused(tmp_path, study, "flow/speed: nothing varies .* confounds")


def test_one_training_run(tmp_path):
    def change(study):
        for name in ("task-training_run-02", "task-training_run-03"):
            del study["y"][name]

    study = write_study(tmp_path, change=change)
    refused(tmp_path, study, "1 training runs .* needs 2")


def test_a_run_without_usable_volumes(tmp_path):
    def change(study):
        table = study["samples"]
        table.loc[table["run"] == "task-training_run-02", "keep"] = False

    study = write_study(tmp_path, change=change)
    refused(tmp_path, study, r"run-02.h5: only 0 volumes .* at least 5")


def test_samples_of_other_volumes(tmp_path):
    def change(study):
        table = study["samples"]
        study["samples"] = table.drop(table.index[7])

    study = write_study(tmp_path, change=change)
    refused(tmp_path, study, r"samples.tsv: 90 rows for task-training_run-01, but .* 91 volumes")


def test_runs_of_other_voxels(tmp_path):
    study = write_study(tmp_path)
    with h5py.File(study["bold"][1], "r+") as file:
        file["ijk"][0] = [9, 9, 9]
    refused(tmp_path, study, "differs from .* in its voxels")


def test_bold_that_does_not_say_whether_it_is_simulated(tmp_path):
    study = write_study(tmp_path)
    with h5py.File(study["bold"][0], "r+") as file:
        del file.attrs["simulated"]
    refused(tmp_path, study, "does not say simulated")


def test_cuda_where_there_is_none(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match="torch finds no GPU"):
        choose_device("cuda")
    assert choose_device("auto") == "cpu"


def test_a_model_that_the_study_lacks(capsys):
    command = "encode fit --dataset bunny --model nonesuch --subject 01 --aligned a --bold b"
    assert main([*command.split(), "--samples", "s", "--output", "o"]) == 2
    assert "models: there is no 'nonesuch' in the study; it has streams" in capsys.readouterr().err


def features_of(study):
    """Features of each run, once: repeats share them."""
    return {id(one): one for one in study["x"].values()}.values()


def duplicate(study):
    for features in features_of(study):
        features["flow/speed"] = np.repeat(features["flow/speed"][:, :1], 3, axis=1)
        features["motion/energy"] = np.tile(features["motion/energy"], 2)


def one_column(study):
    for features in features_of(study):
        features |= {label: values[:, :1] for label, values in features.items()}


def one_voxel(study):
    study["y"] = {run: bold[:, :1] for run, bold in study["y"].items()}


def constant_voxel(study):
    for bold in study["y"].values():
        bold[:, 0] = 0


@pytest.mark.parametrize("change", [duplicate, one_column, one_voxel, constant_voxel])
def test_little_or_redundant_data_is_fitted_and_stays_finite(tmp_path, change):
    study = write_study(tmp_path, change=change)
    output = tmp_path / "encoding.h5"
    settings = encode_settings(model())
    fit_subject(settings, "01", study["aligned"], study["bold"], study["samples"], output)
    scores = read_encoding(output)[0].scores
    assert np.isfinite(scores.r2).all()
    assert (scores.r2 <= 1).all()
    if change is constant_voxel:
        assert scores.r2[0] <= 0
    if change is duplicate:
        assert scores.r2.max() > 0.1
