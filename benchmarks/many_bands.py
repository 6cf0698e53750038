"""Band weights by steps (`banded_ridge.fit_gradient`) against both solvers of himalaya 0.4.11.

CPU seconds of one thread, both contestants on the same kernels, one after the other for each
dataset, and test R² of the same voxels. himalaya runs in full: 100 steps of `hyper_gradient`
(direct, from `ridgecv`), and random search with as many weightings as are asked for. It has fewer
voxels, as every step of its gradient descent costs the same for each; of random search a part of
the cost is fixed, so only its accuracy is compared. Ours gets all voxels, since sharing
operators among them is what it does; with more of them it shares more.

    python benchmarks/many_bands.py --seeds 5
    RATIO many_bands=<median over all datasets of himalaya's seconds a voxel over ours>
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from banded_ridge import ALPHAS, Data, clock, delayed, make, their_kernels
from himalaya.backend import set_backend
from himalaya.kernel_ridge import MultipleKernelRidgeCV
from himalaya.scoring import r2_score
from sklearn.model_selection import PredefinedSplit
from threadpoolctl import threadpool_limits

from tristream.encode.solvers import banded_ridge

COLUMNS = (60, 200, 400)
SPECTRA = {"flat": 0.5, "steep": 1.5}
EXPLAINED = {"low": 0.1, "high": 0.4}
ALLOWED = -5e-4
FAST_ENOUGH = 3.0


@dataclass(frozen=True)
class Row:
    """One dataset: seconds a voxel, and mean test R² over the peer's voxels."""

    name: str
    ours: float
    theirs: float
    test: dict[str, torch.Tensor]

    @property
    def rise(self) -> torch.Tensor:
        """Test R², ours less gradient descent's."""
        return self.test["ours"] - self.test["gradient descent"]


def test_kernels(data: Data) -> torch.Tensor:
    """Kernels between new and training volumes, (bands, m, n)."""
    out = []
    for train, new in zip(data.bands, data.new_bands, strict=True):
        z = delayed((train - train.mean(0)) / train.std(0), data.runs)
        fresh = delayed((new - train.mean(0)) / train.std(0), np.zeros(len(new)))
        mean, scale = z.mean(0), np.linalg.norm(z - z.mean(0)) ** 2 / len(z)
        out.append((fresh - mean) @ (z - mean).T / scale)
    return torch.from_numpy(np.stack(out).astype(np.float32))


def compare(name: str, data: Data, peers: int, weightings: int) -> Row:
    """Both on one dataset."""
    kernels, new = their_kernels(data).float(), test_kernels(data)
    y = torch.from_numpy(data.y - data.y.mean(0))
    truth = torch.from_numpy(data.new_y - data.y.mean(0))
    some = slice(0, None, max(1, y.shape[1] // peers))
    split = PredefinedSplit(data.runs)
    few = y[:, some].contiguous()

    def peer(solver: str, **options: object) -> tuple[float, torch.Tensor]:
        model = MultipleKernelRidgeCV(
            kernels="precomputed",
            cv=split,
            solver=solver,
            solver_params={"progress_bar": False, **options},
        )
        seconds, fitted = clock(lambda: model.fit(kernels, few))
        return seconds, fitted.predict(new)

    theirs, descent = peer(
        "hyper_gradient",
        max_iter=100,
        hyper_gradient_method="direct",
        initial_deltas="ridgecv",
    )
    alphas = torch.from_numpy(ALPHAS.astype(np.float32))
    gammas = banded_ridge.dirichlet_candidates(weightings, len(kernels))
    _, searched = peer(
        "random_search",
        n_iter=torch.from_numpy(gammas.astype(np.float32)),
        alphas=alphas,
        score_func=r2_score,
    )
    ours, found = clock(lambda: banded_ridge.fit_gradient(kernels, y, data.runs, ALPHAS))
    parts = banded_ridge.predict(new, found.duals[:, some], found.gamma[:, some].float())
    predictions = {
        "ours": parts.sum(0) + found.intercept[some],
        "gradient descent": descent,
        "random search": searched,
    }
    fresh = truth[:, some]
    spread = (fresh - fresh.mean(0)).square().sum(0)
    test = {k: 1 - (fresh - p).square().sum(0) / spread for k, p in predictions.items()}
    return Row(name, ours / y.shape[1], theirs / few.shape[1], test)


def rows(args: argparse.Namespace) -> Iterator[Row]:
    """Datasets, one after the other."""
    settings = product(range(args.seeds), args.bands, args.spectra, args.explained)
    for seed, bands, spectrum, explained in settings:
        columns = [COLUMNS[b % len(COLUMNS)] for b in range(bands)]
        data = make(
            args.samples, args.voxels, columns, SPECTRA[spectrum], EXPLAINED[explained], seed
        )
        name = f"{bands} bands, {spectrum}, {explained} R², seed {seed}"
        row = compare(name, data, args.peer_voxels, args.weightings)
        error = row.rise.std() / len(row.rise) ** 0.5
        means = ", ".join(f"{k} {v.mean():.4f}" for k, v in row.test.items())
        print(
            f"{name}: ms a voxel ours {1e3 * row.ours:.1f}, himalaya {1e3 * row.theirs:.0f}, "
            f"ratio {row.theirs / row.ours:.1f}; test R² {means}; "
            f"ours - gradient descent {row.rise.mean():+.4f} ± {error:.4f}",
            flush=True,
        )
        yield row


def main() -> int:
    """Run all; the exit status says whether accuracy and speed are as promised."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--voxels", type=int, default=4000)
    parser.add_argument("--peer-voxels", type=int, default=100)
    parser.add_argument("--weightings", type=int, default=60, help="of the peer's random search")
    parser.add_argument("--bands", type=int, nargs="+", default=[3, 5, 10, 20])
    parser.add_argument("--spectra", nargs="+", choices=SPECTRA, default=list(SPECTRA))
    parser.add_argument("--explained", nargs="+", choices=EXPLAINED, default=list(EXPLAINED))
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    set_backend("torch")
    with threadpool_limits(1):
        found = list(rows(args))
    held = True
    for bands in args.bands:
        own = [r for r in found if r.name.startswith(f"{bands} bands")]
        ratios = [r.theirs / r.ours for r in own]
        rises = torch.cat([r.rise for r in own])
        error = float(rises.std()) / len(rises) ** 0.5
        held &= min(ratios) >= FAST_ENOUGH and float(rises.mean()) >= ALLOWED
        print(
            f"{bands} bands: ratio {np.median(ratios):.1f} ({min(ratios):.1f} to "
            f"{max(ratios):.1f}), test R² {float(rises.mean()):+.4f} ± {error:.4f}"
        )
    print(f"RATIO many_bands={np.median([r.theirs / r.ours for r in found]):.2f}")
    return int(not held)


if __name__ == "__main__":
    sys.exit(main())
