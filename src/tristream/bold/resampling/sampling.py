"""Sampling raw volumes at the voxels of a mask, through all transforms, in one interpolation."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from scipy import ndimage
from scipy.interpolate import CubicSpline

from tristream.bold.nifti import DAMAGED, damaged
from tristream.errors import UserError

Array = npt.NDArray[np.float64]
Volume = npt.NDArray[np.float32]

# A point this far outside of the outermost voxel centres (in voxels) still counts as inside.
EDGE = 1e-3


@dataclass(frozen=True)
class Sampling:
    """Where the volumes of a raw image are sampled.

    Attributes
    ----------
    points : ndarray of shape (n, 3)
        RAS mm in the run's reference volume.
    to_voxel : ndarray of shape (volumes, 4, 4)
        From there to voxel indices of the raw image, for each volume: head motion, then the inverse
        of the image's affine.
    shape : tuple of int
        Shape of a raw volume.
    axis : int
        Axis of `shift`.
    shift : ndarray of shape (n,), optional
        Voxels by which distortion moved each point, added after head motion.
    """

    points: Array
    to_voxel: Array
    shape: tuple[int, ...]
    axis: int = 0
    shift: Array | None = None

    def coordinates(self, volume: int) -> Array:
        """Voxel indices of all points in a volume, of shape (3, n)."""
        index = apply_affine(self.to_voxel[volume], self.points).T
        if self.shift is not None:
            index[self.axis] += self.shift
        return np.ascontiguousarray(index)

    def covered(self) -> npt.NDArray[np.bool_]:
        """Points that lie inside of the raw image in every volume."""
        first = self.coordinates(0)
        # A difference of affines is largest at a corner of the points' bounding box.
        sides = np.stack([self.points.min(axis=0), self.points.max(axis=0)])
        corners = np.array(
            [[sides[i, a] for a, i in enumerate(c)] for c in product((0, 1), repeat=3)]
        )
        reach = np.zeros(3)
        for matrix in self.to_voxel:
            moved = apply_affine(matrix, corners) - apply_affine(self.to_voxel[0], corners)
            reach = np.maximum(reach, np.abs(moved).max(axis=0))
        inside = self._inside(first, -reach)
        unsure = np.flatnonzero(self._inside(first, reach) & ~inside)
        shift = None if self.shift is None else self.shift[unsure]
        few = Sampling(self.points[unsure], self.to_voxel, self.shape, self.axis, shift)
        stays = np.ones(len(unsure), bool)
        for volume in range(len(self.to_voxel) if len(unsure) else 0):
            stays &= self._inside(few.coordinates(volume), np.zeros(3))
        inside[unsure[stays]] = True
        return inside

    def _inside(self, index: Array, wider: Array) -> npt.NDArray[np.bool_]:
        last = np.array(self.shape)[:, None] - 1 + EDGE + wider[:, None]
        return np.all((index >= -EDGE - wider[:, None]) & (index <= last), axis=0)

    def only(self, keep: npt.NDArray[np.bool_]) -> "Sampling":
        """The sampling of some of the points."""
        shift = None if self.shift is None else self.shift[keep]
        return Sampling(self.points[keep], self.to_voxel, self.shape, self.axis, shift)

    def beside(self, other: "Sampling") -> "Sampling":
        """The sampling of these points and, after them, of another's of the same run."""
        shift = None
        if self.shift is not None and other.shift is not None:
            shift = np.concatenate([self.shift, other.shift])
        points = np.concatenate([self.points, other.points])
        return Sampling(points, self.to_voxel, self.shape, self.axis, shift)


def raw_volumes(path: Path, image: nib.Nifti1Image) -> Iterator[Volume]:
    """Read volume after volume.

    Raises
    ------
    UserError
        If the file is truncated, or a voxel is not finite: the splines would spread it over the
        volume.
    """
    for number in range(image.shape[3]):
        try:
            volume = np.asarray(image.dataobj[..., number], np.float32)
        except DAMAGED as error:
            raise damaged(path, error) from None
        faulty = volume.size - np.count_nonzero(np.isfinite(volume))
        if faulty:
            raise UserError(
                f"{path}: {faulty} voxels of volume {number} hold NaN or infinity, which "
                "interpolation would spread; fix the image, or leave the run out (missing)"
            )
        yield volume


def retimed(
    volumes: Iterable[Volume],
    shape: tuple[int, ...],
    slice_times: Array,
    axis: int,
    reference: float,
    tr: float,
) -> Volume:
    """All volumes with every slice as it was at `reference` within its volume.

    Each voxel's series is interpolated by a cubic spline; at the ends it is held.

    Parameters
    ----------
    volumes : iterable of ndarray
        Raw volumes.
    shape : tuple of int
        Of the whole series.
    slice_times : ndarray of shape (slices,)
        Seconds from the start of the volume to each slice along `axis`.
    axis : int
        Slice axis of the array.
    reference : float
        Seconds from the start of the volume.
    tr : float
        Seconds between volumes.

    Returns
    -------
    ndarray of float32
        The whole series: this needs as much memory.
    """
    series = np.empty(shape, np.float32)
    for number, volume in enumerate(volumes):
        series[..., number] = volume
    at = np.arange(shape[3], dtype=float)
    for index, time in enumerate(slice_times):
        part = np.moveaxis(series, axis, 0)[index]
        wanted = np.clip(at + (reference - time) / tr, 0, at[-1])
        part[...] = CubicSpline(at, part, axis=-1)(wanted)
    return series


def resample(
    volumes: Iterable[Volume], sampling: Sampling, workers: int = 1, order: int = 3
) -> Volume:
    """Sample each volume at the points of `sampling`.

    Every volume is interpolated by splines of its own (fMRIPrep's: cubic, zero beyond the image).
    Volumes are worked on in parallel; no more of them are held than there are workers, and one.

    Parameters
    ----------
    volumes : iterable of ndarray
        As many as `sampling` has.
    sampling : Sampling
        Where.
    workers : int
        Threads; scipy works outside of Python's lock.
    order : int
        Of the splines.

    Returns
    -------
    ndarray of float32, shape (volumes, n)
    """
    out = np.empty((len(sampling.to_voxel), len(sampling.points)), np.float32)

    def one(number: int, volume: Volume) -> None:
        ndimage.map_coordinates(
            volume,
            sampling.coordinates(number),
            output=out[number],
            order=order,
            mode="grid-constant",
        )

    pending: deque[Future[None]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for number, volume in enumerate(volumes):
            if len(pending) > workers:
                pending.popleft().result()
            pending.append(pool.submit(one, number, volume))
        for future in pending:
            future.result()
    return out


def granted_threads() -> int:
    """Threads that the scheduler grants (Snakemake sets the variable), else all cores."""
    granted = os.environ.get("OMP_NUM_THREADS", "")
    return int(granted) if granted.isdigit() and int(granted) else os.cpu_count() or 1
