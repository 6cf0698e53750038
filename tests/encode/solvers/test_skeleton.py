"""The skeleton keeps its promise: what it loses to scoring every candidate."""

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from helpers.real_series import haxby_series, localizer_series
from tristream.encode.solvers import banded_ridge, coverage, nodes, problem, shortlist, skeleton

RUNS = np.repeat(np.arange(5), [30, 46, 28, 41, 35])
NEW = 80
ALPHAS = np.logspace(-1, 5, 10)


def study(columns, spectrum, voxels=250, seed=0, noise=5):
    """Kernels of training rows and of new rows against them, and data of both.

    The mean share of explainable variance is 1 / (1 + noise).
    """
    rng = np.random.default_rng(seed)
    n = len(RUNS) + NEW
    kernels, new_kernels, signal = [], [], np.zeros((n, voxels))
    shares = rng.dirichlet([0.35] * len(columns), voxels).T
    for p, share in zip(columns, shares, strict=True):
        latent = rng.standard_normal((n, p)) * np.arange(1, p + 1) ** (-spectrum / 2)
        for t in range(1, n):
            latent[t] += 0.5 * latent[t - 1]
        x = latent - latent[: len(RUNS)].mean(0)
        gram = x @ x[: len(RUNS)].T
        gram /= np.trace(gram[: len(RUNS)]) / len(RUNS)
        kernels.append(gram[: len(RUNS)])
        new_kernels.append(gram[len(RUNS) :])
        part = x @ rng.standard_normal((p, voxels))
        signal += part / part.std(0) * np.sqrt(share)
    explained = rng.beta(1, noise, voxels)
    y = np.sqrt(explained) * signal + np.sqrt(1 - explained) * rng.standard_normal((n, voxels))
    y = torch.from_numpy(y.astype(np.float32))
    stacks = (torch.from_numpy(np.stack(k)) for k in (kernels, new_kernels))
    return *stacks, y[: len(RUNS)], y[len(RUNS) :]


def held_out_r2(kernels, y, gammas, found):
    weights = torch.from_numpy(gammas.T)[:, found.choice.gamma].to(y.dtype)
    prediction = banded_ridge.predict(kernels, found.duals, weights).sum(0) + found.intercept
    return 1 - (y - prediction).square().sum(0) / (y - y.mean(0)).square().sum(0)


def check(kernels, new_kernels, y, new_y, runs, score="r2", candidates=25, alphas=ALPHAS):
    """The gates: loss of CV score, and of test R²."""
    gammas = banded_ridge.dirichlet_candidates(candidates, len(kernels), seed=1)
    exact, quick = (
        banded_ridge.fit(kernels, y, runs, gammas, alphas, score=score, solver=solver)
        for solver in ("exact", "skeleton")
    )
    assert quick.solver == "skeleton"
    assert quick.rank <= len(gammas) * len(alphas)
    loss = quick.choice.score - exact.choice.score
    assert float(loss.mean()) >= -3e-5
    assert float(loss.quantile(0.01)) >= -5e-4
    assert float(loss.max()) < 5e-5  # Nothing is better than the best.
    rise = held_out_r2(new_kernels, new_y, gammas, quick) - held_out_r2(
        new_kernels, new_y, gammas, exact
    )
    error = float(rise.std()) / len(rise) ** 0.5
    assert abs(float(rise.mean())) <= max(1e-4, 2 * error)
    return quick


@pytest.mark.parametrize("score", ["r2", "correlation"])
@pytest.mark.parametrize(
    ("columns", "spectrum"),
    [
        pytest.param((400,), 1.0, id="one band"),
        pytest.param((500, 60), 0.0, id="two, flat"),
        pytest.param((600, 300, 40), 1.0, id="three"),
        pytest.param((600, 300, 40), 3.0, id="three, steep"),
        pytest.param((20, 15, 8), 0.0, id="p much smaller than n"),
        pytest.param((1200, 900, 500), 0.0, id="p much larger than n"),
        pytest.param((300, 300, 100, 100, 30), 1.0, id="five"),
    ],
)
def test_loss_is_within_the_promise(columns, spectrum, score):
    kernels, new_kernels, y, new_y = study(columns, spectrum)
    check(kernels, new_kernels, y, new_y, RUNS, score)


