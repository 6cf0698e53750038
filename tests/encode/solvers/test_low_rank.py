"""Kernels of few features: operators in their space against inverses of all samples."""

import dataclasses

import numpy as np
import pytest
import torch

from tristream.encode.solvers import banded_ridge, low_rank
from tristream.encode.solvers.low_rank import LowRankOperator, Span
from tristream.encode.solvers.make_problem import make_problem
from tristream.encode.solvers.nodes import Product
from tristream.encode.solvers.operators import BlockOperator, Operators
from tristream.encode.solvers.probe import probe
from tristream.encode.solvers.problem import Problem

ALPHAS = np.logspace(-2, 4, 7)


def study(columns=(6, 9), sizes=(40, 55, 30, 45), voxels=20, shuffled=False, seed=0):
    rng = np.random.default_rng(seed)
    runs = np.repeat(np.arange(len(sizes)), sizes)
    if shuffled:
        rng.shuffle(runs)
    bands = [rng.standard_normal((len(runs), p)) @ np.diag(0.8 ** np.arange(p)) for p in columns]
    signal = sum(x @ rng.standard_normal((x.shape[1], voxels)) for x in bands)
    y = signal / signal.std(0) + 1.5 * rng.standard_normal(signal.shape) + 3
    kernels = [torch.from_numpy(x @ x.T) for x in bands]
    return torch.stack([k * len(k) / k.trace() for k in kernels]), torch.from_numpy(y), runs


def problem_of(kernels, y, runs, gammas=((0.5, 0.5), (0.9, 0.1)), intercept=True, score="r2"):
    where = torch.device("cpu")
    return make_problem(kernels, y, runs, np.array(gammas), ALPHAS, intercept, score, where)


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("columns", [(6, 9), (20, 30)])
def test_operators_equal_those_of_all_samples(columns, intercept, shuffled):
    """Also where a group has fewer samples than the space has dimensions."""
    kernels, y, runs = study(columns, (45, 60, 35, 100), shuffled=shuffled)
    problem = problem_of(kernels, y, runs, intercept=intercept)
    span = Span.of(problem)
    assert span is not None
    # One direction of rounding may be among them.
    assert 0 <= span.basis.shape[1] - sum(columns) - intercept <= 1
    theirs = Operators(problem, accurate=True, memory=0)
    ours = Operators(problem, accurate=True, memory=0, span=span)
    rows = problem.targets.rows(slice(None))
    for candidate in range(problem.candidates):
        a, b = theirs.get(candidate), ours.get(candidate)
        assert isinstance(a, BlockOperator)
        assert isinstance(b, LowRankOperator)
        solved = a.solve(rows)
        torch.testing.assert_close(b.solve(rows), solved, rtol=1e-8, atol=1e-9)
        torch.testing.assert_close(rows @ b.mean, rows @ a.mean, rtol=1e-8, atol=1e-9)
        pairs = zip(a.residuals(rows, solved), b.residuals(rows, solved), strict=True)
        for one, other in pairs:
            torch.testing.assert_close(other, one, rtol=1e-8, atol=1e-8)
        pairs = zip(a.predictions(rows, solved), b.predictions(rows, solved), strict=True)
        for one, other in pairs:
            torch.testing.assert_close(other / b.boost, one, rtol=1e-7, atol=1e-8)
        for predictions in (False, True):
            tests = [len(test) for _, test in problem.folds.pairs()]
            products = [Product(problem.samples, tests, y.dtype, y.device) for _ in range(2)]
            for product, operator in zip(products, (a, b), strict=True):
                product.take(operator, predictions)
            for one, other in zip(
                *(product(rows, rows @ span.basis) for product in products), strict=True
            ):
                torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("score", ["r2", "correlation"])
def test_a_fit_is_the_same_with_and_without(monkeypatch, score):
    kernels, y, runs = study(voxels=400)
    gammas = banded_ridge.dirichlet_candidates(60, 2)
    made = []
    monkeypatch.setattr(
        LowRankOperator, "solve", _counted(LowRankOperator.solve, made), raising=True
    )
    options = {"score": score, "select": "average"}
    for dtype, near in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
        found = banded_ridge.fit(kernels, y.to(dtype), runs, gammas, ALPHAS, **options)
        assert made
        with monkeypatch.context() as patch:
            patch.setattr(Span, "of", classmethod(lambda cls, problem: None))
            made.clear()
            dense = banded_ridge.fit(kernels, y.to(dtype), runs, gammas, ALPHAS, **options)
            assert not made
        assert found.solver == dense.solver == "skeleton"
        ours, theirs = found.choice, dense.choice
        same = (ours.gamma == theirs.gamma) & (ours.alpha == theirs.alpha)
        assert same.double().mean() > 0.7
        assert float((ours.score - theirs.score)[same].abs().max()) < near
        predicted, expected = (
            banded_ridge.predict(
                kernels, fit.duals[:, same], torch.as_tensor(gammas[fit.choice.gamma[same]]).T
            ).sum(0)
            for fit in (found, dense)
        )
        wrong = (predicted - expected).square().mean(0).sqrt() / expected.std(0)
        assert float(wrong.max()) < 100 * near
        assert float(wrong.median()) < near
        # Others are as good, within what the search promises.
        assert float((ours.score - theirs.score).mean().abs()) < 3e-5


