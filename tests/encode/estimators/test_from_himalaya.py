"""docs/from_himalaya.md, held against the installed himalaya; and the steps of its examples.

The steps are those of its gallery and of the voxelwise tutorials, on small arrays: where both
packages have a step, with equal hyperparameters, the numbers must be equal.
"""

import inspect
import re

import himalaya
import numpy as np
import pytest
from himalaya import kernel_ridge, ridge
from himalaya.backend import set_backend
from himalaya.scoring import correlation_score, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers import REPOSITORY
from tristream.encode.estimators import BandedRidgeCV, RidgeCV

pytestmark = [
    pytest.mark.filterwarnings("ignore::tristream.encode.estimators.GridEdgeWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:himalaya"),
]
PAGE = (REPOSITORY / "docs/from_himalaya.md").read_text(encoding="utf-8")
TRANSFORMERS = {
    ridge.ColumnTransformerNoStack,
    kernel_ridge.ColumnKernelizer,
    kernel_ridge.Kernelizer,
    kernel_ridge.KernelCenterer,
}
MODELS = {
    own
    for module in (ridge, kernel_ridge)
    for own in vars(module).values()
    if inspect.isclass(own) and hasattr(own, "predict")
}
SEARCHES = {
    ridge.solve_ridge_cv_svd,
    ridge.solve_group_ridge_random_search,
    kernel_ridge.solve_kernel_ridge_cv_eigenvalues,
    kernel_ridge.solve_multiple_kernel_ridge_random_search,
    kernel_ridge.solve_multiple_kernel_ridge_hyper_gradient,
}
# What estimators hand to their solvers themselves.
HANDED = {"X", "Xs", "K", "Ks", "Y", "cv", "fit_intercept", "random_state", "Y_in_cpu", "warn"}
METHODS = {"fit", "predict", "score", "get_primal_coef"}
RUNS = np.repeat(np.arange(4), 30)
ALPHAS = np.logspace(-1, 4, 6)


def table(heading: str) -> list[tuple[set[str], set[str]]]:
    """Names in the first two columns of the table that follows a line."""
    after = PAGE.partition(f"{heading}\n")[2]
    lines = re.search(r"(?:^\|.*\n)+", after, re.MULTILINE)[0].splitlines()[2:]
    cells = [line.strip("|").split("|") for line in lines]
    return [(set(re.findall("`(.*?)`", c[0])), set(re.findall("`(.*?)`", c[1]))) for c in cells]


def theirs(rows: list[tuple[set[str], set[str]]]) -> set[str]:
    return set().union(*(names for names, _ in rows))


def parameters(functions: set) -> set[str]:
    return {name for f in functions for name in inspect.signature(f).parameters}


def documented(model: type) -> set[str]:
    attributes = inspect.getdoc(model).partition("Attributes\n")[2].partition("Examples\n")[0]
    return set(re.findall(r"^(\w+_) :", attributes, re.MULTILINE))


PARAMETERS, SOLVERS = table("## Parameters"), table("What himalaya takes in `solver_params`:")
ATTRIBUTES, CALLED = table("## Attributes"), table("## Methods")
CLASSES = table("## Classes")


def test_the_page_has_every_name_of_himalaya_and_no_other():
    assert f"({himalaya.__version__})" in PAGE
    assert theirs(CLASSES) == {own.__name__ for own in MODELS | TRANSFORMERS}
    assert theirs(PARAMETERS) == parameters(MODELS)
    assert theirs(SOLVERS) == parameters(SEARCHES) - HANDED
    assert theirs(ATTRIBUTES) == set().union(*map(documented, MODELS))
    assert theirs(CALLED) == METHODS
    assert all(any(hasattr(model, name) for model in MODELS) for name in METHODS)


def data(seed=0, voxels=5):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((len(RUNS), 12))
    y = x @ rng.standard_normal((12, voxels)) + 3 * rng.standard_normal((len(RUNS), voxels))
    return x, y - y.mean(0)


def test_what_the_page_has_of_ours_is_there():
    x, y = data()
    settings = {"alphas": ALPHAS, "candidates": 3, "bands": [0] * 5 + [1] * 7}
    dual = BandedRidgeCV(**settings, solver="exact").fit(x, y)
    ours = parameters({RidgeCV, BandedRidgeCV})
    for rows in (PARAMETERS, SOLVERS):
        assert set().union(*(names for _, names in rows)) <= ours
    for _, names in (*ATTRIBUTES, *CALLED):
        assert all(hasattr(dual, name) for name in names)


def test_the_example_of_the_page_runs_as_it_stands():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    seen: dict = {}
    exec(compile(code, "from_himalaya.md", "exec"), seen)
    assert seen["r2"].shape == (30,)
    assert seen["shares"].shape == (2, 30)
    assert seen["shares"][0].mean() > 0.2 > 0.05 > abs(seen["shares"][1].mean())


@pytest.fixture(autouse=True)
def _numpy():
    set_backend("numpy")


