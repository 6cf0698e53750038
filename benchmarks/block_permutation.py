"""Block permutation of predictions: ours against the loop that moves and correlates time series.

Both permute the same blocks of the prediction in the same orders and count, for each voxel, how
many permuted correlations reach the observed one. The loop gathers the moved prediction, z-scores
and multiplies, as tutorials and toolboxes do; it is timed over a part of the permutations, and its
time scaled up. Times are CPU seconds of one thread, in turns; the ratio is that of the medians.
The gate: the counts of the permutations that both made are equal.

    python benchmarks/block_permutation.py
"""

import argparse
import sys
import time

import numpy as np
from scipy.signal import lfilter
from threadpoolctl import threadpool_limits

from tristream.align.exchange import Exchange
from tristream.inference.moved_predictions import MovedPredictions
from tristream.inference.permutation import (
    TOLERANCE,
    PredictedRun,
    exchange_of_runs,
    null_correlations,
)
from tristream.inference.resolution import count_reached


def make(volumes: int, voxels: int, block: int) -> PredictedRun:
    """Slow predictions, a weak relation to autocorrelated data."""
    rng = np.random.default_rng(0)
    slow = lfilter([1], [1, -0.8], rng.standard_normal((volumes, voxels)), axis=0)
    noise = lfilter([1], [1, -0.5], rng.standard_normal((volumes, voxels)), axis=0)
    unit = np.minimum(np.arange(volumes) // block, volumes // block - 1)
    return PredictedRun(0.1 * slow + noise, slow, unit)


def correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson correlation of columns."""
    a = (a - a.mean(0)) / a.std(0)
    b = (b - b.mean(0)) / b.std(0)
    return (a * b).mean(0)


def loop(run: PredictedRun, rows: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Counts by moving the prediction and correlating anew."""
    observed = correlation(run.y, run.prediction)
    counts = np.zeros(run.y.shape[1], int)
    for order in orders:
        moved = run.prediction.copy()
        moved[rows] = run.prediction[rows[order]]
        counts += correlation(run.y, moved) >= observed - TOLERANCE
    return counts


def counted(run: PredictedRun, moves: Exchange, orders: np.ndarray, chunk: int = 512) -> np.ndarray:
    """Counts by the table of block products."""
    counts = []
    for start in range(0, run.y.shape[1], chunk):
        seen, null = null_correlations([run], moves, [orders], slice(start, start + chunk))
        counts.append((null >= seen - TOLERANCE).sum(0))
    return np.concatenate(counts)


def main() -> int:
    """Run both in turns; the exit status says whether the gate holds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--volumes", type=int, default=300)
    parser.add_argument("--voxels", type=int, default=20_000)
    parser.add_argument("--permutations", type=int, default=1000)
    parser.add_argument("--block", type=int, default=20)
    parser.add_argument("--part", type=int, default=10, help="permutations of the timed loop")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    run = make(args.volumes, args.voxels, args.block)
    moves = exchange_of_runs([run], "time")
    rows = moves.sets[0].rows[0]
    orders = moves.draw(0, args.permutations, seed=0)[0]
    every, largest = np.arange(args.voxels), np.empty(args.permutations)
    ours, theirs = [], []
    with threadpool_limits(1):
        for _ in range(args.repeats):
            start = time.process_time()
            null = MovedPredictions([run], moves)
            largest[:] = -np.inf
            count_reached(null, 0, args.permutations, null.observed, every, largest)
            ours.append(time.process_time() - start)
            start = time.process_time()
            naive = loop(run, rows, orders[: args.part])
            theirs.append((time.process_time() - start) * args.permutations / args.part)
        equal = float((naive == counted(run, moves, orders[: args.part])).mean())
    print(f"volumes={args.volumes} voxels={args.voxels} permutations={args.permutations}")
    print(
        f"CPU seconds: ours {np.median(ours):.2f} (with p and largest voxel), "
        f"loop {np.median(theirs):.1f} (scaled from {args.part})"
    )
    print(f"equal counts: {equal:.4%} of voxels")
    print(f"RATIO block_permutation={np.median(theirs) / np.median(ours):.1f}")
    return int(equal < 1)


if __name__ == "__main__":
    sys.exit(main())
