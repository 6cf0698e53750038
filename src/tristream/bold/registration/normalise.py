"""Where nilearn's MNI template lies in a subject's T1w."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine, from_matvec
from scipy import ndimage

from tristream.bold.nifti import open_image
from tristream.bold.registration import antspy
from tristream.bold.registration.antspy_extra import require
from tristream.bold.registration.registration_file import Normalisation
from tristream.bold.registration.template import EDGE, t1w_images, template
from tristream.bold.resampling.target_grid import read_volume, sample
from tristream.bold.resampling.transforms import Affine
from tristream.config.settings.bold import SubjectSettings
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.store import Omission

Array = npt.NDArray[np.float64]

# Width around the template's brain that takes part: the dark rim shows where the brain ends (mm).
RIM = 6.0
# How far the middle of the template's brain lies below the top of a head, and how much of a head
# below its top is looked at: necks differ (mm).
BELOW_TOP, HEAD = 82.0, 120.0
# Volume above the plane that is called the top of a head (mm³).
ABOVE_TOP = 1000.0
# Width of the neighbourhoods in which a registered head is compared with the template (mm), and the
# mean correlation from which on it counts as found: two real heads reach 0.63 and 0.72, and 0.55
# unevenly lit, but 0.26 and 0.36 with a header that turns them round (benchmarks/README.md).
NEARBY, ALIKE = 18.0, 0.45
# Variance, relative to the largest, below which a neighbourhood shows nothing.
FLAT = 1e-6
# Where the search for the brain starts, above and below the expected height (mm).
HEIGHTS = (-25.0, 0.0, 25.0)


def normalise(settings: SubjectSettings, receipt: Receipt) -> Normalisation:
    """Register the subject's T1w to the template, once for all runs.

    Of several T1w images the first by name is taken.

    Parameters
    ----------
    settings : SubjectSettings
        Dataset and subject.
    receipt : Receipt
        Lists the subject's files.

    Raises
    ------
    UserError
        If the image can't be read, or holds no head.
    """
    require(settings.dataset)
    images = t1w_images(settings.subject, receipt)
    if not images:
        why = "the subject has none; runs were registered to the template itself, affinely"
        brain, _ = template(EDGE)
        return Normalisation("", brain, (), omitted=(Omission("T1w", why),))
    others = ", ".join(images[1:])
    omitted = (Omission("further T1w images", f"not used: {others}"),) if others else ()
    path = receipt.path(images[0])
    image = open_image(path, 3)
    # Some tools write NaN where a face was taken out.
    head = nib.Nifti1Image(np.nan_to_num(read_volume(path, image)), image.affine)
    return replace(register_t1w(head, path, images[0]), omitted=omitted)


def register_t1w(image: nib.Nifti1Image, path: Path, name: str, edge: int = EDGE) -> Normalisation:
    """Register a T1w: affinely, then, once the brain is known, by a warp.

    Parameters
    ----------
    image : Nifti1Image
        The whole head.
    path : Path
        Its file, for messages.
    name : str
        Its path inside the dataset.
    edge : int
        Of the voxels in which it is registered, in mm.

    Raises
    ------
    UserError
        If it holds no head, ANTs fails, or what was found does not resemble the template.
    """
    ants = antspy.load()
    brain, inside = template(edge)
    fixed = antspy.to_ants(np.asarray(brain.dataobj), brain.affine, path)
    rim = ndimage.binary_dilation(inside, iterations=max(round(RIM / edge), 1))
    fine = antspy.to_ants(np.asarray(image.dataobj, np.float32), image.affine, path)
    head = ants.resample_image(ants.smooth_image(fine, 0.4 * edge), (edge,) * 3, False, 0)
    values, affine = head.numpy(), _affine_of(head)
    middle = apply_affine(brain.affine, np.argwhere(inside)).mean(axis=0)
    offset = brain_centre(head, affine, path) - middle
    starts = [from_matvec(np.eye(3), offset + np.array([0, 0, up])) for up in HEIGHTS]
    mask = antspy.to_ants(rim, brain.affine, path)
    linear = antspy.align(fixed, head, mask, starts, "Affine")
    alike = likeness(brain, inside, nib.Nifti1Image(values, affine), linear)
    if not alike >= ALIKE:
        raise UserError(
            f"{path}: once registered, it does not resemble the template (correlation nearby "
            f"{alike:.2f}, below {ALIKE:g}): its header turns the head round, or much of the brain "
            "is missing; look at the image and fix it, or run fMRIPrep"
        )
    # The template's brain, and a voxel around it, where it lies in the head.
    share = ndimage.binary_dilation(inside).astype(np.float32)
    points = apply_affine(affine, np.indices(values.shape).reshape(3, -1).T)
    there = sample(share, brain.affine, apply_affine(np.linalg.inv(linear), points))
    stripped = np.where(there.reshape(values.shape) > 0.5, values, 0)
    moving = antspy.to_ants(stripped, affine, path)
    steps = (antspy.warp(fixed, moving, linear), Affine(linear))
    return Normalisation(name, nib.Nifti1Image(stripped, affine), steps, alike)


def likeness(
    brain: nib.Nifti1Image, inside: npt.NDArray[np.bool_], head: nib.Nifti1Image, linear: Array
) -> float:
    """Correlation of a head with the template in neighbourhoods of `NEARBY` mm.

    Its mean over the brain; unlike one correlation over the whole brain it hardly minds uneven
    light.

    Parameters
    ----------
    brain : Nifti1Image
        The template's brain.
    inside : ndarray of bool
        Which of its voxels that is.
    head : Nifti1Image
        T1w.
    linear : ndarray of shape (4, 4)
        RAS mm of the template to RAS mm of the T1w.
    """
    points = apply_affine(linear @ brain.affine, np.argwhere(inside))
    seen = np.zeros(inside.shape)
    seen[inside] = sample(np.asarray(head.dataobj), head.affine, points)
    wanted = np.where(inside, np.asarray(brain.dataobj, np.float64), 0)
    width = 2 * int(NEARBY / abs(brain.affine[0, 0]) / 2) + 1

    def covariance(a: Array, b: Array) -> Array:
        both, first, second = (ndimage.uniform_filter(one, width) for one in (a * b, a, b))
        return np.asarray(both - first * second)

    ours, theirs = covariance(seen, seen), covariance(wanted, wanted)
    clear = ndimage.binary_erosion(inside) & (ours > FLAT * ours.max())
    clear &= theirs > FLAT * theirs.max()
    return float(np.mean(covariance(seen, wanted)[clear] / np.sqrt(ours[clear] * theirs[clear])))


def brain_centre(head: Any, affine: Array, path: Path) -> Array:
    """About where the middle of the brain lies, from the top of the head, in RAS mm.

    The centre of a whole image is of no use: it moves with the length of the neck that was imaged.

    Raises
    ------
    UserError
        If nothing stands out of the background.
    """
    foreground = np.argwhere(antspy.load().get_mask(head, cleanup=1).numpy() > 0)
    if not len(foreground):
        raise UserError(f"{path}: no head stands out of its background; look at the image")
    points = apply_affine(affine, foreground)
    above = min(round(ABOVE_TOP / abs(np.linalg.det(affine[:3, :3]))), len(points))
    top = np.sort(points[:, 2])[-above]
    upper = points[points[:, 2] > top - HEAD]
    return np.array([upper[:, 0].mean(), upper[:, 1].mean(), top - BELOW_TOP])


def _affine_of(image: Any) -> Array:
    lps = np.eye(4)
    lps[:3, :3] = np.asarray(image.direction) * np.asarray(image.spacing)
    lps[:3, 3] = image.origin
    return antspy.FLIP @ lps
