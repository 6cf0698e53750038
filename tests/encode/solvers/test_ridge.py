"""The primal solver against scikit-learn's Ridge and himalaya."""

import numpy as np
import pytest
import torch
from himalaya import scoring
from himalaya.backend import set_backend
from himalaya.ridge import solve_group_ridge_random_search
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneGroupOut, PredefinedSplit

from tristream.encode.solvers import held_out, penalties, ridge

RUNS = np.repeat(np.arange(4), [40, 61, 35, 50])
ALPHAS = np.logspace(-2, 5, 20)


def data(p=(20, 9), voxels=30, dtype=torch.float64, seed=0):
    rng = np.random.default_rng(seed)
    x = [rng.standard_normal((len(RUNS), q)) / np.sqrt(1 + np.arange(q)) + 1 for q in p]
    w = [rng.standard_normal((q, voxels)) * rng.random(voxels) for q in p]
    signal = sum(a @ b for a, b in zip(x, w, strict=True))
    y = signal + rng.standard_normal(signal.shape) * signal.std(0) + 3
    return [torch.from_numpy(a) for a in x], torch.from_numpy(y).to(dtype)


def left_out(x, y, alpha, score, intercept):
    """Mean score of scikit-learn's Ridge, fitted without each run."""
    found = []
    for train, test in LeaveOneGroupOut().split(x, groups=RUNS):
        peer = Ridge(alpha, fit_intercept=intercept, solver="svd").fit(x[train], y[train])
        p, t = peer.predict(x[test]), y[test]
        if score == "r2":
            found.append(1 - ((t - p) ** 2).sum(0) / ((t - t.mean(0)) ** 2).sum(0))
        else:
            found.append([np.corrcoef(a, b)[0, 1] for a, b in zip(t.T, p.T, strict=True)])
    return np.mean(found, 0)


@pytest.mark.parametrize("score", ["r2", "correlation"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("widths", [(20, 9), (50, 25)])
def test_scores_and_weights_equal_scikit_learn(score, intercept, widths):
    x, y = data(widths)
    gamma = np.array([[0.3, 0.7]])
    joined = np.hstack([a.numpy() * np.sqrt(g) for a, g in zip(x, gamma[0], strict=True)])
    for alpha in (1e-2, 10.0):
        grid = np.array([alpha])
        fit = ridge.fit(x, y, RUNS, gamma, grid, intercept=intercept, score=score)
        expected = left_out(joined, y.numpy(), alpha, score, intercept)
        assert fit.score.numpy() == pytest.approx(expected, abs=1e-8)
        peer = Ridge(alpha, fit_intercept=intercept, solver="svd").fit(joined, y)
        found = torch.cat(x, 1) @ fit.weights + fit.intercept
        assert found.numpy() == pytest.approx(peer.predict(joined), abs=1e-7)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float64, 1e-8)])
@pytest.mark.parametrize("alphas", [ALPHAS, np.logspace(1, 20, 20), np.logspace(-5, 5, 11)])
def test_choices_equal_himalaya(dtype, tolerance, alphas):
    x, y = data(voxels=100, dtype=dtype)
    gammas = np.array([[0.5, 0.5], [1, 0], [0, 1], [0.9, 0.1]])
    fit = ridge.fit(x, y, RUNS, gammas, alphas)
    set_backend("torch")
    # himalaya divides by each weight.
    theirs = solve_group_ridge_random_search(
        x,
        y.double(),
        n_iter=torch.from_numpy(np.maximum(gammas, 1e-30)),
        alphas=torch.from_numpy(alphas),
        cv=PredefinedSplit(RUNS),
        score_func=scoring.r2_score,
        fit_intercept=True,
        return_weights=True,
        progress_bar=False,
        warn=False,
    )
    best = theirs[2].max(0).values
    assert float((fit.score - best).abs().max()) < tolerance
    found = torch.cat(x, 1) @ fit.weights.double() + fit.intercept
    expected = torch.cat(x, 1) @ theirs[1] + theirs[3]
    same = (found - expected).abs().amax(0) < 1e-4
    assert same.float().mean() > 0.9