def _counted(method, made):
    def counted(self, y):
        made.append(len(y))
        return method(self, y)

    return counted


def test_it_is_left_where_it_would_save_little_or_not_hold():
    kernels, y, runs = study(columns=(6, 90))
    assert Span.of(problem_of(kernels, y, runs)) is None
    kernels, y, runs = study()
    assert Span.of(problem_of(kernels.float(), y, runs)) is None
    overlapping = [(np.arange(100), np.arange(100, 170)), (np.arange(70, 170), np.arange(70))]
    assert Span.of(problem_of(kernels, y, overlapping)) is None


def test_kernels_with_negative_eigenvalues_are_solved_above_and_refused_below():
    kernels, y, runs = study()
    kernels[1] -= 0.02 * torch.outer(y[:, 0] - 3, y[:, 0] - 3)
    problem = problem_of(kernels, y, runs)
    span = Span.of(problem)
    assert span is not None
    theirs = Operators(problem, accurate=True, memory=0)
    ours = Operators(problem, accurate=True, memory=0, span=span)
    rows = problem.targets.rows(slice(None))
    above = len(ALPHAS) - 1
    assert isinstance(ours.get(above), LowRankOperator)
    torch.testing.assert_close(ours.get(above).solve(rows), theirs.get(above).solve(rows))
    with pytest.raises(ValueError, match="negative eigenvalues"):
        ours.get(0)


def test_what_the_space_leaves_out_matters_by_the_penalty(monkeypatch):
    """A kernel of slight full rank is held only under penalties far above what was cut off."""
    kernels, y, runs = study()
    monkeypatch.setattr(low_rank, "ROUNDING", 1e-6)
    noise = torch.from_numpy(np.random.default_rng(1).standard_normal((len(y), 500)))
    slight = kernels + 1e-9 * noise @ noise.T
    problem = problem_of(slight, y, runs)
    span = Span.of(problem)
    assert span is not None
    weights = np.array([0.5, 0.5])
    left = float(span.left.mean())
    assert 1e-7 < left < 1e-4
    assert span.holds(weights, 1.01e6 * left)
    assert not span.holds(weights, 0.99e6 * left)


def test_a_band_that_does_not_vary_and_one_that_is_there_twice():
    kernels, y, runs = study()
    four = torch.stack([*kernels, kernels[0], torch.full_like(kernels[0], 5.0)])
    problem = problem_of(four, y, runs, gammas=((0.25,) * 4, (0, 0, 0, 1)))
    span = Span.of(problem)
    assert span is not None
    assert 16 <= span.basis.shape[1] <= 17
    theirs = Operators(dataclasses.replace(problem), accurate=True, memory=0)
    ours = Operators(problem, accurate=True, memory=0, span=span)
    rows = problem.targets.rows(slice(None))
    torch.testing.assert_close(ours.get(0).solve(rows), theirs.get(0).solve(rows))
    dead = len(ALPHAS)
    torch.testing.assert_close(ours.get(dead).solve(rows), theirs.get(dead).solve(rows))


@pytest.mark.parametrize("score", ["r2", "correlation"])
@pytest.mark.parametrize("intercept", [True, False])
def test_probes_score_alike(intercept, score):
    kernels, y, runs = study(sizes=(60, 60, 60, 60), shuffled=True)
    problem = problem_of(kernels, y, runs, intercept=intercept, score=score)
    span = Span.of(problem)
    assert span is not None
    assert span.basis.shape[1] < 90
    plain, spanned = (probe(problem, problem.folds, one) for one in (None, span))
    for one, other in zip(plain.surfaces, spanned.surfaces, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-6)


def test_problems_are_checked_as_ever():
    kernels, y, runs = study()
    assert isinstance(problem_of(kernels, y, runs), Problem)
    with pytest.raises(ValueError, match="NaN"):
        banded_ridge.fit(kernels * np.nan, y, runs, np.ones((1, 2)), ALPHAS)
