"""Feature decoding: 1,000 units from 5,000 voxels and 1,200 samples, ours against PyFastL2LiR.

Both start from the same raw arrays on disk, z-score them, select each unit's 500 voxels of largest
|r|, and solve; times are CPU seconds of one thread, ours before and after the peer's. PyFastL2LiR
0.11 breaks on numpy 2 and runs in an environment of its own:

    python -m venv peer
    peer/bin/pip install "numpy<2" scipy h5py hdf5storage threadpoolctl tqdm fastl2lir
    python benchmarks/feature_decoding.py --peer peer/bin/python

The gate: weights and predictions of new samples equal to 1e-5 of the largest. ``--units 100000``
without ``--peer`` shows what a large layer costs, with its peak memory.
"""

import argparse
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from threadpoolctl import threadpool_limits

from tristream.decode.feature_decoder import FeatureDecoder

SAMPLES, VOXELS, SELECTED, ALPHA = 1200, 5000, 500, 100.0
NEW = 50
GATE = 1e-5
PEER = """
import sys, time
import numpy as np
from fastl2lir import FastL2LiR
folder = sys.argv[1]
x, y, new = (np.load(f"{folder}/{name}.npy") for name in ("x", "y", "new"))
start = time.process_time()
mean, scale = x.mean(0), x.std(0, ddof=1)
model = FastL2LiR()
model.fit((x - mean) / scale, (y - y.mean(0)) / y.std(0, ddof=1), alpha=%g, n_feat=%d)
seconds = time.process_time() - start
np.save(f"{folder}/weights.npy", model.W)
np.save(f"{folder}/predicted.npy", model.predict((new - mean) / scale))
print(seconds)
"""


def make(units: int, seed: int) -> dict[str, np.ndarray]:
    """Units that share slow spectra of latents; voxels of unequal signal and smooth noise."""
    rng = np.random.default_rng(seed)
    total = SAMPLES + NEW
    latent = rng.standard_normal((total, 200)) * np.arange(1, 201) ** -0.5
    y = _scaled(latent @ rng.standard_normal((200, units)))
    y += 0.5 * rng.standard_normal((total, units))
    share = rng.beta(0.5, 4.5, VOXELS)
    noise = _scaled(gaussian_filter1d(rng.standard_normal((total, VOXELS)), 1.0, axis=1))
    x = np.sqrt(share) * _scaled(latent @ rng.standard_normal((200, VOXELS)))
    x += np.sqrt(1 - share) * noise
    return {"x": x[:SAMPLES], "y": y[:SAMPLES], "new": x[SAMPLES:]}


def _scaled(values: np.ndarray) -> np.ndarray:
    return (values - values.mean(0)) / values.std(0)


def ours(data: dict[str, np.ndarray]) -> tuple[float, FeatureDecoder]:
    start = time.process_time()
    decoder = FeatureDecoder(voxels=SELECTED, alpha=ALPHA, device="cpu").fit(data["x"], data["y"])
    return time.process_time() - start, decoder


def theirs(python: str, folder: Path) -> float:
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    out = subprocess.run(
        [python, "-c", PEER % (ALPHA, SELECTED), str(folder)],
        env={**os.environ, **threads, "PYTHONPATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return float(out.stdout.split()[-1])


def error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peer", metavar="PYTHON", help="of an environment with fastl2lir")
    parser.add_argument("--units", type=int, default=1000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = make(args.units, 0)
    # The first call compiles.
    FeatureDecoder(voxels=10, device="cpu").fit(data["x"][:, :50], data["y"][:, :3])
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        before, decoder = ours(data)
        if not args.peer:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{args.units:,} units: {before:.1f} CPU s, peak {peak:,.0f} MB with all arrays")
            return
        for name, values in data.items():
            np.save(Path(folder) / f"{name}.npy", values)
        peer = theirs(args.peer, Path(folder))
        after, _ = ours(data)
        weights = error(decoder.weights.T, np.load(Path(folder) / "weights.npy"))
        predicted = (decoder.predict(data["new"]) - decoder.y_mean_) / decoder.y_scale_
        apart = error(predicted, np.load(Path(folder) / "predicted.npy"))
    print(f"ours {before:.2f} and {after:.2f} s, PyFastL2LiR {peer:.2f} s")
    print(f"largest difference of weights {weights:.1e}, of predictions {apart:.1e}")
    if max(weights, apart) > GATE:
        raise SystemExit(f"not equal to {GATE}")
    print(f"RATIO feature_decoding={2 * peer / (before + after):.1f}")


if __name__ == "__main__":
    main()
