"""Reading 4-D NIfTI images within a mask, in blocks of volumes, with checks on the way."""

import math
import zlib
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, HeaderTypeError
from tqdm import tqdm

from tristream.bold.nifti_header import check_affine, check_sizes, stored_header
from tristream.config.runs import Trims
from tristream.errors import UserError
from tristream.store import Omission

# Volumes read at a time.
BLOCK = 32
# Volumes on which a voxel must not vary to be called constant. A voxel that is constant over a run
# is constant here too, so the first volumes of every run suffice to give all runs the same voxels.
PROBE = 8
# Affines that differ by less are equal (mm).
AFFINE_TOLERANCE = 1e-3
# TRs that differ by less are equal (s).
TR_TOLERANCE = 1e-3

SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
# What nibabel raises for files that are cut or whose headers make no sense.
DAMAGED = (
    *(OSError, EOFError, ValueError, KeyError, OverflowError, TypeError, MemoryError),
    *(zlib.error, ImageFileError, HeaderDataError, HeaderTypeError),
)
# Bytes that one byte of a gzipped file can stand for.
DEFLATED = 1100


def open_image(path: Path, dimensions: int) -> nib.Nifti1Image:
    """Open a NIfTI image without reading its data.

    Raises
    ------
    UserError
        If it can't be read, its header makes no sense, or it has not the wanted number of
        dimensions.
    """
    try:
        stored = stored_header(path)
        # Kept open, a compressed file is read through once instead of once a block.
        image = nib.load(path, keep_file_open=True)
    except DAMAGED as error:
        raise UserError(
            f"{path}: can't be read as NIfTI ({_line(error)}); fetch it again"
        ) from None
    if not isinstance(image, nib.Nifti1Image):
        raise UserError(f"{path}: is {type(image).__name__}, not NIfTI")
    _check_header(path, image)
    check_sizes(path, stored)
    check_affine(path, image.affine)
    if image.ndim != dimensions:
        raise UserError(
            f"{path}: has {image.ndim} dimensions {image.shape}, expected {dimensions}: "
            + ("a series of volumes" if dimensions == 4 else "one volume")
        )
    return image


def _check_header(path: Path, image: nib.Nifti1Image) -> None:
    """Refuse a header whose units make no sense, or that declares what its file can't hold."""
    try:
        image.header.get_xyzt_units()
    except KeyError:
        raise UserError(
            f"{path}: its header has units that NIfTI does not; fetch it again"
        ) from None
    kind = image.header.get_data_dtype()
    if kind.kind not in "iuf":
        raise UserError(
            f"{path}: holds {'complex numbers' if kind.kind == 'c' else 'colours'}, not one number "
            "a voxel; give the magnitude (`part-mag`), or save it in grey"
        )
    if min(image.shape, default=0) < 1:
        raise UserError(f"{path}: its header declares the shape {image.shape}; fetch it again")
    declared = math.prod(image.shape) * image.header.get_data_dtype().itemsize
    stored = path.stat().st_size * (DEFLATED if path.suffix == ".gz" else 1)
    if declared > stored:
        shape = "×".join(map(str, image.shape))
        raise UserError(
            f"{path}: is truncated or damaged: its header declares {shape} values, "
            f"{declared:,} bytes, and the file holds {path.stat().st_size:,}; fetch it again"
        )


def kept_volumes(path: Path, volumes: int, trims: Trims) -> slice:
    """Volumes that are left by the descriptor's trims.

    Raises
    ------
    UserError
        If none is left.
    """
    start, stop = trims.start, volumes - trims.end
    if stop <= start:
        raise UserError(
            f"{path}: has {volumes} volumes; trims of {trims.start} at the start and {trims.end} "
            "at the end leave none"
        )
    return slice(start, stop)


def check_tr(path: Path, image: nib.Nifti1Image, stated: dict[str, float]) -> tuple[Omission, ...]:
    """Check that the header's TR agrees with what other files state.

    Parameters
    ----------
    path : Path
        Named in the message.
    image : Nifti1Image
        4-D; a header without units is taken to hold seconds.
    stated : dict of str to float
        Source to TR in seconds, as ``{"tr of the descriptor": 1.5}``.

    Raises
    ------
    UserError
        If two of them differ by more than a millisecond.
    """
    return check_same_tr(path, {"header": header_tr(image), **stated})


