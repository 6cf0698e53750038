"""The estimators: scikit-learn's own checks, its Ridge, and data that are not nice."""

import warnings

import numpy as np
import pytest
import torch
from himalaya.scoring import r2_score_split
from sklearn.base import clone
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, LeaveOneGroupOut, ShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from tristream.encode.estimators import (
    BandedRidgeCV,
    GridEdgeWarning,
    RidgeCV,
    StackedRidgeCV,
)
from tristream.encode.prediction_scores import correlation

RUNS = np.repeat(np.arange(4), [24, 31, 20, 27])
ALPHAS = np.logspace(-1, 4, 6)
SOLVERS = ["primal", "exact"]

pytestmark = pytest.mark.filterwarnings("ignore::tristream.encode.estimators.GridEdgeWarning")


def data(p=12, voxels=6, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((len(RUNS), p))
    signal = x @ rng.standard_normal((p, voxels))
    return x, signal + signal.std(0) * rng.standard_normal(signal.shape) + 2


CHECKS = [
    pytest.param(estimator, check, id=f"{type(estimator).__name__}-{check.func.__name__}-{i}")
    for model in (RidgeCV(), BandedRidgeCV(candidates=3))
    for i, (estimator, check) in enumerate(estimator_checks_generator(model))
    # Needs an experimental mode of scipy.
    if check.func.__name__ != "check_array_api_input"
]


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learn_accepts_the_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("p", [12, 300])
def test_one_voxel_equals_scikit_learn_ridge(solver, alpha, p):
    x, y = data(p)
    model = RidgeCV(alphas=[alpha], solver=solver).fit(x, y[:, 0], runs=RUNS)
    peer = Ridge(alpha, solver="svd").fit(x, y[:, 0])
    assert model.predict(x) == pytest.approx(peer.predict(x), abs=1e-5)
    assert model.coef_ == pytest.approx(peer.coef_, abs=1e-5)
    assert model.intercept_[0] == pytest.approx(peer.intercept_, abs=1e-5)
    assert model.solver_ == solver


@pytest.mark.parametrize("kernel", ["rbf", "polynomial"])
def test_nonlinear_kernels_equal_scikit_learn_kernel_ridge(kernel):
    x, y = data()
    model = BandedRidgeCV(alphas=[0.5], kernel=kernel, degree=3).fit([x], y, runs=RUNS)
    scale = model.maps_[0].scale
    if kernel == "rbf":
        pairs = ((x[:, None] - x[None]) ** 2).sum(2)[np.triu_indices(len(x), 1)]
        assert scale == pytest.approx(np.median(pairs), rel=1e-3)
        peer = KernelRidge(alpha=0.5, kernel="rbf", gamma=1 / (2 * scale))
    else:
        peer = KernelRidge(alpha=0.5, kernel="poly", gamma=1 / scale, coef0=1, degree=3)
    # KernelRidge has no intercept; centred kernels and data give ours.
    new = x[:9] + 0.1
    gram = peer._get_kernel(x)
    across = peer._get_kernel(new, x)
    centred = gram - gram.mean(0) - gram.mean(1)[:, None] + gram.mean()
    dual = np.linalg.solve(centred + 0.5 * np.eye(len(x)), y - y.mean(0))
    expected = (across - gram.mean(0) - across.mean(1)[:, None] + gram.mean()) @ dual + y.mean(0)
    assert model.predict(new) == pytest.approx(expected, abs=1e-6)


def test_nonlinear_band_finds_what_a_linear_one_can_not():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((len(RUNS), 2))
    y = (x[:, :1] * x[:, 1:]) + 0.1 * rng.standard_normal((len(RUNS), 1))
    linear = RidgeCV(alphas=ALPHAS).fit(x, y, runs=RUNS)
    bands = BandedRidgeCV(alphas=np.logspace(-4, 2, 7), kernel=["linear", "rbf"], candidates=4)
    assert linear.cv_[0] < 0.2
    assert bands.fit([x, x], y, runs=RUNS).cv_[0] > 0.7


def test_solvers_and_forms_of_input_agree():
    x, y = data()
    parts = [x[:, :5], x[:, 5:]]
    settings = {"alphas": ALPHAS, "candidates": 7, "cv": RUNS, "select": "best"}
    listed = BandedRidgeCV(**settings, solver="primal").fit(parts, y)
    sliced = BandedRidgeCV(**settings, bands=[slice(0, 5), slice(5, 12)], solver="exact").fit(x, y)
    named = BandedRidgeCV(**settings, bands={"a": np.arange(5), "b": np.arange(5, 12)}).fit(x, y)
    tensors = BandedRidgeCV(**settings).fit(
        [torch.from_numpy(p) for p in parts], torch.from_numpy(y)
    )
    grams = np.stack([p @ p.T for p in parts])
    kernels = BandedRidgeCV(**settings, kernel="precomputed").fit(grams, y)
    expected = listed.predict(parts)
    assert sliced.predict(x) == pytest.approx(expected, abs=1e-7)
    assert named.predict(x) == pytest.approx(expected, abs=1e-7)
    assert named.bands_ == ["a", "b"]
    assert kernels.predict(grams) == pytest.approx(expected, abs=1e-7)
    assert sliced.coef_ == pytest.approx(listed.coef_, abs=1e-7)
    back = tensors.predict([torch.from_numpy(p) for p in parts])
    assert isinstance(back, torch.Tensor)
    assert back.numpy() == pytest.approx(expected, abs=1e-7)
    split = listed.predict(parts, split=True)
    assert split.sum(0) + listed.intercept_ == pytest.approx(expected, abs=1e-9)


def test_float32_stays_float32_and_close():
    x, y = data()
    narrow = RidgeCV(alphas=ALPHAS, cv=RUNS).fit(x.astype("f4"), y.astype("f4"))
    wide = RidgeCV(alphas=ALPHAS, cv=RUNS).fit(x, y)
    found = narrow.predict(x.astype("f4"))
    assert found.dtype == np.float32
    assert found == pytest.approx(wide.predict(x), abs=1e-4)
    assert narrow.cv_ == pytest.approx(wide.cv_, abs=2e-6)


@pytest.mark.parametrize("solver", ["primal", "skeleton"])
def test_targets_on_disk_stay_there(solver, tmp_path):
    x, y = data(voxels=40)
    np.save(tmp_path / "y.npy", y.astype("f4"))
    mapped = torch.from_numpy(np.load(tmp_path / "y.npy", mmap_mode="c"))
    settings = {"alphas": ALPHAS, "candidates": 20, "cv": RUNS, "solver": solver}
    model = BandedRidgeCV(**settings, memory=0).fit([x[:, :5], x[:, 5:]], mapped)
    held = BandedRidgeCV(**settings).fit([x[:, :5], x[:, 5:]], y.astype("f4"))
    assert model.predict([x[:, :5], x[:, 5:]]) == pytest.approx(
        held.predict([x[:, :5], x[:, 5:]]), abs=1e-4
    )


def test_pipeline_clone_and_cross_validation():
    x, y = data()
    bands = [slice(0, 5), slice(5, 12)]
    model = make_pipeline(StandardScaler(), BandedRidgeCV(alphas=ALPHAS, candidates=4, bands=bands))
    scores = cross_val_score(clone(model), x, y, cv=KFold(3))
    assert scores.shape == (3,)
    assert scores.min() > 0.1
    model.fit(x, y, bandedridgecv__runs=RUNS)
    assert model.score(x, y) == pytest.approx(
        model[-1].score_targets(model[0].transform(x), y).mean()
    )


def test_folds_may_be_given_in_every_usual_form():
    x, y = data()
    expected = RidgeCV(alphas=ALPHAS).fit(x, y, runs=RUNS).cv_
    splitter = LeaveOneGroupOut()
    for cv, runs in ((RUNS, None), (splitter, RUNS), (list(splitter.split(x, y, RUNS)), None)):
        found = RidgeCV(alphas=ALPHAS, cv=cv).fit(x, y, runs=runs)
        assert found.cv_ == pytest.approx(expected)
    names = RidgeCV(alphas=ALPHAS).fit(x, y, runs=np.array([f"run-{i}" for i in RUNS]))
    assert names.cv_ == pytest.approx(expected)


@pytest.mark.parametrize("solver", SOLVERS)
def test_duplicate_and_constant_columns_change_nothing_that_they_should_not(solver):
    x, y = data()
    doubled = np.hstack([x, x, np.full((len(x), 2), 5.0)])
    one = RidgeCV(alphas=[2.0], cv=RUNS, solver=solver).fit(x, y)
    # A column twice under twice the penalty is the column.
    two = RidgeCV(alphas=[4.0], cv=RUNS, solver=solver).fit(doubled, y)
    assert two.predict(doubled) == pytest.approx(one.predict(x), abs=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_extreme_penalties(solver, dtype):
    """1e-10 is least squares, 1e20 the mean; neither overflows."""
    x, y = data(p=40)
    x, y = np.hstack([x, x[:, :3]]).astype(dtype), y.astype(dtype)
    small = RidgeCV(alphas=[1e-10], cv=RUNS, solver=solver).fit(x, y)
    design = np.hstack([np.ones((len(x), 1)), x.astype("f8")])
    expected = design @ np.linalg.lstsq(design, y.astype("f8"), rcond=1e-7)[0]
    assert small.predict(x) == pytest.approx(expected, abs=1e-2 if dtype == "f4" else 1e-4)
    large = RidgeCV(alphas=[1e20], cv=RUNS, solver=solver).fit(x, y)
    assert large.predict(x) == pytest.approx(np.tile(y.mean(0), (len(y), 1)), abs=1e-5)
    both = RidgeCV(alphas=[1e-10, 1e20], cv=RUNS, solver=solver).fit(x, y)
    assert np.isfinite(both.cv_).all()


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_band_of_zeros_predicts_nothing(solver):
    x, y = data()
    parts = [x, np.zeros((len(x), 4))]
    model = BandedRidgeCV(alphas=ALPHAS, candidates=6, cv=RUNS, solver=solver).fit(parts, y)
    split = model.predict(parts, split=True)
    assert np.abs(split[1]).max() < 1e-9
    assert np.abs(split[0]).max() > 0.1


@pytest.mark.parametrize("solver", ["auto", *SOLVERS])
def test_far_fewer_samples_than_features(solver):
    x, y = data(p=len(RUNS) + 100)
    model = RidgeCV(alphas=[3.0], cv=RUNS, solver=solver).fit(x, y)
    assert model.predict(x) == pytest.approx(Ridge(3.0).fit(x, y).predict(x), abs=1e-5)
    if solver == "auto":
        assert model.solver_ == "exact"


def test_the_form_that_takes_fewer_operations_is_chosen():
    x, y = data(p=8, voxels=50)
    assert RidgeCV(cv=RUNS).fit(x, y).solver_ == "primal"
    assert RidgeCV(cv=RUNS).fit(np.hstack([x] * 30), y).solver_ == "exact"
    assert BandedRidgeCV(candidates=3, cv=RUNS, kernel="rbf").fit([x, x], y).solver_ == "skeleton"
    shuffled = ShuffleSplit(3, random_state=0)
    assert RidgeCV(cv=shuffled).fit(x, y).solver_ == "exact"


def test_many_bands_take_steps_where_weights_may_be_any():
    x, y = data(p=20, voxels=8)
    parts = np.split(x, 4, axis=1)
    model = BandedRidgeCV(alphas=ALPHAS, cv=RUNS).fit(parts, y)
    assert model.solver_ == "gradient"
    assert model.gamma_.shape == (4, 8)
    assert (model.cv_ >= model.start_).all()
    assert (model.alpha_ >= ALPHAS.min()).all()
    assert (model.alpha_ <= ALPHAS.max()).all()
    split = model.predict(parts, split=True)
    assert split.sum(0) + model.intercept_ == pytest.approx(model.predict(parts), abs=1e-8)
    assert x @ model.coef_.T + model.intercept_ == pytest.approx(model.predict(parts), abs=1e-8)
    # Ridge of features times the roots of their weights is what each target gets.
    scaled = np.hstack([p * g**0.5 for p, g in zip(parts, model.gamma_[:, 2], strict=True)])
    peer = Ridge(model.alpha_[2]).fit(scaled, y[:, 2])
    assert model.predict(parts)[:, 2] == pytest.approx(peer.predict(scaled), abs=1e-6)
    for other in ({"candidates": np.eye(4)}, {"candidates": 1}, {"cv": ShuffleSplit(3)}):
        fitted = BandedRidgeCV(**{"alphas": ALPHAS, "cv": RUNS, **other}).fit(parts, y)
        assert fitted.solver_ != "gradient"
    assert BandedRidgeCV(cv=RUNS, candidates=9).fit(parts[:3], y).solver_ != "gradient"


@pytest.mark.parametrize("kernel", ["rbf", "sigmoid"])
def test_steps_of_other_kernels_raise_the_score(kernel):
    x, y = data(p=20, voxels=8)
    parts = np.split(x / x.std(0), 4, axis=1)
    grid = np.logspace(1, 3, 7)
    model = BandedRidgeCV(alphas=grid, cv=RUNS, kernel=kernel).fit(parts, y)
    assert model.solver_ == "gradient"
    assert (model.cv_ >= model.start_).all()
    assert model.cv_.mean() > model.start_.mean()


def test_penalties_at_the_end_of_the_grid_are_told():
    x, y = data()
    with pytest.warns(GridEdgeWarning, match=r"100% .* take the smallest alpha, 300"):
        RidgeCV(alphas=[300, 3000], cv=RUNS).fit(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RidgeCV(alphas=np.logspace(-3, 6, 30), cv=RUNS).fit(x, y)


def broken(x, where):
    out = x.copy()
    out[where] = np.nan
    return out


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda x, y: ([x, broken(x, (3, 4))], y, RUNS), "band 1 has NaN .* 1 of 12 columns"),
        (lambda x, y: ([x, x], broken(y, (3, [1, 2])), RUNS), "2 of 6 voxels"),
        (lambda x, y: ([x, x[:-1]], y, RUNS), "different numbers of samples"),
        (lambda x, y: ([x, x], y[:-1], RUNS), "X has 102 samples, y has 101"),
        (lambda x, y: ([x, x], y, RUNS[:-1]), "runs of"),
        (lambda x, y: ([x, x], y, np.zeros(len(x))), "two groups"),
        (lambda x, y: ([x[:3], x[:3]], y[:3], None), "n_samples=3 is too few for cv=5"),
        (lambda x, y: ([x, x[:, :0]], y, RUNS), "0 feature"),
    ],
)
def test_what_can_not_be_fitted_is_refused(change, match):
    bands, y, runs = change(*data())
    with pytest.raises(ValueError, match=match):
        BandedRidgeCV(candidates=3).fit(bands, y, runs)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"alphas": [1.0, -1.0]}, "alphas must be positive"),
        ({"candidates": 0}, "candidates must be 1"),
        ({"candidates": np.ones((2, 5))}, r"\(candidates, 2\)"),
        ({"kernel": ["linear"]}, "1 kernels for 2 bands"),
        ({"kernel": ["linear", "cubic"]}, "band 1: kernel 'cubic'"),
        ({"kernel": "rbf", "solver": "primal"}, "linear kernels"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, match):
    x, y = data()
    with pytest.raises(ValueError, match=match):
        BandedRidgeCV(**settings).fit([x, x], y, RUNS)


