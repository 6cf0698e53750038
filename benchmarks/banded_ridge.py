"""Banded ridge: ours against himalaya's random search, from undelayed features to dual weights.

Both get the same features, delays, runs, band weightings and penalties, and both build their
kernels inside the timed part: himalaya from explicit delayed features, ours by shifting the kernel
of the undelayed ones. Both fit an intercept in each fold and refit the chosen model. Times are CPU
seconds of one thread, in turns; the ratio is that of the medians. The gate: mean cross-validated
R² of the choices may differ by 1e-5 at most.

    python benchmarks/banded_ridge.py
"""

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from himalaya.backend import set_backend
from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search
from himalaya.scoring import r2_score
from scipy.signal import lfilter
from sklearn.model_selection import PredefinedSplit
from threadpoolctl import threadpool_limits

from tristream.encode.solvers import banded_ridge
from tristream.encode.solvers.kernels import Scaler, centre, delayed_kernel, linear_kernel

DELAYS = (1, 2, 3, 4)
COLUMNS = (1500, 600, 60)
ALPHAS = np.logspace(-1, 5, 15)
GATE = 1e-5


def make(n: int, voxels: int, runs: int) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Slow features with decaying spectra, voxels driven by mixtures of bands, AR noise."""
    rng = np.random.default_rng(0)
    bands, signal = [], np.zeros((n, voxels))
    weight = rng.dirichlet([0.3] * len(COLUMNS), voxels).T
    for p, driven in zip(COLUMNS, weight, strict=True):
        q = min(p, 200)
        latent = lfilter([1], [1, -0.5], rng.standard_normal((n, q)), axis=0)
        x = latent / np.sqrt(1 + np.arange(q)) @ rng.standard_normal((q, p))
        x += 0.2 * x.std() * rng.standard_normal((n, p))
        bands.append(((x - x.mean(0)) / x.std(0)).astype(np.float32))
        part = lfilter([0, 0.3, 1, 0.7, 0.2], [1], x @ rng.standard_normal((p, voxels)), axis=0)
        signal += part / part.std(0) * np.sqrt(driven)
    noise = lfilter([1], [1, -0.4], rng.standard_normal((n, voxels)), axis=0)
    share = rng.beta(1, 2, voxels)
    y = np.sqrt(share) * signal / signal.std(0) + np.sqrt(1 - share) * noise / noise.std(0)
    return bands, y.astype(np.float32), np.arange(n) * runs // n


def ours(
    bands: list[np.ndarray], y: np.ndarray, runs: np.ndarray, gammas: np.ndarray
) -> np.ndarray:
    """Cross-validated R² of each voxel's choice, by this package."""
    position = torch.from_numpy(np.concatenate([np.arange(n) for n in np.bincount(runs)]))
    kernels = []
    for x in bands:
        kernel = linear_kernel(x, len(x), Scaler.fit(x))
        kernel = delayed_kernel(kernel, position, position, DELAYS)
        kernel = centre(kernel, kernel)
        kernels.append(kernel / kernel.trace() * len(x))
    stacked, targets = torch.stack(kernels), torch.from_numpy(y)
    choice = banded_ridge.search(stacked, targets, runs, gammas, ALPHAS)
    banded_ridge.refit(stacked, targets, gammas, ALPHAS, choice)
    return choice.score.numpy()


def himalaya(
    bands: list[np.ndarray], y: np.ndarray, runs: np.ndarray, gammas: np.ndarray
) -> np.ndarray:
    """The same by himalaya, with its torch backend in float32."""
    set_backend("torch")
    starts = np.flatnonzero(np.diff(runs, prepend=-1))
    kernels = []
    for x in bands:
        z = (x - x.mean(0)) / x.std(0)
        delayed = np.zeros((len(x), x.shape[1] * len(DELAYS)), np.float32)
        for i, delay in enumerate(DELAYS):
            for run in np.split(np.arange(len(x)), starts[1:]):
                columns = slice(i * x.shape[1], (i + 1) * x.shape[1])
                delayed[run[delay:], columns] = z[run[:-delay]]
        centred = torch.from_numpy(delayed - delayed.mean(0))
        kernel = centred @ centred.T
        kernels.append(kernel / kernel.trace() * len(x))
    results = solve_multiple_kernel_ridge_random_search(
        torch.stack(kernels),
        torch.from_numpy(y),
        n_iter=torch.from_numpy(gammas.astype(np.float32)),
        alphas=torch.from_numpy(ALPHAS.astype(np.float32)),
        cv=PredefinedSplit(runs),
        score_func=r2_score,
        fit_intercept=True,
        return_weights="dual",
        progress_bar=False,
    )
    return results[2].max(0).values.numpy()


def timed(solve: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """CPU seconds, and what was computed."""
    start = time.process_time()
    scores = solve()
    return time.process_time() - start, scores


def main() -> int:
    """Run both in turns; the exit status says whether the gate holds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=420)
    parser.add_argument("--voxels", type=int, default=2000)
    parser.add_argument("--weightings", type=int, default=12)
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = make(args.samples, args.voxels, args.runs)
    gammas = banded_ridge.dirichlet_candidates(args.weightings, len(COLUMNS))
    seconds: dict[str, list[float]] = {"ours": [], "himalaya": []}
    scores: dict[str, np.ndarray] = {}
    with threadpool_limits(1):
        for _ in range(args.repeats):
            for name, solve in (("ours", ours), ("himalaya", himalaya)):
                taken, scores[name] = timed(lambda solve=solve: solve(*data, gammas))
                seconds[name].append(taken)
    difference = scores["ours"] - scores["himalaya"]
    ours_s, theirs_s = (float(np.median(seconds[name])) for name in ("ours", "himalaya"))
    print(f"n={args.samples} voxels={args.voxels} bands={len(COLUMNS)} weightings={len(gammas)}")
    print(f"CPU seconds: ours {ours_s:.2f}, himalaya {theirs_s:.2f}")
    print(f"CV R²: mean {scores['ours'].mean():.4f}")
    print(f"CV R², ours - himalaya: mean {difference.mean():.1e}, worst {difference.min():.1e}")
    print(f"RATIO banded_ridge={theirs_s / ours_s:.2f}")
    return int(not abs(difference.mean()) <= GATE)


if __name__ == "__main__":
    sys.exit(main())
