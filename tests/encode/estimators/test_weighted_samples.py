"""Weights of samples in the estimators: against scikit-learn's Ridge and its scores."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import ShuffleSplit

from tristream.encode.estimators import BandedRidgeCV, RidgeCV
from tristream.encode.estimators.weighted_samples import Samples, read_weights

pytestmark = pytest.mark.filterwarnings("ignore::tristream.encode.estimators.GridEdgeWarning")
RUNS = np.repeat(np.arange(4), [24, 31, 20, 27])
ALPHAS = np.logspace(-1, 4, 6)
MODELS = {
    "ridge": RidgeCV(ALPHAS),
    "ridge exact": RidgeCV(ALPHAS, solver="exact"),
    "primal": BandedRidgeCV(ALPHAS, candidates=5, solver="primal"),
    "exact": BandedRidgeCV(ALPHAS, candidates=5, solver="exact"),
    "rbf": BandedRidgeCV(ALPHAS / 100, candidates=5, kernel="rbf"),
}


def data():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((len(RUNS), 12)) + 2
    y = x @ rng.standard_normal((12, 6))
    y = y + y.std(0) * rng.standard_normal(y.shape) * rng.uniform(0.2, 3, 6)
    return x, y, rng.gamma(1, 1, len(RUNS)) + 0.05


def features(model, x):
    return x if isinstance(model, RidgeCV) else [x[:, :5], x[:, 5:]]


@pytest.mark.parametrize("name", ["ridge", "ridge exact"])
def test_a_target_is_scikit_learn_s_ridge_at_its_penalty(name):
    x, y, weight = data()
    model = clone(MODELS[name]).fit(x, y, RUNS, sample_weight=weight)
    for v, alpha in enumerate(model.alpha_):
        peer = Ridge(alpha).fit(x, y[:, v], sample_weight=weight)
        assert model.coef_[v] == pytest.approx(peer.coef_, abs=1e-10)
        assert model.intercept_[v] == pytest.approx(peer.intercept_, abs=1e-10)
    predicted = model.predict(x)
    expected = r2_score(y, predicted, sample_weight=weight, multioutput="raw_values")
    assert model.score_targets(x, y, sample_weight=weight) == pytest.approx(expected)
    assert model.score(x, y, sample_weight=weight) == pytest.approx(expected.mean())
    assert not np.allclose(model.score_targets(x, y), expected, atol=1e-3)
    model.set_params(score_func="correlation")
    for v, r in enumerate(model.score_targets(x, y, sample_weight=weight)):
        covariance = np.cov(y[:, v], predicted[:, v], aweights=weight)
        assert r == pytest.approx(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))


@pytest.mark.parametrize("name", MODELS)
def test_a_sample_of_weight_zero_is_not_there(name):
    x, y, weight = data()
    gone = np.random.default_rng(1).random(len(x)) < 0.3
    weight[gone] = 0
    wild_x, wild_y = x.copy(), y.copy()
    wild_x[gone], wild_y[gone] = 1e3, -1e4
    X = features(MODELS[name], wild_x)
    model = clone(MODELS[name]).fit(X, wild_y, RUNS, sample_weight=weight)
    less = features(MODELS[name], x[~gone])
    alone = clone(MODELS[name]).fit(less, y[~gone], RUNS[~gone], sample_weight=weight[~gone])
    assert np.array_equal(model.alpha_, alone.alpha_)
    assert np.array_equal(model.cv_, alone.cv_)
    new = features(MODELS[name], x)
    assert np.array_equal(model.predict(new), alone.predict(new))
    scores = model.score_targets(new, wild_y, sample_weight=weight)
    few = model.score_targets(less, y[~gone], sample_weight=weight[~gone])
    assert scores == pytest.approx(few)


def test_kernels_as_given_are_those_of_features():
    x, y, weight = data()
    weight[[3, 40, 41]] = 0
    bands = [x[:, :5], x[:, 5:]]
    linear = clone(MODELS["exact"]).fit(bands, y, RUNS, sample_weight=weight)
    grams = np.stack([b @ b.T for b in bands])
    model = BandedRidgeCV(ALPHAS, candidates=5, kernel="precomputed")
    model.fit(grams, y, RUNS, sample_weight=weight)
    assert model.solver_ == "exact"
    assert model.dual_.shape[-2] == len(x)
    assert (model.dual_[..., [3, 40, 41], :] == 0).all()
    assert model.predict(grams) == pytest.approx(linear.predict(bands), abs=1e-7)
    assert pytest.approx(linear.coef_, abs=1e-8) == np.vstack(model.get_primal_coef(bands)).T
    assert model.cv_ == pytest.approx(linear.cv_, abs=1e-9)


def test_shares_of_bands_add_up_under_weights():
    x, y, weight = data()
    bands = [x[:, :5], x[:, 5:]]
    model = clone(MODELS["primal"]).fit(bands, y, RUNS, sample_weight=weight)
    split = model.score_targets(bands, y, split=True, sample_weight=weight)
    whole = model.score_targets(bands, y, sample_weight=weight)
    assert split.sum(0) == pytest.approx(whole, abs=1e-9)


def test_solvers_that_can_not_weigh_are_not_taken():
    x, y, weight = data()
    parts = np.split(x, 4, axis=1)
    assert BandedRidgeCV(ALPHAS).fit(parts, y, RUNS).solver_ == "gradient"
    assert BandedRidgeCV(ALPHAS).fit(parts, y, RUNS, sample_weight=weight).solver_ == "primal"
    assert clone(MODELS["rbf"]).fit(parts, y, RUNS, sample_weight=weight).solver_ == "exact"
    for solver in ("gradient", "skeleton"):
        with pytest.raises(ValueError, match=f"'exact' or 'primal', not '{solver}'"):
            BandedRidgeCV(ALPHAS, solver=solver).fit(parts, y, RUNS, sample_weight=weight)


def test_targets_that_are_skipped_and_regions_go_with_weights():
    x, y, weight = data()
    fine = np.logspace(-1, 4, 40)
    regions = np.array([0, 0, 1, 1, 1, 0])
    alone = RidgeCV(fine).fit(x, y[:, 1:], RUNS, regions=regions[1:], sample_weight=weight)
    y[4, 0] = np.nan
    model = RidgeCV(fine, nan_targets="skip")
    model.fit(x, y, RUNS, regions=regions, sample_weight=weight)
    assert np.array_equal(model.alpha_[1:], alone.alpha_)
    assert len(set(model.alpha_[1:])) == 2
    assert np.isnan(model.score_targets(x, y, sample_weight=weight)[0])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda w: w[1:], r"shape \(101,\) for 102 samples"),
        (lambda w: w[:, None], r"shape \(102, 1\)"),
        (lambda w: -w, "not negative"),
        (lambda w: np.where(RUNS == 1, np.nan, w), "finite"),
        (lambda w: w * 0, "zero for all samples"),
        (lambda w: np.where(RUNS == 2, 0, w), "group 2 has 0 samples of a weight above 0"),
        (lambda w: np.where(np.arange(102) > 75, 0, w), "group 3 has 1 samples"),
    ],
)
@pytest.mark.parametrize("solver", ["primal", "exact"])
def test_weights_that_make_no_sense_are_refused(change, match, solver):
    x, y, weight = data()
    with pytest.raises(ValueError, match=match):
        RidgeCV(ALPHAS, solver=solver).fit(x, y, RUNS, sample_weight=change(weight))


def test_overlapping_folds_are_refused():
    x, y, weight = data()
    with pytest.raises(ValueError, match="each leave a group"):
        RidgeCV(ALPHAS, cv=ShuffleSplit(3)).fit(x, y, sample_weight=weight)


def test_without_weights_nothing_is_left_out():
    used = Samples([torch.zeros(4, 2)], torch.zeros(4, 1), np.array([0, 0, 1, 1]))
    assert used.weighted(None, kernels=False) is used
    assert read_weights(None, 4) is None
    less = used.weighted(read_weights([1, 2, 0.5, 3], 4), kernels=False)
    assert less.kept is None
    assert less.weight.tolist() == [1, 2, 0.5, 3]
