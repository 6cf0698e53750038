"""Estimators whose targets share candidates by region, against himalaya and scikit-learn."""

import numpy as np
import pytest
from himalaya import ridge
from himalaya.backend import set_backend
from himalaya.scoring import r2_score
from sklearn.base import clone
from sklearn.linear_model import RidgeCV as OneRidgeCV
from sklearn.model_selection import LeaveOneGroupOut, ShuffleSplit

from tristream.encode.estimators import BandedRidgeCV, RidgeCV
from tristream.encode.estimators.solver_choice import choose_solver

pytestmark = [
    pytest.mark.filterwarnings("ignore::tristream.encode.estimators.GridEdgeWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:himalaya"),
]
RUNS = np.repeat(np.arange(4), [24, 31, 20, 27])
ALPHAS = np.logspace(-1, 4, 6)
REGIONS = np.repeat([3, 1, 2], 4)


def data(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((len(RUNS), 12))
    y = x @ rng.standard_normal((12, 12))
    return x, y + y.std(0) * rng.standard_normal(y.shape) * rng.uniform(0.2, 5, 12) + 1


@pytest.mark.parametrize("solver", ["primal", "exact"])
def test_one_region_is_one_penalty_for_all_as_of_himalaya_and_scikit_learn(solver):
    x, y = data()
    model = RidgeCV(ALPHAS, solver=solver).fit(x, y, RUNS, regions=np.zeros(12))
    (alpha,) = set(model.alpha_)
    # scikit-learn's takes the best mean R² of all targets, which it weighs alike.
    peer = OneRidgeCV(ALPHAS, cv=LeaveOneGroupOut().split(x, y, RUNS), scoring="r2").fit(x, y)
    assert alpha == peer.alpha_
    assert model.coef_ == pytest.approx(peer.coef_, abs=1e-8)
    assert model.intercept_ == pytest.approx(peer.intercept_, abs=1e-8)
    assert model.cv_.mean() == pytest.approx(peer.best_score_, abs=1e-9)
    set_backend("numpy")
    settings = {"score_func": r2_score, "local_alpha": False}
    other = ridge.RidgeCV(
        ALPHAS,
        fit_intercept=True,
        cv=LeaveOneGroupOut().split(x, y, RUNS),
        solver_params=settings,
    ).fit(x, y)
    assert np.unique(other.best_alphas_) == pytest.approx(alpha)
    assert model.coef_ == pytest.approx(other.coef_.T, abs=1e-6)
    # Targets alone take several.
    assert len(set(RidgeCV(ALPHAS, solver=solver).fit(x, y, RUNS).alpha_)) > 2


@pytest.mark.parametrize("select", ["best", "average"])
@pytest.mark.parametrize("solver", ["primal", "exact"])
def test_band_weights_and_penalty_are_one_a_region(solver, select):
    x, y = data()
    settings = {"alphas": ALPHAS, "candidates": 20, "solver": solver, "select": select}
    bands = [x[:, :5], x[:, 5:]]
    model = BandedRidgeCV(**settings).fit(bands, y, RUNS, regions=REGIONS)
    both = np.vstack([model.gamma_, model.alpha_])
    for name in (1, 2, 3):
        assert np.ptp(both[:, name == REGIONS], axis=1) == pytest.approx(0, abs=1e-12)
    assert len(np.unique(both, axis=1).T) >= 3
    alone = BandedRidgeCV(**settings).fit(bands, y, RUNS)
    assert (alone.cv_ >= model.cv_ - 1e-12).all()
    assert (alone.cv_ > model.cv_ + 1e-4).any()
    # One region fitted by itself is the same, the noise apart, which all tell together.
    if select == "best":
        own = REGIONS == 1
        other = BandedRidgeCV(**settings).fit(bands, y[:, own], RUNS, regions=REGIONS[own])
        assert other.predict(bands) == pytest.approx(model.predict(bands)[:, own], abs=1e-10)


@pytest.mark.parametrize(
    "model",
    [
        RidgeCV(ALPHAS),
        BandedRidgeCV(ALPHAS, candidates=4),
        BandedRidgeCV(ALPHAS, candidates=20, kernel="rbf"),
        BandedRidgeCV(ALPHAS, solver="gradient"),
    ],
)
def test_a_region_for_each_target_changes_nothing_at_all(model):
    x, y = data()
    X = x if isinstance(model, RidgeCV) else [x[:, :5], x[:, 5:]]
    none = clone(model).fit(X, y, RUNS)
    each = clone(model).fit(X, y, RUNS, regions=[f"voxel-{i}" for i in range(12)])
    assert each.solver_ == none.solver_
    for name in ("alpha_", "gamma_", "cv_", "intercept_"):
        assert np.array_equal(getattr(each, name), getattr(none, name))
    assert np.array_equal(each.predict(X), none.predict(X))


def test_regions_take_a_solver_that_can():
    x, y = data()
    bands = np.split(x, 4, axis=1)
    settings = {"alphas": ALPHAS, "candidates": 20}
    assert BandedRidgeCV(**settings).fit(bands, y, RUNS).solver_ == "gradient"
    assert BandedRidgeCV(**settings).fit(bands, y, RUNS, regions=REGIONS).solver_ == "primal"
    radial = BandedRidgeCV(**settings, kernel="rbf").fit(bands[:2], y, RUNS, regions=REGIONS)
    assert radial.solver_ == "exact"
    split = BandedRidgeCV(**settings, cv=ShuffleSplit(3, random_state=0))
    assert split.fit(bands[:2], y, regions=REGIONS).solver_ == "exact"
    with pytest.raises(ValueError, match="takes solver='exact' or 'primal'"):
        BandedRidgeCV(**settings, solver="gradient").fit(bands, y, RUNS, regions=REGIONS)


@pytest.mark.parametrize(
    ("regions", "match"),
    [
        (REGIONS[:-1], r"shape \(11,\) for 12 targets"),
        (REGIONS[:, None], r"shape \(12, 1\) for 12 targets"),
        (np.where(np.arange(12) < 3, np.nan, 1.0), "NaN for 3 targets"),
        ([None] * 6 + ["a"] * 6, "numbers or names"),
    ],
)
def test_labels_that_make_no_sense_are_refused(regions, match):
    x, y = data()
    with pytest.raises(ValueError, match=match):
        RidgeCV(ALPHAS).fit(x, y, RUNS, regions=regions)


def test_the_cheaper_solver_is_taken():
    groups = np.repeat(np.arange(5), 20)

    def chosen(widths, kinds, grid=(50, 20), **options):
        options = {"steps": True, "shared": False, "weighted": False, **options}
        return choose_solver("auto", widths, (100, 1000), groups, grid, kinds, **options)

    assert chosen([5, 5], ["linear"] * 2) == "primal"
    assert chosen([500, 5], ["linear"] * 2) == "skeleton"
    assert chosen([500, 5], ["linear"] * 2, shared=True) == "exact"
    assert chosen([500], ["linear"], (1, 20)) == "exact"
    assert chosen([5] * 4, ["rbf"] * 4) == "gradient"
    assert chosen([5] * 4, ["rbf"] * 4, steps=False) == "skeleton"
