"""Banded ridge: ours against himalaya's random search, from undelayed features to dual weights.

Both get the same features, delays, runs, band weightings and penalties; both build their kernels
inside the timed part (himalaya from explicit delayed features, ours by shifting the kernel of the
undelayed ones), fit an intercept in each fold, and refit every voxel's choice. Times are CPU
seconds of one thread, ours before and after the peer's. himalaya runs at the best of three batch
settings, found on a few band weightings.

Its search is a loop over band weightings of equal cost. By default 25 of them are timed, in five
pieces, and each piece is scaled to all: the mean is compared, the range printed. All weightings are
tried on some voxels only, to compare what was chosen. `--full` runs himalaya as it is; `--ungated`
only times. `--memory` adds peak memory, each in its own process. `--quick` is small, to see that it
works.
`--subjects` has no peer: the voxels as those of several subjects of one timeline, fitted as a stack
and one by one.

    python benchmarks/banded_ridge.py
    python benchmarks/banded_ridge.py --quick
    python benchmarks/banded_ridge.py --voxels 20000 --memory
    python benchmarks/banded_ridge.py --score correlation --full
    python benchmarks/banded_ridge.py --candidates 1000 --peer-candidates 100

The gates, on the voxels that both fitted: mean CV score at most 3e-5 below himalaya's, its 1st
percentile at most 5e-4, and mean test R² equal within 1e-4 or two standard errors. With more
candidates than the peer, mean CV score and mean test R² may not be lower by more than this.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from himalaya.backend import set_backend
from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search
from himalaya.scoring import correlation_score, r2_score
from scipy.signal import lfilter
from sklearn.model_selection import PredefinedSplit
from threadpoolctl import threadpool_limits

from tristream.encode.solvers import banded_ridge
from tristream.encode.solvers.kernels import Scaler, centre, delayed_kernel, linear_kernel

DELAYS = (1, 2, 3, 4)
ALPHAS = np.logspace(-1, 5, 20)
FOLDS = 5
TEST = 300
# n_targets_batch, n_alphas_batch
BATCHES = ((None, None), (1000, None), (1000, 5))
# Weightings that tell which batches are best; and those whose time is scaled, in so many pieces.
FEW = 2
TIMED, PIECES = 25, 5
QUICK = {"samples": 200, "voxels": 300, "candidates": 50, "bands": "60,40"}
GATED = 300
T = TypeVar("T")
Found = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Data:
    """Undelayed features of training and test runs, and BOLD of both."""

    bands: list[np.ndarray]
    y: np.ndarray
    runs: np.ndarray
    new_bands: list[np.ndarray]
    new_y: np.ndarray


@dataclass(frozen=True)
class Result:
    """CV score and test R² of every voxel."""

    cv: np.ndarray
    test: np.ndarray


def make(
    n: int, voxels: int, columns: list[int], spectrum: float, explained: float, seed: int
) -> Data:
    """Slow features with decaying spectra, voxels driven by mixtures of bands, AR noise.

    Explainable variance is Beta-distributed over voxels, of mean `explained`.
    """
    rng = np.random.default_rng(seed)
    total = n + TEST
    bands, signal = [], np.zeros((total, voxels), np.float32)
    weight = rng.dirichlet([0.35] * len(columns), voxels).T.astype(np.float32)
    for p, driven in zip(columns, weight, strict=True):
        q = min(p, 300)
        latent = lfilter([1], [1, -0.5], rng.standard_normal((total, q)), axis=0)
        latent = latent * np.arange(1, q + 1) ** (-spectrum / 2)
        x = latent @ rng.standard_normal((q, p)) / q**0.5
        x += 0.15 * latent.std() * q**-0.5 * rng.standard_normal((total, p))
        bands.append(((x - x.mean(0)) / x.std(0)).astype(np.float32))
        readout = bands[-1] @ rng.standard_normal((p, voxels), np.float32)
        part = lfilter([0, 0.3, 1, 0.7, 0.2], [1], readout, axis=0).astype(np.float32)
        signal += part / part.std(0) * np.sqrt(driven)
    error = lfilter([1], [1, -0.3], rng.standard_normal((total, voxels), np.float32), axis=0)
    share = rng.beta(1, (1 - explained) / explained, voxels)
    y = np.sqrt(share) * signal / signal.std(0) + np.sqrt(1 - share) * error / error.std(0)
    y = y.astype(np.float32)
    runs = np.arange(n) * FOLDS // n
    train, new = [x[:n] for x in bands], [x[n:] for x in bands]
    return Data(train, y[:n], runs, new, y[n:])


def our_kernels(data: Data) -> torch.Tensor:
    lengths = np.bincount(data.runs)
    position = torch.from_numpy(np.concatenate([np.arange(n) for n in lengths]))
    kernels = torch.empty(len(data.bands), *[len(data.runs)] * 2, dtype=torch.float64)
    for x, out in zip(data.bands, kernels, strict=True):
        kernel = linear_kernel(x, len(x), Scaler.fit(x))
        kernel = delayed_kernel(kernel, position, position, DELAYS)
        kernel = centre(kernel, kernel)
        torch.mul(kernel, len(x) / kernel.trace(), out=out)
    return kernels


def ours(data: Data, gammas: np.ndarray, score: str, budget: int | None = None) -> Found:
    """Timed: kernels, search, refit."""
    found = banded_ridge.fit(
        our_kernels(data),
        torch.from_numpy(data.y),
        data.runs,
        gammas,
        ALPHAS,
        score=score,
        memory=budget,
    )
    loss = f"estimated loss {found.estimated_loss:.1e}"
    print(f"ours: rank {found.rank}, {loss}, searched in {found.dtype}")
    choice = found.choice
    return (
        choice.gamma.numpy(),
        ALPHAS[choice.alpha.numpy()],
        choice.score.numpy(),
        found.duals.numpy(),
        found.intercept.numpy(),
    )


def delayed(x: np.ndarray, runs: np.ndarray) -> np.ndarray:
    """Features at all delays, written out run by run."""
    out = np.zeros((len(x), x.shape[1] * len(DELAYS)), np.float32)
    for i, delay in enumerate(DELAYS):
        for run in np.unique(runs):
            rows = np.flatnonzero(runs == run)
            out[rows[delay:], i * x.shape[1] : (i + 1) * x.shape[1]] = x[rows[:-delay]]
    return out


def their_kernels(data: Data) -> torch.Tensor:
    kernels = []
    for x in data.bands:
        z = delayed((x - x.mean(0)) / x.std(0), data.runs)
        centred = torch.from_numpy(z - z.mean(0))
        kernel = centred @ centred.T
        kernels.append(kernel / kernel.trace() * len(x))
    return torch.stack(kernels)


def himalaya(
    data: Data,
    gammas: np.ndarray,
    score: str,
    batch: tuple[int | None, int | None],
    voxels: slice = slice(None),
) -> Found:
    """Timed: kernels, search, refit, by himalaya's torch backend in float32."""
    set_backend("torch")
    _, duals, scores, alphas, intercept = solve_multiple_kernel_ridge_random_search(
        their_kernels(data),
        torch.from_numpy(data.y[:, voxels]),
        n_iter=torch.from_numpy(gammas.astype(np.float32)),
        alphas=torch.from_numpy(ALPHAS.astype(np.float32)),
        cv=PredefinedSplit(data.runs),
        score_func={"r2": r2_score, "correlation": correlation_score}[score],
        fit_intercept=True,
        return_weights="dual",
        return_alphas=True,
        n_targets_batch=batch[0],
        n_alphas_batch=batch[1],
        n_targets_batch_refit=batch[0],
        progress_bar=False,
    )
    # Its duals are of kernels divided by the penalty.
    duals = duals / alphas
    found = (scores.argmax(0), alphas, scores.amax(0), duals, intercept)
    return tuple(x.numpy() for x in found)


