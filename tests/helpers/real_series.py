"""Real BOLD as arrays: what is predicted, and what from."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np


@dataclass(frozen=True)
class Series:
    """Three bands and what they predict.

    Attributes
    ----------
    features : list of ndarray of shape (volumes, p)
        Delayed conditions, and two sets of neighbouring voxels.
    targets : ndarray of shape (volumes, voxels)
        Other voxels; mean 0 in each run, variance 1.
    runs : ndarray of int, shape (volumes,)
    """

    features: list[np.ndarray]
    targets: np.ndarray
    runs: np.ndarray

    def held_out(self, run: int, trained: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the first `trained` runs without `run`, and those of `run`."""
        others = [one for one in np.unique(self.runs) if one != run][:trained]
        return np.flatnonzero(np.isin(self.runs, others)), np.flatnonzero(self.runs == run)

    def kernels(self, train: np.ndarray) -> np.ndarray:
        """Of all rows with those of training, (bands, volumes, training rows)."""
        grams = []
        for x in self.features:
            x = x - x[train].mean(0)
            gram = x @ x[train].T
            grams.append(gram / np.trace(gram[train]) * len(train))
        return np.stack(grams)


def haxby_series(folder: Path) -> Series:
    """Haxby's slice: labels of its blocks, and neighbouring voxels."""
    bold = nib.load(folder / "bold.nii.gz").get_fdata()
    mask = nib.load(folder / "mask.nii.gz").get_fdata().reshape(bold.shape[:3]) > 0
    lines = (folder / "attributes_literal.txt").read_text().split("\n")
    labels, chunks = zip(*[line.split()[:2] for line in lines if line.strip()], strict=True)
    runs = np.array(chunks).astype(float).astype(int)
    series = _standardised(bold[mask].T, runs)
    design = (np.array(labels)[:, None] == np.unique(labels)).astype(float)
    features = [_delayed(design, (1, 2)), series[:, ::7], series[:, 3::50]]
    return Series(features, np.delete(series, np.s_[::7], axis=1), runs)


def localizer_series(folder: Path) -> Series:
    """Sounds and films as events, and neighbouring voxels, in four parts of one scan."""
    bold = nib.load(folder / "real_data_vol_4_regions_BOLD.nii.gz").get_fdata()
    mask = nib.load(folder / "real_data_vol_4_regions_mask.nii.gz").get_fdata() > 0
    parts = np.arange(bold.shape[-1]) // 32
    series = _standardised(bold[mask].T, parts)
    design = np.zeros((len(parts), 3))
    for line in (folder / "paradigm_loc_av_d.csv").read_text().splitlines():
        _, name, onset, *_ = line.split()
        column = ("audio", "video", "damier").index(name.strip('"'))
        design[int(float(onset) // 2.4), column] += 1
    features = [_delayed(design, range(1, 6)), series[:, ::40], series[:, 3::300]]
    return Series(features, np.delete(series, np.s_[::40], axis=1)[:, ::5], parts)


def _standardised(series: np.ndarray, runs: np.ndarray) -> np.ndarray:
    """Voxels without the mean of each run, with unit variance."""
    for run in np.unique(runs):
        series[runs == run] -= series[runs == run].mean(0)
    return series / np.where(series.std(0) > 0, series.std(0), 1)


def _delayed(design: np.ndarray, delays: tuple[int, ...] | range) -> np.ndarray:
    return np.hstack(
        [np.roll(design, d, axis=0) * (np.arange(len(design)) >= d)[:, None] for d in delays]
    )
