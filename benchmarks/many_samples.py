"""Banded ridge of very many samples, single-trial responses say: seconds, peak memory, and loss.

Two fits of 20,000 samples, 3 bands, 100 weightings, 20 penalties, 5 folds and 5,000 voxels:
`few`, of 2,000 columns in all, whose directions are all kept; and `many`, of 24,000 columns with a
steep spectrum, of which 2,000 leading directions are kept and the loss is measured. Kernels of so
many samples would take 3.2 GB a band in float64. There is no peer: himalaya's search takes kernels,
and one decomposition of each weighting and fold.

    python benchmarks/many_samples.py few
    python benchmarks/many_samples.py many
    python benchmarks/many_samples.py many --quick
"""

import argparse
import resource
import time

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from tristream.encode.estimators import BandedRidgeCV

COLUMNS = {"few": (1000, 700, 300), "many": (12000, 8000, 4000)}
ALPHAS = np.logspace(0, 7, 20)
FOLDS = 5
TEST = 1000
LATENT = 4000
SIGNAL = 0.3


def features(rng: np.random.Generator, samples: int, columns: int, decay: float) -> np.ndarray:
    """Standardised, float32; variance of directions falls with their rank to the power of decay."""
    latent = min(columns, LATENT)
    scale = np.arange(1, latent + 1, dtype=np.float32) ** (-decay / 2)
    x = rng.standard_normal((samples, latent), np.float32) * scale
    x = x @ rng.standard_normal((latent, columns), np.float32)
    x -= x.mean(0)
    x /= x.std(0)
    return x


def responses(rng: np.random.Generator, bands: list[np.ndarray], voxels: int) -> np.ndarray:
    """Mixtures of bands and noise; the explained variance of voxels has a mean of `SIGNAL`."""
    y = np.zeros((len(bands[0]), voxels), np.float32)
    weight = rng.dirichlet([0.35] * len(bands), voxels).T.astype(np.float32)
    for x, own in zip(bands, weight, strict=True):
        part = x @ rng.standard_normal((x.shape[1], voxels), np.float32)
        y += part / part.std(0) * np.sqrt(own)
    share = rng.beta(1, (1 - SIGNAL) / SIGNAL, voxels).astype(np.float32)
    y *= np.sqrt(share) / y.std(0)
    y += np.sqrt(1 - share) * rng.standard_normal(y.shape, np.float32)
    return y


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("which", choices=sorted(COLUMNS))
    parser.add_argument("--samples", type=int, default=20000)
    parser.add_argument("--voxels", type=int, default=5000)
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--columns", type=int, help="in all; by default as above")
    parser.add_argument("--directions", type=int, default=2000)
    parser.add_argument("--decay", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a tenth of it, to see that it works")
    args = parser.parse_args()
    share = 10 if args.quick else 1
    samples, voxels = args.samples // share, args.voxels // share
    torch.set_num_threads(args.threads)
    rng = np.random.default_rng(0)
    columns = np.array(COLUMNS[args.which]) // share
    if args.columns:
        columns = columns * args.columns // columns.sum()
    decay = args.decay if args.which == "many" else 1.0
    with threadpool_limits(args.threads):
        bands = [features(rng, samples + TEST, p, decay) for p in columns]
        y = responses(rng, bands, voxels)
        new, new_y = [x[samples:] for x in bands], y[samples:]
        bands, y = [x[:samples] for x in bands], y[:samples]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        model = BandedRidgeCV(
            alphas=ALPHAS,
            candidates=args.candidates,
            directions=args.directions // share if args.which == "many" else None,
            device="cpu",
        )
        cpu, wall = time.process_time(), time.perf_counter()
        model.fit(bands, y, runs=np.arange(samples) * FOLDS // samples)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    data = sum(x.nbytes for x in bands) + y.nbytes
    print(f"{samples} samples, columns {columns.tolist()}, {voxels} voxels, {args.threads} threads")
    print(f"solver {model.solver_}, {wall:.0f} s, CPU {cpu:.0f} s")
    print(f"peak memory {peak / 1e6:.1f} GB ({before / 1e6:.1f} before; data {data / 1e9:.1f} GB)")
    print(f"mean CV R² {model.cv_.mean():.5f}, test R² {model.score(new, new_y):.5f}")
    # A tenth of the size is solved in primal form, which has no loss.
    loss = f"{model.estimated_loss_:.1e}" if model.solver_ == "skeleton" else "none"
    print(f"estimated loss of the search: {loss}; at an edge {model.edge_:.2f}")
    if args.which == "many":
        left = ", ".join(f"{s:.2%}" for s in model.left_out_)
        print(f"left out of bands: {left}; loss of CV R², measured: {model.directions_loss_:.1e}")


if __name__ == "__main__":
    main()