def without_each_run(x, y, alpha, score, intercept):
    """Mean score of ridge by the singular values of every run's training data."""
    found = []
    for train, test in LeaveOneGroupOut().split(x, groups=RUNS):
        zero = np.zeros(1)
        mean, level = (x[train].mean(0), y[train].mean(0)) if intercept else (zero, zero)
        left, values, right = np.linalg.svd(x[train] - mean, full_matrices=False)
        kept = values > 1e-7 * values[0]
        left, values, right = left[:, kept], values[kept], right[kept]
        along = (left.T @ (y[train] - level)) * (values / (values**2 + alpha))[:, None]
        p, t = (x[test] - mean) @ right.T @ along + level, y[test]
        if score == "r2":
            found.append(1 - ((t - p) ** 2).sum(0) / ((t - t.mean(0)) ** 2).sum(0))
        else:
            found.append([np.corrcoef(a, b)[0, 1] for a, b in zip(t.T, p.T, strict=True)])
    return np.mean(found, 0)


@pytest.fixture
def roads(monkeypatch):
    """Tells for every group whether it had a decomposition of its own."""
    own = []

    class Seen(held_out.Predictor):
        def __init__(self, *args):
            super().__init__(*args)
            own.append(self.whiten is not None)

    monkeypatch.setattr(penalties, "Predictor", Seen)
    return own


