"""A subject who saw images of 0.5 s every 4.5 s at a TR of 1.5 s, as SPM would leave it.

Two thirds of the voxels respond, each by a response of its own that is in nobody's library, made on
a fine grid; all share some noise, which is autocorrelated, and each has its own.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import gamma

from helpers.bold_tree import SHAPE, receipt_of, save
from helpers.spm_tree import bold_path, dataset, write_mask
from tristream.config.dataset import Dataset
from tristream.fetch.receipt import Receipt

TR, EVERY, SHOWN, TRIALS, STEP = 1.5, 4.5, 0.5, 40, 0.05
VOLUMES = 134
VOXELS = int(np.prod(SHAPE))
RESPONDING = 2 * VOXELS // 3
TRAINING = [f"ses-a_task-see_run-0{n}" for n in range(1, 6)]
TEST = ["ses-b_task-see_run-01"]


@dataclass
class RapidWorld:
    """Its BOLD and truth; `repeated` items come in every training run, others once.

    Attributes
    ----------
    betas : dict of str to ndarray of shape (trials, voxels)
        True responses of each run, in percent.
    items : dict of str to list of str
    responses : ndarray of shape (steps, voxels)
        To a trial, peaked at 1, every `STEP` seconds from its onset on.
    """

    noise: float = 1.0
    repeated: int = 20
    seed: int = 0
    betas: dict[str, np.ndarray] = field(default_factory=dict)
    items: dict[str, list[str]] = field(default_factory=dict)
    bold: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        lag = np.arange(0, 40, STEP)
        self.responses = np.stack(
            [
                gamma.pdf(lag, peak / 0.85 + 1, scale=0.85)
                - share * gamma.pdf(lag, (peak + later) / 1.2 + 1, scale=1.2)
                for peak, share, later in zip(
                    rng.uniform(3.8, 6.5, VOXELS),
                    rng.uniform(0.05, 0.3, VOXELS),
                    rng.uniform(7, 11, VOXELS),
                    strict=True,
                )
            ],
            axis=1,
        )
        boxcar = np.ones(int(SHOWN / STEP))
        self.responses = np.apply_along_axis(np.convolve, 0, self.responses, boxcar)
        self.responses /= self.responses.max(axis=0)
        self.level = rng.uniform(800, 1000, VOXELS)
        self.onsets = 6.0 + EVERY * np.arange(TRIALS)
        self.time = TR * (np.arange(VOLUMES) + 0.5)
        loadings = rng.normal(0.6, 0.4, (2, VOXELS))
        known = rng.normal(0.5, 1, (self.repeated, VOXELS))
        for run in [*TRAINING, *TEST]:
            once = TRIALS - (self.repeated if run in TRAINING else 0)
            new = rng.normal(0.5, 1, (once, VOXELS))
            names = [f"once{run[4]}{run[-1]}{n}" for n in range(once)]
            if run in TRAINING:
                new = np.concatenate([known, new])
                names = [*(f"again{n}" for n in range(self.repeated)), *names]
            order = rng.permutation(TRIALS)
            betas = new[order]
            betas[:, RESPONDING:] = 0
            self.betas[run], self.items[run] = betas, [names[n] for n in order]
            self.bold[run] = self._measured(betas, loadings, rng)

    def _measured(
        self, betas: np.ndarray, loadings: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        change = np.zeros((VOLUMES, VOXELS))
        grid = STEP * np.arange(len(self.responses))
        for onset, beta in zip(self.onsets, betas, strict=True):
            for voxel in range(RESPONDING):
                change[:, voxel] += beta[voxel] * np.interp(
                    self.time - onset, grid, self.responses[:, voxel], left=0, right=0
                )
        shared = rng.normal(0, 1, (VOLUMES, 2))
        for n in range(1, VOLUMES):
            shared[n] = 0.7 * shared[n - 1] + 0.7 * shared[n]
        noise = 0.8 * shared @ loadings + rng.normal(0, 1, change.shape)
        drift = np.outer(np.linspace(-1, 1, VOLUMES) ** 2, rng.normal(0, 1, VOXELS))
        return self.level * (1 + (change + self.noise * noise + drift) / 100)

    def dataset(self, **changes: Any) -> Dataset:
        """Its descriptor."""
        content = dataset().model_dump()
        content["layout"] |= {"regions": {"VC": ["all"]}}
        runs = {"runs": [*TRAINING, *TEST], "tr": TR}
        trials = {"trials": {"estimate": "glmsingle"}}
        return Dataset.model_validate({**content, **runs, **trials, **changes})

    def write(self, root: Path) -> Receipt:
        """Images, events and a mask."""
        (root / "roi").mkdir(parents=True)
        write_mask(root, "all", np.s_[:])
        (root / "task-see_bold.json").write_text(json.dumps({"RepetitionTime": TR}))
        for run, bold in self.bold.items():
            path = bold_path(root, run)
            path.parent.mkdir(parents=True, exist_ok=True)
            save(path, bold.T.reshape(*SHAPE, VOLUMES), TR)
            func = root / "sub-01" / run.partition("_")[0] / "func"
            func.mkdir(parents=True, exist_ok=True)
            rows = "".join(
                f"{onset}\t{SHOWN}\t{item}\n"
                for onset, item in zip(self.onsets, self.items[run], strict=True)
            )
            (func / f"sub-01_{run}_events.tsv").write_text(f"onset\tduration\ttrial_type\n{rows}")
        return receipt_of(root)
