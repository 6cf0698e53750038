"""nilearn's mass-univariate analysis of faces and houses, on real BOLD."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from nilearn.mass_univariate import permuted_ols
from scipy import stats

from tristream.config.univariate import UnivariateDesign
from tristream.decode.decoding_samples import Samples
from tristream.decode.labelled_arrays import labelled
from tristream.decode.mass_univariate import _methods, mass_univariate
from tristream.decode.mass_univariate_file import (
    KIND,
    read_mass_univariate,
    write_mass_univariate,
)
from tristream.errors import UserError
from tristream.store import Provenance

BLOCK = UnivariateDesign(plus="face", minus="house", permutations=1000)


@pytest.fixture(scope="module")
def slice_samples(haxby) -> Samples:
    """Volumes of the real slice, each run without trend and z-scored."""
    words = np.loadtxt(haxby / "attributes_literal.txt", dtype=str)
    mask = nib.load(haxby / "mask.nii.gz").get_fdata() > 0
    bold = nib.load(haxby / "bold.nii.gz").get_fdata()[mask].T
    run = words[:, 1]
    for one in np.unique(run):
        own = run == one
        time = np.stack([np.ones(own.sum()), np.arange(own.sum())], 1)
        rest = bold[own] - time @ np.linalg.lstsq(time, bold[own], rcond=None)[0]
        bold[own] = rest / rest.std(0)
    shown = words[:, 0] != "rest"
    samples = labelled(bold[shown], words[shown, 0], run[shown], blocks=words[shown, 0])
    return replace(samples, ijk=np.argwhere(mask))


def test_the_map_is_a_direct_call_of_nilearn(slice_samples: Samples) -> None:
    found = mass_univariate(slice_samples, BLOCK, "faces")
    names, run = np.array(slice_samples.classes)[slice_samples.y], slice_samples.sample_run
    means = np.stack(
        [
            slice_samples.x[(names == label) & (run == r)].mean(0)
            for label in ("face", "house")
            for r in range(12)
        ]
    )
    condition = np.repeat([1.0, -1.0], 12)[:, None]
    theirs = permuted_ols(
        condition, means, n_perm=1000, two_sided_test=True, random_state=0, output_type="dict"
    )
    np.testing.assert_allclose(found.t, theirs["t"][0])
    np.testing.assert_allclose(found.log_p, theirs["logp_max_t"][0] * np.sign(theirs["t"][0]))
    direct = stats.ttest_ind(means[:12], means[12:])
    np.testing.assert_allclose(found.t, direct.statistic)
    corrected = -np.log10(np.minimum(direct.pvalue * 530, 1))
    np.testing.assert_allclose(np.abs(found.bonferroni), corrected, atol=1e-8)
    # Voxels for houses and for faces are found, by permutations as many as by Bonferroni or more.
    assert (found.log_p > 1).any()
    assert (found.log_p < -1).sum() > 20
    assert (np.abs(found.log_p) > 1).sum() >= (np.abs(found.bonferroni) > 1).sum()
    assert np.corrcoef(found.within_runs, found.log_p)[0, 1] > 0.9


def noise(runs: int, rng: np.random.Generator, offset: float = 0.0) -> Samples:
    run = np.repeat(np.arange(runs), 2)
    x = rng.standard_normal((2 * runs, 40)) + offset * rng.standard_normal((runs, 40))[run]
    return labelled(x, ["face", "house"] * runs, run)


def test_labels_that_tell_nothing_pass_as_often_as_chance() -> None:
    rng = np.random.default_rng(0)
    free, within, single = 0, 0, 0
    for _ in range(60):
        found = mass_univariate(noise(11, rng), BLOCK)
        free += np.abs(found.log_p).max() > -np.log10(0.05)
        within += np.abs(found.within_runs).max() > -np.log10(0.05)
        single += stats.t.sf(np.abs(found.t).max(), 20) * 2 < 0.05
    low, high = stats.binom.interval(0.99, 60, 0.05)
    assert low <= free <= high
    assert low <= within <= high
    assert single > 30  # without a correction, some voxel passes nearly always


def test_swaps_within_runs_allow_for_runs_that_differ() -> None:
    rng = np.random.default_rng(0)
    samples = noise(12, rng, offset=5)
    x = samples.x.copy()
    x[samples.y == 0, :5] += 3
    found = mass_univariate(replace(samples, x=x), BLOCK)
    assert (found.within_runs[:5] > -np.log10(0.05)).sum() >= 4
    assert (found.log_p > -np.log10(0.05)).sum() == 0


def test_the_file_gives_back_what_was_written(tmp_path) -> None:
    found = mass_univariate(noise(5, np.random.default_rng(0)), BLOCK, "faces")
    assert np.isnan(found.within_runs).all()  # 16 swaps of labels
    assert np.isnan(found.log_p).all()  # 126 permutations
    assert np.isfinite(found.bonferroni).all()
    written = Provenance(KIND, True, methods=("Compared.",))
    write_mass_univariate(tmp_path / "a.h5", found, written)
    again, provenance = read_mass_univariate(tmp_path / "a.h5")
    assert provenance == written
    for key, value in vars(found).items():
        np.testing.assert_array_equal(getattr(again, key), value)


def test_methods_say_what_was_done() -> None:
    few, many = (noise(runs, np.random.default_rng(0)) for runs in (5, 12))
    text = " ".join(_methods(many, mass_univariate(many, BLOCK, "faces"), BLOCK))
    assert "in each of 40 voxels" in text
    assert "larger for face than for house, over 12 runs" in text
    assert "1,000 permutations of all 24 means (seed 0)" in text
    assert "swapped the two labels within runs" in text
    text = " ".join(_methods(few, mass_univariate(few, BLOCK, "faces"), BLOCK))
    assert "swapped" not in text
    assert "no p of permutations of all means: only 126 rearrangements" in text
    assert "no p of swaps within runs: only 16 rearrangements" in text
    seven = noise(7, np.random.default_rng(0))
    assert np.isfinite(mass_univariate(seven, BLOCK).log_p).all()


def test_what_can_not_be_compared_is_one_clear_line() -> None:
    samples = noise(4, np.random.default_rng(0))
    with pytest.raises(UserError, match="no sample has the label 'cat'; labels: face, house"):
        mass_univariate(samples, BLOCK.model_copy(update={"plus": "cat"}))
    apart = labelled(samples.x, ["face"] * 4 + ["house"] * 4, samples.sample_run)
    with pytest.raises(UserError, match="0 runs with samples of face and of house"):
        mass_univariate(apart, BLOCK)
    with pytest.raises(ValueError, match="the same label"):
        UnivariateDesign(plus="face", minus="face")


def test_a_voxel_that_does_not_vary_has_no_t() -> None:
    samples = noise(11, np.random.default_rng(3))
    x = samples.x.copy()
    x[:, 4] = 0.1  # of which sums are not exact
    found = mass_univariate(replace(samples, x=x), BLOCK)
    others = np.arange(40) != 4
    for values in (found.t, found.log_p, found.within_runs, found.bonferroni):
        assert np.isnan(values[4])
        assert np.isfinite(values[others]).all()
