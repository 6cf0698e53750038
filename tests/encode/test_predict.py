"""`tristream predict`: BOLD of a stimulus that the model has not seen."""

import h5py
import numpy as np
import pytest

from helpers import feature_files
from helpers.encoding_files import SPACES, TR, encode_settings, model, smooth, write_study
from tristream.align.resample import Piece, resample_timed
from tristream.cli import main
from tristream.encode.encoding_file import read_encoding
from tristream.encode.fit import fit_subject
from tristream.encode.predict import predict_stimulus
from tristream.errors import UserError
from tristream.store import open_h5

SECONDS = 120.0
TIMES = np.arange(0.25, SECONDS, 0.5)


def write_features(folder, values, stimuli=("clip",)):
    paths = []
    for label in SPACES:
        path = folder / f"features_{label.replace('/', '_')}.h5"
        timed = {name: (values[label], TIMES) for name in stimuli}
        paths.append(feature_files.write_features(path, label, timed, window=0.5))
    return paths


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A study whose test clip was aligned from feature files, and nothing projected out of it."""
    folder = tmp_path_factory.mktemp("predict")
    rng = np.random.default_rng(5)
    values = {label: smooth(rng, len(TIMES), p) for label, p in SPACES.items()}
    volumes = TR / 2 + np.arange(120) * TR

    def change(study):
        for name in study["y"]:
            if "test" in name:
                study["runs"][name]["projection"] = np.zeros((120, 0))
                for label in SPACES:
                    piece = Piece(values[label].astype("f4"), TIMES, 0.0, SECONDS, 0.0)
                    study["x"][name][label] = resample_timed(volumes, TR, [piece])

    study = write_study(folder, change=change)
    path = folder / "encoding.h5"
    inputs = (study["aligned"], study["bold"], study["samples"])
    fit_subject(encode_settings(model()), "01", *inputs, path)
    return folder, path, write_features(folder, values), values, inputs


def test_the_test_clip_seen_as_new_gives_the_stored_prediction(fitted, tmp_path):
    _, path, features, _, _ = fitted
    output = tmp_path / "predicted.h5"
    command = ["predict", "--encoding", str(path), "--output", str(output), "--features"]
    assert main([*command, *map(str, features)]) == 0
    encoding, _ = read_encoding(path)
    with open_h5(output, "prediction") as (file, provenance):
        assert provenance.simulated
        assert file["times"][()] == pytest.approx(TR / 2 + np.arange(120) * TR)
        expected = encoding.tests["clip"].prediction + encoding.fitted.intercept
        assert file["prediction"][4:] == pytest.approx(expected, abs=1e-4)
        assert expected.std() > 0.1
        assert np.array_equal(file["ijk"], encoding.ijk)


def test_a_network_predicts_the_test_clip_seen_as_new(fitted, tmp_path):
    folder, _, features, _, inputs = fitted
    path = folder / "network.h5"
    network = {"epochs": 4, "width": 8}
    settings = model(kind="tcn", network=network, components=3)
    fit_subject(encode_settings(settings, "net"), "01", *inputs, path)
    predict_stimulus(path, features, tmp_path / "out.h5")
    encoding, _ = read_encoding(path)
    assert encoding.about["network"]["width"] == 8
    with open_h5(tmp_path / "out.h5", "prediction") as (file, _):
        expected = encoding.tests["clip"].prediction + encoding.fitted.intercept
        assert expected.std() > 0.01
        assert file["prediction"][4:] == pytest.approx(expected, abs=1e-4)


def refused(fitted, tmp_path, match, features=None, **options):
    with pytest.raises(UserError, match=match) as caught:
        predict_stimulus(fitted[1], features or fitted[2], tmp_path / "out.h5", **options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.h5").exists()


def test_features_of_another_kind_are_refused(fitted, tmp_path):
    _, _, features, values, _ = fitted
    refused(fitted, tmp_path, "no features of motion/energy were", features[:2] + features[3:])
    refused(fitted, tmp_path, "no stimulus 'other' among clip", stimulus="other")
    two = write_features(tmp_path, values, ("a", "b"))
    refused(fitted, tmp_path, "holds a, b; choose one", two)
    wide = write_features(tmp_path, {k: np.hstack([v, v]) for k, v in values.items()})
    refused(fitted, tmp_path, "net/early: 12 columns for the new stimulus, 6 in training", wide)
    with h5py.File(wide[0], "r+") as file:
        file.attrs["sampling"] = "item"
    refused(fitted, tmp_path, "features of items have no time", wide)


def test_changed_or_missing_training_features_are_refused(fitted, tmp_path):
    aligned = fitted[0] / "net_early.h5"
    kept = aligned.read_bytes()
    try:
        with h5py.File(aligned, "r+") as file:
            file["runs/task-training_run-01"][0] += 1
        refused(fitted, tmp_path, "net_early.h5: has changed since")
        aligned.unlink()
        refused(fitted, tmp_path, "needs its training features .*net_early.h5")
    finally:
        aligned.write_bytes(kept)


def test_a_control_model_is_refused(fitted, tmp_path):
    copy = tmp_path / "control.h5"
    copy.write_bytes(fitted[1].read_bytes())
    with h5py.File(copy, "r+") as file:
        file.attrs["control"] = "shifted"
    refused((fitted[0], copy, fitted[2]), tmp_path, "is a control")
