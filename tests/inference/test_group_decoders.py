"""Decoders over subjects: their stored nulls serve both questions."""

from dataclasses import replace

import numpy as np
import pytest

from helpers.inference_settings import grouping
from helpers.report_tree import write_decoding as write_made
from tristream.decode.decoding_file import read_decoding, write_decoding
from tristream.inference.group import STIMULI
from tristream.inference.group_decoders import infer_decoders, null_of
from tristream.inference.group_file import read_group
from tristream.inference.people import sign_flip
from tristream.inference.shared_stimuli import over_regions
from tristream.store import Omission, Provenance

LABELLINGS = 300


def accuracies(rng, subjects, shared, effect=0.0):
    """Accuracies of labellings, the true one first: clips that all answer give a part alike."""
    alike = shared * rng.standard_normal(1 + LABELLINGS)
    found = 0.25 + alike + 0.02 * rng.standard_normal((subjects, 1 + LABELLINGS))
    found[:, 0] += effect
    return found


@pytest.fixture(scope="module")
def decoding(tmp_path_factory):
    """A whole file's content, whose numbers are replaced."""
    root = tmp_path_factory.mktemp("decoding")
    write_made(root, "x", "svm", "00", np.random.default_rng(0))
    return read_decoding(root / "decode/x/svm/sub-00.h5")[0]


def subjects_of(decoding, found):
    return [
        replace(
            decoding,
            subject=f"{k:02}",
            accuracy=float(own[0]),
            chance=float(own[1:].mean()),
            null=own[1:],
            p=float((1 + (own[1:] >= own[0]).sum()) / (1 + LABELLINGS)),
            log10_distinct=9.0,
        )
        for k, own in enumerate(found)
    ]


@pytest.mark.parametrize("shared", [0.0, 0.04])
def test_answers_to_clips_that_subjects_share_pass_for_people_and_not_for_stimuli(decoding, shared):
    rng = np.random.default_rng(5)
    rates = []
    for _ in range(300):
        found = subjects_of(decoding, accuracies(rng, 9, shared))
        nulls = [null_of(one, 10**6) for one in found]
        stimuli = over_regions(nulls, [np.ones((1, 1), bool)] * 9, LABELLINGS).p[0]
        people = sign_flip(np.stack([one.observed for one in nulls]), 500)[0][0]
        rates.append([stimuli <= 0.05, people <= 0.05])
    stimuli, people = np.mean(rates, axis=0)
    assert 0.02 < stimuli < 0.085
    assert (people > 0.25) == bool(shared)


def infer(folder, found, **changes):
    paths = []
    for k, one in enumerate(found):
        paths.append(folder / f"{k}.h5")
        refused = () if one.p is not None else (Omission("p", "too few"),)
        write_decoding(
            paths[-1], one, Provenance("decoding", True, omitted=refused, methods=("Done.",))
        )
    names = [f"{k:02}" for k in range(len(found))]
    settings = grouping("block", **{"timelines": dict.fromkeys(names, "all"), **changes})
    infer_decoders(paths, settings, folder / "group.h5")
    return read_group(folder / "group.h5")


def test_a_decoder_has_one_value_a_subject_and_two_answers(decoding, tmp_path):
    found = subjects_of(decoding, accuracies(np.random.default_rng(0), 9, 0.0, effect=0.2))
    group, provenance = infer(tmp_path, found)
    assert group.voxels is None
    assert group.count == 9
    means = group.regions.means
    assert means.mean[0] == pytest.approx(0.2, abs=0.03)
    assert means.sd[0] == pytest.approx(0.02, abs=0.012)
    assert means.stimuli.p[0] == means.stimuli.smallest == 1 / (1 + LABELLINGS)
    assert means.stimuli.used == LABELLINGS
    assert means.people.p[0] == 1 / 512
    assert not provenance.omitted
    text = " ".join(provenance.methods)
    assert "Of 9 subjects, those with p at most 0.05 were counted" in text
    assert "fitting the decoder again, alike in all subjects (300 rearrangements" in text


def test_labels_that_came_in_other_orders_have_no_common_rearrangement(decoding, tmp_path):
    found = subjects_of(decoding, accuracies(np.random.default_rng(0), 2, 0.0))
    _, provenance = infer(tmp_path, found, timelines={"00": "a", "01": "b"})
    assert "timelines a, b" in {o.what: o.why for o in provenance.omitted}[STIMULI]
    other = replace(found[1], unit=[f"{unit}x" for unit in found[1].unit])
    _, provenance = infer(tmp_path, [found[0], other])
    assert "tested on other units" in {o.what: o.why for o in provenance.omitted}[STIMULI]
    # One of them lacks a training run: its test labels are drawn as those of another set.
    fewer = replace(found[1], log10_distinct=7.5)
    _, provenance = infer(tmp_path, [found[0], fewer])
    assert "other labels to rearrange" in {o.what: o.why for o in provenance.omitted}[STIMULI]
    _, provenance = infer(tmp_path, found)
    assert STIMULI not in {o.what for o in provenance.omitted}
    refused = replace(found[1], p=None, null=np.empty(0))
    group, provenance = infer(tmp_path, [found[0], refused])
    assert {o.what: o.why for o in provenance.omitted}[STIMULI] == "too few"
    assert group.count is None