@pytest.mark.parametrize(
    ("bands", "voxels", "candidates", "noise", "score"),
    [
        (20, 400, 60, 1, "correlation"),
        (20, 400, 60, 8, "r2"),
        (10, 400, 80, 1, "r2"),
        (10, 400, 80, 8, "correlation"),
        (8, 2000, 60, 1, "r2"),
        (6, 1200, 60, 1, "r2"),
    ],
)
def test_the_promise_holds_for_few_voxels_and_many_bands(bands, voxels, candidates, noise, score):
    """Regions of interest under many feature spaces, with voxels that are like no others."""
    columns = np.random.default_rng(bands).integers(20, 200, bands)
    kernels, _, y, _ = study(columns, 1.0, voxels=voxels, noise=noise)
    gammas = banded_ridge.dirichlet_candidates(candidates, bands, seed=1)
    exact, found = (
        banded_ridge.fit(kernels, y, RUNS, gammas, ALPHAS, score=score, solver=solver)
        for solver in ("exact", "skeleton")
    )
    loss = exact.choice.score - found.choice.score
    assert float(loss.mean()) <= 3e-5
    assert float(loss.max()) <= 1e-2
    assert float(loss.mean()) <= found.estimated_loss + 5e-6


def drawn_study(seed, samples=90):
    """A study of drawn size and nature: kernels, data, runs, weightings and score."""
    rng = np.random.default_rng(seed)
    voxels = int(rng.choice([1, 8, 60, 300, 1200, 5000], p=[0.1, 0.1, 0.2, 0.3, 0.2, 0.1]))
    bands, folds = int(rng.integers(1, 21)), int(rng.choice([2, 3, 5, 8]))
    candidates, spectrum = int(rng.choice([10, 30, 60])), float(rng.choice([0, 1, 3]))
    noise, score = float(rng.choice([1, 8, 30])), str(rng.choice(["r2", "correlation"]))
    kernels, signal = [], np.zeros((samples, voxels))
    for share in rng.dirichlet([0.35] * bands, voxels).T:
        p = int(rng.integers(5, 200))
        x = rng.standard_normal((samples, p)) * np.arange(1, p + 1) ** (-spectrum / 2)
        x = lfilter([1], [1, -0.5], x, axis=0)
        x -= x.mean(0)
        kernels.append(x @ x.T / (x**2).sum() * samples)
        part = x @ rng.standard_normal((p, voxels))
        signal += part / part.std(0) * np.sqrt(share)
    explained = rng.beta(1, noise, voxels)
    y = np.sqrt(explained) * signal + np.sqrt(1 - explained) * rng.standard_normal(signal.shape)
    runs = np.sort(rng.permutation(samples) % folds)
    gammas = banded_ridge.dirichlet_candidates(candidates, bands, seed)
    return torch.from_numpy(np.stack(kernels)), torch.from_numpy(y).float(), runs, gammas, score


@pytest.mark.filterwarnings("ignore::tristream.encode.estimators.ExactSearchWarning")
def test_the_promise_holds_in_studies_of_any_size(monkeypatch):
    """1 to 5,000 voxels, 1 to 20 bands; the estimate bounds the loss in 95 % of them."""
    cells, bounded, short = 24, 0, 0
    for seed in range(cells):
        kernels, y, runs, gammas, score = drawn_study(seed)
        exact, quick = (
            banded_ridge.fit(kernels, y, runs, gammas, ALPHAS, score=score, solver=solver)
            for solver in ("exact", "skeleton")
        )
        lost = float((exact.choice.score - quick.choice.score).mean())
        assert lost <= 3e-5, seed
        bounded += lost <= quick.estimated_loss + 1e-6
        short += quick.solver == "skeleton" and quick.rank < len(gammas) * len(ALPHAS)
    assert bounded >= 0.95 * cells
    assert short >= 0.3 * cells
    # The gate finds a search that returns whatever few nodes give.
    monkeypatch.setattr(banded_ridge, "MOST_LOSS", np.inf)
    monkeypatch.setattr(skeleton, "ROUNDS", 1)
    monkeypatch.setattr(skeleton, "MANY_BANDS", 10)
    monkeypatch.setattr(skeleton, "POOR", {"r2": np.inf, "correlation": np.inf})
    kernels, _, y, _ = study((300, 150, 100, 80, 60, 40), 1.0, voxels=300, noise=1)
    gammas = banded_ridge.dirichlet_candidates(60, 6, seed=1)
    exact, poor = (
        banded_ridge.fit(kernels, y, RUNS, gammas, ALPHAS, solver=solver)
        for solver in ("exact", "skeleton")
    )
    assert float((exact.choice.score - poor.choice.score).mean()) > 3e-5


