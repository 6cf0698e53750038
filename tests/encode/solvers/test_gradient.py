"""Band weights by steps: each piece against a slow way to the same, and predictions against the
gradient descent of himalaya."""

import numpy as np
import pytest
import torch
from himalaya.backend import set_backend
from himalaya.kernel_ridge import MultipleKernelRidgeCV

from tristream.encode.solvers import banded_ridge
from tristream.encode.solvers.calibration import LeftOut
from tristream.encode.solvers.make_problem import make_problem
from tristream.encode.solvers.operators import Operators
from tristream.encode.solvers.shared_weights import shared_weights

RUNS = np.array([2, 0, 1])[np.repeat([0, 1, 2, 0], [14, 20, 25, 11])]
ALPHAS = np.logspace(-2, 4, 13)


def study(n, columns, voxels, noise=1.0, seed=0, new=0, sparse=0.3):
    """Kernels of mean diagonal one, new rows against the first n, data, and bands' shares."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(len(columns), sparse), voxels).T
    kernels, signal = [], np.zeros((n + new, voxels))
    for p, share in zip(columns, shares, strict=True):
        x = rng.standard_normal((n + new, p)) * np.arange(1, p + 1) ** -0.5
        x -= x[:n].mean(0)
        gram = x @ x[:n].T
        kernels.append(gram / np.trace(gram[:n]) * n)
        part = x @ rng.standard_normal((p, voxels))
        signal += part / part.std(0) * np.sqrt(share)
    y = signal + noise * rng.standard_normal((n + new, voxels))
    return torch.from_numpy(np.stack(kernels)), torch.from_numpy(y - y[:n].mean(0)), shares


def explicit(kernels, y, runs, gamma, intercept):
    """Left-out residual and bands' predictions of one voxel, penalty one, run by run."""
    for run in np.unique(runs):
        train, test = np.flatnonzero(runs != run), np.flatnonzero(runs == run)
        own = torch.einsum("b,bij->ij", gamma, kernels)
        n = len(train)
        system = torch.zeros(n + 1, n + 1, dtype=y.dtype)
        system[:n, :n] = own[train][:, train] + torch.eye(n)
        system[n, :n] = system[:n, n] = float(intercept)
        system[n, n] = float(not intercept)
        solution = torch.linalg.solve(system, torch.cat([y[train], y.new_zeros(1)]))
        dual = solution[:n]
        parts = kernels[:, test][:, :, train] @ dual
        if intercept:
            parts = parts - (kernels[:, train][:, :, train] @ dual).mean(1, keepdim=True)
        mean = y[train].mean() * float(intercept)
        yield test, y[test] - mean - gamma @ parts, parts, (train, dual)


@pytest.mark.parametrize("intercept", [True, False])
def test_slopes_are_those_of_models_fitted_without_each_run(intercept):
    kernels, y, _ = study(len(RUNS), [5, 9, 30], 4)
    y += 3.0 * intercept
    gamma = torch.tensor([0.7, 0.05, 2.0], dtype=y.dtype)
    problem = make_problem(
        kernels, y, RUNS, gamma[None].numpy(), np.ones(1), intercept, "r2", torch.device("cpu")
    )
    operator = Operators(problem, accurate=True, memory=0).get(0)
    left_out = LeftOut(problem, problem.folds)
    voxels = torch.arange(4)
    rows = problem.targets.rows(voxels)
    solved = operator.solve(rows)
    residuals = operator.residuals(rows, solved)
    duals = left_out.duals(operator, solved, residuals)
    found = left_out.parts(duals, residuals, voxels)
    for v in range(4):
        slope, square, fixed, moved = 0.0, 0.0, [], []
        for test, residual, parts, (train, dual) in explicit(
            kernels, y[:, v], RUNS, gamma, intercept
        ):
            spread = (y[test, v] - y[test, v].mean()).square().sum() * 3
            slope = slope + parts @ residual / spread
            square = square + parts @ parts.T / spread
            # With duals held, the derivative of half the squared error to the log of a weight.
            for sign, errors in ((1, fixed), (-1, moved)):
                new = gamma.clone()
                new[1] *= np.exp(sign * 1e-5)
                shift = (kernels[:, train][:, :, train] @ dual).mean(1) * float(intercept)
                fit = new @ (kernels[:, test][:, :, train] @ dual - shift[:, None])
                mean = y[train, v].mean() * float(intercept)
                errors.append((y[test, v] - mean - fit).square().sum() / spread / 2)
        torch.testing.assert_close(found.slope[v], slope, rtol=1e-8, atol=1e-10)
        torch.testing.assert_close(found.square[v], square, rtol=1e-8, atol=1e-10)
        numeric = (sum(fixed) - sum(moved)) / 2e-5
        torch.testing.assert_close(-gamma[1] * found.slope[v, 1], numeric, rtol=1e-5, atol=1e-8)