def test_new_data_must_look_like_the_training_data():
    x, y = data()
    model = BandedRidgeCV(candidates=3).fit([x, x[:, :4]], y, RUNS)
    with pytest.raises(ValueError, match=r"fitted with \[12, 4\]"):
        model.predict([x, x])


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("solver", ["exact", "skeleton"])
def test_features_far_from_zero_lose_nothing(kernel, solver):
    """An offset of a million is all that an uncentred kernel holds in float32, and much in 64."""
    x, y = data(40)
    settings = {"alphas": [1.0, 10.0], "candidates": 3, "kernel": kernel, "solver": solver}
    bands = [x[:, :20], x[:, 20:]]
    near = BandedRidgeCV(**settings).fit(bands, y, runs=RUNS)
    far = BandedRidgeCV(**settings).fit([b + 1e6 for b in bands], y, runs=RUNS)
    assert np.array_equal(far.alpha_, near.alpha_)
    expected = near.predict(bands)
    moved = [b + 1e6 for b in bands]
    assert far.predict(moved) == pytest.approx(expected, abs=1e-5)
    split = far.predict(moved, split=True)
    assert split.sum(0) + far.intercept_ == pytest.approx(expected, abs=1e-2)
    if kernel == "linear":
        assert far.coef_ == pytest.approx(near.coef_, abs=1e-6)
        assert moved[0] @ far.coef_[:, :20].T == pytest.approx(split[0], abs=1e-2)


