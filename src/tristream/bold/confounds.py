"""Confounds of a run, computed as fMRIPrep defines them and under its names.

Motion parameters come from the transforms of head motion; framewise displacement is Power's (2012,
NeuroImage 59, 2142), 50 mm; DVARS is nipype's (Power 2012; Nichols 2013); aCompCor is Behzadi's
(2007, NeuroImage 37, 90) on white matter and CSF together, with fMRIPrep's masks; cosines
are SPM's basis above 128 s, of which nipype keeps one fewer than nilearn makes.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
from nibabel.affines import apply_affine
from scipy import ndimage
from scipy.spatial.transform import Rotation

from tristream.bold.cleaned import Confounds
from tristream.bold.confounds_table import read_confounds
from tristream.bold.high_pass import high_pass_cosines
from tristream.bold.nifti import check_grid, open_image
from tristream.bold.resampling.target_grid import read_volume, sample, sample_gaussian
from tristream.errors import UserError

Array = npt.NDArray[np.float64]
Bold = npt.NDArray[np.float32]

PARAMETERS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
# Radius of a head, on whose surface rotations are measured (mm).
HEAD = 50.0
# Period of the slowest fluctuation that a high-pass filter leaves (s).
CUTOFF = 128.0
# Share of the variance in the masks that the retained components explain.
EXPLAINED = 0.5
# Tissue probability above which a voxel of the BOLD grid counts, and that of grey matter near which
# white matter does not.
PURE, GREY = 0.99, 0.05
GREY_RADIUS = 3
# Strategies that need signals, and not only motion.
FROM_SIGNALS = frozenset({"wm_csf", "global_signal", "compcor", "scrub"})


def motion_parameters(motion: Array, reference: nib.Nifti1Image) -> Array:
    """Translations (mm) and rotations (rad) of head motion, in MCFLIRT's convention.

    FSL's coordinates are voxel indices times their edges, the first axis flipped where the affine's
    determinant is positive; rotations are about the reference volume's centre of gravity.

    Parameters
    ----------
    motion : ndarray of shape (volumes, 4, 4)
        From RAS mm of the reference volume to RAS mm of each volume.
    reference : Nifti1Image
        The reference volume.

    Returns
    -------
    ndarray of shape (volumes, 6)
    """
    edges = np.array(reference.header.get_zooms()[:3], float)
    volume = np.asarray(reference.dataobj, np.float64)
    to_fsl = np.diag([*edges, 1.0])
    if np.linalg.det(reference.affine[:3, :3]) > 0:
        volume = volume[::-1]
        flip = np.diag([-1.0, 1, 1, 1])
        flip[0, 3] = reference.shape[0] - 1
        to_fsl = to_fsl @ flip
    centre = edges * np.array(ndimage.center_of_mass(volume - volume.min()))
    from_ras = to_fsl @ np.linalg.inv(reference.affine)
    flirt = from_ras @ np.linalg.inv(motion) @ np.linalg.inv(from_ras)
    turned, moved = flirt[:, :3, :3], flirt[:, :3, 3]
    rotations = -Rotation.from_matrix(turned).as_euler("XYZ")
    return np.concatenate([turned @ centre + moved - centre, rotations], axis=1)


def framewise_displacement(parameters: Array) -> Array:
    """Power's FD in mm, of shape (volumes,); the first is NaN. nilearn has none."""
    steps = np.abs(np.diff(parameters, axis=0))
    return np.r_[np.nan, steps[:, :3].sum(axis=1) + HEAD * steps[:, 3:].sum(axis=1)]


def cosines(volumes: int, tr: float) -> Array:
    """Cosines slower than `CUTOFF`, of shape (volumes, k); none for a short run.

    ``floor(2 volumes TR / 128) − 1`` of them: SPM's basis has one more, whose period is nearest to
    the cut-off, and a constant; nipype overwrites that one with the constant. The columns are
    nilearn's; their number is not, as nilearn's TR is a mean and may be off by rounding.
    """
    order = max(int(np.floor(2 * volumes * tr / CUTOFF)), 1)
    if order == 1:
        return np.empty((volumes, 0))
    return high_pass_cosines(np.arange(volumes, dtype=np.float64) * tr, CUTOFF)[:, : order - 1]


