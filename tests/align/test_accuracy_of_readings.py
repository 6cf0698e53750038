"""What it is worth how events are read: the same data, read rightly and as they were read once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.calibration_designs import Design, made
from helpers.calibration_subjects import Subject, World
from tristream.config.decoders import Decoder
from tristream.config.delays import in_volumes
from tristream.config.models import EncodingDesign
from tristream.config.runs import Exchange
from tristream.config.settings.decode import DecodeSettings
from tristream.decode.decoding import fit
from tristream.decode.decoding_file import read_decoding
from tristream.encode.encoding_file import read_encoding
from tristream.stimuli.timelines import Event


def blocks(scheme: str = "leave-one-run-out") -> Design:
    """Blocks of two labels, 16 s long, 8 s apart."""
    rng = np.random.default_rng(0)
    runs = [[(n, n, 16.0, 8.0) for n in rng.permutation(["face", "house"] * 5)] for _ in range(3)]
    return made("blocks", runs, "block", scheme, delays=(1, 2, 3))


def events_apart() -> Design:
    """Twenty-four pictures a run, 2 s long, 10 to 16 s apart."""
    rng = np.random.default_rng(1)
    runs = [
        [(f"p{number}", "n", 2.0, float(rng.uniform(8, 14))) for number in rng.permutation(24)]
        for _ in range(3)
    ]
    design = made("events apart", runs, "item", "leave-one-run-out")
    return replace(design, delays=default_delays(design.tr))


def default_delays(tr: float) -> tuple[int, ...]:
    """Of models that say nothing, in TR."""
    return tuple(in_volumes(EncodingDesign(bands={"b": ["s"]}).delays, tr))


def subject_of(design: Design, world: World, folder: Path, voxels: int = 40) -> Subject:
    subject = Subject(design, folder, voxels)
    subject.draw(0, world)
    return subject


def decoded(subject: Subject, **keys: object) -> float:
    """Share of volumes whose label a ridge classifier gets right."""
    block = Decoder(
        datasets=[], kind="ridge", samples="volumes", regularization=40.0, permutations=100, **keys
    )
    settings = DecodeSettings(
        dataset="calibration", decoder="ridge", block=block.design, unit="block"
    )
    output = subject.folder / "decoding.h5"
    fit(subject.bold, subject.samples, output, settings, subject.name)
    return read_decoding(output)[0].accuracy


def inside(subject: Subject) -> float:
    """The same of what was decoded last, two volumes at both ends of blocks left out.

    There the response rises and falls, and says little of the label whatever else happened.
    """
    found = read_decoding(subject.folder / "decoding.h5")[0]
    right = found.true == found.predicted
    order = list(dict.fromkeys(zip(found.run, found.unit, strict=True)))
    blocks = np.array([order.index(one) for one in zip(found.run, found.unit, strict=True)])
    return float(np.mean([right[blocks == k][2:-2].mean() for k in range(len(order))]))


def predicted(subject: Subject) -> float:
    """Mean test correlation over voxels."""
    return float(read_encoding(subject.encoding(("a",)))[0].scores.r.mean())


def with_buttons(design: Design, keep: bool) -> Design:
    """Two presses of a button within each block, which are or are not samples."""
    timeline = {}
    for run, shown in design.timeline.items():
        pressed = [
            Event(
                event.onset + 16 * part, 0.0, "button", "label", "button", keep=keep, label="button"
            )
            for event in shown
            for part in (0.2, 0.7)
        ]
        timeline[run] = sorted([*shown, *pressed], key=lambda event: event.onset)
    return replace(design, timeline=timeline)


def test_buttons_within_blocks_take_nothing_from_decoding(tmp_path):
    design = blocks()
    subject = subject_of(design, World(rho=0.3, labels=0.9), tmp_path)
    plain = decoded(subject)
    assert plain > 0.95
    # What lacks to 1.0 are ends of blocks, with or without buttons.
    assert inside(subject) == 1.0
    subject.read_as(with_buttons(design, keep=False), features=False)
    assert decoded(subject) == plain
    assert inside(subject) == 1.0
    # Presses that are events like others are a class of their own, and take volumes.
    subject.read_as(with_buttons(design, keep=True), features=False)
    assert decoded(subject) < 0.85


def test_decoders_take_volumes_at_the_peak_by_default(tmp_path):
    quick = [[(n, n, 6.0, 0.0) for n in np.random.default_rng(2).permutation(["a", "b"] * 16)]] * 3
    design = made("quick blocks", quick, "block", "leave-one-run-out")
    subject = subject_of(design, World(rho=0.3, labels=0.6), tmp_path)
    assert decoded(subject) > 0.9
    assert decoded(subject, delay=0) < 0.6


def test_volumes_between_brief_events_predict_the_response(tmp_path):
    design = events_apart()
    subject = subject_of(design, World(rho=0.2, planted=(0.8,)), tmp_path)
    brief = predicted(subject)
    subject.read_as(replace(design, samples="all"))
    assert predicted(subject) > 0.8
    assert predicted(subject) > brief + 0.25


@pytest.mark.parametrize("tr", [0.5, 0.8])
def test_default_delays_reach_over_the_response_at_a_short_tr(tmp_path, tr):
    rng = np.random.default_rng(3)
    runs = [[(f"i{run}-{k}", "n", 4.0, 4.0) for k in rng.permutation(24)] for run in range(3)]
    design = made("short TR", runs, "item", "holdout", tr=tr, samples="all")
    design = replace(design, delays=default_delays(tr), exchange=Exchange(unit="item"))
    subject = subject_of(design, World(rho=0.2, planted=(0.9,)), tmp_path)
    right = predicted(subject)
    subject.read_as(replace(design, delays=(1, 2, 3, 4)))
    assert right > predicted(subject) + 0.1
