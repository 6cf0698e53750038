"""Permutations as many as voxels need: what look-ups cost, what is found, and a whole inference.

1. Sums of block products by three ways, in additions a nanosecond of one thread: rows looked up by
   torch's embedding bag, rows looked up by numpy, products with one-hot orders.
2. 40,000 voxels of which 400 are driven at r = .6: how many Benjamini and Hochberg find, how many
   of those are false, how many 1,000 permutations find; and 100,000 permutations of all voxels.
3. The inference of one subject from file to file, with clusters and enhancement: time and memory.

Gates: 95 % found, none by 1,000 permutations; under 10 minutes and 4 GB.

    python benchmarks/resolution.py
"""

import argparse
import resource
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from scipy.signal import lfilter
from scipy.stats import false_discovery_control

from tristream.config.settings.inference import InferenceSettings
from tristream.encode.encoding_file import Encoding, Fitted, HeldOut, Scores, write_encoding
from tristream.inference.encoding import infer_encoding
from tristream.inference.moved_predictions import MovedPredictions
from tristream.inference.permutation import PredictedRun, exchange_of_runs
from tristream.inference.resolution import Resolution, count_reached, resolve
from tristream.store import Provenance


def timed(call, least: float = 1.0) -> float:
    """CPU seconds of one call, as a mean over calls of `least` seconds together."""
    start, count = time.process_time(), 0
    while time.process_time() - start < least:
        call()
        count += 1
    return (time.process_time() - start) / count


def ways(blocks: int, columns: int, permutations: int = 2000) -> dict[str, float]:
    """Additions a nanosecond."""
    rng = np.random.default_rng(0)
    orders = np.stack([rng.permutation(blocks) for _ in range(permutations)])
    rows = torch.from_numpy(orders + blocks * np.arange(blocks))
    table = torch.randn(blocks**2, columns)
    array = table.numpy().reshape(blocks, blocks, columns)
    hot = torch.zeros(permutations, blocks**2).scatter_(1, rows, 1)

    def looked_up() -> np.ndarray:
        out = np.zeros((permutations, columns), np.float32)
        for place in range(blocks):
            out += array[place, orders[:, place]]
        return out

    number = 1e-9 * permutations * columns * blocks
    return {
        "embedding bag": number
        / timed(lambda: torch.nn.functional.embedding_bag(rows, table, mode="sum")),
        "numpy look-ups": number / timed(looked_up),
        "one-hot product": number / timed(lambda: hot @ table),
    }