def header_tr(image: nib.Nifti1Image) -> float:
    """TR that the header of a 4-D image states (s); without units it is taken to hold seconds."""
    unit = image.header.get_xyzt_units()[1]
    return float(image.header.get_zooms()[3]) * SECONDS.get(unit, 1.0)


def check_same_tr(path: Path, values: dict[str, float]) -> tuple[Omission, ...]:
    """Check that TRs (s), by where they stand, don't differ by more than a millisecond.

    A header of 1 s, which nobody may have filled in, or of a thousand times the TR, which is in
    milliseconds, does not count where a sidecar says it; what is returned tells so.

    Raises
    ------
    UserError
        If two of them do, or one is not a number.
    """
    header, sidecar = values.get("header"), values.get("sidecar")
    unset = header == 1 or abs((header or 0) / 1000 - (sidecar or 0)) <= TR_TOLERANCE
    if header and sidecar and unset and abs(header - sidecar) > TR_TOLERANCE:
        rest = {name: value for name, value in values.items() if name != "header"}
        why = f"it holds {header:g}; the sidecar's {sidecar:g} s was taken"
        return (*check_same_tr(path, rest), Omission("TR of the image's header", why))
    # Comparisons with NaN are false, whatever it is compared with.
    known = all(map(math.isfinite, values.values()))
    if not known or max(values.values()) - min(values.values()) > TR_TOLERANCE:
        listed = ", ".join(f"{name} {value:g} s" for name, value in values.items())
        raise UserError(f"{path}: the TR is not the same everywhere ({listed}); fix what is wrong")
    return ()


def read_mask(path: Path, like: nib.Nifti1Image, like_path: Path) -> npt.NDArray[np.bool_]:
    """Read a mask that must lie on the grid of the image `like`.

    Raises
    ------
    UserError
        If it can't be read, or shape or affine differ.
    """
    return read_labels(path, like, like_path) > 0


def read_labels(path: Path, like: nib.Nifti1Image, like_path: Path) -> npt.NDArray[np.int32]:
    """Read an image of labels that must lie on the grid of the image `like`; 0 is outside.

    Raises
    ------
    UserError
        If it can't be read, or shape or affine differ.
    """
    image = open_image(path, 3)
    check_grid(path, image, like_path, like, "resample one to the other")
    try:
        values = np.nan_to_num(np.asarray(image.dataobj, np.float64))
    except DAMAGED as error:
        raise damaged(path, error) from None
    # Interpolated masks hold small shares: any share is inside.
    return np.ceil(values).astype(np.int32)


def check_grid(
    path: Path, image: nib.Nifti1Image, like_path: Path, like: nib.Nifti1Image, remedy: str
) -> None:
    """Check that the voxels of `image` are those of a volume of `like`.

    Raises
    ------
    UserError
        If shape or affine differ; ends with the remedy.
    """
    if image.shape != like.shape[:3] or not same_affine(image.affine, like.affine):
        raise UserError(
            f"{path}: does not lie on the grid of {like_path.name} "
            f"({_grid(image)}, not {_grid(like)}); {remedy}"
        )


def same_affine(a: npt.NDArray, b: npt.NDArray) -> bool:
    """Whether two affines place every voxel at the same point."""
    return bool(np.allclose(a, b, atol=AFFINE_TOLERANCE))


def constant_voxels(
    path: Path, image: nib.Nifti1Image, mask: npt.NDArray[np.bool_], first: int
) -> npt.NDArray[np.bool_]:
    """Voxels of the mask that don't vary over `PROBE` volumes from `first` on.

    Returns
    -------
    ndarray of bool, shape (voxels of mask,)
    """
    few = _volumes(path, image, mask, slice(first, min(first + PROBE, image.shape[3])))
    return np.ptp(few, axis=0) == 0


def check_one_grid(paths: Sequence[Path], images: Sequence[nib.Nifti1Image]) -> None:
    """Check that all runs of a subject lie on the grid of the first.

    Raises
    ------
    UserError
        Names the run that does not.
    """
    for path, image in zip(paths[1:], images[1:], strict=True):
        if image.shape[:3] != images[0].shape[:3] or not same_affine(
            image.affine, images[0].affine
        ):
            raise UserError(
                f"{path}: shape or affine differ from {paths[0].name}; all runs of a "
                "subject must lie on one grid"
            )