def test_stacked_bands_far_from_zero_lose_nothing():
    x, y = data(40)
    bands = [x[:, :20], x[:, 20:]]
    near = StackedRidgeCV(alphas=[1.0, 10.0]).fit(bands, y, runs=RUNS)
    far = StackedRidgeCV(alphas=[1.0, 10.0]).fit([b + 1e6 for b in bands], y, runs=RUNS)
    assert far.predict([b + 1e6 for b in bands]) == pytest.approx(near.predict(bands), abs=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("score", ["R2", "bogus", correlation])
def test_an_unknown_score_is_refused(solver, score):
    x, y = data()
    with pytest.raises(ValueError, match="score_func"):
        RidgeCV(score_func=score, solver=solver).fit(x, y, runs=RUNS)


@pytest.mark.parametrize(
    "bands",
    [
        pytest.param({"a": slice(0, 5), "b": slice(5, 10)}, id="columns of no band"),
        pytest.param([slice(0, 8), slice(5, 12)], id="columns of two bands"),
        pytest.param({"a": [0, 1, 2], "b": [3, 4, 5]}, id="columns before a delayer"),
    ],
)
def test_bands_that_are_not_the_columns_are_refused(bands):
    x, y = data()
    with pytest.raises(ValueError, match="every column of X belongs to one band"):
        BandedRidgeCV(alphas=ALPHAS, bands=bands).fit(x, y, runs=RUNS)


@pytest.mark.parametrize("labels", [["a"] * 5 + ["b"] * 7, np.repeat([3, 1], [5, 7])])
def test_bands_may_be_the_label_of_each_column(labels):
    x, y = data()
    settings = {"alphas": ALPHAS, "candidates": 5}
    found = BandedRidgeCV(**settings, bands=labels).fit(x, y, runs=RUNS)
    listed = BandedRidgeCV(**settings).fit([x[:, :5], x[:, 5:]], y, runs=RUNS)
    assert found.bands_ == [str(name) for name in dict.fromkeys(labels)]
    assert found.predict(x) == pytest.approx(listed.predict([x[:, :5], x[:, 5:]]), abs=1e-9)


def test_a_generator_of_folds_that_is_used_up_is_refused():
    x, y = data()
    model = RidgeCV(alphas=ALPHAS, cv=(fold for fold in KFold(3).split(x)))
    model.fit(x, y)
    with pytest.raises(ValueError, match="give a list"):
        model.fit(x, y)


def test_precomputed_kernels_have_weights_of_the_features_they_come_from():
    x, y = data()
    parts = [x[:, :5], x[:, 5:]]
    settings = {"alphas": ALPHAS, "candidates": 5}
    listed = BandedRidgeCV(**settings, solver="exact").fit(parts, y, runs=RUNS)
    kernels = BandedRidgeCV(**settings, kernel="precomputed", solver="exact")
    kernels.fit(np.stack([p @ p.T for p in parts]), y, runs=RUNS)
    weights = np.vstack(kernels.get_primal_coef(parts)).T
    assert weights == pytest.approx(listed.coef_, abs=1e-7)
    with pytest.raises(ValueError, match="training samples"):
        kernels.get_primal_coef([p[:9] for p in parts])
    with pytest.raises(ValueError, match="coef_"):
        listed.get_primal_coef(parts)


def test_split_scores_are_those_of_himalaya():
    x, y = data()
    parts = [x[:, :5], x[:, 5:]]
    model = BandedRidgeCV(alphas=ALPHAS, candidates=5).fit(parts, y, runs=RUNS)
    split = model.score_targets(parts, y, split=True)
    predicted = model.predict(parts, split=True)
    centred = predicted - predicted.mean(1, keepdims=True)
    assert split == pytest.approx(r2_score_split(y - y.mean(0), centred), abs=1e-6)
    # Training predictions have the right mean.
    assert split.sum(0) == pytest.approx(model.score_targets(parts, y), abs=1e-9)
    model.set_params(score_func="correlation")
    with pytest.raises(ValueError, match="no shares"):
        model.score_targets(parts, y, split=True)


@pytest.mark.parametrize("value", [0.1, 1e6 + 0.1, -3.3])
@pytest.mark.parametrize("score", ["r2", "correlation"])
def test_targets_that_do_not_vary_score_zero_whatever_their_mean(value, score):
    """The mean of many 0.1 is not 0.1, and what is left is no variance."""
    x, y = data()
    model = RidgeCV(ALPHAS, score_func=score).fit(x, y, runs=RUNS)
    y[:, 2] = value
    assert model.score_targets(x, y)[2] == 0
    assert RidgeCV(ALPHAS, score_func=score).fit(x, y, runs=RUNS).score_targets(x, y)[2] == 0
    if score == "r2":
        assert not model.score_targets(x, y, split=True)[:, 2].any()


def test_stacking_counts_runs_without_variance_as_zero():
    x, y = data()
    y[RUNS == 1, 2] = 0.1
    whole = StackedRidgeCV(ALPHAS).fit([x], y, runs=RUNS)
    exact = BandedRidgeCV(ALPHAS, solver="exact").fit([x], y, runs=RUNS)
    assert whole.band_cv_[0] == pytest.approx(exact.cv_)


def test_a_second_fit_forgets_the_first():
    x, y = data()
    kernels = np.stack([x[:, 6:] @ x[:, 6:].T, x[:, :6] @ x[:, :6].T])
    model = BandedRidgeCV(ALPHAS, candidates=5, solver="exact")
    model.fit([x[:, :6], x[:, 6:]], y, runs=RUNS)
    model.set_params(kernel="precomputed", select="best").fit(kernels, y, runs=RUNS)
    with pytest.raises(AttributeError, match="only linear kernels of features"):
        _ = model.coef_
    assert not hasattr(model, "temperature_")


def test_folds_that_train_on_less_than_the_rest_are_taken_as_they_are():
    """Twice the same samples, or a part of them, are as many as all the others."""
    x, y = data()
    n = len(x)
    half = n // 2
    twice = np.resize(np.arange(half, half + half // 2), n - half)
    folds = [(np.arange(half, n), np.arange(half)), (np.arange(half), np.arange(half, n))]
    odd = [(twice, np.arange(half)), (np.arange(half), np.arange(half, n))]
    assert len(twice) + half == n
    whole, found = (RidgeCV(ALPHAS, cv=own, solver="exact").fit(x, y) for own in (folds, odd))
    assert not np.allclose(whole.cv_, found.cv_, atol=1e-3)
    leak = [(np.arange(half), np.arange(half)), folds[1]]
    with pytest.raises(ValueError, match="tested on training samples"):
        RidgeCV(ALPHAS, cv=leak).fit(x, y)


def test_runs_may_be_a_list():
    x, y = data()
    listed, given = (RidgeCV(ALPHAS, cv=cv).fit(x, y) for cv in (RUNS.tolist(), RUNS))
    assert np.array_equal(listed.cv_, given.cv_)


@pytest.mark.parametrize("cv", [-3, 0, 1])
def test_fewer_than_two_folds_are_refused(cv):
    x, y = data()
    with pytest.raises(ValueError, match="at least two groups"):
        RidgeCV(ALPHAS, cv=cv).fit(x, y)


@pytest.mark.parametrize("solver", SOLVERS)
def test_infinite_band_weights_are_refused(solver):
    x, y = data()
    with pytest.raises(ValueError, match="finite weights"):
        BandedRidgeCV(ALPHAS, candidates=[[np.inf, 1]], solver=solver).fit([x, x], y, runs=RUNS)


def test_kernels_that_do_not_fit_are_refused():
    x, y = data()
    kernels = np.stack([x @ x.T, x @ x.T])
    model = BandedRidgeCV(ALPHAS, candidates=5, kernel="precomputed").fit(kernels, y, runs=RUNS)
    for wrong in (kernels[:, :, :50], kernels[:1]):
        with pytest.raises(ValueError, match="was fitted with"):
            model.predict(wrong)
    kernels[1] += np.triu(np.full_like(kernels[1], 0.1))
    with pytest.raises(ValueError, match="band 1: the kernel is not symmetric"):
        model.fit(kernels, y, runs=RUNS)


@pytest.mark.parametrize("solver", SOLVERS)
def test_one_matrix_is_not_taken_for_the_bands_of_the_fit(solver):
    x, y = data()
    model = BandedRidgeCV(ALPHAS, candidates=5, solver=solver)
    model.fit([x[:, :6], x[:, 6:]], y, runs=RUNS)
    with pytest.raises(ValueError, match="was fitted with"):
        model.predict(x, split=True)


@pytest.mark.parametrize("solver", SOLVERS)
def test_tensors_of_any_kind_are_taken(solver):
    x, y = np.rint(4 * data()[0]), data()[1]
    known = RidgeCV(ALPHAS, solver=solver).fit(x, y, runs=RUNS).predict(x)
    for own in (torch.tensor(x).bfloat16(), torch.tensor(x).half(), torch.tensor(x).float()):
        model = RidgeCV(ALPHAS, solver=solver).fit(own, y, runs=RUNS)
        assert model.predict(own).numpy() == pytest.approx(known, abs=1e-6)
    own, targets = torch.tensor(x).requires_grad_(), torch.tensor(y).requires_grad_()
    model = RidgeCV(ALPHAS, solver=solver).fit(own, targets, runs=RUNS)
    assert model.predict(own).numpy() == pytest.approx(known)
