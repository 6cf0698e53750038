"""The minimal reader against fMRIPrep itself: its resampler, its fieldmap, its confounds."""

import json
from pathlib import Path
from typing import Any

import ants
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nibabel.affines import apply_affine

from helpers import minimal_chain as chain
from helpers import synthetic_head as world
from helpers.fmriprep_reference import fmriprep_outputs
from tristream.bold import confounds
from tristream.bold.resampling.sampling import resample
from tristream.bold.steady_state import unsteady_volumes

# fMRIPrep runs once, for all tests.
pytestmark = pytest.mark.xdist_group("fmriprep")

SPACES = ("T1w", "MNI152NLin2009cAsym")
HEADS = [world.Head(volumes=4), world.Head(volumes=4, seed=1, distorted=True)]
TR, VOLUMES, UNSTEADY = 2.0, 150, 2


def save(path: Path, data: np.ndarray, affine: np.ndarray, tr: float = 1.0) -> str:
    image = nib.Nifti1Image(data, affine)
    image.header.set_zooms((*image.header.get_zooms()[:3], tr)[: data.ndim])
    nib.save(image, path)
    return str(path)


def resampling(tree: Path, folder: Path, run: str, space: str) -> dict[str, Any]:
    func, made = tree / "sub-01/func", tree / world.HOME / "sub-01/func"
    anat, fmap = tree / world.HOME / "sub-01/anat", tree / world.HOME / "sub-01/fmap"
    head = HEADS[world.RUNS.index(run)]
    voxels = chain.target(tree, space)
    grid = save(folder / f"grid_{space}.nii", np.zeros(voxels.shape, np.float32), voxels.affine)
    # A grid along the knots, as that of the image from which a field was estimated.
    fine = head.knots_affine @ np.diag([1 / 6, 1 / 6, 1 / 6, 1])
    fieldmap = save(folder / "fieldmap.nii", np.zeros((55, 55, 55), np.float32), fine)
    stem = f"sub-01_{run}"
    to_target = [str(made / f"{stem}_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt")]
    if space != "T1w":
        to_target.append(str(anat / f"sub-01_from-T1w_to-{space}_mode-image_xfm.h5"))
    return {
        "bold": str(func / f"{stem}_bold.nii.gz"),
        "target": grid,
        "motion": str(made / f"{stem}_from-orig_to-boldref_mode-image_desc-hmc_xfm.txt"),
        "to_target": to_target,
        "coefficients": [str(p) for p in fmap.glob("*_fieldmap.nii.gz") if head.distorted],
        "fieldmap": fieldmap,
        "to_fieldmap": str(made / f"{stem}_from-boldref_to-auto00001_mode-image_xfm.txt"),
        "sidecar": json.loads((func / f"{stem}_bold.json").read_text()),
    }


def signals(folder: Path) -> dict[str, Any]:
    """Noise with common parts and a drift; bright at first; some voxels are constant."""
    rng = np.random.default_rng(0)
    shape = (12, 13, 11)
    sources = rng.standard_normal((VOLUMES, 4)) * [4, 3, 2, 1]
    weights = rng.standard_normal((4, *shape))
    bold = (
        1000 + rng.standard_normal((*shape, VOLUMES)) + np.tensordot(weights, sources, (0, 1)) / 3
    )
    bold += 20 * np.cos(np.pi * (np.arange(VOLUMES) + 0.5) / VOLUMES)
    bold[..., :UNSTEADY] += [300, 150]
    bold[0] = 1000
    # A flaw that would hide the first volumes in a mean that does not cut it off.
    bold[5, 5, 5, 10:40:2] = 1e7
    brain, noise = np.ones(shape, np.uint8), np.zeros(shape, np.uint8)
    brain[5, 5, 5] = 0
    noise[6:, 3:9] = 1
    affine = np.diag([3.0, 3, 3, 1])
    return {
        "bold": save(folder / "bold.nii", bold.astype(np.float32), affine, TR),
        "mask": save(folder / "mask.nii", brain, affine),
        "noise": [save(folder / "noise.nii", noise, affine)],
        "tr": TR,
    }


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.write(tmp_path_factory.mktemp("head") / "raw", HEADS)