def dvars(bold: Bold) -> tuple[Array, Array]:
    """DVARS of BOLD scaled to a median of 1,000, and divided by what is expected without artefact.

    Kept by hand: only nipype has it, which is not a dependency.

    Parameters
    ----------
    bold : ndarray of shape (volumes, voxels)

    Returns
    -------
    dvars, std_dvars : ndarray of shape (volumes,)
        The first is NaN.
    """
    signal = bold.astype(np.float64)
    signal *= 1000 / np.median(signal)
    low, high = np.percentile(signal, [25, 75], axis=0, method="lower")
    varies = high > low
    signal, deviation = signal[:, varies], ((high - low) / 1.349)[varies]
    centred = signal - signal.mean(axis=0)
    lagged = np.sum(centred[1:] * centred[:-1], axis=0) / np.sum(centred**2, axis=0)
    expected = np.mean(np.sqrt(2 * (1 - lagged)) * deviation)
    plain = np.r_[np.nan, np.sqrt(np.mean(np.diff(signal, axis=0) ** 2, axis=1))]
    return plain, plain / expected


def compcor(bold: Bold, slow: Array) -> tuple[Array, Array]:
    """Principal components of noise voxels, up to half of their variance.

    nilearn's ``high_variance_confounds`` takes the voxels that vary most, and no share of variance.

    Parameters
    ----------
    bold : ndarray of shape (volumes, voxels)
        Of the noise mask.
    slow : ndarray of shape (volumes, k)
        Cosines, taken out first together with the mean.

    Returns
    -------
    components : ndarray of shape (volumes, c)
        Orthonormal.
    explained : ndarray of shape (c,)
        Share of the variance.
    """
    drift = np.linalg.qr(np.column_stack([np.ones(len(bold)), slow]))[0]
    signal = bold.astype(np.float64)
    signal -= drift @ (drift.T @ signal)
    deviation = signal.std(axis=0)
    signal = signal[:, deviation > 1e-9 * np.abs(bold).max()]
    signal /= signal.std(axis=0)
    values, vectors = np.linalg.eigh(signal @ signal.T)
    share = values[::-1].clip(0) / values.clip(0).sum()
    kept = int(np.searchsorted(np.cumsum(share), EXPLAINED)) + 1
    return vectors[:, ::-1][:, :kept], share[:kept]