def test_voxels_share_weights_while_they_lose_little():
    rng = torch.Generator().manual_seed(0)
    wanted = torch.randn(3, 4, generator=rng, dtype=torch.double)
    owners = torch.arange(60) % 3
    roots = torch.randn(60, 4, 6, generator=rng, dtype=torch.double)
    metric = roots @ roots.mT
    near = wanted[owners] + 1e-4 * torch.randn(60, 4, generator=rng, dtype=torch.double)
    weights, owner = shared_weights(near, metric, 1e-3)
    assert len(weights) == 3
    assert torch.equal(owner[owners == 1], owner[owners == 1][:1].expand(20))
    torch.testing.assert_close(weights[owner], near, rtol=0, atol=1e-3)
    scattered = torch.randn(60, 4, generator=rng, dtype=torch.double)
    sizes = []
    for most in (1e9, 1.0, 0.1, 0.0):
        weights, owner = shared_weights(scattered, metric, most)
        change = weights[owner] - scattered
        loss = torch.einsum("vb,vbc,vc->v", change, metric, change)
        sizes.append(len(weights))
        assert all(float(loss[owner == c].mean()) <= most + 1e-12 for c in owner.unique())
    assert sizes[0] == 1 < sizes[1] < sizes[2] < sizes[3] == 60


@pytest.mark.parametrize("score", ["r2", "correlation"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_returned_is_exact_and_no_worse_than_equal_weights(score, dtype):
    kernels, y, _ = study(len(RUNS), [4, 8, 6, 20], 30, noise=1.5)
    y[:, 3] = 1.0
    y = y.to(dtype)
    found = banded_ridge.fit_gradient(kernels, y, RUNS, ALPHAS, score=score)
    equal = banded_ridge.fit(
        kernels, y, RUNS, np.full((1, 4), 0.25), ALPHAS, score=score, solver="exact"
    )
    close = {"rtol": 0, "atol": 2e-4 if dtype == torch.float32 else 1e-9}
    torch.testing.assert_close(found.start, equal.choice.score, **close)
    assert bool((found.score >= found.start).all())
    assert float((found.score - found.start).mean()) > 0.02
    torch.testing.assert_close(found.gamma.sum(0), torch.ones(30, dtype=torch.double))
    for v in range(0, 30, 3):
        gamma, alpha = found.gamma[:, v].numpy()[None], found.alpha[v : v + 1].numpy()
        own = banded_ridge.fit(
            kernels, y[:, v : v + 1], RUNS, gamma, alpha, score=score, solver="exact"
        )
        torch.testing.assert_close(found.score[v : v + 1], own.choice.score, **close)
        scale = float(own.duals.abs().max()) + 1e-12
        torch.testing.assert_close(found.duals[:, v] / scale, own.duals[:, 0] / scale, **close)
        torch.testing.assert_close(found.intercept[v : v + 1], own.intercept, **close)


def test_finds_the_bands_that_drive_a_voxel():
    kernels, y, shares = study(240, [60] * 5, 60, noise=0.7, sparse=0.15)
    runs = np.arange(240) * 4 // 240
    found = banded_ridge.fit_gradient(kernels, y, runs, ALPHAS)
    gamma = found.gamma.numpy()
    # Alike in size and spectrum, bands' weights are as their shares of variance.
    assert np.abs(gamma - shares).mean() < 0.09 < 0.2 < np.abs(0.2 - shares).mean()
    parts = (banded_ridge.predict(kernels, found.duals, found.gamma) ** 2).mean(1)
    assert np.abs((parts / parts.sum(0)).numpy() - shares).mean() < 0.05
    driven = shares.max(0) > 0.9
    assert driven.sum() >= 15
    assert (gamma.argmax(0) == shares.argmax(0))[driven].all()


@pytest.mark.parametrize(("bands", "noise"), [(3, 1.5), (5, 1.0), (8, 1.5)])
def test_predicts_as_well_as_himalayas_gradient_descent(bands, noise):
    n, new, voxels = 240, 800, 160
    kernels, y, _ = study(n, [12 + 9 * b for b in range(bands)], voxels, noise, seed=bands, new=new)
    train, test, y = kernels[:, :n].float(), kernels[:, n:].float(), y.float()
    set_backend("torch")
    peer = MultipleKernelRidgeCV(
        kernels="precomputed",
        cv=4,
        solver="hyper_gradient",
        solver_params={
            "max_iter": 100,
            "hyper_gradient_method": "direct",
            "initial_deltas": "ridgecv",
            "progress_bar": False,
        },
    ).fit(train, y[:n])
    runs = np.arange(n) * 4 // n

    def r2(prediction):
        residual = (y[n:] - prediction).square().sum(0)
        return 1 - residual / (y[n:] - y[n:].mean(0)).square().sum(0)

    def predicted(duals, gamma, intercept):
        return banded_ridge.predict(test, duals, gamma.to(duals.dtype)).sum(0) + intercept

    theirs = r2(peer.predict(test))
    found = banded_ridge.fit_gradient(train, y[:n], runs, ALPHAS)
    ours = r2(predicted(found.duals, found.gamma, found.intercept))
    gammas = np.full((1, bands), 1 / bands)
    equal = banded_ridge.fit(train, y[:n], runs, gammas, ALPHAS)
    start = r2(predicted(equal.duals, torch.ones(bands, voxels) / bands, equal.intercept))
    assert float((ours - theirs).mean()) > -5e-4
    assert float((start - theirs).mean()) < -5e-3


def test_refuses_folds_that_overlap():
    kernels, y, _ = study(len(RUNS), [4, 8], 3)
    rows = np.arange(len(RUNS))
    overlapping = [(rows[10:], rows[:10]), (rows[15:], rows[5:15])]
    with pytest.raises(ValueError, match="leave a group of samples out"):
        banded_ridge.fit_gradient(kernels, y, overlapping, ALPHAS)
