"""What changes places follows from the sample index as it was written, whatever is known of it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.calibration_designs import Design, made
from helpers.calibration_subjects import Subject, World
from tristream.config.decoders import Decoder
from tristream.decode.decoding_samples import read_samples
from tristream.decode.label_exchange import label_exchange
from tristream.encode.encoding_file import read_encoding
from tristream.inference.moved_features import exchange_of_items

ROUNDS = ("bca", "acb", "cab")


def blocks_in_rounds(kind: str, unit: str) -> Design:
    """Three runs of three rounds; of kind ``label`` no more than the label of a block is known."""
    runs = [[(n, n, 16.0, 10.0) for n in "".join(ROUNDS[k:] + ROUNDS[:k])] for k in range(3)]
    design = made("rounds", runs, unit, "leave-one-run-out")
    timeline = {
        run: [replace(event, kind=kind) for event in events]
        for run, events in design.timeline.items()
    }
    return replace(design, timeline=timeline)


def sizes(sets: Sequence) -> list[int]:
    """How many units change places with one another, set by set."""
    return sorted(one.size for one in sets)


@pytest.mark.parametrize("kind", ["image", "label"])
def test_blocks_stay_in_their_rounds_in_encoders_and_decoders(kind: str, tmp_path: Path) -> None:
    for unit, expected in (("round", [3] * 9), ("block", [9] * 3)):
        subject = Subject(blocks_in_rounds(kind, unit), tmp_path / unit, 6)
        subject.draw(0, World())
        encoding = read_encoding(subject.encoding())[0]
        encoder = exchange_of_items([*encoding.tests.values()], unit)
        block = Decoder(datasets=[], kind="ridge", samples="blocks", delay=4.0).design
        decoder = label_exchange(read_samples(subject.bold, subject.samples, block, unit))
        assert sizes(encoder.sets) == sizes(decoder.moving.sets) == expected
        labels = [test.first.filled_item for test in encoding.tests.values()]
        assert all(len(set(own[own >= 0].tolist())) == 3 for own in labels)
        orders = encoder.draw(0, 100, seed=0)
        moved = labels[0][encoder.sources(orders, 0, len(labels[0]))]
        first = encoding.tests[next(iter(encoding.tests))].first.filled
        places = [np.flatnonzero(first == k)[0] for k in range(9)]
        rounds = moved[:, places].reshape(100, 3, 3)
        kept = all(len(set(one.tolist())) == 3 for one in rounds.reshape(-1, 3))
        assert kept == (unit == "round")
