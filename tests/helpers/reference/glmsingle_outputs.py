"""What GLMsingle's own code makes of a small world: the reference of a test.

    PYTHONPATH=GLMsingle:fracridge python glmsingle_outputs.py OUTPUT.npz

GLMsingle (version 1.2, github.com/cvnlab/GLMsingle, commit 1ab54a6, with fracridge 2.0) is on no
package index, so that its outputs are kept beside the tests (`tests/data/glmsingle.npz`); `world`
is what it was given. The library of responses is this script's own, and only polynomials up to the
linear trend are projected out.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import gamma

TR, DURATION, VOLUMES, RUNS, VOXELS = 1.5, 0.5, 90, 4, 180
EVERY, TRIALS, ITEMS = 3, 26, 20
PEAKS = (3.5, 4.5, 5.5, 6.5)


def library() -> np.ndarray:
    """Responses to one trial at volumes from its onset on, (volumes, responses), peaked at 1."""
    lag = np.arange(0, 30, TR)
    found = np.stack([gamma.pdf(lag, p / 0.8 + 1, scale=0.8) for p in PEAKS], axis=1)
    found -= np.stack([gamma.pdf(lag, p + 11) / 6 for p in PEAKS], axis=1)
    return found / found.max(axis=0)


def world() -> dict[str, Any]:
    """BOLD of each run (voxels, volumes), onsets as volumes, and the item of each trial.

    The first two thirds of the voxels respond; a noise that all voxels share is in every run.
    """
    rng = np.random.default_rng(7)
    responding = 2 * VOXELS // 3
    peak = rng.integers(0, len(PEAKS), VOXELS)
    tuning = rng.normal(0, 1, (VOXELS, ITEMS)) + 1.0
    tuning[responding:] = 0
    level = rng.uniform(700, 1000, VOXELS)
    bold, items = [], []
    for _ in range(RUNS):
        shown = rng.permutation(np.r_[np.arange(ITEMS), rng.integers(0, ITEMS, TRIALS - ITEMS)])
        neural = np.zeros((VOXELS, VOLUMES + 30))
        neural[:, EVERY * np.arange(TRIALS)] = tuning[:, shown]
        signal = np.stack(
            [np.convolve(n, library()[:, p])[:VOLUMES] for n, p in zip(neural, peak, strict=True)]
        )
        shared = np.outer(rng.normal(0.5, 0.5, VOXELS), np.cumsum(rng.normal(0, 0.5, VOLUMES)))
        shared += np.outer(rng.normal(0, 1, VOXELS), rng.normal(0, 1, VOLUMES))
        noise = rng.normal(0, 1.2, (VOXELS, VOLUMES))
        bold.append((level[:, None] * (1 + (signal + shared + noise) / 100)).astype(np.float32))
        items.append(shown)
    return {"bold": bold, "items": items, "onsets": EVERY * np.arange(TRIALS)}


def outputs(folder: str) -> dict[str, Any]:
    """Models A, B and D of GLMsingle."""
    from glmsingle.glmsingle import GLM_single

    made = world()
    designs = []
    for shown in made["items"]:
        design = np.zeros((VOLUMES, ITEMS))
        design[made["onsets"], shown] = 1
        designs.append(design)
    options = {
        "wantfileoutputs": [0, 0, 0, 0],
        "wantmemoryoutputs": [1, 1, 0, 1],
        "hrflibrary": library(),
        "hrftoassume": library()[:, 1],
        "maxpolydeg": [1] * RUNS,
    }
    data = [run[:, None, None, :] for run in made["bold"]]
    model = GLM_single(options)
    found = model.fit(designs, data, DURATION, TR, outputdir=folder)
    one, two, four = found["typea"], found["typeb"], found["typed"]
    level = np.abs(one["meanvol"]).reshape(-1, 1) / 100
    return {
        "threshold": model.params["brainR2"] / 100,
        "onoff": one["onoffR2"].ravel() / 100,
        "response": two["HRFindex"].ravel(),
        "least_squares": (two["betasmd"].reshape(VOXELS, -1) * level).astype(np.float32),
        "pool": four["noisepool"].ravel(),
        "components": four["pcnum"],
        "errors": -four["xvaltrend"],
        "fraction": four["FRACvalue"].ravel(),
        "estimates": (four["betasmd"].reshape(VOXELS, -1) * level).astype(np.float32),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        np.savez_compressed(Path(sys.argv[1]), **outputs(folder))