def film(volumes: int, voxels: int, driven: int, r: float, block: int) -> PredictedRun:
    """Slow predictions; white data, some of them driven."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((volumes, voxels)).astype(np.float32)
    x = lfilter(np.float32([1]), np.float32([1, -0.8]), x, axis=0)
    x /= x.std(0)
    y = rng.standard_normal((volumes, voxels)).astype(np.float32)
    y[:, :driven] = r * x[:, :driven] + np.sqrt(1 - r**2) * y[:, :driven]
    return PredictedRun(y, x, np.minimum(np.arange(volumes) // block, volumes // block - 1))


def found(voxels: int, driven: int, permutations: int) -> bool:
    """Whether driven voxels are found."""
    run = film(300, voxels, driven, 0.6, 15)
    moves = exchange_of_runs([run], "time")
    null = MovedPredictions([run], moves)
    start = time.process_time()
    result = resolve(null, Resolution())
    seconds = time.process_time() - start
    passed = false_discovery_control(result.p) <= 0.05
    reached = count_reached(null, 0, 1000, result.observed, np.arange(voxels))
    plain = (false_discovery_control((1 + reached) / 1001) <= 0.05).sum()
    print(
        f"{voxels} voxels, {driven} driven at r = .6, {seconds:.1f} s: {passed[:driven].sum()} "
        f"found, {passed[driven:].sum()} others; up to {result.most} permutations, "
        f"{result.stopped} voxels stopped before; 1,000 permutations find {plain}"
    )
    start = time.process_time()
    count_reached(null, 0, permutations, result.observed, np.arange(voxels))
    seconds = time.process_time() - start
    print(f"{permutations} permutations of all {voxels} voxels, 20 blocks: {seconds:.1f} s")
    return bool(passed[:driven].mean() >= 0.95 and plain == 0)


def whole(voxels: int, volumes: int, bands: int = 3, training: int = 3000) -> bool:
    """Whether the inference of one subject is quick and small enough."""
    side = int(np.ceil((voxels / 0.5) ** (1 / 3)))
    grid = np.argwhere(np.ones((side,) * 3))
    order = np.argsort(((grid - side / 2) ** 2).sum(1))
    ijk = np.sort(order[:voxels])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "encoding.h5"
        # Elsewhere: the peak of memory is to be that of the inference.
        made = get_context("spawn").Process(
            target=_write, args=(path, volumes, grid[ijk], bands, training)
        )
        made.start()
        made.join()
        settings = InferenceSettings(
            unit="time",
            permutations=1000,
            most_permutations=5_000_000,
            spatial=("cluster_mass", "tfce"),
            cluster_z=3.1,
            null="blocks",
            fdr=0.05,
            procedure="bh",
            seed=0,
        )
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        wall, cpu = time.time(), time.process_time()
        tested = infer_encoding(path, settings, Path(folder) / "inference.h5")
        wall, cpu = time.time() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    draws = tested.draws
    print(
        f"{voxels} voxels x {volumes} volumes, {len(tested.found.null_max)} to {draws.most} "
        f"permutations, clusters and enhancement: {cpu:.0f} s CPU ({wall:.0f} s), peak "
        f"{peak:.1f} GB ({before:.1f} before)"
    )
    return cpu < 600 and peak < 4


def _write(path: Path, volumes: int, ijk: np.ndarray, bands: int, training: int) -> None:
    voxels = len(ijk)
    run = film(volumes, voxels, voxels // 10, 0.3, 10)
    one = np.ones(voxels, np.float32)
    many = np.broadcast_to(one, (bands, voxels))
    test = HeldOut(
        prediction=run.prediction,
        band_prediction=np.broadcast_to(run.prediction / bands, (bands, volumes, voxels)),
        y=run.y,
        unit=run.unit,
        runs=("run-1",),
        gamma=many,
        alpha=one,
        projection=np.linalg.qr(np.random.default_rng(0).standard_normal((volumes, 20)))[0],
        item=np.full(volumes, -1),
        rows=np.arange(volumes),
    )
    encoding = Encoding(
        bands=[f"band-{k}" for k in range(bands)],
        ijk=ijk.astype(np.int32),
        affine=np.eye(4),
        shape=ijk.max(0) + 1,
        tests={"main": test},
        scores=Scores(one, one, many),
        ceiling=None,
        fitted=Fitted(many, one, one, np.broadcast_to(one, (training, voxels)), one, {}, 0.0),
        about={"scheme": "holdout", "tr": 2.0, "model": "whole"},
    )
    write_encoding(path, encoding, Provenance("encoding", True, methods=("Made up.",)))


def main() -> int:
    """Run all; the exit status says whether the gates hold."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--parts", nargs="+", type=int, default=[3, 1, 2])
    parser.add_argument("--voxels", type=int, default=80_000)
    parser.add_argument("--volumes", type=int, default=900)
    args = parser.parse_args()
    torch.set_num_threads(1)
    passed = True
    # The whole first: the peak of memory is that of the process.
    for part in args.parts:
        if part == 1:
            for blocks in (15, 60, 90):
                rates = ", ".join(f"{way} {rate:.1f}" for way, rate in ways(blocks, 128).items())
                print(f"{blocks} blocks, 128 voxels, additions a nanosecond: {rates}")
        elif part == 2:
            passed &= found(40_000, 400, 100_000)
        else:
            passed &= whole(args.voxels, args.volumes)
    return int(not passed)


if __name__ == "__main__":
    sys.exit(main())
