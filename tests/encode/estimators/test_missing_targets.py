"""Targets with missing values are passed over, and others do not notice."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold

from tristream.encode.estimators import BandedRidgeCV, RidgeCV, StackedRidgeCV
from tristream.encode.estimators.missing_targets import with_missing

pytestmark = pytest.mark.filterwarnings("ignore::tristream.encode.estimators.GridEdgeWarning")
RUNS = np.repeat(np.arange(4), [24, 31, 20, 27])
ALPHAS = np.logspace(-1, 4, 6)
MISSING = np.array([False, True, False, False, True, False])
GRID = {"alphas": ALPHAS, "nan_targets": "skip"}
MODELS = {
    "ridge primal": RidgeCV(solver="primal", **GRID),
    "ridge exact": RidgeCV(solver="exact", **GRID),
    "primal": BandedRidgeCV(candidates=5, solver="primal", **GRID),
    "exact": BandedRidgeCV(candidates=5, solver="exact", select="best", **GRID),
    "skeleton": BandedRidgeCV(candidates=5, solver="skeleton", **GRID),
    "gradient": BandedRidgeCV(solver="gradient", **GRID),
    "stacked": StackedRidgeCV(**GRID),
}


def data():
    """Six targets, of which two hold a NaN and an infinity."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((len(RUNS), 12))
    y = x @ rng.standard_normal((12, 6))
    y = y + y.std(0) * rng.standard_normal(y.shape)
    y[3, 1], y[50, 4] = np.nan, -np.inf
    return x, y


def features(model, x):
    return x if isinstance(model, RidgeCV) else [x[:, :5], x[:, 5:]]


@pytest.mark.parametrize("name", MODELS)
def test_other_targets_are_what_they_are_alone(name):
    x, y = data()
    X = features(MODELS[name], x)
    found = clone(MODELS[name]).fit(X, y, RUNS)
    alone = clone(MODELS[name]).set_params(nan_targets="raise").fit(X, y[:, ~MISSING], RUNS)
    assert np.array_equal(found.nan_targets_, MISSING)
    assert not alone.nan_targets_.any()
    assert found.edge_ == alone.edge_
    for key, value in vars(alone).items():
        own = getattr(found, key)
        if isinstance(value, np.ndarray) and value.shape[-1] == 4 and key != "nan_targets_":
            assert own.dtype == value.dtype
            assert np.array_equal(own[..., ~MISSING], value), key
            assert np.isnan(own[..., MISSING]).all(), key
    assert found.coef_.shape == (6, 12)
    assert np.array_equal(found.coef_[~MISSING], alone.coef_)
    assert np.isnan(found.coef_[MISSING]).all()


@pytest.mark.parametrize("name", MODELS)
def test_predictions_and_scores_of_the_others_are_as_alone(name):
    x, y = data()
    X = features(MODELS[name], x)
    found = clone(MODELS[name]).fit(X, y, RUNS)
    alone = clone(MODELS[name]).set_params(nan_targets="raise").fit(X, y[:, ~MISSING], RUNS)
    for split in (False, True):
        predicted = found.predict(X, split=split)
        expected = alone.predict(X, split=split)
        assert predicted[..., ~MISSING] == pytest.approx(expected, abs=1e-12)
        assert np.isnan(predicted[..., MISSING]).all()
        scores = found.score_targets(X, y, split=split)
        assert scores[..., ~MISSING] == pytest.approx(
            alone.score_targets(X, y[:, ~MISSING], split=split), abs=1e-12
        )
        assert np.isnan(scores[..., MISSING]).all()
    assert found.score(X, y) == pytest.approx(alone.score(X, y[:, ~MISSING]))
    # A target that only the test data lack has a prediction, and no score.
    less = y.copy()
    less[7, 0] = np.nan
    assert np.isnan(found.score_targets(X, less)).tolist() == [
        True,
        True,
        False,
        False,
        True,
        False,
    ]


def test_by_default_they_are_refused():
    x, y = data()
    with pytest.raises(ValueError, match=r"2 of 6 voxels.*nan_targets='skip'"):
        RidgeCV(ALPHAS).fit(x, y, RUNS)
    with pytest.raises(ValueError, match="neither of raise, skip"):
        RidgeCV(ALPHAS, nan_targets="drop").fit(x, y, RUNS)
    whole = RidgeCV(ALPHAS).fit(x, y[:, ~MISSING], RUNS)
    with pytest.raises(ValueError, match="1 of 4 voxels"):
        whole.score(x, y[:, [0, 1, 2, 3]])


@pytest.mark.parametrize("model", [RidgeCV(**GRID), StackedRidgeCV(**GRID)])
def test_nothing_but_missing_values_is_an_error(model):
    x, y = data()
    with pytest.raises(ValueError, match="all 2 targets hold NaN"):
        model.fit(features(model, x), y[:, MISSING], RUNS)
    with pytest.raises(ValueError, match="all 1 targets hold NaN"):
        model.fit(features(model, x), y[:, 1], RUNS)


def test_tensors_and_searches_pass_over_them_too():
    x, y = data()
    model = RidgeCV(**GRID).fit(torch.from_numpy(x), torch.from_numpy(y), RUNS)
    predicted = model.predict(torch.from_numpy(x))
    assert isinstance(predicted, torch.Tensor)
    assert torch.isnan(predicted).any(0).numpy().tolist() == MISSING.tolist()
    search = GridSearchCV(RidgeCV(**GRID), {"fit_intercept": [True, False]}, cv=KFold(3))
    assert np.isfinite(search.fit(x, y).best_score_)


@pytest.mark.parametrize("solver", ["primal", "exact"])
def test_they_are_in_no_region(solver):
    x, y = data()
    regions = np.array(["a", "b", "b", "a", "a", "b"])
    model = RidgeCV(**GRID, solver=solver).fit(x, y, RUNS, regions=regions)
    alone = RidgeCV(ALPHAS, solver=solver).fit(x, y[:, ~MISSING], RUNS, regions=regions[~MISSING])
    assert np.array_equal(model.alpha_[~MISSING], alone.alpha_)
    assert np.isnan(model.alpha_[MISSING]).all()


def test_values_stand_where_their_targets_do():
    found = with_missing(np.array([[1.0, 2.0]]), np.array([True, False, False]))
    assert np.array_equal(found, [[np.nan, 1, 2]], equal_nan=True)
