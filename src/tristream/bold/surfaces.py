"""BOLD on surfaces: one GIfTI a hemisphere on fsaverage5, or grayordinates of fsLR in one CIFTI."""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

import nibabel as nib
import numpy as np
import numpy.typing as npt

from tristream.bold.image_checks import check_whole
from tristream.bold.nifti import BLOCK, DAMAGED, PROBE, damaged
from tristream.bold.nifti_header import check_affine, stored_header
from tristream.errors import UserError
from tristream.space.grayordinates import CORTEX, Grayordinates, from_axis, hemispheres, same
from tristream.space.meshes import FSAVERAGE5_VERTICES, FSLR_VERTICES, fsaverage5_cortex

STRUCTURES = {"L": "CortexLeft", "R": "CortexRight"}


@dataclass(frozen=True)
class Series:
    """One run on surfaces, not read into memory where the format allows it.

    Attributes
    ----------
    path : Path
        Its (first) file, for messages.
    values : array-like of shape (volumes, n)
        Cut by volumes, it gives numbers.
    tr : float or None
        What the header says (s).
    ijk, affine, shape, grayordinates
        Places of the n grayordinates, as in :class:`tristream.bold.run_file.Run`; without voxels,
        `shape` is (0, 0, 0).
    cortex : ndarray of bool, shape (n,)
        False on the medial wall.
    """

    path: Path
    values: Any
    tr: float | None
    ijk: npt.NDArray[np.int32]
    affine: npt.NDArray[np.float64]
    shape: tuple[int, ...]
    grayordinates: Grayordinates
    cortex: npt.NDArray[np.bool_]

    @property
    def volumes(self) -> int:
        """Length of the run."""
        return int(self.values.shape[0])

    def read(self, volumes: slice, columns: npt.NDArray | slice) -> npt.NDArray[np.float32]:
        """Some volumes of some grayordinates.

        Raises
        ------
        UserError
            If the file is truncated.
        """
        start, stop, _ = volumes.indices(self.volumes)
        try:
            parts = [
                np.asarray(self.values[at : min(at + BLOCK, stop)], np.float32)[:, columns]
                for at in range(start, stop, BLOCK)
            ]
        except DAMAGED as error:
            raise damaged(self.path, error) from None
        return np.concatenate(parts)


def open_series(bold: Path, right: Path | None) -> Series:
    """Open the BOLD of a run.

    Parameters
    ----------
    bold, right : Path
        GIfTI of the left and right hemisphere on fsaverage5; or one CIFTI and None.

    Raises
    ------
    UserError
        If a file can't be read, is not what its name says, or the hemispheres don't fit together.
    """
    return _open_cifti(bold) if right is None else _open_gifti(bold, right)


def _open_gifti(left: Path, right: Path) -> Series:
    parts = [_read_gifti(left, "L"), _read_gifti(right, "R")]
    if len(parts[0]) != len(parts[1]):
        raise UserError(
            f"{right}: has {len(parts[1])} volumes, {left.name} has {len(parts[0])}; the "
            "hemispheres are not of the same run, fetch both again"
        )
    vertex = np.tile(np.arange(FSAVERAGE5_VERTICES), 2)
    ijk = np.zeros((len(vertex), 3), np.int32)
    ijk[:, 0] = vertex
    places = range(FSAVERAGE5_VERTICES)
    return Series(
        left,
        np.concatenate(parts, axis=1),
        None,
        ijk,
        np.eye(4),
        (0, 0, 0),
        hemispheres(places, places, FSAVERAGE5_VERTICES),
        np.concatenate([fsaverage5_cortex("left"), fsaverage5_cortex("right")]),
    )


def _read_gifti(path: Path, hemisphere: str) -> npt.NDArray[np.float32]:
    """Values, (volumes, vertices), one array a volume or all in one."""
    try:
        image = nib.load(path)
    except (*DAMAGED, ExpatError) as error:
        raise damaged(path, error) from None
    if not isinstance(image, nib.GiftiImage):
        raise UserError(f"{path}: is {type(image).__name__}, not GIfTI")
    stated = image.meta.get("AnatomicalStructurePrimary", STRUCTURES[hemisphere])
    if stated != STRUCTURES[hemisphere]:
        raise UserError(
            f"{path}: holds {stated}, but its name says hemi-{hemisphere}; the hemispheres are "
            "mixed up"
        )
    arrays = [np.asarray(array.data, np.float32) for array in image.darrays]
    if not arrays or len({array.shape for array in arrays}) > 1:
        raise UserError(f"{path}: holds no series of volumes; fetch it again")
    whole = arrays[0].T if len(arrays) == 1 and arrays[0].ndim == 2 else np.stack(arrays)
    if whole.ndim != 2 or whole.shape[1] != FSAVERAGE5_VERTICES:
        raise UserError(
            f"{path}: has {arrays[0].shape[0]:,} vertices, a hemisphere of fsaverage5 has "
            f"{FSAVERAGE5_VERTICES:,}; fix layout.space, or take the outputs in fsaverage5"
        )
    return whole


