"""Fits in the space of features: when they are taken, and what is refused uncomputed."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone

from tristream.encode.estimators import BandedRidgeCV, GridEdgeWarning, RidgeCV, many_samples
from tristream.encode.estimators.solver_choice import choose_solver

RUNS = np.repeat(np.arange(4), [50, 70, 60, 65])
ALPHAS = np.logspace(-1, 4, 6)

pytestmark = pytest.mark.filterwarnings("ignore::tristream.encode.estimators.GridEdgeWarning")


def data(columns=(8, 12), voxels=30, seed=0, offset=2.0):
    rng = np.random.default_rng(seed)
    bands = [rng.standard_normal((len(RUNS), p)) + offset for p in columns]
    signal = sum(x @ rng.standard_normal((x.shape[1], voxels)) for x in bands)
    return bands, signal + 2 * signal.std(0) * rng.standard_normal(signal.shape) + 3


@pytest.mark.parametrize("select", ["average", "best"])
@pytest.mark.parametrize("intercept", [True, False])
def test_all_directions_are_the_fit_with_kernels(intercept, select):
    bands, y = data()
    new = [x + 1 for x in bands]
    options = {
        "alphas": ALPHAS,
        "candidates": 6,
        "fit_intercept": intercept,
        "select": select,
        "solver": "exact",
    }
    theirs = BandedRidgeCV(**options).fit(bands, y, runs=RUNS)
    ours = BandedRidgeCV(**options, directions=20).fit(bands, y, runs=RUNS)
    assert ours.dual_ is None
    np.testing.assert_allclose(ours.cv_, theirs.cv_, atol=1e-9)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-6, atol=1e-6)
    for split in (False, True):
        np.testing.assert_allclose(
            ours.predict(new, split=split), theirs.predict(new, split=split), atol=1e-6
        )
    np.testing.assert_allclose(
        ours.score_targets(new, y, split=True), theirs.score_targets(new, y, split=True), atol=1e-7
    )
    if select == "average":
        assert ours.temperature_ == pytest.approx(theirs.temperature_, rel=1e-6)
        np.testing.assert_allclose(ours.averaged_, theirs.averaged_, rtol=1e-5)
    assert ours.directions_loss_ == 0
    assert not ours.left_out_.any()


def test_one_band_with_few_directions_says_what_is_lost():
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((len(RUNS), 10))
    x = latent @ rng.standard_normal((10, 300)) + 1e-3 * rng.standard_normal((len(RUNS), 300))
    y = latent @ rng.standard_normal((10, 30)) + rng.standard_normal((len(RUNS), 30))
    exact = RidgeCV(ALPHAS, solver="exact").fit(x, y, runs=RUNS)
    found = clone(RidgeCV(ALPHAS, directions=15)).fit(x, y, runs=RUNS)
    assert found.solver_ == "skeleton"
    assert 0 < found.left_out_[0] < 1e-3
    assert abs(found.directions_loss_) < 6e-5
    same = found.alpha_ == exact.alpha_
    assert same.mean() > 0.5
    np.testing.assert_allclose(found.cv_, exact.cv_, atol=2e-4)
    np.testing.assert_allclose(found.predict(x)[:, same], exact.predict(x)[:, same], atol=0.02)
    with pytest.warns(UserWarning, match="3 directions lose"):
        few = RidgeCV(ALPHAS, directions=3).fit(x, y, runs=RUNS)
    assert few.directions_loss_ > 0.1


def test_very_many_samples_take_features_and_few_take_kernels(monkeypatch):
    bands, y = data(voxels=400)
    options = {"alphas": ALPHAS, "candidates": 40, "solver": "skeleton"}
    kernels = BandedRidgeCV(**options).fit(bands, y, runs=RUNS)
    assert kernels.dual_ is not None
    monkeypatch.setattr(many_samples, "KERNELS", 2**10)
    features = BandedRidgeCV(**options).fit(bands, y, runs=RUNS)
    assert features.dual_ is None
    assert features.solver_ == "skeleton"
    assert not hasattr(features, "directions_loss_")
    assert abs(features.cv_ - kernels.cv_).mean() < 3e-5
    overlapping = [(np.arange(100), np.arange(100, 245)), (np.arange(150, 245), np.arange(120))]
    few = [x[:, :3] for x in bands]
    assert BandedRidgeCV(ALPHAS, 2, cv=overlapping).fit(few, y[:, :3]).dual_ is not None
    rbf = BandedRidgeCV(ALPHAS, 2, kernel="rbf").fit(few, y[:, :3], runs=RUNS)
    assert rbf.dual_ is not None


def test_auto_is_the_skeleton_where_its_operations_are_fewer():
    """20,000 samples, as of single trials; by shapes alone, nothing is computed."""
    groups, linear = np.repeat(np.arange(5), 4000), ["linear"]
    alone = {"steps": False, "shared": False, "weighted": False}
    for candidates, solver in ((100, "skeleton"), (1, "primal")):
        grid = (candidates, 20)
        assert choose_solver("auto", [2000], (20000, 5000), groups, grid, linear, **alone) == solver


@pytest.mark.parametrize("more", [{"regions": [0, 0, 1]}, {"sample_weight": np.ones(40)}])
def test_directions_take_neither_regions_nor_weights(more):
    x, y = np.random.default_rng(0).standard_normal((2, 40, 3))
    with pytest.raises(ValueError, match="neither regions nor sample_weight"):
        BandedRidgeCV(directions=2, candidates=1).fit([x], y, **more)


def test_kernels_that_do_not_fit_are_refused_before_they_are_made():
    x = np.zeros((300_000, 2), np.float32)
    y = np.zeros((300_000, 1), np.float32)
    for kernel, what in (("linear", "directions=2000"), ("rbf", "average samples")):
        with pytest.raises(ValueError, match=what):
            BandedRidgeCV(kernel=kernel, candidates=1, solver="exact", device="cpu").fit([x], y)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"directions": 0}, "1 at least"),
        ({"directions": 2.5}, "1 at least"),
        ({"directions": 5, "kernel": "rbf"}, "linear kernels"),
        ({"directions": 5, "solver": "primal"}, "solver='auto'"),
        ({"directions": 5, "solver": "gradient"}, "solver='auto'"),
    ],
)
def test_directions_that_can_not_be_kept_are_refused(options, what):
    bands, y = data()
    with pytest.raises(ValueError, match=what):
        BandedRidgeCV(**options).fit(bands, y, runs=RUNS)


def test_four_bands_with_directions_are_searched():
    bands, y = data((3, 4, 5, 6))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GridEdgeWarning)
        model = BandedRidgeCV(ALPHAS, 10, directions=30).fit(bands, y, runs=RUNS)
    assert model.solver_ in ("skeleton", "exact")
    assert model.directions_loss_ == 0