def varying(
    mask: npt.NDArray[np.bool_],
    paths: Sequence[Path],
    images: Sequence[nib.Nifti1Image],
    first: int,
    drop_nan: bool = False,
) -> tuple[npt.NDArray[np.bool_], int]:
    """Voxels of the mask that vary in every run, and how many of it do not.

    Parameters
    ----------
    mask : ndarray of bool, shape of a volume
    paths, images : list
        All runs of the subject.
    first : int
        First volume that is used.
    drop_nan : bool
        Count voxels that are not finite somewhere in some run to those that do not vary. All runs
        are read for that.

    Raises
    ------
    UserError
        If no voxel is left.
    """
    constant = np.zeros(int(mask.sum()), bool)
    for path, image in zip(paths, images, strict=True):
        constant |= constant_voxels(path, image, mask, first)
        for start in range(first, image.shape[3], BLOCK) if drop_nan else ():
            block = slice(start, min(start + BLOCK, image.shape[3]))
            constant |= ~np.isfinite(_volumes(path, image, mask, block)).all(axis=0)
    if constant.all():
        raise UserError(f"{paths[0]}: no voxel of the mask varies in every run")
    left = mask.copy()
    left[mask] = ~constant
    return left, int(constant.sum())


def first_mean(path: Path, image: nib.Nifti1Image) -> npt.NDArray[np.float32]:
    """Mean of the first `PROBE` volumes, shape of a volume; what is not finite counts as 0."""
    everywhere = np.ones(image.shape[:3], bool)
    few = _volumes(path, image, everywhere, slice(0, min(PROBE, image.shape[3])))
    return np.asarray(np.nan_to_num(few).mean(axis=0).reshape(image.shape[:3]), np.float32)


def read_masked(
    path: Path, image: nib.Nifti1Image, mask: npt.NDArray[np.bool_], volumes: slice
) -> npt.NDArray[np.float32]:
    """Read the voxels of a mask; memory holds the result and a few volumes.

    Parameters
    ----------
    path : Path
        The image's file, for messages.
    image : Nifti1Image
        4-D.
    mask : ndarray of bool, shape of a volume
        Voxels to read, in C order.
    volumes : slice
        Volumes to read.

    Returns
    -------
    ndarray of float32, shape (volumes, voxels)

    Raises
    ------
    UserError
        If the file is truncated, or a voxel in the mask is not finite (says how many).
    """
    start, stop, _ = volumes.indices(image.shape[3])
    out = np.empty((stop - start, int(mask.sum())), np.float32)
    faulty = np.zeros(out.shape[1], bool)
    blocks = tqdm(range(start, stop, BLOCK), path.name, unit="block", mininterval=5, delay=5)
    for at in blocks:
        block = slice(at, min(at + BLOCK, stop))
        values = _volumes(path, image, mask, block)
        faulty |= ~np.isfinite(values).all(axis=0)
        out[block.start - start : block.stop - start] = values
    if faulty.any():
        raise UserError(
            f"{path}: {faulty.sum()} of {len(faulty)} voxels in the mask hold NaN or infinity; "
            "fix the image, take them out of the mask, or write `drop_nan: true` under `layout`"
        )
    return out


def _volumes(
    path: Path, image: nib.Nifti1Image, mask: npt.NDArray[np.bool_], volumes: slice
) -> npt.NDArray[np.float32]:
    try:
        block = np.asarray(image.dataobj[..., volumes], np.float32)
    except DAMAGED as error:
        raise damaged(path, error) from None
    return block[mask].T


def damaged(path: Path, error: BaseException) -> UserError:
    """The message about a file whose data can't be read."""
    return UserError(f"{path}: is truncated or damaged ({_line(error)}); fetch it again")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _grid(image: nib.Nifti1Image) -> str:
    rows = np.round(image.affine[:3], 3).tolist()
    return f"shape {'×'.join(map(str, image.shape[:3]))}, affine {rows}"