def _open_cifti(path: Path) -> Series:
    try:
        stored_header(path)
        image = nib.load(path)
    except DAMAGED as error:
        raise damaged(path, error) from None
    if not isinstance(image, nib.Cifti2Image) or image.ndim != 2:
        raise UserError(f"{path}: is {type(image).__name__}, not CIFTI; fetch it again")
    check_whole(path, image)
    time, models = (image.header.get_axis(number) for number in (0, 1))
    if not isinstance(time, nib.cifti2.SeriesAxis) or not isinstance(
        models, nib.cifti2.BrainModelAxis
    ):
        raise UserError(f"{path}: is not a dense series (volumes by grayordinates)")
    where, ijk = from_axis(models)
    for name in CORTEX:
        vertices = dict(zip(where.names, where.vertices, strict=True)).get(name, 0)
        if vertices != FSLR_VERTICES:
            raise UserError(
                f"{path}: {name} has {vertices:,} vertices, a hemisphere of fsLR_den-91k has "
                f"{FSLR_VERTICES:,}; fix layout.space"
            )
    has_voxels = models.affine is not None
    if has_voxels:
        check_affine(path, models.affine)
    return Series(
        path,
        image.dataobj,
        float(time.step) if time.unit == "SECOND" else None,
        ijk,
        np.asarray(models.affine, np.float64) if has_voxels else np.eye(4),
        tuple(int(n) for n in models.volume_shape) if has_voxels else (0, 0, 0),
        where,
        np.ones(len(ijk), bool),
    )


def checked(runs: Iterable[Series]) -> Iterator[Series]:
    """The runs, each checked to lie on the grayordinates of the first.

    Raises
    ------
    UserError
        Names the run that does not.
    """
    first: tuple[str, Grayordinates, npt.NDArray[np.int32]] | None = None
    for run in runs:
        name, where, ijk = first = first or (run.path.name, run.grayordinates, run.ijk)
        if not same(run.grayordinates, where) or not np.array_equal(run.ijk, ijk):
            raise UserError(
                f"{run.path}: its grayordinates differ from those of {name}; all runs of a "
                "subject must lie on the same ones"
            )
        yield run


def shared_columns(runs: Iterable[Series], first: int) -> tuple[npt.NDArray[np.bool_], int]:
    """Grayordinates off the medial wall that vary in every run.

    fMRIPrep writes NaN on the medial wall if it is asked to: what is NaN throughout is left out
    like what does not vary.

    Parameters
    ----------
    runs : iterable of Series
        All runs of the subject; one is looked at at a time.
    first : int
        First volume that is used.

    Returns
    -------
    columns : ndarray of bool, shape (n,)
    constant : int
        Grayordinates off the medial wall that were left out.

    Raises
    ------
    UserError
        If runs have different grayordinates, or none is left.
    """
    columns = cortex = np.empty(0, bool)
    path = Path()
    for run in checked(runs):
        if not len(cortex):
            path, columns, cortex = run.path, run.cortex.copy(), run.cortex
        few = run.read(slice(first, min(first + PROBE, run.volumes)), slice(None))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "All-NaN slice")
            columns &= np.nanmax(few, axis=0) > np.nanmin(few, axis=0)
    if not columns.any():
        raise UserError(f"{path}: no grayordinate off the medial wall varies in every run")
    return columns, int((cortex & ~columns).sum())


def read_columns(
    run: Series, columns: npt.NDArray[np.bool_], volumes: slice
) -> npt.NDArray[np.float32]:
    """BOLD, (volumes, columns).

    Raises
    ------
    UserError
        If the file is truncated, or a value is not finite (says of how many grayordinates).
    """
    bold = run.read(volumes, columns)
    faulty = np.logical_not(np.isfinite(bold).all(axis=0))
    if faulty.any():
        raise UserError(
            f"{run.path}: {faulty.sum()} of {columns.sum()} grayordinates that vary hold NaN or "
            "infinity in some volumes; fix the file"
        )
    return bold
