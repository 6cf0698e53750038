"""Prevalence, sign flips, and the group file."""

import h5py
import numpy as np
import pytest
from scipy import stats

from helpers.inference_settings import grouping
from tristream.encode.encoding_file import Encoding, Fitted, Scores, write_encoding
from tristream.inference.group import infer_group, prevalence, sign_flip
from tristream.inference.inference_file import Significance, TestedModel, write_inference
from tristream.store import Omission, Provenance, open_h5, read_strings


def test_prevalence_as_published():
    """Ince et al. 2021: 14 of 20 participants at .05 make 0.68; all of 20, one."""
    found = prevalence(14, 20, credible=0.96)
    assert found.map == pytest.approx((14 / 20 - 0.05) / 0.95)
    assert (found.low, found.high) == pytest.approx((0.45, 0.87), abs=0.01)
    assert prevalence(20, 20).map == 1
    assert prevalence(0, 20).low == pytest.approx(0, abs=1e-6)
    assert prevalence(1, 20).map == pytest.approx(0, abs=1e-9)


def test_the_interval_is_the_shortest_that_holds_so_much():
    """Against a grid of the posterior."""
    gamma = np.linspace(0, 1, 200_001)
    density = stats.beta(1 + 5, 1 + 2).pdf(0.05 + 0.95 * gamma)
    density /= density.sum()
    order = np.argsort(density)[::-1]
    inside = gamma[order[: int(np.searchsorted(np.cumsum(density[order]), 0.95)) + 1]]
    found = prevalence(5, 7)
    assert (found.low, found.high) == pytest.approx((inside.min(), inside.max()), abs=1e-3)


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="8 of 7"):
        prevalence(8, 7)


def test_few_subjects_take_every_pattern_of_signs():
    z = np.random.default_rng(0).normal(0.5, 1, (8, 300))
    p, p_fwe, smallest = sign_flip(z, 100)
    assert smallest == 1 / 256
    assert p.min() >= 1 / 256
    assert (p_fwe >= p).all()
    # One voxel, by the book.
    test = stats.permutation_test(
        (z[:, 0],), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="greater"
    )
    assert p[0] == pytest.approx(test.pvalue)


def test_sign_flips_keep_their_error_rate_and_find_an_effect():
    rng = np.random.default_rng(1)
    # All voxels share the patterns drawn, so that several draws are needed.
    rates, corrected = [], []
    for seed in range(40):
        p, p_fwe, _ = sign_flip(rng.standard_normal((14, 200)), 499, seed)
        rates.append((p <= 0.05).mean())
        corrected.append(p_fwe.min() <= 0.05)
    assert 0.04 < np.mean(rates) < 0.06
    assert np.mean(corrected) < 0.15
    z = rng.normal(1, 1, (14, 500))
    p, _, smallest = sign_flip(z, 999, seed=2)
    assert (p <= 0.05).mean() > 0.9
    assert smallest == 1 / 1000
    assert np.array_equal(p, sign_flip(z, 999, seed=2)[0])


def write_subject(folder, subject, r, ijk, tested=True, affine=None):
    """An encoding of one band without weights, and its inference."""
    paths = folder / f"encoding_{subject}.h5", folder / f"inference_{subject}.h5"
    none = np.zeros((1, len(r)), np.float32)
    encoding = Encoding(
        bands=["a"],
        ijk=ijk,
        affine=np.eye(4) if affine is None else affine,
        shape=np.array([10, 10, 10]),
        tests={},
        scores=Scores(r, r**2, r[None] ** 2),
        ceiling=None,
        fitted=Fitted(none, none[0], none[0], none, none[0], {}, 0.0),
        about={"subject": subject},
    )
    write_encoding(paths[0], encoding, Provenance("encoding", simulated=True, methods=("Done.",)))
    q = np.where(r > 0.2, 0.001, 0.5)
    found = Significance(r, q, np.where(r > 0.2, 0.01, 1.0), q, q, r > 0.2, np.full(999, 0.2))
    null = ("statistic", "null", "time", 10**6, 999 if tested else 0, 0, 0.05, "bh")
    write_inference(
        paths[1],
        TestedModel(*null, widening=(1.0,), found=found if tested else None),
        Provenance(
            "inference",
            simulated=True,
            omitted=() if tested else (Omission("p", "too few"),),
            methods=("Done.",),
        ),
    )
    return paths


def places(n, shift=0):
    index = (np.arange(n) + shift)[::-1]
    return np.stack(np.unravel_index(index, (10, 10, 10)), 1).astype(np.int32)


def test_few_subjects_are_counted(tmp_path):
    """Masks that overlap in part and are not in order."""
    written = []
    for subject, shift in (("01", 0), ("02", 5)):
        ijk = places(40, shift)
        flat = np.ravel_multi_index(tuple(ijk.T), (10, 10, 10))
        r = np.where(flat < 20, 0.4, 0.0).astype(np.float32)
        written.append(write_subject(tmp_path, subject, r, ijk))
    output = tmp_path / "group.h5"
    infer_group(*zip(*written, strict=True), grouping(), output, "abc")
    with open_h5(output, "group") as (file, provenance):
        assert read_strings(file, "subjects") == ["01", "02"]
        assert file["subject/significant"][()].tolist() == [20, 15]
        flat = np.ravel_multi_index(tuple(file["ijk"][()].T), (10, 10, 10))
        assert flat.tolist() == list(range(5, 40))
        assert file["count"][()].tolist() == [2] * 15 + [0] * 20
        assert file["mean_r"][0] == pytest.approx(0.4)
        assert file["prevalence/map"][0] == 1
        assert file.attrs["count"] == 2
        assert "p" not in file
        assert provenance.simulated
        assert [o.what for o in provenance.omitted] == ["group test of the mean"]


def test_many_subjects_are_tested(tmp_path):
    rng = np.random.default_rng(0)
    written = [
        write_subject(
            tmp_path,
            f"{i:02}",
            np.where(np.arange(30) < 10, 0.4, 0).astype(np.float32) + 0.05 * rng.normal(size=30),
            places(30),
        )
        for i in range(9)
    ]
    output = tmp_path / "group.h5"
    infer_group(*zip(*written, strict=True), grouping(), output)
    with h5py.File(output) as file:
        # In the order of the places, which is the other way round.
        assert (file["p_fwe"][-10:] == 1 / 512).all()
        assert file.attrs["smallest_p"] == 1 / 512
        assert (file["q"][:20] > 0.01).mean() > 0.8


def test_other_grids_and_refused_tests_are_named(tmp_path):
    r = np.full(5, 0.3, np.float32)
    one = write_subject(tmp_path, "01", r, places(5), tested=False)
    two = write_subject(tmp_path, "02", r, places(5), affine=np.diag([2.0, 2, 2, 1]))
    output = tmp_path / "group.h5"
    infer_group(*zip(one, two, strict=True), grouping(), output)
    with open_h5(output, "group") as (file, provenance):
        why = {o.what: o.why for o in provenance.omitted}
        assert why["counts of significant subjects, prevalence"] == "too few"
        assert "sub-02 lies on another grid" in why["voxel by voxel over subjects"]
        assert file["subject/significant"][()].tolist() == [-1, 5]
        assert "count" not in file