def judge(data: Data, gammas: np.ndarray, found: Found, voxels: slice) -> Result:
    """Test R² of a solution (not timed), both solvers' weights used alike."""
    gamma, _, cv, duals, intercept = found
    total = 0.0
    for b, (train, new) in enumerate(zip(data.bands, data.new_bands, strict=True)):
        z = delayed((train - train.mean(0)) / train.std(0), data.runs)
        mean, scale = z.mean(0), np.linalg.norm(z - z.mean(0)) ** 2 / len(z)
        fresh = delayed((new - train.mean(0)) / train.std(0), np.zeros(len(new)))
        kernel = (fresh - mean) @ (z - mean).T / scale
        total = total + (kernel @ duals) * gammas[gamma, b].astype(np.float32)
    y = data.new_y[:, voxels]
    error = ((y - total - intercept) ** 2).sum(0)
    return Result(cv, 1 - error / ((y - y.mean(0)) ** 2).sum(0))


def clock(solve: Callable[[], T]) -> tuple[float, T]:
    """CPU seconds, and what was found."""
    start = time.process_time()
    found = solve()
    return time.process_time() - start, found


@dataclass(frozen=True)
class PeerTime:
    """CPU seconds of himalaya: one value if it ran in full, else one scaled from each piece."""

    seconds: list[float]
    timed: int
    batch: tuple[int | None, int | None]
    found: Found | None = None

    @property
    def mean(self) -> float:
        return float(np.mean(self.seconds))

    def __str__(self) -> str:
        if len(self.seconds) == 1:
            return f"himalaya {self.mean:.1f}, in full"
        return (
            f"himalaya {self.mean:.1f}, extrapolated from {self.timed} weightings in {PIECES} "
            f"pieces ({min(self.seconds):.1f} to {max(self.seconds):.1f})"
        )


