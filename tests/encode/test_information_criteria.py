"""Information criteria of ridge against their definition, and what they choose."""

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from helpers.encoding_files import VOXELS, encode_settings, model, write_study
from tristream.cli import main
from tristream.encode.encoding_file import read_encoding
from tristream.encode.estimators import BandedRidgeCV
from tristream.encode.fit import fit_subject
from tristream.encode.information_criteria import effective_degrees, ridge_criteria
from tristream.encode.mixture import Mixture
from tristream.encode.residuals import Residuals, effective_samples
from tristream.encode.selection_table import compare_models, criteria_of
from tristream.errors import UserError
from tristream.store import read_table

RUNS = np.repeat(np.arange(3), [50, 60, 55])
N = len(RUNS)
THIRD = VOXELS // 3


def test_degrees_are_the_trace_of_the_hat_matrix():
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((N, p)) + 1 for p in (7, 20)]
    grams = torch.from_numpy(np.stack([a @ a.T for a in x]))
    gamma = np.array([[0.2, 0.5], [0.8, 0.5]])
    alpha = np.array([3.0, 100.0])
    index, share = np.array([[0, 1, 1], [0, 1, 0]]), np.array([[1, 1, 0.6], [0, 0, 0.4]])
    found = effective_degrees(grams, Mixture(gamma, alpha, index, share))
    hats = []
    for v in range(2):
        joined = np.hstack([a * np.sqrt(g) for a, g in zip(x, gamma[:, v], strict=True)])
        joined -= joined.mean(0)
        hats.append(joined @ np.linalg.solve(joined.T @ joined + alpha[v] * np.eye(27), joined.T))
    hats.append(0.4 * hats[0] + 0.6 * hats[1])
    assert found == pytest.approx([np.trace(hat) for hat in hats])


def test_independent_columns_without_penalty_are_degrees():
    x = np.random.default_rng(0).standard_normal((N, 9))
    gram = torch.from_numpy(x @ x.T)[None]
    found = effective_degrees(gram, Mixture.single(np.ones((1, 1)), np.array([1e-9])))
    assert found[0] == pytest.approx(9, abs=1e-3)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_samples_of_autoregressive_noise(rho):
    rng = np.random.default_rng(1)
    runs = np.repeat(np.arange(4), 500)
    noise = np.concatenate([lfilter([1], [1, -rho], rng.standard_normal((500, 40)), axis=0)] * 4)
    found = effective_samples(noise, runs).mean()
    assert found == pytest.approx(2000 * (1 - rho) / (1 + rho), rel=0.06)


def test_criteria_are_those_of_the_residuals_and_choose_the_true_model():
    rng = np.random.default_rng(2)
    true, other = rng.standard_normal((N, 6)), rng.standard_normal((N, 40))
    y = true @ rng.standard_normal((6, 30)) + 2 * rng.standard_normal((N, 30))
    found = {}
    for name, bands in {"true": [true], "both": [true, other], "other": [other]}.items():
        grams = np.stack([b @ b.T for b in bands])
        fixed = np.ones((1, len(bands)))
        ridge = BandedRidgeCV(alphas=[1.0], candidates=fixed, kernel="precomputed")
        ridge.fit(grams, y, runs=RUNS)
        residual = y - ridge.predict(grams)
        models = Mixture.single(ridge.gamma_, ridge.alpha_)
        c = ridge_criteria(torch.from_numpy(grams), models, Residuals.of(residual, RUNS))
        found[name] = c
        fit = c.samples * np.log((residual**2).mean(0))
        assert c.aic == pytest.approx(fit + 2 * (c.degrees + 1), rel=1e-6)
        assert c.bic == pytest.approx(fit + np.log(c.samples) * (c.degrees + 1), rel=1e-6)
    assert (found["true"].bic < found["both"].bic).mean() > 0.95
    assert (found["true"].aic < found["both"].aic).mean() > 0.8
    assert (found["true"].bic < found["other"].bic).mean() > 0.95


@pytest.fixture(scope="module")
def encodings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("selection")
    study = write_study(folder)
    files = study["aligned"], study["bold"], study["samples"]
    models = {
        "right": {},
        "half": {"bands": {"ventral": ["net"]}},
        "stacked": {"kind": "stacking"},
        "network": {"kind": "tcn", "network": {"width": 16, "epochs": 12, "learning_rate": 1e-2}},
    }
    for name, changes in models.items():
        path = folder / f"{name}.h5"
        fit_subject(encode_settings(model(**changes), name), "01", *files, path)
    return [folder / f"{name}.h5" for name in models]


def test_models_of_all_kinds_are_compared(encodings, tmp_path):
    output = tmp_path / "comparison.tsv"
    paths = [str(path) for path in encodings]
    assert main(["encode", "compare", "--encodings", *paths, "--output", str(output)]) == 0
    table, said = read_table(output, "selection")
    table = table.set_index("model")
    assert said.simulated
    assert list(table.index) == ["right", "half", "stacked", "network"]
    assert table["kind"].tolist() == ["banded_ridge", "banded_ridge", "stacking", "tcn"]
    assert table["cv_best"].sum() == pytest.approx(1)
    assert table["cv_mean"]["right"] > table["cv_mean"]["half"]
    assert table["cv_best"]["right"] > table["cv_best"]["half"]
    bic = {}
    for name, path in zip(["right", "half"], encodings[:2], strict=True):
        encoding, _ = read_encoding(path)
        bic[name] = criteria_of(encoding, path).bic
    right = bic["right"] < bic["half"]
    # Of voxels that one band drives, the smaller model says as much.
    assert right[THIRD : 2 * THIRD].all()
    assert right[:THIRD].mean() < 0.5
    predicted = np.max([read_encoding(path)[0].fitted.cv for path in encodings], 0) > 0
    assert table["bic_best"]["right"] == pytest.approx(right[predicted].mean(), abs=0.05)
    assert table["bic_best"][["right", "half"]].sum() == pytest.approx(1)
    assert np.isnan(table["aic_best"]["network"])
    assert [o.what for o in said.omitted] == ["AIC and BIC of stacked", "AIC and BIC of network"]
    # The residuals of a model with the right features are white: as many samples as there are.
    assert table["samples"]["right"] < 276
    assert table["samples"]["right"] > table["samples"]["half"]


def test_what_can_not_be_compared_is_refused(encodings, tmp_path):
    with pytest.raises(UserError, match="two encodings"):
        compare_models(encodings[:1], tmp_path / "out.tsv")

    def change(study):
        study["samples"].loc[study["samples"]["row"] == 30, "censor"] = True

    study = write_study(tmp_path, change=change)
    files = study["aligned"], study["bold"], study["samples"]
    fit_subject(encode_settings(model(), "m"), "01", *files, tmp_path / "m.h5")
    with pytest.raises(UserError, match="other volumes"):
        compare_models([encodings[0], tmp_path / "m.h5"], tmp_path / "out.tsv")
