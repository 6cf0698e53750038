"""Two models over subjects: signs of units alike in all, signs of subjects as a control."""

from dataclasses import replace

import numpy as np
import pytest

from helpers.calibration_designs import made
from helpers.calibration_subjects import Subject, World
from helpers.group_files import autoregressive, film_subjects
from helpers.inference_settings import grouping
from tristream.align.exchange import sign_units
from tristream.align.samples import read_samples
from tristream.encode.encoding_file import read_encoding, write_encoding
from tristream.encode.prediction_scores import correlation
from tristream.inference import group_comparisons
from tristream.inference.comparison_file import KIND, ComparedModels, write_comparison
from tristream.inference.group import STIMULI
from tristream.inference.group_comparisons import infer_comparisons
from tristream.inference.group_file import read_group
from tristream.inference.paired_tests import FlippedInBothRoles, Pair
from tristream.store import Omission, Provenance

VOXELS = 60


def compared(folder, subjects, seed, effect=0.0, **changes):
    """Models of two films' features, in subjects who share responses to neither."""
    written = film_subjects(folder, subjects, seed, voxels=VOXELS, effect=effect)
    rng = np.random.default_rng((seed, 1))
    seconds, comparisons = [], []
    features = None
    for k, (path, _, _) in enumerate(written):
        encoding, given = read_encoding(path)
        test = encoding.tests["film"]
        if features is None:
            features = autoregressive(rng, test.y.shape, 0.7)
        other = features + 0.5 * autoregressive(rng, test.y.shape, 0.7)
        tests = {"film": replace(test, prediction=other.astype("f4"))}
        seconds.append(folder / f"second_{k}.h5")
        about = {**encoding.about, "model": "n"}
        write_encoding(seconds[-1], replace(encoding, tests=tests, about=about), given)
        comparisons.append(folder / f"comparison_{k}.h5")
        none = ComparedModels(
            *("m", "n", "difference", "signs", "time", 10**6, 0, 0, 0.05), encoding.ijk, None
        )
        refused = Provenance(KIND, True, omitted=(Omission("p", "too few"),), methods=("Done.",))
        write_comparison(comparisons[-1], none, refused)
    names = [f"{k:02}" for k in range(subjects)]
    settings = grouping(
        permutations=200,
        most_permutations=200,
        seed=seed,
        **{"timelines": dict.fromkeys(names, "all"), **changes},
    )
    firsts, _, samples = zip(*written, strict=True)
    infer_comparisons(firsts, seconds, comparisons, samples, settings, folder / "group.h5")
    return written, seconds, *read_group(folder / "group.h5")


def test_shared_responses_make_neither_model_better_for_other_stimuli(tmp_path):
    found = []
    for seed in range(24):
        _, _, group, _ = compared(tmp_path, 8, seed)
        means = group.voxels.means
        found.append(
            [
                (means.stimuli.p <= 0.05).mean(),
                means.stimuli.p_fwe.min() <= 0.05,
                (means.people.p <= 0.05).mean(),
            ]
        )
    stimuli, fwe, people = np.mean(found, axis=0)
    assert 0.03 < stimuli < 0.07
    assert fwe <= 5 / 24
    assert people > 0.1


def test_a_better_model_is_found_and_the_mean_is_that_of_the_differences(tmp_path):
    written, seconds, group, provenance = compared(tmp_path, 8, 0, effect=0.5)
    r = [
        next(correlation(t.y, t.prediction) for t in read_encoding(path)[0].tests.values())
        for paths in (seconds, [one[0] for one in written])
        for path in paths
    ]
    difference = np.array(r[8:]) - np.array(r[:8])
    means = group.voxels.means
    # In the order of the places, which is the other way round.
    np.testing.assert_allclose(means.mean, difference.mean(0)[::-1], atol=1e-5)
    np.testing.assert_allclose(means.sd, difference.std(0, ddof=1)[::-1], atol=1e-5)
    assert (means.stimuli.p[-VOXELS // 2 :] <= 0.05).mean() > 0.8
    assert group.count is None
    text = " ".join(provenance.methods)
    assert (
        "by flipping the sign of the difference in each of 15 blocks of 20 s, alike in all subjects"
        in text
    )
    assert "two-sided" in text


def test_films_at_other_times_have_no_common_signs(tmp_path):
    timelines = {"00": "a", "01": "b"}
    *_, provenance = compared(tmp_path, 2, 0, timelines=timelines)
    assert "timelines a, b" in {o.what: o.why for o in provenance.omitted}[STIMULI]


@pytest.mark.parametrize("subjects", [2])
def test_few_subjects_are_asked_about_stimuli_alone(tmp_path, subjects):
    _, _, group, _ = compared(tmp_path, subjects, 3)
    assert group.voxels.means.stimuli is not None
    assert group.voxels.means.people is None


@pytest.mark.parametrize("recurs", [True, False])
def test_items_of_several_runs_have_no_narrower_null_than_in_each_subject(tmp_path, recurs):
    """It was .83 times as wide in the group: nothing is subtracted for such items."""
    rng = np.random.default_rng(0)
    runs = [
        [(f"i{k}" if recurs else f"i{n}-{k}", "n", 10.0, 8.0) for k in rng.permutation(12)]
        for n in range(3)
    ]
    subject = Subject(made("items", runs, "item", "leave-one-run-out"), tmp_path / "1", 10)
    subject.draw(0, World())
    paths = subject.encoding("a"), subject.encoding("b")
    first, second = (read_encoding(path)[0].in_memory() for path in paths)
    group = group_comparisons.Compared(first, second, paths, read_samples(subject.samples)[0])
    names = {}
    units = group.units(names, grouping("item", timelines={"1": "all"}))
    found = group_comparisons._signs(group, units, len(names), 1.0, 0, nested=True)
    tests = first.tests.values()
    own = sign_units("item", [t.unit for t in tests], [t.item for t in tests])
    pair = Pair(first, second, paths, tuple(own), "item")
    alone, _, wider = FlippedInBothRoles().nulls(pair, {"all": np.ones(10, bool)}, 0)
    # Units have other numbers there, and so other random signs that tell the share of pairs.
    assert found.width.mean() == pytest.approx((alone.width / wider).mean(), rel=0.05)
    assert (found.width.mean() == 1) == recurs
