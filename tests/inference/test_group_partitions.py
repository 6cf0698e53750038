"""Unique variance over subjects: signs of units alike in all, signs of subjects as a control."""

from dataclasses import replace

import numpy as np
from scipy.signal import lfilter

from helpers.group_files import film_subjects, held_out, write_subject
from helpers.inference_settings import grouping
from tristream.encode.encoding_file import read_scores
from tristream.encode.jackknife import Interval
from tristream.encode.neighbours import products_of_neighbours
from tristream.encode.partition.partition_file import KIND, StoredPartition, write_partition
from tristream.encode.partition.parts_by_unit import PartsByUnit
from tristream.encode.partition.variance import Partition
from tristream.inference import group_partitions
from tristream.inference.group import STIMULI
from tristream.inference.group_file import read_group
from tristream.inference.group_partitions import infer_partitions
from tristream.inference.tested_partition_file import KIND as TEST
from tristream.inference.tested_partition_file import TestedPartition, write_partition_test
from tristream.store import Omission, Provenance

VOXELS, UNITS, SUBJECTS = 80, 24, 9


def alone(parts):
    """How much wider the null of one subject is made."""
    order = np.arange(UNITS)
    neighbours = products_of_neighbours(parts, order, order).sum()
    return np.sqrt(max(1, 1 + neighbours / (parts**2).sum()))