def test_a_search_that_would_lose_too_much_is_exact_and_warns(monkeypatch):
    kernels, _, y, _ = study((600, 300, 40), 1.0, voxels=200)
    gammas = banded_ridge.dirichlet_candidates(40, 3, seed=1)
    monkeypatch.setattr(skeleton, "RANKS", {3: 4})
    monkeypatch.setattr(skeleton, "POOR", {"r2": np.inf})
    monkeypatch.setattr(skeleton, "ROUNDS", 1)
    with pytest.warns(banded_ridge.ExactSearchWarning, match="all are scored on every voxel"):
        found = banded_ridge.fit(kernels, y, RUNS, gammas, ALPHAS)
    exact = banded_ridge.fit(kernels, y, RUNS, gammas, ALPHAS, solver="exact")
    assert (found.solver, found.estimated_loss) == ("exact", 0.0)
    assert torch.equal(found.duals, exact.duals)


@pytest.mark.parametrize("score", ["r2", "correlation"])
def test_penalties_far_beyond_the_kernels_lose_nothing(score):
    kernels, new_kernels, y, new_y = study((300, 100), 1.0, voxels=200)
    alphas = np.logspace(1, 20, 20)
    check(kernels, new_kernels, y, new_y, RUNS, score, candidates=15, alphas=alphas)


@pytest.mark.parametrize("score", ["r2", "correlation"])
@pytest.mark.parametrize("name", ["haxby", "localizer"])
def test_real_bold(request, name, score):
    read = {"haxby": haxby_series, "localizer": localizer_series}[name]
    series = read(request.getfixturevalue(name))
    train, new = series.held_out(3, 3)
    grams = torch.from_numpy(series.kernels(train))
    y = torch.from_numpy(series.targets.astype(np.float32))
    runs = series.runs[train]
    check(grams[:, train], grams[:, new], y[train], y[new], runs, score, candidates=12)


@pytest.mark.parametrize("least", [0.0, 0.02, 0.1])
def test_the_pool_is_that_of_a_greedy_search_of_the_whole_table(least):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(40, 60, generator=generator, dtype=torch.float64)
    cost = torch.rand(40, generator=generator, dtype=torch.float64) + 0.1
    held = scores[7].clone()
    gains = coverage.CoverageGains(scores.split(9), held)
    chosen = gains.choose(cost.tolist(), least, left=0.3)
    expected, best = [], held
    while True:
        rise = (scores - best).clamp_min(0).mean(1) / cost
        left = float((scores.amax(0) - best).mean())
        if rise.amax() <= 0 or (rise.amax() < least and left <= 0.3):
            break
        expected.append(int(rise.argmax()))
        best = torch.maximum(best, scores[expected[-1]])
    assert chosen == expected
    assert np.array_equal(gains.covered, best.numpy())
    assert gains.left == pytest.approx(left)
    again = coverage.CoverageGains(scores.split(9), held)
    assert again.choose(cost.tolist(), least, 0.3, number=2) == expected[:2]


def test_few_candidates_are_all_scored():
    kernels, _, y, _ = study((100,), 1.0, voxels=20)
    found = banded_ridge.fit(kernels, y, RUNS, np.ones((1, 1)), ALPHAS)
    assert (found.solver, found.rank) == ("skeleton", len(ALPHAS))
    exact = banded_ridge.fit(kernels, y, RUNS, np.ones((1, 1)), ALPHAS, solver="exact")
    assert torch.allclose(found.choice.score, exact.choice.score, atol=1e-5)


