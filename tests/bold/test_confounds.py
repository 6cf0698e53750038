"""Confounds from transforms and signals, against known answers and definitions."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nibabel.affines import apply_affine
from nilearn.glm.first_level import make_first_level_design_matrix
from scipy import linalg
from scipy.spatial.transform import Rotation

from helpers import synthetic_head as world
from tristream.bold import confounds
from tristream.bold.steady_state import unsteady_volumes
from tristream.errors import UserError

SIGNALS = ["global_signal", "white_matter", "csf"]


def reference(affine: np.ndarray) -> nib.Nifti1Image:
    """A ball of 20 mm about the middle of a grid."""
    shape = (21, 25, 23)
    ijk = np.indices(shape).reshape(3, -1).T
    centre = apply_affine(affine, (np.array(shape) - 1) / 2)
    near = ((apply_affine(affine, ijk) - centre) ** 2).sum(axis=1) < 20**2
    return nib.Nifti1Image(near.reshape(shape).astype(np.float32), affine)


@pytest.mark.parametrize("side", [-1, 1])
def test_motion_parameters_of_known_motions(side: int) -> None:
    """Rotations about the centre of gravity are no translations; FSL's x runs to the left."""
    image = reference(np.diag([side * 3.0, 3, 3, 1]))
    centre = apply_affine(image.affine, (np.array(image.shape) - 1) / 2)
    about = np.eye(4)
    about[:3, 3] = centre
    turned = about @ world.rigid([0, 0, 0], [0, 3, 0]) @ np.linalg.inv(about)
    motion = np.stack([np.eye(4), world.rigid([1.5, -2, 0.5], [0, 0, 0]), turned])
    found = confounds.motion_parameters(motion, image)
    np.testing.assert_allclose(found[0], 0, atol=1e-6)
    # A head that lies at +1.5 mm is brought back by −1.5 mm; x is flipped.
    np.testing.assert_allclose(found[1], [1.5, 2, -0.5, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(found[2, :3], 0, atol=1e-4)
    np.testing.assert_allclose(np.abs(found[2, 3:]), [0, np.radians(3), 0], atol=1e-6)


def test_motion_parameters_invert_flirts_matrices() -> None:
    """FLIRT's matrix, rebuilt from six parameters as MCFLIRT does, is the motion again."""
    affine = world.Head().affine
    image = reference(affine)
    motion = world.head_motion(5)
    found = confounds.motion_parameters(motion, image)
    edges = np.array(image.header.get_zooms()[:3])
    assert np.linalg.det(affine) < 0
    to_fsl = np.diag([*edges, 1.0]) @ np.linalg.inv(affine)
    centre = edges * (np.array(image.shape) - 1) / 2
    for one, matrix in zip(found, motion, strict=True):
        turned = Rotation.from_euler("XYZ", -one[3:]).as_matrix()
        flirt = np.eye(4)
        flirt[:3, :3] = turned
        flirt[:3, 3] = one[:3] + centre - turned @ centre
        again = np.linalg.inv(np.linalg.inv(to_fsl) @ flirt @ to_fsl)
        np.testing.assert_allclose(again, matrix, atol=2e-3)


def test_framewise_displacement() -> None:
    parameters = np.zeros((4, 6))
    parameters[1] = [0.1, -0.2, 0.3, 0.01, 0, -0.02]
    parameters[2] = parameters[1]
    found = confounds.framewise_displacement(parameters)
    np.testing.assert_allclose(found, [np.nan, 0.6 + 50 * 0.03, 0, 0.6 + 50 * 0.03])


@pytest.mark.parametrize(("volumes", "tr"), [(410, 1.5), (178, 3.0), (200, 2.47)])
def test_cosines_are_nilearns_less_the_fastest(volumes: int, tr: float) -> None:
    design = make_first_level_design_matrix(
        np.arange(volumes) * tr, drift_model="cosine", high_pass=1 / 128
    )
    theirs = design.drop(columns="constant").to_numpy()[:, :-1]
    ours = confounds.cosines(volumes, tr)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_short_runs_have_no_cosines() -> None:
    assert confounds.cosines(40, 1.5).shape == (40, 0)


def test_dvars_of_white_noise_and_of_a_jump() -> None:
    """Standardised DVARS is 1 for noise; noise and a jump of all voxels add up in squares."""
    rng = np.random.default_rng(0)
    bold = 1000 + 5 * rng.standard_normal((300, 2000))
    plain, standard = confounds.dvars(bold.astype(np.float32))
    assert np.isnan(plain[0])
    assert np.nanmean(standard) == pytest.approx(1, abs=0.02)
    assert np.nanmean(plain) == pytest.approx(5 * np.sqrt(2), rel=0.02)
    np.testing.assert_allclose(confounds.dvars(bold.astype(np.float32) * 7)[0], plain, rtol=1e-3)
    bold[150:] += 50
    assert confounds.dvars(bold[120:180].astype(np.float32))[0][30] == pytest.approx(
        np.sqrt(2 * 25 + 50**2), rel=0.05
    )


def test_dvars_leaves_constant_voxels_out() -> None:
    bold = 1000 + 5 * np.random.default_rng(0).standard_normal((100, 300)).astype(np.float32)
    with_dead = np.concatenate([bold, np.full((100, 50), np.median(bold))], axis=1)
    found, wanted = confounds.dvars(with_dead)[1], confounds.dvars(bold)[1]
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_compcor_equals_a_singular_value_decomposition() -> None:
    rng = np.random.default_rng(0)
    sources = rng.standard_normal((200, 3)) * [3, 2, 1]
    bold = (1000 + sources @ rng.standard_normal((3, 400))).astype(np.float32)
    bold += 0.5 * rng.standard_normal(bold.shape).astype(np.float32)
    bold += 30 * np.cos(np.pi * (np.arange(200) + 0.5) / 200)[:, None].astype(np.float32)
    slow = confounds.cosines(200, 2.0)
    found, share = confounds.compcor(bold, slow)
    design = np.column_stack([np.ones(200), slow])
    left = bold - design @ linalg.lstsq(design, bold.astype(float))[0]
    u, s, _ = linalg.svd(left / left.std(axis=0), full_matrices=False)
    explained = s**2 / np.sum(s**2)
    kept = int(np.searchsorted(np.cumsum(explained), 0.5)) + 1
    assert found.shape == (200, kept)
    np.testing.assert_allclose(share, explained[:kept], rtol=1e-6)
    np.testing.assert_allclose(np.abs(found.T @ u[:, :kept]), np.eye(kept), atol=1e-5)
    assert np.abs(found.T @ slow).max() < 1e-6


def test_volumes_before_the_steady_state(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = 500 + rng.standard_normal((5, 5, 5, 60))
    path = tmp_path / "bold.nii.gz"
    world.save_bold(path, data, np.eye(4))
    assert unsteady_volumes(path, nib.load(path)) == 0
    data[..., :3] += np.array([300, 100, 30])
    data[..., 20] += 200
    world.save_bold(path, data, np.eye(4))
    assert unsteady_volumes(path, nib.load(path)) == 3


def test_noise_masks_keep_off_grey_matter(tmp_path: Path) -> None:
    world.write_anatomy(tmp_path, world.Head())
    tissues = [tmp_path / f"sub-01_label-{n}_probseg.nii.gz" for n in ("GM", "WM", "CSF")]
    image = nib.load(tissues[0])
    points = apply_affine(image.affine, np.indices(image.shape).reshape(3, -1).T)
    radius = np.sqrt(((points / world.BRAIN) ** 2).sum(axis=1))
    white, fluid, both = confounds.noise_masks(tissues, points)
    assert white.sum() > 50
    assert both.sum() > white.sum()
    assert points[white, 0].max() <= 2 < points[fluid, 0].min()
    assert radius[both].max() < 0.75
    grey = points[np.asarray(image.dataobj).ravel() > 0.05]
    gaps = ((points[white][:, None] - grey) ** 2).sum(axis=2).min(axis=1)
    assert np.sqrt(gaps.min()) > 3 * 2.5
    with pytest.raises(UserError, match="probseg"):
        confounds.noise_masks(tissues[:2], points)


def table(unsteady: int = 0) -> tuple[pd.DataFrame, dict[str, dict[str, object]]]:
    rng = np.random.default_rng(0)
    bold = (1000 + rng.standard_normal((200, 90))).astype(np.float32)
    masks = [np.arange(90) < 30, np.arange(90) > 70, (np.arange(90) < 20) | (np.arange(90) > 70)]
    motion = np.stack([world.rigid(m, [0, 0, 0]) for m in rng.normal(0, 0.01, (200, 3))])
    motion[100, 0, 3] += 1.0
    image = reference(np.diag([-3.0, 3, 3, 1]))
    return confounds.table_of(motion, image, 2.0, unsteady, bold, masks)


@pytest.mark.parametrize(
    ("strategies", "names"),
    [
        ([], []),
        (["motion"], list(confounds.PARAMETERS)),
        (["high_pass"], [f"cosine{k:02d}" for k in range(5)]),
        (["wm_csf", "global_signal"], SIGNALS),
        (["motion", "high_pass"], [*confounds.PARAMETERS, *(f"cosine{k:02d}" for k in range(5))]),
    ],
)
def test_strategies_choose_fmripreps_columns(strategies: list[str], names: list[str]) -> None:
    found = confounds.select(*table(), strategies, Path("x"))
    assert sorted(found.names) == sorted(names)
    assert np.isfinite(found.values).all()
    assert not found.censor.any()
    assert found.fd[100] > 0.9


def test_compcor_strategy_chooses_the_combined_components() -> None:
    made, components = table()
    found = confounds.select(made, components, ["high_pass", "compcor"], Path("x"))
    parts = [name for name in made if name.startswith("a_comp_cor")]
    assert len(parts) == len(components) > 3
    assert set(parts) <= set(found.names)


def test_scrubbing_and_unsteady_volumes_are_censored() -> None:
    made, components = table(unsteady=2)
    found = confounds.select(made, components, ["motion", "scrub"], Path("x"))
    assert {0, 1, 100, 101} <= set(np.flatnonzero(found.censor))
    plain = confounds.select(made, components, ["high_pass"], Path("x"))
    np.testing.assert_array_equal(np.flatnonzero(plain.censor), [0, 1])
    assert not made.loc[:1, "cosine00"].any()
    assert not made.loc[:1, "a_comp_cor_00"].any()


def test_what_a_strategy_lacks_is_said_of_the_raw_image() -> None:
    image = reference(np.diag([-3.0, 3, 3, 1]))
    motion = np.repeat(np.eye(4)[None], 30, axis=0)
    with pytest.raises(UserError, match=r"raw_bold\.nii.*computed confounds.*wm_csf"):
        confounds.select(
            *confounds.table_of(motion, image, 2.0, 0), ["wm_csf"], Path("raw_bold.nii")
        )