def time_himalaya(data: Data, gammas: np.ndarray, score: str, full: bool) -> PeerTime:
    """At the best setting; in full if asked for, or if there are no more weightings than timed."""
    trials = {b: clock(lambda b=b: himalaya(data, gammas[:FEW], score, b))[0] for b in BATCHES}
    best = min(trials, key=lambda b: trials[b])
    if full or len(gammas) <= TIMED:
        seconds, found = clock(lambda: himalaya(data, gammas, score, best))
        return PeerTime([seconds], len(gammas), best, found)
    pieces = np.array_split(np.arange(TIMED), PIECES)
    size = TIMED // PIECES
    took = [clock(lambda p=p: himalaya(data, gammas[p], score, best))[0] for p in pieces]
    few = min(trials[best], clock(lambda: himalaya(data, gammas[:FEW], score, best))[0])
    # Kernels and the refit are done once, whatever the number of weightings.
    once = few - FEW * max(float(np.mean(took)) - few, 0) / (size - FEW)
    return PeerTime([once + (t - once) * len(gammas) / size for t in took], TIMED, best)


def gate(ours_: Result, theirs: Result, more: bool) -> bool:
    """Print the differences; whether they are within the promise."""
    loss, rise = ours_.cv - theirs.cv, ours_.test - theirs.test
    error = rise.std() / len(rise) ** 0.5
    print(f"voxels compared: {len(loss)}")
    print(f"himalaya: CV score {theirs.cv.mean():.4f}, test R² {theirs.test.mean():.4f}")
    print(
        f"CV score, ours - himalaya: mean {loss.mean():.1e}, 1st percentile "
        f"{np.quantile(loss, 0.01):.1e}, worst {loss.min():.1e}"
    )
    print(f"test R², ours - himalaya: mean {rise.mean():.1e} ± {error:.1e}")
    allowed = max(1e-4, 2 * error)
    tested = rise.mean() >= -allowed and (more or rise.mean() <= allowed)
    return bool(loss.mean() >= -3e-5 and (more or np.quantile(loss, 0.01) >= -5e-4) and tested)


def stacked(data: Data, gammas: np.ndarray, score: str, subjects: int) -> float:
    """Print what a stack of subjects saves; the ratio of fitting them one by one to it."""
    made, kernels = clock(lambda: our_kernels(data))
    parts = torch.from_numpy(data.y).chunk(subjects, dim=1)
    rest = (data.runs, gammas, ALPHAS)
    once, together = clock(lambda: banded_ridge.fit_stack(kernels, parts, *rest, score=score))
    alone, apart = clock(
        lambda: [banded_ridge.fit(kernels, part, *rest, score=score) for part in parts]
    )
    loss = [
        float((a.choice.score - b.choice.score).mean())
        for a, b in zip(together, apart, strict=True)
    ]
    print(
        f"CPU seconds: kernels {made:.2f}, stack of {subjects} subjects {once:.1f}, one by one "
        f"{alone:.1f}; CV score, stack - alone: {min(loss):.1e} to {max(loss):.1e}"
    )
    return (subjects * made + alone) / (made + once)


def peaks(data: Data, gammas: np.ndarray, args: argparse.Namespace) -> list[float]:
    """MB of memory that fits need beyond their data: ours, then himalaya's at each batch setting.

    Each in a process of its own, which has freed nothing that the fit could use.
    """
    found = []
    with tempfile.TemporaryDirectory() as folder:
        bands = {f"band{b}": x for b, x in enumerate(data.bands)}
        np.savez(f"{folder}/data.npz", y=data.y, runs=data.runs, gammas=gammas, **bands)
        command = [sys.executable, __file__, "--only", folder, "--score", args.score]
        if args.budget is not None:
            command += ["--budget", str(args.budget)]
        for batch in ([], *(["--batch", str(b)] for b in range(len(BATCHES)))):
            done = subprocess.run([*command, *batch], check=True, capture_output=True, text=True)
            found.append(float(done.stdout.split()[-1]))
    return found