def test_one_voxel_is_solved_exactly():
    kernels, _, y, _ = study((100, 30), 1.0, voxels=1)
    gammas = banded_ridge.dirichlet_candidates(20, 2)
    found = banded_ridge.fit(kernels, y, RUNS, gammas, ALPHAS)
    exact = banded_ridge.fit(kernels, y, RUNS, gammas, ALPHAS, solver="exact")
    assert found.solver == "exact"
    assert torch.equal(found.duals, exact.duals)


def test_the_skeleton_grows_until_verifying_gains_little(monkeypatch):
    kernels, _, y, _ = study((600, 300, 40), 1.0, voxels=200)
    gammas = banded_ridge.dirichlet_candidates(40, 3, seed=1)
    monkeypatch.setattr(skeleton, "RANKS", {3: 4})
    monkeypatch.setattr(skeleton, "POOR", {"r2": np.inf})
    monkeypatch.setattr(skeleton, "ROUNDS", 1)
    monkeypatch.setattr(banded_ridge, "MOST_LOSS", np.inf)
    poor = banded_ridge.fit(kernels, y, RUNS, gammas, ALPHAS)
    assert poor.rank == 4
    assert poor.estimated_loss > skeleton.MOST_LOSS
    monkeypatch.setattr(skeleton, "ROUNDS", 12)
    grown = banded_ridge.fit(kernels, y, RUNS, gammas, ALPHAS)
    assert grown.rank > 4
    assert grown.estimated_loss <= skeleton.MOST_LOSS
    assert grown.choice.score.mean() >= poor.choice.score.mean()


@pytest.mark.parametrize(("above", "grows"), [(1.2, False), (3.0, True)])
def test_a_little_too_much_loss_asks_for_more_verified_and_not_for_nodes(monkeypatch, above, grows):
    kernels, _, y, _ = study((600, 300, 40), 1.0, voxels=200)
    gammas = banded_ridge.dirichlet_candidates(40, 3, seed=1)
    monkeypatch.setattr(skeleton, "RANKS", {3: 30})
    monkeypatch.setattr(skeleton, "POOR", {"r2": np.inf})
    monkeypatch.setattr(skeleton, "MOST_LOSS", np.inf)
    monkeypatch.setattr(banded_ridge, "MOST_LOSS", np.inf)
    monkeypatch.setattr(skeleton, "ROUNDS", 2)
    first = banded_ridge.fit(kernels, y, RUNS, gammas, ALPHAS)
    monkeypatch.setattr(skeleton, "MOST_LOSS", first.estimated_loss / above)
    second = banded_ridge.fit(kernels, y, RUNS, gammas, ALPHAS)
    assert (second.rank > first.rank) is grows
    assert second.estimated_loss < first.estimated_loss
    assert bool((second.choice.score >= first.choice.score - 1e-6).all())


def test_probes_tell_how_many_nodes_to_begin_with(monkeypatch):
    kernels, _, y, _ = study((600, 300, 40), 1.0, voxels=200)
    gammas = banded_ridge.dirichlet_candidates(40, 3, seed=1)
    monkeypatch.setattr(skeleton, "RANKS", {3: 4})
    monkeypatch.setattr(skeleton, "ROUNDS", 1)
    monkeypatch.setattr(banded_ridge, "MOST_LOSS", np.inf)
    assert banded_ridge.fit(kernels, y, RUNS, gammas, ALPHAS).rank > 30


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("spectrum", [0.0, 3.0])
def test_the_estimated_loss_is_no_less_than_what_is_lost(monkeypatch, spectrum, seed):
    """Little noise, many candidates, few nodes, and a pool begun on few of the voxels."""
    kernels, _, y, _ = study((300, 150, 40), spectrum, voxels=150, seed=seed, noise=1)
    gammas = banded_ridge.dirichlet_candidates(40, 3, seed=1)
    exact = banded_ridge.fit(kernels, y, RUNS, gammas, ALPHAS, solver="exact")
    monkeypatch.setattr(skeleton, "RANKS", {3: 20})
    monkeypatch.setattr(skeleton, "POOR", {"r2": np.inf})
    monkeypatch.setattr(banded_ridge, "MOST_LOSS", np.inf)
    monkeypatch.setattr(shortlist, "PART", 1)
    monkeypatch.setattr(shortlist, "FEWEST_VOXELS", 20)
    for rounds, allowed in ((1, np.inf), (5, 3e-5)):
        monkeypatch.setattr(skeleton, "ROUNDS", rounds)
        quick = banded_ridge.fit(kernels, y, RUNS, gammas, ALPHAS)
        lost = float((exact.choice.score - quick.choice.score).mean())
        assert lost <= min(quick.estimated_loss + 5e-6, allowed)


