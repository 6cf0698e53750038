"""The group level of encoding models: both questions, and the file."""

import h5py
import numpy as np
import pytest
from scipy import stats

from helpers.group_files import film_subjects, held_out, places, write_subject
from helpers.inference_settings import grouping
from tristream.inference.group import PEOPLE, STIMULI
from tristream.inference.group_file import read_group
from tristream.inference.group_models import infer_models
from tristream.store import open_h5, read_strings

RNG = np.random.default_rng(7)
BLOCKS = np.arange(60) // 10


def subject(folder, name, r, ijk, **changes):
    """Of given correlations; its test run is of noise."""
    y, prediction = RNG.standard_normal((2, 60, len(r)))
    tests = {"film": held_out("film", y, prediction, BLOCKS, np.zeros(60, int))}
    return write_subject(folder, name, tests, [["bunny"] * 60], r=r, ijk=ijk, **changes)


def infer(written, output, **changes):
    names = [paths[0].stem.removeprefix("encoding_") for paths in written]
    settings = grouping(**{"timelines": dict.fromkeys(names, "all"), **changes})
    infer_models(*zip(*written, strict=True), settings, output)
    return read_group(output)


def test_few_subjects_are_counted(tmp_path):
    """Masks that overlap in part and are not in order."""
    written = []
    for name, shift in (("01", 0), ("02", 5)):
        ijk = places(40, shift)
        flat = np.ravel_multi_index(tuple(ijk.T), (10, 10, 10))
        r = np.where(flat < 20, 0.4, 0.0).astype(np.float32)
        written.append(subject(tmp_path, name, r, ijk))
    output = tmp_path / "group.h5"
    infer(written, output, permutations=10)
    with open_h5(output, "group") as (file, provenance):
        assert read_strings(file, "subjects") == ["01", "02"]
        assert file["subject/significant"][()].tolist() == [20, 15]
        flat = np.ravel_multi_index(tuple(file["voxels/ijk"][()].T), (10, 10, 10))
        assert flat.tolist() == list(range(5, 40))
        assert file["voxels/count"][()].tolist() == [2] * 15 + [0] * 20
        assert file["voxels/mean"][0] == pytest.approx(0.4)
        assert file["voxels/prevalence/map"][0] == 1
        assert file.attrs["count"] == 2
        assert "voxels/people" not in file
        assert provenance.simulated
        # 6 blocks have 720 orders.
        assert {o.what: o.why for o in provenance.omitted} == {
            STIMULI: "720 distinct rearrangements in all subjects alike; 1000 are asked for",
            PEOPLE: "2 subjects; from 8 on, signs are flipped",
        }


def test_many_subjects_are_tested_and_their_spread_is_kept(tmp_path):
    rng = np.random.default_rng(0)
    r = [
        np.where(np.arange(30) < 10, 0.4, 0).astype(np.float32) + 0.05 * rng.normal(size=30)
        for _ in range(9)
    ]
    written = [subject(tmp_path, f"{i:02}", own, places(30)) for i, own in enumerate(r)]
    group, _ = infer(written, tmp_path / "group.h5", permutations=10)
    people = group.voxels.means.people
    # In the order of the places, which is the other way round.
    assert (people.p_fwe[-10:] == 1 / 512).all()
    assert people.smallest == 1 / 512
    assert (people.q[:20] > 0.01).mean() > 0.8
    spread = np.arctanh(np.stack(r)).std(0, ddof=1)[::-1]
    np.testing.assert_allclose(group.voxels.means.sd, spread, rtol=1e-4)
    whole = np.arctanh(np.stack(r)).mean(1)
    assert group.regions.names == ["all voxels"]
    np.testing.assert_allclose(group.regions.by_subject[:, 0], whole, rtol=1e-4)
    assert group.regions.means.sd[0] == pytest.approx(whole.std(ddof=1), rel=1e-3)
    with h5py.File(tmp_path / "group.h5") as file:
        assert file["voxels/people"].attrs["n_distinct"] == 512


def test_other_grids_and_refused_tests_are_named(tmp_path):
    r = np.full(5, 0.3, np.float32)
    one = subject(tmp_path, "01", r, places(5), tested=False)
    two = subject(tmp_path, "02", r, places(5), affine=np.diag([2.0, 2, 2, 1]))
    group, provenance = infer([one, two], tmp_path / "group.h5", permutations=10)
    why = {o.what: o.why for o in provenance.omitted}
    assert why["counts of significant subjects, prevalence"] == "too few"
    assert "sub-02 lies on another grid" in why["voxel by voxel over subjects"]
    assert group.table["significant"].tolist() == [-1, 5]
    assert group.count is None
    assert group.voxels is None
    # Regions need no common grid.
    assert group.regions.voxels.tolist() == [[5], [5]]


def test_films_at_other_times_have_no_common_rearrangement(tmp_path):
    written = film_subjects(tmp_path, 3, 0, voxels=5)
    timelines = {"00": "a", "01": "a", "02": "b"}
    _, provenance = infer(written, tmp_path / "group.h5", timelines=timelines, permutations=10)
    why = {o.what: o.why for o in provenance.omitted}[STIMULI]
    assert "subjects have the timelines a, b" in why


def rates(folder, realisations, **world):
    """Share of voxels, and of realisations with any voxel family-wise, at .05: both questions."""
    found = []
    for seed in range(realisations):
        written = film_subjects(folder, 8, seed, **world)
        group, _ = infer(written, folder / "group.h5", permutations=200, seed=seed)
        half = group.voxels.means.mean.size // 2
        row = []
        for test in (group.voxels.means.stimuli, group.voxels.means.people):
            # In the order of the places the driven voxels come last.
            p, p_fwe = test.p[::-1], test.p_fwe[::-1]
            row += [
                (p[:half] <= 0.05).mean(),
                (p[half:] <= 0.05).mean(),
                p_fwe[half:].min() <= 0.05,
            ]
            row += [group.regions.means.stimuli.p[0] <= 0.05]
        found.append(row)
    return np.mean(found, axis=0)


def test_shared_responses_that_features_do_not_explain_pass_for_people_and_not_for_stimuli(
    tmp_path,
):
    """30 % of the variance is shared; the rule that takes people for independent finds features."""
    count, voxels = 24, 100
    first, second, fwe, region, wrong, wrong_too, wrong_fwe, _ = rates(
        tmp_path, count, voxels=voxels
    )
    rate = (first + second) / 2
    assert 0.035 < rate < 0.065
    # Counts of realisations: within the binomial's 99.9 % at a true rate of .05.
    assert fwe * count <= stats.binom.ppf(0.999, count, 0.05)
    assert region * count <= stats.binom.ppf(0.999, count, 0.05)
    assert (wrong + wrong_too) / 2 > 0.12
    assert wrong_fwe > 0.5


def test_features_that_drive_the_bold_are_found_for_other_stimuli(tmp_path):
    driven, others, *_ = rates(tmp_path, 6, voxels=60, effect=0.3)
    assert driven > 0.8
    assert others < 0.12