def test_ridge_chooses_the_same_penalties():
    x, y = data()
    peer = ridge.RidgeCV(ALPHAS, fit_intercept=True, cv=4, solver_params={"score_func": r2_score})
    peer.fit(x, y)
    model = RidgeCV(ALPHAS, cv=4).fit(x, y)
    assert model.alpha_ == pytest.approx(peer.best_alphas_)
    assert model.cv_ == pytest.approx(peer.cv_scores_.ravel(), abs=1e-6)
    assert model.coef_ == pytest.approx(peer.coef_.T, abs=1e-6)
    assert model.intercept_ == pytest.approx(peer.intercept_, abs=1e-6)
    assert model.score_targets(x, y) == pytest.approx(peer.score(x, y), abs=1e-6)
    by_r = RidgeCV(ALPHAS, cv=4, score_func="correlation").fit(x, y)
    assert by_r.score_targets(x, y) == pytest.approx(correlation_score(y, by_r.predict(x)))


@pytest.mark.parametrize("kernel", ["rbf", "polynomial", "cosine", "sigmoid"])
def test_kernels_are_the_same_but_for_their_widths(kernel):
    x, y = data()
    settings = {"alphas": [20.0], "fit_intercept": False}
    model = BandedRidgeCV(**settings, kernel=kernel, degree=3).fit([x], y, runs=RUNS)
    scale, width = model.maps_[0].scale, {}
    if kernel != "cosine":
        width = {"gamma": 1 / (2 * scale) if kernel == "rbf" else 1 / scale}
    peer = kernel_ridge.KernelRidge(20.0, kernel=kernel, kernel_params=width).fit(x, y)
    new = x[:9] + 0.2
    assert model.predict([new]) == pytest.approx(peer.predict(new), abs=1e-6)
    assert model.dual_ == pytest.approx(peer.dual_coef_, abs=1e-6)
    other = "cosine" if kernel != "cosine" else "rbf"
    wrong = BandedRidgeCV(**settings, kernel=other).fit([x], y, runs=RUNS)
    assert np.abs(wrong.predict([new]) - peer.predict(new)).max() > 0.01


def test_a_row_of_zeros_has_no_cosine():
    x, y = data()
    x[7] = 0
    model = BandedRidgeCV(alphas=[1.0], kernel="cosine", fit_intercept=False)
    assert model.fit([x], y, runs=RUNS).predict([x])[7] == pytest.approx(0)


def test_kernels_without_a_solution_are_refused():
    """tanh has negative eigenvalues; so may kernels that are given."""
    x, y = data()
    for kernel in ("sigmoid", "precomputed"):
        model = BandedRidgeCV(alphas=[1e-3, 100.0], candidates=2, kernel=kernel)
        given = [x, x] if kernel == "sigmoid" else np.tanh(1 + np.stack([x @ x.T] * 2) / 12)
        with pytest.raises(ValueError, match=r"band 0: the kernel has negative eigenvalues"):
            model.fit(given, y, runs=RUNS)
        model.set_params(alphas=[30.0, 100.0]).fit(given, y, runs=RUNS)
    # Rounding is none.
    low = x[:, :3].astype("f4")
    model = BandedRidgeCV(alphas=[1e-6], candidates=1, kernel="precomputed")
    model.fit((low @ low.T)[None], y, runs=RUNS)


GAMMAS = np.array([[0.5, 0.5], [0.9, 0.1], [0.1, 0.9], [0.99, 0.01]])
LABELS = np.repeat(["motion", "words"], [5, 7])
SEARCH = {"n_iter": GAMMAS, "alphas": ALPHAS, "score_func": r2_score, "progress_bar": False}


@pytest.fixture(scope="module")
def banded():
    x, y = data(1)
    y = y + 4 * x[:, :5] @ np.random.default_rng(2).standard_normal((5, y.shape[1]))
    settings = {"alphas": ALPHAS, "candidates": GAMMAS, "cv": 4, "bands": LABELS, "select": "best"}
    return x, y - y.mean(0), settings


def test_groups_of_columns_are_bands(banded):
    x, y, settings = banded
    # It has no split predictions with an intercept, nor ours a split of means: there are none.
    x = x - x.mean(0)
    peer = ridge.GroupRidgeCV([0] * 5 + [1] * 7, solver_params={**SEARCH, "warn": False}, cv=4)
    peer.fit(x, y)
    model = BandedRidgeCV(**settings, fit_intercept=False, solver="exact").fit(x, y)
    assert model.bands_ == ["motion", "words"]
    assert np.log(model.gamma_ / model.alpha_) == pytest.approx(peer.deltas_, abs=1e-6)
    assert model.alpha_ == pytest.approx(peer.best_alphas_)
    assert model.cv_ == pytest.approx(peer.cv_scores_.max(0), abs=1e-5)
    assert model.coef_ == pytest.approx(peer.coef_.T, abs=1e-6)
    assert model.predict(x, split=True) == pytest.approx(peer.predict(x, split=True), abs=1e-6)
    split = peer.score(x, y, split=True)
    assert model.score_targets(x, y, split=True) == pytest.approx(split, abs=1e-6)


