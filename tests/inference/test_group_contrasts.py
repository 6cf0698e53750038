"""Contrasts over subjects: for other people, in both directions; never for other stimuli."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.glm.second_level import SecondLevelModel
from scipy import stats

from helpers.group_files import SHAPE, places
from helpers.inference_settings import grouping
from tristream.contrast.contrast_file import KIND, ContrastMap, write_contrast
from tristream.errors import UserError
from tristream.inference.group import PEOPLE, STIMULI
from tristream.inference.group_contrasts import WHY, infer_contrasts
from tristream.inference.group_file import read_group
from tristream.store import Provenance

VOXELS = 90


def write(path, effect, error):
    """A contrast of one subject with an estimation error of the given size."""
    t = (effect / error).astype("f4")
    found = ContrastMap(
        effect=effect.astype("f4"),
        variance=np.full(VOXELS, error**2, "f4"),
        t=t,
        z=t,
        ijk=places(VOXELS)[::-1].copy(),
        affine=np.eye(4),
        shape=SHAPE,
        regions={"driven": np.arange(30, dtype="i4")},
        dof=100.0,
        runs=["r"],
        conditions={"a": 3},
        provenance=Provenance(KIND, True, methods=("Done.",)),
    )
    write_contrast(path, found)
    return path


def study(folder, subjects, seed=0, unknown=None, **changes):
    """Thirty voxels answer by 1, thirty by -1, thirty by 0; people differ by .4.

    The second person has no effect in voxels `unknown`.
    """
    rng = np.random.default_rng(seed)
    mean = np.repeat([1.0, -1.0, 0.0], 30)
    effects = mean + 0.4 * rng.standard_normal((subjects, VOXELS))
    errors = 0.2 / np.sqrt(rng.choice([1, 2, 4], subjects))
    effects += errors[:, None] * rng.standard_normal(effects.shape)
    if unknown is not None:
        effects[1, unknown] = np.nan
    paths = [
        write(folder / f"{k}.h5", *pair) for k, pair in enumerate(zip(effects, errors, strict=True))
    ]
    timelines = {f"{k:02}": f"t{k}" for k in range(subjects)}
    settings = grouping(timelines=timelines, permutations=500, **changes)
    infer_contrasts(paths, settings, folder / "group.h5")
    return effects, *read_group(folder / "group.h5")


def test_the_mean_over_people_is_nilearns_and_either_direction_is_found(tmp_path):
    effects, group, provenance = study(tmp_path, 14)
    means = group.voxels.means
    np.testing.assert_allclose(means.mean, effects.mean(0), rtol=1e-5)
    np.testing.assert_allclose(means.sd, effects.std(0, ddof=1), rtol=1e-4)
    images = [nib.Nifti1Image(one.reshape(-1, 1, 1), np.eye(4)) for one in effects]
    model = SecondLevelModel(mask_img=nib.Nifti1Image(np.ones((VOXELS, 1, 1), "i1"), np.eye(4)))
    model.fit(images, design_matrix=pd.DataFrame({"mean": np.ones(14)}))
    z = np.asarray(model.compute_contrast("mean", output_type="z_score").dataobj).ravel()
    theirs = 2 * stats.norm.sf(np.abs(z))
    ours = means.people.p
    np.testing.assert_allclose(ours[60:], theirs[60:], atol=0.06)
    assert (ours[:60] < 0.01).all()
    assert (ours[60:] < 0.05).mean() < 0.15
    assert means.people.smallest == 2 / 501
    assert means.stimuli is None
    assert {o.what: o.why for o in provenance.omitted} == {STIMULI: WHY}
    text = " ".join(provenance.methods)
    assert "holds for these stimuli alone [@westfall2016]" in text
    assert "two-sided" in text
    assert "other stimuli" not in text


def test_counts_are_of_one_direction_and_regions_those_of_the_dataset(tmp_path):
    effects, group, provenance = study(tmp_path, 5)
    assert group.voxels.count[:30].min() >= 3
    assert group.voxels.count[30:60].max() == 0
    assert group.count == 5
    assert group.regions.names == ["all voxels", "driven"]
    np.testing.assert_allclose(group.regions.by_subject[:, 1], effects[:, :30].mean(1), rtol=1e-5)
    assert {o.what for o in provenance.omitted} == {STIMULI, PEOPLE}
    assert "by Bonferroni, in the direction of the contrast" in " ".join(provenance.methods)


def test_few_patterns_of_signs_say_how_many_voxels_must_pass_together(tmp_path):
    """Eight people have 256 patterns: p is 2/256 at least, and one of 90 voxels needs .05/90."""
    *_, group, provenance = study(tmp_path, 8)
    people, text = group.voxels.means.people, " ".join(provenance.methods)
    assert people.smallest == 2 / 256
    q = np.array(
        [
            stats.false_discovery_control(np.repeat([2 / 256, 1], [k, 90 - k])).min() <= 0.05
            for k in range(1, 91)
        ]
    )
    assert people.fewest == 1 + int(q.argmax()) == 15
    assert "do not suffice for a single voxel: 15 must be significant together" in text
    assert "the smallest possible p is 0.0078" in text
    assert "for a single region" not in text
    *_, provenance = study(tmp_path, 8, fdr=0.005)
    assert "Whatever the data are, no voxel can pass" in " ".join(provenance.methods)
    # Control: of twelve people one voxel can pass alone.
    *_, group, provenance = study(tmp_path, 12)
    assert group.voxels.means.people.fewest == 1
    assert "suffice" not in " ".join(provenance.methods)


def test_where_one_person_has_no_effect_nothing_is_tested_and_the_file_says_so(tmp_path):
    """Taken for zero, the mean of .9 and more would be of too many people."""
    effects, group, provenance = study(tmp_path, 8, unknown=slice(0, 5))
    voxels, table = group.voxels, group.table
    assert len(voxels.ijk) == VOXELS - 5
    np.testing.assert_allclose(voxels.means.mean, effects[:, 5:].mean(0), rtol=1e-5)
    assert table["voxels"].tolist() == [VOXELS, VOXELS - 5, *[VOXELS] * 6]
    by_subject = group.regions.by_subject[:, 1]
    np.testing.assert_allclose(by_subject[1], effects[1, 5:30].mean(), rtol=1e-5)
    np.testing.assert_allclose(by_subject[0], effects[0, :30].mean(), rtol=1e-5)
    left = {o.what: o.why for o in provenance.omitted}
    assert left["5 voxels of sub-01, and with it of all subjects"] == (
        "there is no effect of the contrast"
    )
    # Control: everybody has all voxels.
    *_, whole, given = study(tmp_path, 8)
    assert len(whole.voxels.ijk) == VOXELS
    assert [o.what for o in given.omitted] == [STIMULI]
    # A region that one person lacks is compared with nobody's.
    *_, group, _ = study(tmp_path, 8, unknown=slice(0, 40))
    assert group.regions.names == ["all voxels"]


def test_a_person_without_any_effect_is_named(tmp_path):
    with pytest.raises(UserError, match=r"1\.h5: no voxel has an effect"):
        study(tmp_path, 8, unknown=slice(None))