def only(folder: str, score: str, budget: int | None, batch: int | None) -> None:
    """Fit once and print the rise of peak memory; himalaya with few weightings."""
    with np.load(f"{folder}/data.npz") as file:
        given = dict(file)
    gammas = given.pop("gammas")
    bands = [given[f"band{b}"] for b in range(gammas.shape[1])]
    data = Data(bands, given["y"], given["runs"], [], np.empty(0))
    few = Data(
        [x[:100, :20] for x in bands], data.y[:100, :200], np.arange(100) // 20, [], data.new_y
    )
    # A small fit first, lest the libraries' code count.
    for part in (few, data):
        Path("/proc/self/clear_refs").write_text("5")
        before = resident_peak()
        if batch is None:
            ours(part, gammas[:8] if part is few else gammas, score, budget)
        else:
            himalaya(part, gammas[:2], score, BATCHES[batch])
    print((resident_peak() - before) / 1024)


def resident_peak() -> int:
    """Largest resident memory so far, in kB; Linux."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))


def main() -> int:
    """Run both; the exit status says whether the gates hold."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--voxels", type=int, default=4000)
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--peer-candidates", type=int, default=0, help="default: as ours")
    parser.add_argument("--bands", default="2000,1000,200", help="features of each band")
    parser.add_argument("--score", choices=["r2", "correlation"], default="r2")
    parser.add_argument("--explained", type=float, default=0.12, help="mean explainable variance")
    parser.add_argument("--spectrum", type=float, default=1.0, help="decay of feature variances")
    parser.add_argument("--seed", type=int, default=0, help="of the data")
    parser.add_argument("--quick", action="store_true", help="a small one, to see that it works")
    parser.add_argument("--full", action="store_true", help="run himalaya as it is")
    parser.add_argument("--ungated", action="store_true", help="do not compare what was found")
    parser.add_argument("--memory", action="store_true", help="measure peak memory too")
    parser.add_argument("--subjects", type=int, help="time a stack of so many, without the peer")
    parser.add_argument("--float32", action="store_true", help="search without bfloat16")
    parser.add_argument("--budget", type=int, help="bytes that ours may keep to save time")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.quick:
        vars(args).update(QUICK)
    torch.set_num_threads(1)
    if args.only:
        with threadpool_limits(1):
            only(args.only, args.score, args.budget, args.batch)
        return 0
    if args.float32:
        banded_ridge.fast_type = lambda device, dtype: dtype
    columns = [int(p) for p in args.bands.split(",")]
    data = make(args.samples, args.voxels, columns, args.spectrum, args.explained, args.seed)
    gammas = banded_ridge.dirichlet_candidates(args.candidates, len(columns))
    with threadpool_limits(1):
        if args.subjects:
            ratio = stacked(data, gammas, args.score, args.subjects)
            print(f"RATIO stack_of_{args.subjects}={ratio:.2f}")
            return 0
        peer = gammas[: args.peer_candidates or len(gammas)]
        seconds = [clock(lambda: ours(data, gammas, args.score, args.budget))]
        timed = time_himalaya(data, peer, args.score, args.full)
        theirs = timed.found
        seconds.append(clock(lambda: ours(data, gammas, args.score, args.budget)))
        voxels = slice(0, None, 1 if theirs is not None else max(1, args.voxels // GATED))
        if theirs is None and not args.ungated:
            theirs = himalaya(data, peer, args.score, timed.batch, voxels)
    ours_s = float(np.mean([s for s, _ in seconds]))
    print(
        f"n={args.samples} voxels={args.voxels} bands={args.bands} weightings={len(gammas)} "
        f"(himalaya {len(peer)}) penalties={len(ALPHAS)} folds={FOLDS} score={args.score}"
    )
    print(f"CPU seconds: ours {ours_s:.1f}, {timed} (batches {timed.batch})")
    held = True
    if theirs is not None:
        found = tuple(x[..., voxels] for x in seconds[0][1])
        results = [judge(data, gammas, f, voxels) for f in (found, theirs)]
        held = gate(*results, len(peer) < len(gammas))
    if args.memory:
        ours_mb, *theirs_mb = peaks(data, gammas, args)
        batches = [f"{mb:.0f} {batch}" for mb, batch in zip(theirs_mb, BATCHES, strict=True)]
        print(f"peak MB: ours {ours_mb:.0f}, himalaya by batches: {', '.join(batches)}")
    if len(timed.seconds) > 1:
        low, high = min(timed.seconds) / ours_s, max(timed.seconds) / ours_s
        print(f"ratio of the pieces: {low:.2f} to {high:.2f}")
    print(f"RATIO banded_ridge={timed.mean / ours_s:.2f}")
    return int(not held)


if __name__ == "__main__":
    sys.exit(main())
