"""Kinds of model through the stage: the same file from banded ridge, stacking and a network."""

import numpy as np
import pytest

from helpers.encoding_files import VOXELS, encode_settings, model, write_study
from helpers.inference_settings import inferring
from tristream.encode.encoding_file import read_encoding
from tristream.encode.fit import fit_subject
from tristream.encode.fit_inputs import read_inputs
from tristream.encode.models import fit_model
from tristream.encode.network_model import network_features
from tristream.errors import UserError
from tristream.inference.encoding import infer_encoding
from tristream.store import provenance_of

THIRD = VOXELS // 3
NETWORK = {"width": 24, "epochs": 40, "patience": 5, "learning_rate": 1e-2, "dropout": 0}
KINDS = {
    "stacking": {"kind": "stacking"},
    "tcn": {"kind": "tcn", "network": NETWORK},
    "rbf": {"kernels": {"ventral": "rbf", "dorsal": "polynomial"}},
    "spm": {"hrf": "spm"},
}


def fit(study, output, **changes):
    fit_subject(
        encode_settings(model(**changes)),
        "01",
        study["aligned"],
        study["bold"],
        study["samples"],
        output,
    )
    return read_encoding(output)[0]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module", params=KINDS)
def fitted(request, study, tmp_path_factory):
    output = tmp_path_factory.mktemp(request.param) / "encoding.h5"
    return request.param, output, fit(study, output, **KINDS[request.param])


def test_driven_voxels_are_predicted_by_their_band(fitted):
    _, _, encoding = fitted
    r, (ventral, dorsal) = encoding.scores.r, encoding.scores.band_r2
    assert r[: 2 * THIRD].mean() > 0.35
    assert abs(r[2 * THIRD :].mean()) < 0.15
    assert (ventral - dorsal)[:THIRD].mean() > 0.1
    assert (dorsal - ventral)[THIRD : 2 * THIRD].mean() > 0.1
    assert encoding.fitted.cv[: 2 * THIRD].mean() > encoding.fitted.cv[2 * THIRD :].mean() + 0.1


def test_the_file_is_that_of_every_model(fitted):
    kind, output, encoding = fitted
    (test,) = encoding.tests.values()
    assert test.band_prediction.sum(0) == pytest.approx(test.prediction, abs=1e-5)
    assert encoding.scores.band_r2.sum(0) == pytest.approx(encoding.scores.r2, abs=1e-5)
    assert encoding.bands == ["ventral", "dorsal"]
    assert encoding.about["model_kind"] == (kind if kind in ("stacking", "tcn") else "banded_ridge")
    assert encoding.about["hrf"] == ("spm" if kind == "spm" else "fir")
    assert encoding.fitted.gamma.shape == (2, VOXELS)
    assert encoding.fitted.cv.shape == (VOXELS,)
    assert provenance_of(output, "encoding").config["block"]["kind"] == encoding.about["model_kind"]


def test_convex_weights_are_stored(fitted):
    kind, _, encoding = fitted
    if kind == "tcn":
        assert np.isnan(encoding.fitted.gamma).all()
    else:
        assert encoding.fitted.gamma.sum(0) == pytest.approx(1, abs=1e-5)
        assert encoding.fitted.gamma[0, :THIRD].mean() > 0.6


def test_network_repeats_itself(study, tmp_path):
    quick = {"kind": "tcn", "network": {**NETWORK, "epochs": 2, "dropout": 0.3}}
    one, two = (fit(study, tmp_path / f"{i}.h5", **quick) for i in range(2))
    assert np.array_equal(one.tests["clip"].prediction, two.tests["clip"].prediction)
    assert one.about["epochs"] in (1, 2)
    other = fit(study, tmp_path / "3.h5", **quick, seed=1)
    assert not np.array_equal(one.tests["clip"].prediction, other.tests["clip"].prediction)


def test_network_features_enter_with_equal_power(study):
    inputs = read_inputs(model(), study["aligned"], study["bold"], study["samples"])
    train = [name for name in inputs.runs if "training" in name]
    rows = {name: run.rows for name, run in inputs.runs.items()}
    x, before, owner, constant = network_features(inputs.features, inputs.layout, rows, train, None)
    used = np.concatenate([x[n][inputs.runs[n].rows] for n in train])
    assert owner.tolist() == [0] * 10 + [1] * 8
    assert before is None
    assert set(constant.values()) == {0}
    power = used.var(0)
    assert power.mean() == pytest.approx(1, rel=1e-4)
    widths = np.cumsum([6, 4, 5, 3])[:-1]
    sums = [part.sum() for part in np.split(power, widths)]
    assert sums == pytest.approx([sums[0]] * 4, rel=1e-4)
    fewer, _, owner, _ = network_features(inputs.features, inputs.layout, rows, train, 2)
    assert owner.tolist() == [0] * 4 + [1] * 4
    assert fewer[train[0]].shape[1] == 8


def test_shapley_parts_of_one_band_are_its_prediction(study):
    inputs = read_inputs(
        model(bands={"all": ["net", "motion"]}), study["aligned"], study["bold"], study["samples"]
    )
    settings = model(bands={"all": ["net", "motion"]}, kind="tcn", network={"epochs": 2})
    train = [name for name in inputs.runs if "training" in name]
    found = fit_model(inputs, settings, train, ["task-test_run-01"], "cpu")
    assert found.predict(["task-test_run-01"]).shape == (1, 116, VOXELS)


def test_many_bands_of_a_network_are_refused(study):
    bands = {f"b{i}": ["net"] for i in range(9)}
    settings = model(bands=bands, kind="tcn")
    inputs = read_inputs(settings, study["aligned"], study["bold"], study["samples"])
    with pytest.raises(UserError, match="9 bands"):
        fit_model(inputs, settings, list(inputs.runs)[:3], [], "cpu")


def test_leave_one_run_out_of_another_kind_gets_no_p_values_and_says_why(tmp_path):
    study = write_study(tmp_path / "study", scheme="leave-one-run-out")
    encoding = fit(study, tmp_path / "encoding.h5", kind="stacking")
    assert len(encoding.tests) == 4
    assert encoding.scores.r[: 2 * THIRD].mean() > 0.35
    output = tmp_path / "inference.h5"
    infer_encoding(tmp_path / "encoding.h5", inferring(permutations=20), output)
    omitted = provenance_of(output, "inference").omitted
    assert {"p", "q"} <= {o.what for o in omitted}
    assert "banded_ridge alone" in omitted[0].why
