"""Head motion within a run, and where the run lies in the subject's T1w or in the template."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine, from_matvec
from tqdm import tqdm

from tristream.bold.epi_mask import epi_mask
from tristream.bold.nifti import BLOCK, kept_volumes, open_image
from tristream.bold.raw_inputs import raw_bold, read_timing
from tristream.bold.registration import antspy
from tristream.bold.registration.alignment_check import OUTSTANDING, outstanding
from tristream.bold.registration.antspy_extra import require
from tristream.bold.registration.registration_file import Normalisation, Registration
from tristream.bold.resampling.sampling import Volume, raw_volumes
from tristream.bold.steady_state import unsteady_volumes
from tristream.config.settings.bold import RegisterSettings
from tristream.errors import UserError
from tristream.fetch.raw_sidecars import raw_sidecar
from tristream.fetch.receipt import Receipt

Array = npt.NDArray[np.float64]

# Volumes whose mean, after a first alignment, is the reference.
AVERAGED = 10


def register_run(
    settings: RegisterSettings, run: str, receipt: Receipt, normalised: Normalisation
) -> Registration:
    """Estimate the transforms of one run.

    Parameters
    ----------
    settings : RegisterSettings
        Dataset, subject, TR and trims.
    run : str
        BIDS entities of the run.
    receipt : Receipt
        Lists the subject's files.
    normalised : Normalisation
        What the run is registered to: rigidly to a T1w, affinely to the template.

    Raises
    ------
    UserError
        Missing or truncated image, disagreeing TR, NaN, volumes without signal, no brain.
    """
    require(settings.dataset)
    path = raw_bold(settings.dataset, settings.subject, run, receipt)
    image = open_image(path, 4)
    # What is wrong with the headers is reported before the work.
    sidecar = raw_sidecar(settings.subject, run, receipt)
    read_timing(path, sidecar, image, settings.tr)
    kept_volumes(path, image.shape[3], settings.trims)
    first = max(unsteady_volumes(path, image), settings.trims.start)
    reference = reference_volume(path, image, min(first, image.shape[3] - 1))
    brain = epi_brain(reference, path)
    return Registration(
        run,
        reference,
        brain,
        head_motion(path, image, reference),
        coregister(reference, brain, normalised, path),
    )


def reference_volume(path: Path, image: nib.Nifti1Image, first: int) -> nib.Nifti1Image:
    """Mean of the first `AVERAGED` volumes from `first` on, aligned to the first of them."""
    some = islice(raw_volumes(path, image), first, first + AVERAGED)
    series = np.stack(list(some), axis=-1)
    fixed = antspy.to_ants(series[..., 0], image.affine, path)
    moved, _ = _corrected(series, image.affine, fixed, path, first)
    return nib.Nifti1Image(moved.mean(axis=-1), image.affine)


def head_motion(path: Path, image: nib.Nifti1Image, reference: nib.Nifti1Image) -> Array:
    """Rigid motion of every volume.

    Parameters
    ----------
    path, image
        Raw BOLD.
    reference : Nifti1Image
        On its grid.

    Returns
    -------
    ndarray of shape (volumes, 4, 4)
        RAS mm of the reference to RAS mm of each volume.

    Raises
    ------
    UserError
        If the image is truncated, or a volume holds NaN or nothing.
    """
    fixed = antspy.to_ants(np.asarray(reference.dataobj), image.affine, path)
    found: list[Array] = []
    with tqdm(None, path.name, image.shape[3], unit="volume", mininterval=5, delay=5) as shown:
        for series in _blocks(raw_volumes(path, image)):
            found += _corrected(series, image.affine, fixed, path, len(found))[1]
            shown.update(series.shape[3])
    return np.stack(found)


def _blocks(volumes: Iterable[Volume]) -> Iterator[Volume]:
    """`BLOCK` volumes at a time: ANTs holds what it is given three times over."""
    waiting = iter(volumes)
    while block := list(islice(waiting, BLOCK)):
        yield np.stack(block, axis=-1)


def _corrected(
    series: Volume, affine: Array, fixed: object, path: Path, first: int
) -> tuple[Volume, list[Array]]:
    """Aligned volumes, and the matrix of each."""
    still = np.flatnonzero(np.ptp(series.reshape(-1, series.shape[3]), axis=0) == 0)
    if len(still):
        raise UserError(
            f"{path}: volume {first + still[0]} holds one value everywhere; fix the image, or "
            "leave the run out (missing)"
        )
    with TemporaryDirectory() as folder:
        made = antspy.load().motion_correction(
            antspy.to_ants(series, affine, path),
            fixed=fixed,
            type_of_transform="BOLDRigid",
            outprefix=f"{folder}/volume",
            random_seed=antspy.SEED,
        )
        matrices = [antspy.read_linear(files[0]) for files in made["motion_parameters"]]
        return made["motion_corrected"].numpy(), matrices


def epi_brain(reference: nib.Nifti1Image, path: Path) -> npt.NDArray[np.bool_]:
    """Voxels of the reference that nilearn takes for brain.

    Raises
    ------
    UserError
        If there are none.
    """
    brain = epi_mask(reference)
    if not brain.any():
        raise UserError(f"{path}: no brain stands out of its background; look at the image")
    return brain


def coregister(
    reference: nib.Nifti1Image, brain: npt.NDArray[np.bool_], normalised: Normalisation, path: Path
) -> Array:
    """RAS mm of the T1w, or else of the template, to RAS mm of a run's reference.

    Only the run's own brain is compared, so that a slab finds its place. The search starts from
    where the headers say that the run lies, and from the middle of the target's brain.

    Raises
    ------
    UserError
        If ANTs fails, or what was found is hardly better than places beside it.
    """
    target = np.asarray(normalised.brain.dataobj)
    there = apply_affine(normalised.brain.affine, np.argwhere(target > 0)).mean(axis=0)
    here = apply_affine(reference.affine, np.argwhere(brain)).mean(axis=0)
    found = antspy.align(
        antspy.to_ants(np.asarray(reference.dataobj), reference.affine, path),
        antspy.to_ants(target, normalised.brain.affine, path),
        antspy.to_ants(brain, reference.affine, path),
        [np.eye(4), from_matvec(np.eye(3), there - here)],
        "Rigid" if normalised.t1w else "Affine",
    )
    better = outstanding(reference, brain, normalised.brain, found)
    if not better >= OUTSTANDING:
        what = "T1w" if normalised.t1w else "template"
        raise UserError(
            f"{path}: once registered, it does not fit the {what} (what they share is {better:.2f} "
            f"times that of places beside it, below {OUTSTANDING:g}): a header may turn one of "
            "them round; look at both and fix them, or leave the run out (missing)"
        )
    return np.asarray(np.linalg.inv(found), np.float64)