def infer(folder, encodings, seed, effect=0.0, shared=1.0, by_unit=True, past=0.0, **changes):
    """Parts of units of bands a, b and both; what a unit adds is shared by subjects in part.

    What is shared depends on its own past, from unit to unit.
    """
    rng = np.random.default_rng(seed)
    alike = lfilter([shared], [1, -past], rng.standard_normal((3, 30 + UNITS, VOXELS)), axis=1)
    alike = alike[:, 30:] * np.sqrt(1 - past**2)
    alike[1, :, : VOXELS // 2] += effect
    values, paths, tests = [], [], []
    for k, encoding in enumerate(encodings):
        parts = 0.01 * (alike + rng.standard_normal(alike.shape))
        values.append(parts[1].sum(0))
        interval = Interval(*[parts.sum(1)] * 4)
        means = Interval(*np.zeros((4, 1, 3)))
        stored = StoredPartition(
            ["a", "b"],
            [],
            ["all voxels"],
            Partition(np.zeros((4, VOXELS)), interval, means, 10),
            read_scores(encoding)[0].ijk,
        )
        if by_unit:
            own = PartsByUnit("time", parts.astype("f4"), np.array([alone(one) for one in parts]))
            stored = replace(stored, by_unit=own)
        paths.append(folder / f"partition_{k}.h5")
        write_partition(paths[-1], stored, Provenance(KIND, True, methods=("Done.",)))
        tests.append(folder / f"test_{k}.h5")
        refused = TestedPartition(
            *("variance", "signs", "time", 10**6, 0, 0, 0.05, "bh"),
            regions=["all voxels"],
            region_voxels=np.array([VOXELS]),
        )
        why = (Omission("p", "not asked for"),)
        given = Provenance(TEST, True, omitted=why, methods=("Done.",))
        write_partition_test(tests[-1], refused, given)
    names = [f"{k:02}" for k in range(len(encodings))]
    limits = {"permutations": 200, "most_permutations": 200, "seed": seed}
    settings = grouping(**{"timelines": dict.fromkeys(names, "all"), **limits, **changes})
    infer_partitions(paths, tests, encodings, "b", settings, folder / "group.h5")
    return np.array(values), *read_group(folder / "group.h5")


def test_what_units_add_alike_in_all_is_no_effect_for_other_stimuli(tmp_path):
    encodings = [one[0] for one in film_subjects(tmp_path, SUBJECTS, 0, voxels=VOXELS)]
    found = []
    for seed in range(16):
        _, group, _ = infer(tmp_path, encodings, seed)
        means = group.voxels.means
        fwe = means.stimuli.p_fwe.min() <= 0.05
        found.append([(means.stimuli.p <= 0.05).mean(), fwe, (means.people.p <= 0.05).mean()])
    stimuli, fwe, people = np.mean(found, axis=0)
    assert 0.03 < stimuli < 0.07
    assert fwe <= 4 / 16
    assert people > 0.2


def test_what_subjects_share_may_depend_on_its_past_more_than_what_is_their_own(
    tmp_path, monkeypatch
):
    films = film_subjects(tmp_path, SUBJECTS, 0, voxels=VOXELS, volumes=20 * UNITS)
    encodings = [one[0] for one in films]

    def rate():
        return np.mean(
            [
                infer(tmp_path, encodings, seed, shared=0.5, past=0.4)[1].voxels.means.stimuli.p
                <= 0.05
                for seed in range(12)
            ]
        )

    assert 0.03 < rate() < 0.07
    # Control: each subject's own factor.
    monkeypatch.setattr(
        group_partitions,
        "_widening",
        lambda subjects, by_unit, place, encoding: tuple(o.widening[place] for o in by_unit),
    )
    assert rate() > 0.08


def test_a_band_that_adds_is_found(tmp_path):
    encodings = [one[0] for one in film_subjects(tmp_path, SUBJECTS, 0, voxels=VOXELS)]
    values, group, provenance = infer(tmp_path, encodings, 0, effect=1.0)
    means = group.voxels.means
    # In the order of the places, which is the other way round.
    np.testing.assert_allclose(means.mean, values.mean(0)[::-1], atol=1e-5)
    np.testing.assert_allclose(means.sd, values.std(0, ddof=1)[::-1], atol=1e-5)
    assert (means.stimuli.p[VOXELS // 2 :] <= 0.05).mean() > 0.9
    assert (means.people.p[VOXELS // 2 :] <= 0.05).mean() > 0.9
    assert group.count is None
    text = " ".join(provenance.methods)
    assert "unique variance (R²) of band b" in text
    assert "the sign of what each of 24 blocks of time adds, alike in all subjects" in text


def test_units_that_cannot_be_matched_are_named(tmp_path):
    encodings = [one[0] for one in film_subjects(tmp_path, 2, 0, voxels=VOXELS)]
    for changes, why in (
        ({"timelines": {"00": "a", "01": "b"}}, "timelines a, b"),
        ({"by_unit": False}, "is not known in all subjects"),
    ):
        *_, provenance = infer(tmp_path, encodings, 0, **changes)
        assert why in {o.what: o.why for o in provenance.omitted}[STIMULI]


def test_equal_counts_of_other_units_are_not_the_same_units(tmp_path):
    """One subject lacks a run, the other another; units of the third would be those of a second."""
    rng = np.random.default_rng(0)
    unit, item = np.arange(240) // 20, np.zeros(240, int)

    def encoding(name, runs, rows=slice(None)):
        tests = {}
        for run in runs:
            y = rng.standard_normal((240, VOXELS))
            whole = held_out(run, y, y, unit, item)
            tests[run] = replace(
                whole,
                **{
                    key: getattr(whole, key)[rows]
                    for key in ("y", "prediction", "unit", "item", "rows", "projection")
                },
                band_prediction=whole.band_prediction[:, rows],
            )
        shown = [["bunny"] * len(test.y) for test in tests.values()]
        return write_subject(tmp_path, name, tests, shown)[0]

    def refusal(*encodings):
        *_, provenance = infer(tmp_path, encodings, 0)
        return {o.what: o.why for o in provenance.omitted}.get(STIMULI)

    one = encoding("1", ["run-1", "run-2"])
    assert refusal(one, encoding("2", ["run-1", "run-2"])) is None
    # Some censored volumes change no number; a whole unit does.
    assert refusal(one, encoding("3", ["run-1", "run-2"], slice(5, None))) is None
    why = "sub-4 was tested on other units than sub-1"
    assert refusal(one, encoding("4", ["run-1", "run-3"])) == why
    assert "sub-5 was tested" in refusal(one, encoding("5", ["run-1", "run-2"], slice(20, None)))
