"""Feature decoders give PyFastL2LiR's predictions, and learn from training samples alone."""

import json

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from helpers import REPOSITORY
from tristream.decode import unit_ridge
from tristream.decode.feature_decoder import FeatureDecoder, average_showings

REFERENCE = json.loads((REPOSITORY / "tests/data/fastl2lir.json").read_text())


def planted(n: int = 120, voxels: int = 80, units: int = 40, noise: float = 1.0, seed: int = 0):
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((n, units)) * rng.uniform(0.5, 3, units) + 5
    x = (y - 5) @ rng.standard_normal((units, voxels)) / units**0.5
    return 2 * x + noise * rng.standard_normal((n, voxels)) - 3, y


def direct(x, y, new, k, alpha):
    """As the paper has it, unit by unit."""
    mean, scale = x.mean(0), x.std(0, ddof=1)
    x, new = (x - mean) / scale, (new - mean) / scale
    out = np.empty((len(new), y.shape[1]))
    for unit, target in enumerate(y.T):
        r = np.abs(np.corrcoef(x.T, target)[-1, :-1])
        chosen = np.argsort(r)[-k:]
        z = (target - target.mean()) / target.std(ddof=1)
        model = Ridge(alpha=alpha, fit_intercept=False).fit(x[:, chosen], z)
        out[:, unit] = model.predict(new[:, chosen]) * target.std(ddof=1) + target.mean()
    return out


@pytest.mark.parametrize("voxels", ["20", "50", "60"])
def test_predictions_are_those_of_fastl2lir(voxels):
    """Fewer voxels than samples, more, and all."""
    random = np.random.RandomState(0)
    x, y, new = random.randn(40, 60), random.randn(40, 4), random.randn(5, 60)
    y[:, :2] += x[:, :2] * 2
    decoder = FeatureDecoder(voxels=int(voxels), alpha=5.0).fit(x, y)
    expected = np.array(REFERENCE["predictions"][voxels])
    assert np.abs(decoder.predict(new) - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("alpha", [1e-7, 0.1, 100.0])
def test_weights_hold_where_float32_does_not(alpha):
    """Voxels that are nearly alike and a tiny penalty: refined, or solved in float64."""
    x, y = planted(noise=1e-3)
    x = np.repeat(x, 2, axis=1) + 1e-4 * np.random.default_rng(1).standard_normal((120, 160))
    found = FeatureDecoder(voxels=60, alpha=alpha).fit(x[:90], y[:90])
    expected = direct(x[:90], y[:90], x[90:], 60, alpha)
    error = np.abs(found.predict(x[90:]) - expected).max() / np.abs(expected).max()
    assert error < (1e-5 if alpha > 1e-6 else 1e-3)


def test_chunks_change_nothing(monkeypatch):
    x, y = planted(units=50)
    whole = FeatureDecoder(voxels=30, alpha=3.0).fit(x, y).predict(x)
    monkeypatch.setattr(unit_ridge, "BATCH", 4)
    parts = FeatureDecoder(voxels=30, alpha=3.0, memory=40_000).fit(x, y)
    assert len(list(parts.predict_units(x))) > 3
    assert np.allclose(parts.predict(x), whole, atol=1e-5)


def test_no_row_of_the_test_set_changes_what_was_learned():
    x, y = planted()
    decoder = FeatureDecoder(voxels=10, alpha=1.0).fit(x[:80], y[:80])
    alone = decoder.predict(x[80:81])
    assert np.allclose(decoder.predict(x[80:])[:1], alone)


def test_penalty_by_runs_is_that_of_a_search_by_hand():
    x, y = planted(noise=6.0, units=6)
    runs, alphas = np.repeat([0, 1, 2, 3], 30), [0.1, 30.0, 3000.0]
    for voxels in (15, None):
        k = voxels or x.shape[1]
        decoder = FeatureDecoder(voxels=voxels, alpha="cv", alphas=alphas).fit(x, y, runs=runs)
        table = np.zeros((3, 6))
        for run in range(4):
            train, test = runs != run, runs == run
            for row, alpha in enumerate(alphas):
                predicted = direct(x[train], y[train], x[test], k, alpha)
                table[row] += [
                    np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.T, y[test].T, strict=True)
                ]
        assert np.allclose(decoder.cv_, table.max(0) / 4, atol=1e-5)
        assert (decoder.alpha_ == np.array(alphas)[table.argmax(0)]).all()


def test_constant_voxels_and_units_are_harmless():
    x, y = planted()
    x[:, 3], y[:, 2] = 7.0, 4.0
    found = FeatureDecoder(voxels=10).fit(x, y)
    assert np.allclose(found.predict(x)[:, 2], 4.0)
    assert 3 not in found.voxels_[[0, 1, 3]]


def test_weights_give_the_predictions():
    x, y = planted()
    for voxels in (10, None):
        decoder = FeatureDecoder(voxels=voxels).fit(x, y)
        z = (x - decoder.x_mean_) / decoder.x_scale_
        byhand = z @ decoder.weights.T * decoder.y_scale_ + decoder.y_mean_
        assert np.allclose(byhand, decoder.predict(x), atol=1e-5)


def test_averages_over_showings():
    values, items = average_showings(np.array([[1.0], [5.0], [3.0]]), ["b", "a", "b"])
    assert items == ["a", "b"]
    assert values.tolist() == [[5.0], [2.0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y, r: (np.full_like(x, np.nan), y, r), "no column is finite"),
        (lambda x, y, r: (np.where(np.arange(80) == 3, np.nan, x), y, r), "1 of 80 columns"),
        (lambda x, y, r: (x, y, np.zeros(len(x))), "one run"),
        (lambda x, y, r: (x, y, np.r_[0, np.ones(len(x) - 1)]), "a fold needs three samples"),
        (lambda x, y, r: (x[:2], y[:2], r[:2]), "three at least"),
        (lambda x, y, r: (x, y[:-1], r), "120 samples, y 119"),
        (lambda x, y, r: (x, y, None), "give `runs`"),
        (lambda x, y, r: (np.ones_like(x), y, r), "no voxel varies"),
    ],
)
def test_faulty_input_is_refused(change, message):
    x, y = planted()
    x, y, runs = change(x, y, np.repeat([0, 1, 2, 3], 30))
    with pytest.raises(ValueError, match=message):
        FeatureDecoder(voxels=10, alpha="cv", alphas=[1.0]).fit(x, y, runs=runs)


@pytest.mark.gpu
def test_a_gpu_predicts_the_same():
    x, y = planted()
    pair = [FeatureDecoder(voxels=30, device=d).fit(x, y).predict(x) for d in ("cpu", "cuda")]
    assert np.allclose(*pair, atol=1e-4)