def test_float32_search_and_little_memory_change_nothing_but_rounding(monkeypatch):
    kernels, _, y, _ = study((100, 60, 30), 1.0, voxels=200)
    gammas = banded_ridge.dirichlet_candidates(30, 3)
    free = banded_ridge.fit(kernels, y, RUNS, gammas, ALPHAS)
    tight = banded_ridge.fit(kernels, y, RUNS, gammas, ALPHAS, memory=0)
    assert torch.allclose(free.choice.score, tight.choice.score, atol=1e-5)
    monkeypatch.setattr(banded_ridge, "fast_type", lambda device, dtype: dtype)
    single = banded_ridge.fit(kernels, y, RUNS, gammas, ALPHAS)
    assert single.dtype == "float32"
    assert abs(float((single.choice.score - free.choice.score).mean())) < 5e-5


def test_targets_may_lie_on_disk(tmp_path):
    kernels, _, y, _ = study((100, 60, 30), 1.0, voxels=100)
    gammas = banded_ridge.dirichlet_candidates(20, 3)
    np.save(tmp_path / "y.npy", y.numpy())
    mapped = torch.from_numpy(np.load(tmp_path / "y.npy", mmap_mode="c"))
    one, two = (banded_ridge.fit(kernels, t, RUNS, gammas, ALPHAS, memory=0) for t in (y, mapped))
    assert torch.equal(one.duals, two.duals)


def test_equal_inputs_give_equal_arrays():
    kernels, _, y, _ = study((100, 60, 30), 1.0, voxels=100)
    gammas = banded_ridge.dirichlet_candidates(20, 3)
    one, two = (banded_ridge.fit(kernels, y, RUNS, gammas, ALPHAS) for _ in range(2))
    assert torch.equal(one.duals, two.duals)
    assert torch.equal(one.choice.gamma, two.choice.gamma)


def test_out_of_memory_halves_the_chunk():
    seen = []

    def step(part):
        if part.stop - part.start > 100:
            raise torch.OutOfMemoryError
        seen.append(part)

    assert problem.in_chunks(450, 400, step) == 100
    assert [(p.start, p.stop) for p in seen] == [(i, min(i + 100, 450)) for i in range(0, 450, 100)]
    with pytest.raises(torch.OutOfMemoryError):
        problem.in_chunks(450, 400, lambda part: step(slice(0, 200)))


def test_bfloat16_is_searched_only_for_float32():
    cpu = torch.device("cpu")
    assert nodes.fast_type(cpu, torch.float64) == torch.float64
    assert nodes.fast_type(cpu, torch.float32) in (torch.float32, torch.bfloat16)


@pytest.mark.parametrize(
    ("known", "quick"),
    [
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, torch.bfloat16),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, torch.float32),
        ({"cpu_name": "AMD EPYC", "avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
        ({}, torch.float32),
    ],
)
def test_bfloat16_is_searched_where_it_is_faster(monkeypatch, known, quick):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)
    assert nodes.fast_type(torch.device("cpu"), torch.float32) == quick


@pytest.mark.gpu
def test_cuda_predicts_as_the_cpu():
    kernels, new_kernels, y, _ = study((600, 300, 40), 1.0)
    gammas = banded_ridge.dirichlet_candidates(10, 3)
    predicted = []
    for device in ("cpu", "cuda"):
        found = banded_ridge.fit(
            kernels.to(device), y, RUNS, gammas, ALPHAS, solver="exact", device=device
        )
        weights = torch.from_numpy(gammas.T)[:, found.choice.gamma.cpu()].to(y.dtype)
        predicted.append(banded_ridge.predict(new_kernels, found.duals.cpu(), weights).sum(0))
    assert float((predicted[0] - predicted[1]).abs().max()) < 1e-4