@pytest.fixture(scope="module")
def job(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("job")
    first = resampling(tree, folder, world.RUNS[0], "T1w")
    anat = tree / world.HOME / "sub-01/anat"
    maps = [str(anat / f"sub-01_label-{name}_probseg.nii.gz") for name in ("GM", "WM", "CSF")]
    reference = first["motion"].replace("from-orig_to-boldref_mode-image_desc-hmc_xfm.txt", "")
    return {
        "resample": {
            f"{run}_{space}": resampling(tree, folder, run, space)
            for run in world.RUNS
            for space in SPACES
        },
        "head_motion": {
            "motion": first["motion"],
            "reference": f"{reference}desc-hmc_boldref.nii.gz",
        },
        "signals": signals(folder),
        "tissues": {"maps": maps, "zooms": [world.EDGE] * 3},
    }


@pytest.fixture(scope="module")
def theirs(job: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fmriprep_outputs(job, tmp_path_factory.mktemp("reference"))


def difference(
    tree: Path, theirs: Path, run: str, space: str, change: chain.Change = lambda here: here
) -> tuple[float, float]:
    """Mean and largest difference in the brain, relative to the range of intensities there."""
    voxels = chain.target(tree, space)
    sampling = change(chain.read(tree, run)).of_t1w(voxels.points)
    inside = chain.read(tree, run).of_t1w(voxels.points).covered()
    assert inside.sum() > 1500
    ours = resample(chain.scan(tree, run), sampling.only(inside))
    image = nib.load(theirs / f"{run}_{space}.nii.gz")
    np.testing.assert_allclose(image.affine, voxels.affine, atol=1e-6)
    wanted = image.get_fdata(dtype=np.float32)[tuple(voxels.ijk[inside].T)].T
    apart = np.abs(ours - wanted) / np.ptp(wanted)
    return float(apart.mean()), float(apart.max())


# Mean and largest difference. Coordinates of fMRIPrep are of single precision; and displacements
# are interpolated by splines, where ITK, which estimated them, and this package take lines.
CLOSE = {"T1w": (1e-6, 1e-5), "MNI152NLin2009cAsym": (2e-4, 1e-3)}


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("run", world.RUNS)
def test_resampling_equals_fmripreps(tree: Path, theirs: Path, run: str, space: str) -> None:
    mean, worst = difference(tree, theirs, run, space)
    assert mean < CLOSE[space][0]
    assert worst < CLOSE[space][1]


@pytest.mark.parametrize("mistake", [*chain.IN_THE_CHAIN, *chain.IN_THE_DISTORTION])
def test_each_mistake_differs_from_fmriprep(
    tree: Path, theirs: Path, mistake: chain.Change
) -> None:
    for space in SPACES:
        mean, worst = difference(tree, theirs, world.RUNS[1], space, mistake)
        assert mean > 50 * CLOSE[space][0]
        assert worst > 50 * CLOSE[space][1]


def test_motion_and_framewise_displacement(job: dict[str, Any], theirs: Path) -> None:
    reference = nib.load(job["head_motion"]["reference"])
    ours = confounds.motion_parameters(HEADS[0].motion, reference)
    wanted = pd.read_csv(theirs / "motion.tsv.gz", sep="\t")
    np.testing.assert_allclose(ours, wanted[list(confounds.PARAMETERS)], atol=1e-5)
    displaced = pd.read_csv(theirs / "fd.tsv.gz", sep="\t").to_numpy()[:, 0]
    np.testing.assert_allclose(confounds.framewise_displacement(ours), displaced, atol=1e-4)
    swapped = confounds.framewise_displacement(np.roll(ours, 3, axis=1))
    assert np.nanmax(np.abs(swapped - displaced)) > 10


def masked(path: str, mask: str) -> np.ndarray:
    """BOLD of a mask's voxels, of shape (volumes, voxels)."""
    return nib.load(path).get_fdata(dtype=np.float32)[nib.load(mask).get_fdata() > 0].T


def test_dvars(job: dict[str, Any], theirs: Path) -> None:
    plain, standard = confounds.dvars(masked(job["signals"]["bold"], job["signals"]["mask"]))
    np.testing.assert_allclose(plain[1:], np.loadtxt(theirs / "dvars.txt"), rtol=1e-5)
    np.testing.assert_allclose(standard[1:], np.loadtxt(theirs / "std_dvars.txt"), rtol=1e-4)


def test_volumes_before_the_steady_state(job: dict[str, Any], theirs: Path) -> None:
    path = Path(job["signals"]["bold"])
    found = unsteady_volumes(path, nib.load(path))
    assert found == json.loads((theirs / "unsteady.json").read_text()) == UNSTEADY


def test_compcor_and_its_cosines(job: dict[str, Any], theirs: Path) -> None:
    bold = masked(job["signals"]["bold"], job["signals"]["noise"][0])[UNSTEADY:]
    slow = confounds.cosines(VOLUMES - UNSTEADY, TR)
    cosines = pd.read_csv(theirs / "cosines.tsv", sep="\t").filter(regex="Cosine")
    np.testing.assert_allclose(slow, cosines[UNSTEADY:], atol=1e-6)
    parts, share = confounds.compcor(bold, slow)
    wanted = pd.read_csv(theirs / "acompcor.tsv", sep="\t")[UNSTEADY:].to_numpy()
    assert parts.shape == wanted.shape
    assert parts.shape[1] >= 2
    np.testing.assert_allclose(np.abs(parts.T @ wanted), np.eye(len(share)), atol=1e-4)
    components = pd.read_csv(theirs / "acompcor_metadata.tsv", sep="\t")
    np.testing.assert_allclose(share, components.variance_explained[: len(share)], rtol=1e-4)


def test_noise_masks(job: dict[str, Any], theirs: Path, tmp_path: Path) -> None:
    reference = job["head_motion"]["reference"]
    inverse = tmp_path / "inverse.txt"
    world.write_affines(inverse, [np.linalg.inv(HEADS[0].coregistration)])
    image = nib.load(reference)
    points = apply_affine(image.affine, np.indices(image.shape).reshape(3, -1).T)
    t1w = apply_affine(np.linalg.inv(HEADS[0].coregistration), points)
    ours = confounds.noise_masks([Path(p) for p in job["tissues"]["maps"]], t1w)
    for name, mask in zip(("wm", "csf", "combined"), ours, strict=True):
        moved = ants.apply_transforms(
            ants.image_read(reference),
            ants.image_read(str(theirs / f"pure_{name}.nii.gz")),
            [str(inverse)],
            interpolator="gaussian",
        )
        wanted = moved.numpy().ravel() > 0.99
        assert wanted.sum() > 80
        assert (wanted != mask).sum() <= 1
