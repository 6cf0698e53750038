"""Ridge with fewer features than samples: ours in primal form against himalaya's RidgeCV.

Both choose a penalty for each voxel by cross-validated R² over the same folds and penalties, fit an
intercept in each fold, and refit. Times are CPU seconds of one thread, in turns; the ratio is that
of the medians, himalaya at the better of its settings. The gate: the cross-validated R² of every
voxel's choice may differ by 1e-5 at most, and 99.9 % of voxels choose the same penalty.

    python benchmarks/ridge.py
"""

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from himalaya.backend import set_backend
from himalaya.ridge import solve_ridge_cv_svd
from himalaya.scoring import r2_score
from sklearn.model_selection import PredefinedSplit
from threadpoolctl import threadpool_limits

from tristream.encode.solvers import ridge

PENALTIES = 20
GATE = 1e-5
SAME = 0.999
# himalaya's voxels at a time.
BATCHES = (500, 2000, None)

Result = tuple[np.ndarray, np.ndarray]


def make(n: int, p: int, voxels: int) -> tuple[np.ndarray, np.ndarray]:
    """Features with a decaying spectrum, and voxels of which they explain a tenth to a half."""
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((n, p)) / np.sqrt(1 + np.arange(p))
    x = latent @ rng.standard_normal((p, p)) + 0.1 * rng.standard_normal((n, p))
    x = (x - x.mean(0)) / x.std(0)
    signal = x @ rng.standard_normal((p, voxels))
    share = rng.uniform(0.1, 0.5, voxels)
    y = np.sqrt(share) * signal / signal.std(0)
    y += np.sqrt(1 - share) * rng.standard_normal((n, voxels))
    return x.astype(np.float32), y.astype(np.float32)


def ours(x: np.ndarray, y: np.ndarray, runs: np.ndarray, alphas: np.ndarray) -> Result:
    """R² and penalty of each voxel's choice, by this package."""
    one_band = np.ones((1, 1))
    found = ridge.fit([torch.from_numpy(x)], torch.from_numpy(y), runs, one_band, alphas)
    return found.score.numpy(), alphas[found.alpha.numpy()]


def himalaya(
    x: np.ndarray, y: np.ndarray, runs: np.ndarray, alphas: np.ndarray, batch: int | None
) -> Result:
    """The same by himalaya, with its torch backend."""
    set_backend("torch")
    chosen, _, scores, _ = solve_ridge_cv_svd(
        torch.from_numpy(x),
        torch.from_numpy(y),
        alphas=torch.from_numpy(alphas.astype(np.float32)),
        fit_intercept=True,
        score_func=r2_score,
        cv=PredefinedSplit(runs),
        n_targets_batch=batch,
        warn=False,
    )
    return scores.reshape(-1, y.shape[1]).max(0).values.numpy(), chosen.numpy()


def timed(solve: Callable[[], Result]) -> tuple[float, Result]:
    """CPU seconds, and what was computed."""
    start = time.process_time()
    found = solve()
    return time.process_time() - start, found


def compare(p: int, args: argparse.Namespace) -> tuple[float, bool]:
    """Ratio of the medians with p features, and whether the gate holds."""
    n, voxels = args.samples, args.voxels
    x, y = make(n, p, voxels)
    runs = np.arange(n) * args.folds // n
    alphas = np.logspace(args.alphas[0], args.alphas[1], PENALTIES)
    quickest = min(BATCHES, key=lambda b: timed(lambda: himalaya(x, y, runs, alphas, b))[0])
    seconds: dict[str, list[float]] = {"ours": [], "himalaya": []}
    found: dict[str, Result] = {}
    for _ in range(args.repeats):
        for name, solve in (
            ("ours", lambda: ours(x, y, runs, alphas)),
            ("himalaya", lambda: himalaya(x, y, runs, alphas, quickest)),
        ):
            taken, found[name] = timed(solve)
            seconds[name].append(taken)
    a, b = (float(np.median(seconds[name])) for name in ("ours", "himalaya"))
    difference = found["ours"][0] - found["himalaya"][0]
    same = float(np.isclose(found["ours"][1], found["himalaya"][1], rtol=1e-3).mean())
    print(
        f"n={n} p={p} voxels={voxels}: CPU seconds ours {a:.2f}, himalaya {b:.2f} "
        f"(batch {quickest}), ratio {b / a:.1f}; CV R² ours - himalaya: mean "
        f"{difference.mean():.1e}, worst {abs(difference).max():.1e}; same penalty {same:.2%}"
    )
    return b / a, bool(abs(difference).max() <= GATE and same >= SAME)


def main() -> int:
    """Run all sizes; the exit status says whether the gate holds in all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--voxels", type=int, default=4000)
    parser.add_argument("--features", type=int, nargs="+", default=[100, 300, 800])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument(
        "--alphas", type=float, nargs=2, default=[-1, 5], help="exponents of the least, the largest"
    )
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        found = [compare(p, args) for p in args.features]
    for p, (ratio, _) in zip(args.features[1:], found[1:], strict=True):
        print(f"RATIO ridge_p{p}={ratio:.2f}")
    print(f"RATIO ridge={found[0][0]:.2f}")
    return int(not all(holds for _, holds in found))


if __name__ == "__main__":
    sys.exit(main())
