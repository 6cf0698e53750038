"""ANTs through antspyx: images and transforms in RAS millimetres, and one answer for one input.

ITK works in LPS, and adds up in another order with another number of threads: it gets one thread
and a fixed seed.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from tristream.bold.resampling.transforms import FLIP, Displacement, affine_of
from tristream.errors import UserError

Array = npt.NDArray[np.float64]

SEED = 1
# Cosines between axes of an image that ITK can hold.
RIGHT_ANGLE = 1e-3
# Levels of a search from several starts, and of the refinement of its best. ANTs' defaults begin at
# a sixth of the resolution: an affine transform loses there what the search has found.
SEARCH: dict[str, Any] = {
    "aff_shrink_factors": (4, 2),
    "aff_smoothing_sigmas": (2, 1),
    "aff_iterations": (500, 200),
}
REFINE: dict[str, Any] = {
    "aff_shrink_factors": (2, 1),
    "aff_smoothing_sigmas": (1, 0),
    "aff_iterations": (500, 200),
}


def load() -> Any:
    """The module ``ants``, bound to one thread."""
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"
    import ants

    return ants


def to_ants(volume: npt.NDArray, affine: Array, path: Path) -> Any:
    """An ANTs image of a 3-D or 4-D array.

    Parameters
    ----------
    volume : ndarray
        The last of four axes is time.
    affine : ndarray of shape (4, 4)
        From voxel indices to RAS mm.
    path : Path
        Named in messages.

    Raises
    ------
    UserError
        If the axes of `affine` are not at right angles.
    """
    lps = FLIP @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    direction = lps[:3, :3] / spacing
    if not np.allclose(direction.T @ direction, np.eye(3), atol=RIGHT_ANGLE):
        raise UserError(
            f"{path}: the axes of its affine are not at right angles, and ANTs can't hold it; "
            "resample the image, or run fMRIPrep"
        )
    whole = np.eye(volume.ndim)
    whole[:3, :3] = direction
    more = volume.ndim - 3
    return load().from_numpy(
        np.ascontiguousarray(volume, np.float32),
        origin=[*lps[:3, 3], *[0.0] * more],
        spacing=[*spacing, *[1.0] * more],
        direction=whole,
    )


def read_linear(path: str) -> Array:
    """A linear transform of ANTs (``.mat``) as a map of RAS mm, of shape (4, 4)."""
    transform = load().read_transform(path)
    return affine_of(np.array(transform.parameters), np.array(transform.fixed_parameters))


def read_warp(path: str) -> Displacement:
    """A displacement field of ANTs (``Warp.nii.gz``)."""
    image = nib.load(path)
    assert isinstance(image, nib.Nifti1Image)
    field = np.moveaxis(np.asarray(image.dataobj, np.float32)[:, :, :, 0], 3, 0)
    turned = field * np.diag(FLIP)[:3, None, None, None].astype(np.float32)
    return Displacement(np.ascontiguousarray(turned), np.linalg.inv(image.affine))


def write_linear(path: Path, matrix: Array) -> list[str]:
    """Write a map of RAS mm as a transform from which a registration starts."""
    ants = load()
    lps = FLIP @ matrix @ FLIP
    transform = ants.create_ants_transform(
        transform_type="AffineTransform",
        dimension=3,
        matrix=lps[:3, :3],
        translation=lps[:3, 3],
    )
    ants.write_transform(transform, str(path))
    return [str(path)]


def register(
    fixed: Any, moving: Any, kind: str, start: Array, mask: Any, folder: Path, **options: Any
) -> dict[str, Any]:
    """``ants.registration`` from a start, of which every file lies in `folder`.

    Raises
    ------
    UserError
        If ANTs fails; says what.
    """
    try:
        return load().registration(
            fixed,
            moving,
            kind,
            initial_transform=write_linear(folder / "start.mat", start),
            outprefix=f"{folder}/{kind}_",
            mask=mask,
            random_seed=SEED,
            **options,
        )
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"ANTs could not register an image ({reason}); look at it, or run fMRIPrep"
        ) from None


def align(fixed: Any, moving: Any, mask: Any, starts: Sequence[Array], kind: str) -> Array:
    """The linear map from `fixed` to `moving` that the best of several starts leads to.

    From each start the images are registered rigidly and coarsely; the one after which they share
    the most information inside of the mask is refined.

    Parameters
    ----------
    fixed, moving, mask : ANTsImage
        `mask` lies on `fixed`, and says what of it is compared.
    starts : sequence of ndarray of shape (4, 4)
        RAS mm of `fixed` to RAS mm of `moving`.
    kind : str
        ``Rigid`` or ``Affine``.

    Returns
    -------
    ndarray of shape (4, 4)
    """
    ants = load()
    found: list[tuple[float, int, Array]] = []
    with TemporaryDirectory() as folder:
        for start in starts:
            made = register(fixed, moving, "Rigid", start, mask, Path(folder), **SEARCH)
            # The less, the more they share.
            apart = ants.image_similarity(
                fixed,
                made["warpedmovout"],
                metric_type="MattesMutualInformation",
                fixed_mask=mask,
            )
            found.append((apart, len(found), read_linear(made["fwdtransforms"][0])))
        best = min(found)[2]
        made = register(fixed, moving, kind, best, mask, Path(folder), **REFINE)
        return read_linear(made["fwdtransforms"][0])


def warp(fixed: Any, moving: Any, start: Array) -> Displacement:
    """The displacement (SyN, cross-correlation) to be followed by the affine `start`."""
    with TemporaryDirectory() as folder:
        made = register(
            fixed, moving, "SyNOnly", start, None, Path(folder), syn_metric="CC", syn_sampling=2
        )
        return read_warp(made["fwdtransforms"][0])
