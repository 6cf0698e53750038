"""BOLD of films made in continuous time, by its own road: nothing of the package makes it.

Signals live on a grid of 0.1 s in the time of the film. A run shows a stretch of the film from a
moment on, a double-gamma response is convolved on the grid of the run's time, and the scanner picks
the value at each volume's moment.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d
from scipy.stats import gamma

from helpers.feature_files import write_features
from tristream.bold.run_file import Run, write_run
from tristream.config.dataset import Dataset
from tristream.store import Provenance, write_table

GRID = 0.1
FILM = 640.0


@dataclass(frozen=True)
class World:
    """What is simulated; times in seconds."""

    tr: float = 2.0
    start_time: float = 1.0
    onset: float = 7.3
    shown: float = 150.0
    runs: int = 4
    voxels: int = 60
    noise: float = 1.0
    rate: float = 24.0
    seed: int = 0
    signal: np.ndarray = field(init=False)
    bold: dict[str, np.ndarray] = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        signal = gaussian_filter1d(rng.normal(size=(int(FILM / GRID), 5)), 12, axis=0)
        object.__setattr__(self, "signal", signal / signal.std(axis=0))
        readout = rng.normal(size=(5, self.voxels))
        bold = {name: self._measure(n, readout, rng) for n, name in enumerate(self.names)}
        object.__setattr__(self, "bold", bold)

    @property
    def names(self) -> list[str]:
        """Names of the runs; the last is the test run."""
        return [f"task-film_run-{n + 1:02d}" for n in range(self.runs)]

    @property
    def volumes(self) -> int:
        """Volumes in a run: the film and ten seconds after it."""
        return round((self.onset + self.shown + 10) / self.tr)

    @property
    def times(self) -> np.ndarray:
        """Moments at which the volumes stand."""
        return self.start_time + self.tr * np.arange(self.volumes)

    def _measure(self, number: int, readout: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        steps = int((self.times[-1] + 1) / GRID)
        neural = np.zeros((steps, self.voxels))
        first, shown = round(self.onset / GRID), round(self.shown / GRID)
        film = round(number * self.shown / GRID)
        neural[first : first + shown] = self.signal[film : film + shown] @ readout
        lag = np.arange(0, 30, GRID)
        response = gamma.pdf(lag, 6) - gamma.pdf(lag, 16) / 6
        moments = np.arange(steps) * GRID
        columns = [np.convolve(column, response)[:steps] for column in neural.T]
        sampled = np.stack([np.interp(self.times, moments, c) for c in columns], axis=1)
        sampled /= sampled.std(axis=0)
        return sampled + self.noise * rng.normal(size=sampled.shape)

    def features(self) -> tuple[np.ndarray, np.ndarray]:
        """The signals as an extractor would give them: one value a frame, and frame centres."""
        centres = (np.arange(int(FILM * self.rate)) + 0.5) / self.rate
        moments = (np.arange(len(self.signal)) + 0.5) * GRID
        columns = [np.interp(centres, moments, column) for column in self.signal.T]
        return np.stack(columns, axis=1).astype(np.float32), centres

    def dataset(self, **changes: Any) -> Dataset:
        """The descriptor."""
        content: dict[str, Any] = {
            "id": "world",
            "title": "world",
            "licence": "CC0",
            "citation": "none",
            "source": {"kind": "folder", "path": "raw"},
            "layout": {"kind": "fmriprep"},
            "tr": self.tr,
            "subjects": ["01"],
            "runs": self.names,
            "split": {"scheme": "holdout", "test": [self.names[-1]]},
            "exchange": {"unit": "time", "seconds": 20},
        }
        return Dataset.model_validate({**content, **changes})

    def run(self, name: str, start_time: float | None = None, source: str | None = None) -> Run:
        """A prepared run; a wrong `start_time` or the data of another run are mutations."""
        start = self.start_time if start_time is None else start_time
        raw = self.bold[source or name]
        basis = np.linalg.qr(np.stack([np.ones(len(raw)), np.arange(len(raw))], axis=1))[0]
        cleaned = raw - basis @ (basis.T @ raw)
        cleaned /= cleaned.std(axis=0, ddof=1)
        return Run(
            subject="01",
            run=name,
            space="native",
            tr=self.tr,
            start_time=start,
            time=start + self.tr * np.arange(len(raw)),
            bold=cleaned.astype(np.float32),
            ijk=np.argwhere(np.ones((self.voxels, 1, 1))).astype(np.int32),
            affine=np.eye(4),
            shape=(self.voxels, 1, 1),
            confounds=np.empty((len(raw), 0)),
            confound_names=(),
            projection=basis,
            censor=np.zeros(len(raw), bool),
            mean=np.ones(self.voxels, np.float32),
            tsnr=np.ones(self.voxels, np.float32),
            fd=np.full(len(raw), np.nan),
            constant=0,
            simulated=True,
            methods=("Made by a test.",),
        )

    def inventory(self, onset: float | None = None) -> pd.DataFrame:
        """One event a run; a wrong `onset` is a mutation."""
        return pd.DataFrame(
            {
                "timeline": "main",
                "run": self.names,
                "trial": 1,
                "onset": self.onset if onset is None else onset,
                "duration": self.shown,
                "stimulus": "film",
                "kind": "film",
                "media_start": [n * self.shown for n in range(self.runs)],
                "item": [f"film@{n}" for n in range(self.runs)],
                "label": None,
                "unit": None,
                "keep": True,
            }
        )


def write_stage_files(folder: Path, world: World, inventory: pd.DataFrame | None = None) -> Path:
    """Write what the stages before alignment would: features, inventory, splits, leakage."""
    values, times = world.features()
    names = [f"signal{n}" for n in range(values.shape[1])]
    film = {"film": (values, times)}
    window = 1 / world.rate
    write_features(folder / "features.h5", "drive/all", film, names=names, window=window)
    table = world.inventory() if inventory is None else inventory
    write_table(folder / "inventory.tsv", table, Provenance("inventory", False))
    splits = pd.DataFrame(
        {
            "timeline": "main",
            "run": world.names,
            "split": ["train"] * (world.runs - 1) + ["test"],
            "repeat": [None] * (world.runs - 1) + ["test1"],
        }
    )
    write_table(folder / "splits.tsv", splits, Provenance("splits", False))
    write_leakage(folder, [])
    return folder


def write_leakage(folder: Path, drop: list[dict[str, Any]]) -> None:
    """Write an audit without findings, and what it drops."""
    table = pd.DataFrame({"check": []}, dtype=object)
    write_table(
        folder / "leakage.tsv",
        table,
        Provenance("leakage", False, methods=("Made by a test.",)),
        drop=drop,
    )


def write_bold(folder: Path, runs: list[Run]) -> list[Path]:
    """Write run files."""
    paths = [folder / f"{run.run}.h5" for run in runs]
    for path, run in zip(paths, runs, strict=True):
        write_run(path, run, {})
    return paths