def test_kernels_of_columns_are_bands(banded):
    x, y, settings = banded
    steps = [("a", kernel_ridge.Kernelizer(), slice(0, 5))]
    steps += [("b", kernel_ridge.Kernelizer(), slice(5, 12))]
    columns = kernel_ridge.ColumnKernelizer(steps)
    peer = kernel_ridge.MultipleKernelRidgeCV("precomputed", solver_params=SEARCH, cv=4)
    make_pipeline(columns, peer).fit(x, y)
    plain = {**settings, "fit_intercept": False, "solver": "exact"}
    model = BandedRidgeCV(**plain).fit(x, y)
    assert np.log(model.gamma_ / model.alpha_) == pytest.approx(peer.deltas_, abs=1e-6)
    assert model.dual_ * model.alpha_ == pytest.approx(peer.dual_coef_, abs=1e-6)
    kernels = BandedRidgeCV(**{**plain, "bands": None}, kernel="precomputed")
    kernels.fit(np.stack([x[:, :5] @ x[:, :5].T, x[:, 5:] @ x[:, 5:].T]), y)
    for own, other in zip(
        kernels.get_primal_coef([x[:, :5], x[:, 5:]]),
        peer.get_primal_coef(columns.get_X_fit()),
        strict=True,
    ):
        assert own == pytest.approx(other, abs=1e-6)


def delayed(x, delays=(1, 2, 3, 4)):
    """Features at each delay, delay by delay."""
    out = np.zeros((len(delays), *x.shape))
    for own, delay in zip(out, delays, strict=True):
        own[delay:] = x[:-delay]
    return np.hstack([*out])


@pytest.fixture(scope="module")
def film():
    """Two feature spaces, of which each drives half of the voxels after 2 samples."""
    rng = np.random.default_rng(3)
    bands = [rng.standard_normal((len(RUNS), p)) for p in (4, 6)]
    parts = []
    for band in bands:
        later = np.vstack([np.zeros((2, band.shape[1])), band[:-2]])
        parts.append(later @ rng.standard_normal((band.shape[1], 10)))
    signal = np.hstack(parts)
    bold = signal + signal.std(0) * rng.standard_normal(signal.shape)
    return bands, bold, RUNS < 3


def test_the_steps_of_the_voxelwise_tutorials(film):
    """Scale, delay, fit by run, score held-out data, look at weights, and split the score."""
    bands, bold, train = film
    scaled = [StandardScaler().fit(b[train]).transform(b) for b in bands]
    X = [delayed(b) for b in scaled]
    settings = {"alphas": np.logspace(0, 4, 9)}
    one = [RidgeCV(**settings).fit(x[train], bold[train], runs=RUNS[train]) for x in X]
    scores = [m.score_targets(x[~train], bold[~train]) for m, x in zip(one, X, strict=True)]
    assert scores[0][:10].mean() > 0.2 > 0.1 > scores[0][10:].mean()
    assert scores[1][10:].mean() > 0.2 > 0.1 > scores[1][:10].mean()
    # Weights at each delay: largest at the planted one.
    response = (one[0].coef_[:10].reshape(10, 4, 4) ** 2).sum((0, 2))
    assert response.argmax() == 1
    joint = BandedRidgeCV(**settings, candidates=30)
    joint.fit([x[train] for x in X], bold[train], runs=RUNS[train])
    test = [x[~train] for x in X]
    shares = joint.score_targets(test, bold[~train], split=True)
    assert shares[0, :10].mean() > 0.2 > 0.05 > abs(shares[1, :10].mean())
    assert shares[1, 10:].mean() > 0.2 > 0.05 > abs(shares[0, 10:].mean())
    total = joint.score_targets(test, bold[~train])
    assert shares.sum(0).mean() == pytest.approx(total.mean(), abs=0.05)
    # Without delays there is nothing to find.
    still = RidgeCV(**settings).fit(scaled[0][train], bold[train], runs=RUNS[train])
    assert still.score_targets(scaled[0][~train], bold[~train]).mean() < 0.05


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(["a"] * 4 + ["b"] * 6, id="names"),
        pytest.param([0] * 4 + [1] * 6, id="numbers"),
        pytest.param([slice(0, 4), slice(4, 10)], id="slices"),
    ],
)
def test_bands_of_the_columns_before_a_delayer_are_refused(film, labels):
    bands, bold, _ = film
    X = delayed(np.hstack(bands))
    model = BandedRidgeCV(alphas=ALPHAS, candidates=3, bands=labels)
    with pytest.raises(ValueError, match="its columns at all delays"):
        model.fit(X, bold, runs=RUNS)
    if not isinstance(labels[0], slice):
        after = BandedRidgeCV(alphas=ALPHAS, candidates=3, bands=labels * 4).fit(X, bold, RUNS)
        listed = BandedRidgeCV(alphas=ALPHAS, candidates=3)
        listed.fit([delayed(b) for b in bands], bold, RUNS)
        assert after.predict(X) == pytest.approx(
            listed.predict([delayed(b) for b in bands]), abs=1e-6
        )
