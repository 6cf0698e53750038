"""The fixed part of a NIfTI header, checked before nibabel reads what it announces."""

import math
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.filebasedimages import ImageFileError
from nibabel.openers import ImageOpener

from tristream.errors import UserError

# A pair of .hdr and .img is not read.
NAMES = re.compile(r"\.nii(\.\w+)?$", re.IGNORECASE)
# Bytes of all extensions of a header, and how many there may be: nibabel holds them in memory. The
# largest in use, CIFTI's axes and the DICOM fields of every slice, have a few million.
MOST_BYTES, MOST_EXTENSIONS = 16 << 20, 1000


def stored_header(path: Path) -> nib.Nifti1Header:
    """Header of a single-file NIfTI-1 or NIfTI-2 image as it is stored, without extensions.

    nibabel corrects a header when it loads an image; here nothing is.

    Raises
    ------
    UserError
        If its values begin where they can't, extensions have sizes that they can't have, or values
        are scaled by what is not finite.
    ImageFileError
        If the file has no header of NIfTI.
    """
    if not NAMES.search(path.name):
        raise ImageFileError("its name ends neither in .nii nor in .nii.gz")
    with ImageOpener(str(path)) as file:
        start = file.read(nib.Nifti2Header.sizeof_hdr)
        kinds = (nib.Nifti1Header, nib.Nifti2Header)
        kind = next((kind for kind in kinds if kind.may_contain_header(start)), None)
        if kind is None:
            raise ImageFileError("it has no header of NIfTI")
        header = kind(start[: kind.sizeof_hdr], check=False)
        least, offset = kind.single_vox_offset, float(header["vox_offset"])
        if not least <= offset <= least + MOST_BYTES or offset % 1:
            raise UserError(
                f"{path}: its header has its values begin at byte {offset:.12g}, where {least} to "
                f"{least + MOST_BYTES} are possible; fetch it again"
            )
        file.seek(kind.sizeof_hdr)
        _check_extensions(path, file, header, int(offset) - least)
    _check_scale(path, header)
    return header


def _check_extensions(path: Path, file: ImageOpener, header: nib.Nifti1Header, left: int) -> None:
    """Refuse sizes that would have nibabel read the whole file; `left` is the bytes of all."""
    kind = np.dtype(np.int32).newbyteorder(header.endianness)
    if file.read(4)[:1] in (b"", b"\0"):
        return
    for _ in range(MOST_EXTENSIONS + 1):
        start = file.read(8)
        if left < 16 or len(start) < 8:
            return
        size = int(np.frombuffer(start, kind)[0])
        if not 8 <= size <= MOST_BYTES:
            raise UserError(
                f"{path}: its header has an extension of {size:,} bytes, where 8 to {MOST_BYTES:,} "
                "are possible; fetch it again"
            )
        file.read(size - 8)
        left -= size
    raise UserError(
        f"{path}: its header has more than {MOST_EXTENSIONS} extensions; fetch it again"
    )


def _check_scale(path: Path, header: nib.Nifti1Header) -> None:
    """Refuse scales that are infinite; 0 and NaN are how it is written that there is none."""
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    scaled = slope != 0 and not math.isnan(slope)
    if scaled and not (math.isfinite(slope) and math.isfinite(inter)):
        raise UserError(
            f"{path}: its header scales values by {slope:g} and adds {inter:g} (scl_slope, "
            "scl_inter); fetch it again"
        )


def check_sizes(path: Path, stored: nib.Nifti1Header) -> None:
    """Refuse voxels without a size, for which nibabel puts 1 mm.

    A size below 0 counts as its absolute value, as in nibabel and FSL.

    Raises
    ------
    UserError
        If a size is 0, NaN or infinite.
    """
    sizes = [float(size) for size in stored["pixdim"][1:4]]
    if not all(math.isfinite(size) and size for size in sizes):
        raise UserError(
            f"{path}: its header has voxels of {' × '.join(f'{size:g}' for size in sizes)} "
            "(pixdim); save it with their sizes"
        )


def check_affine(path: Path, affine: npt.NDArray) -> None:
    """Refuse an affine that is not finite, or that places a volume on a plane.

    Raises
    ------
    UserError
        Shows the affine.
    """
    if not np.isfinite(affine).all() or np.linalg.det(affine[:3, :3]) == 0:
        raise UserError(
            f"{path}: its affine can't place voxels ({affine[:3].tolist()}); fix sform and qform "
            "of its header"
        )