@pytest.mark.parametrize("score", ["r2", "correlation"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("own", [True, False])
def test_one_decomposition_predicts_as_one_a_run(score, intercept, own, roads, monkeypatch):
    """Uneven runs, some of more samples than features."""
    monkeypatch.setattr(held_out, "EIGEN", -np.inf if own else np.inf)
    for widths in ((20, 9), (30, 15), (50, 25)):
        x, y = data(widths, voxels=10)
        joined = np.hstack([b.numpy() for b in x])
        for alpha in (1e-2, 1.0, 1e3):
            found = ridge.fit(
                x, y, RUNS, np.ones((1, 2)), np.array([alpha]), intercept=intercept, score=score
            )
            expected = without_each_run(joined, y.numpy(), alpha, score, intercept)
            assert found.score.numpy() == pytest.approx(expected, abs=1e-10)
    assert roads == [own] * 36


@pytest.mark.parametrize("score", ["r2", "correlation"])
def test_runs_without_which_samples_determine_too_little_are_decomposed_by_themselves(score, roads):
    """135 features, and without a run 125 to 151 samples."""
    x, y = data((90, 45), voxels=10)
    joined = np.hstack([b.numpy() for b in x])
    for alpha, own in ((1e-10, [False, True, False, True]), (1.0, [False] * 4)):
        roads.clear()
        found = ridge.fit(x, y, RUNS, np.ones((1, 2)), np.array([alpha]), score=score)
        assert roads == own
        expected = without_each_run(joined, y.numpy(), alpha, score, True)
        assert found.score.numpy() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_rounding_would_spoil_them_otherwise(monkeypatch):
    monkeypatch.setattr(held_out, "GROWTH", np.inf)
    x, y = data((90, 45), voxels=10)
    joined = np.hstack([b.numpy() for b in x])
    found = ridge.fit(x, y, RUNS, np.ones((1, 2)), np.array([1e-10]))
    expected = without_each_run(joined, y.numpy(), 1e-10, "r2", True)
    assert found.score.numpy() != pytest.approx(expected, rel=1e-8, abs=1e-8)


def test_an_intercept_of_all_samples_is_not_that_of_the_others():
    """What is left if the stretch of a run's mean is left out."""
    x, y = data(voxels=10)
    joined = np.hstack([b.numpy() for b in x])
    centred = [b - b.mean(0) for b in x]
    found = ridge.fit(
        centred, y - y.mean(0), RUNS, np.ones((1, 2)), np.array([1.0]), intercept=False
    )
    expected = without_each_run(joined, y.numpy(), 1.0, "r2", True)
    assert np.abs(found.score.numpy() - expected).min() > 1e-4


@pytest.mark.parametrize("alpha", [1e-10, 1.0])
def test_features_given_twice_share_their_weight(alpha, roads):
    x, y = data(voxels=10)
    joined = np.hstack([b.numpy() for b in x])
    twice = ridge.fit([*x, *x], y, RUNS, np.full((1, 4), 0.5), np.array([alpha]))
    once = ridge.fit(x, y, RUNS, np.ones((1, 2)), np.array([alpha]))
    assert not any(roads)
    expected = without_each_run(joined, y.numpy(), alpha, "r2", True)
    assert twice.score.numpy() == pytest.approx(expected, abs=1e-10)
    halves = twice.weights.reshape(2, 29, 10)
    assert halves[0].numpy() == pytest.approx(halves[1].numpy(), abs=1e-7)
    assert halves.sum(0).numpy() == pytest.approx(once.weights.numpy(), abs=1e-7)


@pytest.mark.parametrize("score", ["r2", "correlation"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_features_that_never_vary_predict_the_mean(score, dtype, tolerance):
    _, y = data(voxels=100, dtype=dtype)
    flat = [torch.full((len(RUNS), 3), 2.0)]
    found = ridge.fit(flat, y, RUNS, np.ones((1, 1)), ALPHAS, score=score)
    best = without_each_run(np.zeros((len(RUNS), 1)), y.double().numpy(), 1.0, "r2", True)
    assert found.score.numpy() == pytest.approx(best if score == "r2" else 0 * best, abs=tolerance)
    assert not found.weights.any()
    assert found.intercept.numpy() == pytest.approx(y.mean(0).numpy(), rel=1e-6)


def test_many_penalties_are_mixed_from_few_operators():
    """Sixty penalties over the spectrum have a rank far below sixty."""
    rng = np.random.default_rng(0)
    held = torch.from_numpy(rng.standard_normal((50, 400)))
    values = torch.logspace(-1, 3, 400, dtype=torch.float64)
    filters = values.sqrt() / (values + torch.logspace(-3, 6, 60, dtype=torch.float64)[:, None])
    exact = held * filters[:, None]
    power = torch.rand(400, dtype=torch.float64) + 0.5
    size = (exact.square() * power).sum((1, 2)).sqrt()
    every = torch.eye(60, dtype=torch.float64)
    for share, most in ((1e-2, 10), (1e-3, 13), (1e-5, 20)):
        operators, mixing = held_out.condense(exact, every, power, share * size)
        assert 3 < len(operators) < most
        mixed = torch.einsum("kqp,ka->aqp", operators, mixing)
        wrong = ((mixed - exact).square() * power).sum((1, 2)).sqrt() / size
        assert float(wrong.max()) < share
        assert float(wrong.max()) > share / 100
        fewer = torch.einsum("kqp,ka->aqp", operators[1:], mixing[1:])
        missed = ((fewer - exact).square() * power).sum((1, 2)).sqrt() / size
        assert float(missed.max()) > share, "the least of them is needed"


def test_some_penalties_may_be_further_off():
    """They then ask for fewer operators, and the others are as right as before."""
    rng = np.random.default_rng(0)
    held = torch.from_numpy(rng.standard_normal((50, 400)))
    values = torch.logspace(-1, 3, 400, dtype=torch.float64)
    filters = values.sqrt() / (values + torch.logspace(-3, 6, 60, dtype=torch.float64)[:, None])
    exact, power = held * filters[:, None], torch.ones(400, dtype=torch.float64)
    size = exact.square().sum((1, 2)).sqrt()
    every = torch.eye(60, dtype=torch.float64)
    allowed = 1e-3 * size
    same = held_out.condense(exact, every, power, allowed)[0]
    allowed[:30] *= 300
    operators, mixing = held_out.condense(exact, every, power, allowed)
    assert len(operators) <= len(same) - 2
    wrong = (torch.einsum("kqp,ka->aqp", operators, mixing) - exact).square().sum((1, 2)).sqrt()
    assert bool((wrong <= allowed).all())
    assert float((wrong / size)[:30].max()) > 1e-2


def rounds(kind, n, p, voxels):
    """Features of several spectra, and voxels of several signals, among them none and all."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n + 9, p))
    if kind == "steep":
        x /= (1 + np.arange(p)) ** 1.5
    if kind == "smooth":
        x = sum(x[i : n + i] for i in range(10))
    signal = x[:n] @ rng.standard_normal((p, voxels)) / np.sqrt(p)
    share = rng.choice([0, 0.05, 0.3, 0.9], voxels)
    y = np.sqrt(share) * signal / signal.std(0)
    y += np.sqrt(1 - share) * rng.standard_normal((n, voxels))
    return [torch.from_numpy(x[:n])], torch.from_numpy(y)


@pytest.fixture
def looks(monkeypatch):
    """What each penalty seemed to score at first sight, in each group."""
    seen = []
    first_sight = penalties._first_sight

    def look(*args):
        seen.append(first_sight(*args))
        return seen[-1]

    monkeypatch.setattr(penalties, "_first_sight", look)
    return seen


@pytest.fixture
def lost(monkeypatch):
    """What voxels lose by float32, by all scores in float64; some penalties only are scored."""
    tables = []

    def scores(*args):
        tables.append(penalties.scores(*args))
        return tables[-1]

    monkeypatch.setattr(ridge, "scores", scores)

    def compare(x, y, runs, grid, score="r2"):
        tables.clear()
        found = ridge.fit(x, y.float(), runs, np.ones((1, 1)), grid, score=score)
        ridge.fit(x, y, runs, np.ones((1, 1)), grid, score=score)
        some, every = tables
        assert some.isinf().float().mean() > 0.25
        return every.amax(0) - every.gather(0, found.alpha[None])[0]

    return compare


@pytest.mark.parametrize("score", ["r2", "correlation"])
@pytest.mark.parametrize("quick", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("kind", ["flat", "steep", "smooth"])
def test_penalties_left_out_at_first_sight_are_not_the_best(kind, quick, score, lost, monkeypatch):
    """However wide the grid, and however much some of it overfits.

    Without a run there are as many samples as features, or nearly three times as many.
    """
    monkeypatch.setattr(penalties, "fast_type", lambda *_: quick)
    runs = np.arange(200) // 40
    for p, grid in ((160, np.logspace(-1, 5, 20)), (160, np.logspace(-4, 8, 20)), (60, ALPHAS)):
        assert float(lost(*rounds(kind, 200, p, 400), runs, grid, score).max()) < 5e-6


def test_a_look_that_is_rougher_than_it_says_leaves_out_the_best(lost, monkeypatch):
    tolerance = penalties._tolerance

    def boast(*args):
        wrong, allowed, *rest = tolerance(*args)
        return wrong / 100, 100 * allowed, *rest

    monkeypatch.setattr(penalties, "_tolerance", boast)
    found = lost(*rounds("flat", 200, 60, 400), np.arange(200) // 40, ALPHAS)
    assert float(found.max()) > 1e-3


@pytest.mark.parametrize("score", ["r2", "correlation"])
def test_more_features_than_training_samples_are_scored_in_full(score, looks):
    """A first look lost up to .009 of decaying features: a sample of voxels does not bound it."""
    (x,), y = rounds("flat", 120, 300, 400)
    x = x / (1 + torch.arange(300)).sqrt()
    runs, one = np.arange(120) // 24, np.ones((1, 1))
    found = ridge.fit([x], y.float(), runs, one, ALPHAS, score=score)
    every = ridge.fit([x], y, runs, one, ALPHAS, score=score)
    assert not looks
    assert float((found.score - every.score).abs().max()) < 1e-5


@pytest.mark.parametrize("score", ["r2", "correlation"])
def test_the_best_of_several_weightings_is_found(score):
    """What an earlier weighting scored counts in what is left out of a later one."""
    x, y = data((60, 25), voxels=300)
    y += torch.from_numpy(np.random.default_rng(1).standard_normal(y.shape)) * y.std(0)
    gammas, grid = np.array([[0.5, 0.5], [0.9, 0.1], [0.1, 0.9]]), np.logspace(-2, 8, 25)
    quick = ridge.fit(x, y.float(), RUNS, gammas, grid, score=score)
    every = ridge.fit(x, y, RUNS, gammas, grid, score=score)
    assert float((quick.score - every.score).abs().max()) < 2e-6
    same = (quick.alpha == every.alpha) & (quick.gamma == every.gamma)
    assert same.float().mean() > 0.95


def test_few_voxels_that_vary_are_scored_in_full(looks):
    """A sample of constants tells nothing of the others."""
    x, y = data(voxels=300, dtype=torch.float32)
    y[:, 3:] = 1.0
    fit = ridge.fit(x, y, RUNS, np.ones((1, 2)), ALPHAS)
    alone = ridge.fit(x, y[:, :3], RUNS, np.ones((1, 2)), ALPHAS)
    assert not looks
    assert torch.equal(fit.alpha[:3], alone.alpha)
    assert torch.allclose(fit.score[:3], alone.score, atol=1e-6)
    assert not fit.score[3:].any()


def test_out_of_memory_halves_the_chunk(monkeypatch):
    """And nothing of what was found changes."""
    x, y = data(voxels=300, dtype=torch.float32)
    gammas = np.array([[0.5, 0.5], [0.9, 0.1]])
    whole = ridge.fit(x, y, RUNS, gammas, ALPHAS)
    scores, seen = ridge.scores, []

    def small(held, *rest):
        voxels = len(held[0].spread)
        if voxels > 80:
            raise torch.OutOfMemoryError
        seen.append(voxels)
        return scores(held, *rest)

    monkeypatch.setattr(ridge, "scores", small)
    parts = ridge.fit(x, y, RUNS, gammas, ALPHAS)
    assert seen == [64, 64, 64, 64, 44] * 2
    assert torch.equal(parts.alpha, whole.alpha)
    assert torch.allclose(parts.score, whole.score, atol=1e-6)


def test_constant_voxels_score_zero_and_are_predicted_by_their_mean():
    x, y = data()
    y[:, 3] = 7.0
    fit = ridge.fit(x, y, RUNS, np.ones((1, 2)), ALPHAS)
    assert float(fit.score[3]) == 0
    assert float(fit.weights[:, 3].abs().max()) < 1e-10
    assert float(fit.intercept[3]) == pytest.approx(7)


@pytest.mark.parametrize("score", ["r2", "correlation"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_runs_in_which_a_voxel_is_constant_count_zero(dtype, score):
    """Of 100 voxels float32 looks at all penalties first; one is constant in all runs."""
    x, y = data(voxels=100, dtype=dtype)
    y[:, 3] = 7.0
    y[RUNS == 1, 5] = 2.3
    alpha = np.array([10.0])
    fit = ridge.fit(x, y, RUNS, np.ones((1, 2)), ALPHAS, score=score)
    assert float(fit.score[3]) == 0
    assert not fit.weights[:, 3].any()
    one = ridge.fit(x, y[:, 5:6].double(), RUNS, np.ones((1, 2)), alpha, score=score)
    runs, joined = np.unique(RUNS), torch.cat(x, 1).numpy()
    total = 0.0
    for run in runs[runs != 1]:
        train, t = run != RUNS, y[run == RUNS, 5].double().numpy()
        p = Ridge(10.0).fit(joined[train], y[train, 5].double()).predict(joined[~train])
        r2 = 1 - ((t - p) ** 2).sum() / ((t - t.mean()) ** 2).sum()
        total += r2 if score == "r2" else np.corrcoef(t, p)[0, 1]
    assert float(one.score[0]) == pytest.approx(total / len(runs), abs=1e-6)


@pytest.mark.parametrize(
    ("runs", "alphas", "match"),
    [(np.zeros(186), ALPHAS, "two groups"), (RUNS, np.array([0.0]), "positive")],
)
def test_what_can_not_be_fitted_is_refused(runs, alphas, match):
    x, y = data()
    with pytest.raises(ValueError, match=match):
        ridge.fit(x, y, runs, np.ones((1, 2)), alphas)


@pytest.mark.gpu
def test_cuda_predicts_as_the_cpu():
    x, y = data((50, 25), voxels=100, dtype=torch.float32)
    gammas = np.array([[0.3, 0.7]])
    cpu = ridge.fit(x, y, RUNS, gammas, ALPHAS[2:3])
    cuda = ridge.fit([b.cuda() for b in x], y, RUNS, gammas, ALPHAS[2:3])
    joined = torch.cat(x, 1)
    predicted = [joined @ f.weights.cpu().double() + f.intercept.cpu() for f in (cpu, cuda)]
    assert float((predicted[0] - predicted[1]).abs().max()) < 1e-4


@pytest.mark.parametrize("score", ["r2", "correlation"])
@pytest.mark.parametrize("select", ["best", "average"])
@pytest.mark.parametrize("scale", [2.0**-83, 2.0**-43, 2.0**40, 2.0**83])
def test_data_in_other_units_have_the_same_model(score, select, scale):
    """Squares of squares leave float32: of signals in tesla, say."""
    x, y = data(dtype=torch.float32, voxels=80)
    y = y[:, :40].repeat(1, 2)
    y[:, 5] = 0.1
    other = y.clone()
    other[:, 40:] *= scale
    gammas = np.array([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8]])
    known, found = (
        ridge.fit(x, own, RUNS, gammas, ALPHAS, score=score, select=select) for own in (y, other)
    )
    assert torch.equal(found.alpha, known.alpha)
    assert torch.allclose(found.score, known.score, atol=1e-5)
    assert torch.allclose(found.weights[:, 40:] / scale, known.weights[:, 40:], atol=1e-4)
    assert torch.allclose(found.intercept[40:] / scale, known.intercept[40:], atol=1e-3)
    if select == "average":
        one, another = found.average, known.average
        assert torch.allclose(one.weights[:, 40:] / scale, another.weights[:, 40:], atol=1e-4)