def noise_masks(
    tissues: Sequence[Path], points: Array
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """White matter, CSF, and both, at points of the BOLD grid.

    Grey matter (> 0.05), dilated by 3 voxels, is taken out of white matter and of both together in
    T1w space. The maps are then sampled by ITK's Gaussian of one T1w voxel and cut at 0.99.

    Parameters
    ----------
    tissues : sequence of Path
        Probabilities of grey matter, white matter, CSF.
    points : ndarray of shape (n, 3)
        RAS mm of the T1w.

    Raises
    ------
    UserError
        If a map is missing, or no voxel is white matter or CSF alone.
    """
    if len(tissues) != 3:
        raise UserError(
            "wm_csf and compcor need probability maps of grey matter, white matter and CSF "
            f"(…_label-GM_probseg.nii.gz), but {len(tissues)} were fetched; fetch again, or take "
            "other confounds in layout.confounds"
        )
    images = [open_image(path, 3) for path in tissues]
    for path, image in zip(tissues[1:], images[1:], strict=True):
        check_grid(path, image, tissues[0], images[0], "fetch both again")
    grey, white, fluid = map(read_volume, tissues, images)
    affine = images[0].affine
    offsets = np.indices([2 * GREY_RADIUS + 1] * 3) - GREY_RADIUS
    ball = np.sum(offsets**2, axis=0) <= GREY_RADIUS**2
    near_grey = ndimage.binary_dilation(grey > GREY, structure=ball)
    white = np.where(near_grey, 0, white)
    both = np.where(near_grey, 0, white + fluid)

    def pure(share: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        return sample_gaussian(share, affine, points) > PURE

    found = pure(white), pure(fluid), pure(both)
    for path, mask in zip(tissues[1:], found, strict=False):
        if not mask.any():
            raise UserError(
                f"{path}: no voxel of the BOLD lies wholly in this tissue, away from grey matter; "
                "take out wm_csf and compcor of layout.confounds"
            )
    return found


def table_of(
    motion: Array,
    reference: nib.Nifti1Image,
    tr: float,
    unsteady: int,
    bold: Bold | None = None,
    masks: Sequence[npt.NDArray[np.bool_]] = (),
) -> tuple[pd.DataFrame, dict[str, dict[str, object]]]:
    """The confounds table, and what its sidecar says of the components.

    Parameters
    ----------
    motion, reference
        As in :func:`motion_parameters`.
    tr : float
        Seconds.
    unsteady : int
        Volumes before the steady state; they get an indicator each and no part in slow and noise
        components.
    bold : ndarray of shape (volumes, voxels), optional
        BOLD in the brain, on the run's own grid; without it, no column that needs signals.
    masks : three ndarrays of bool, shape (voxels,), optional
        From :func:`noise_masks`.
    """
    parameters = motion_parameters(motion, reference)
    columns: dict[str, Array] = dict(zip(PARAMETERS, parameters.T, strict=True))
    columns["framewise_displacement"] = framewise_displacement(parameters)
    volumes = len(motion)
    slow = cosines(volumes - unsteady, tr)
    padding = np.zeros(unsteady)
    columns |= {f"cosine{k:02d}": np.r_[padding, c] for k, c in enumerate(slow.T)}
    for k in range(unsteady):
        columns[f"non_steady_state_outlier{k:02d}"] = np.eye(volumes)[k]
    components: dict[str, dict[str, object]] = {}
    if bold is not None:
        columns["global_signal"] = bold.mean(axis=1, dtype=np.float64)
        columns["dvars"], columns["std_dvars"] = dvars(bold)
    if bold is not None and len(masks):
        white, fluid, both = masks
        for name, mask in (("white_matter", white), ("csf", fluid)):
            columns[name] = bold[:, mask].mean(axis=1, dtype=np.float64)
        parts, share = compcor(bold[unsteady:, both], slow)
        for k, part in enumerate(parts.T):
            name = f"a_comp_cor_{k:02d}"
            columns[name] = np.r_[padding, part]
            components[name] = {
                "Method": "aCompCor",
                "Mask": "combined",
                "Retained": True,
                "VarianceExplained": float(share[k]),
            }
    return pd.DataFrame(columns), components


def select(
    table: pd.DataFrame,
    components: dict[str, dict[str, object]],
    strategies: Sequence[str],
    path: Path,
) -> Confounds:
    """Choose columns and censored volumes as is done for a table that fMRIPrep wrote.

    Raises
    ------
    UserError
        If the table lacks columns of a strategy; names the raw image `path`.
    """
    with TemporaryDirectory() as folder:
        stem = Path(folder) / "sub-x"
        name = f"{stem}_desc-confounds_timeseries"
        table.to_csv(f"{name}.tsv", sep="\t", index=False, na_rep="n/a")
        Path(f"{name}.json").write_text(json.dumps(components), encoding="utf-8")
        bold = Path(f"{stem}_space-T1w_desc-preproc_bold.nii.gz")
        try:
            found = read_confounds(bold, Path(f"{name}.tsv"), strategies, len(table), True)
        except UserError as error:
            text = str(error).replace(f"{name}.tsv", f"{path}: the computed confounds")
            raise UserError(text) from None
    return replace(found, cutoff=CUTOFF)


def native_voxels(
    reference: nib.Nifti1Image, coregistration: Array, brain_mask: Path
) -> tuple[Array, Array]:
    """Brain voxels of the run's own grid: RAS mm of the reference volume, and of the T1w."""
    ijk = np.indices(reference.shape).reshape(3, -1).T
    points = apply_affine(reference.affine, ijk)
    t1w = apply_affine(np.linalg.inv(coregistration), points)
    image = open_image(brain_mask, 3)
    inside = sample(read_volume(brain_mask, image), image.affine, t1w) > 0.5
    return points[inside], t1w[inside]
