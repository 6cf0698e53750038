"""Random events against references that look at every moment by itself."""

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from helpers.continuous_world import World
from tristream.align.samples import run_samples
from tristream.config.dataset import Dataset
from tristream.config.runs import Exchange
from tristream.config.settings.stimuli import InventorySettings
from tristream.errors import UserError
from tristream.stimuli.entry_points import continued
from tristream.stimuli.events import read_bids_events
from tristream.stimuli.overlaps import ROUNDED, check_overlaps
from tristream.stimuli.shown_at import NONE, shown_at
from tristream.stimuli.timelines import Event

pytest.importorskip("hypothesis", reason="pip install 'tristream[dev]' brings it")
from hypothesis import given, settings
from hypothesis import strategies as st

settings.register_profile("busy", deadline=None)  # other tests run beside these
settings.load_profile("busy")

SETTINGS = InventorySettings.from_descriptor(
    Dataset.model_validate(
        {
            "id": "d",
            "title": "d",
            "licence": "CC0",
            "citation": "d",
            "source": {"kind": "folder", "path": "."},
            "layout": {"kind": "fmriprep"},
            "tr": 2.0,
            "subjects": ["01"],
            "runs": ["run-1", "run-2", "run-3"],
            "split": {"scheme": "leave-one-run-out"},
            "exchange": {"unit": "block"},
        }
    )
)
RUN = World(voxels=1).run(World(voxels=1).names[0])


@given(st.lists(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 9)), max_size=5), max_size=5))
def test_a_continued_film_is_shown_once_and_whole(runs: list[list[tuple[int, int]]]) -> None:
    """Against a reference that plays both films second by second."""
    films = ("a", "b")
    timeline = {
        f"run-{n}": [
            Event(10.0 * k, float(seconds), films[film], "film", films[film])
            for k, (film, seconds) in enumerate(events)
        ]
        for n, events in enumerate(runs)
    }
    played = {film: 0 for film in films}
    for events in continued(timeline).values():
        for event in events:
            assert event.media_start == played[event.stimulus]
            for _ in range(int(event.duration)):
                played[event.stimulus] += 1


@st.composite
def random_events(draw: st.DrawFn) -> list[Event]:
    """Events with gaps, overlaps, shared onsets and no duration; every one of its own name."""
    numbers = draw(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 24), st.booleans())))
    return [
        Event(onset / 4, duration / 4, f"e{n}", "label", f"e{n}", keep=keep, label=f"e{n}")
        for n, (onset, duration, keep) in enumerate(numbers)
    ]


def reference(time: float, tr: float, events: list[Event]) -> str | None:
    """What is shown at a moment: by sorting all that could be, in whole milliseconds."""
    now = round(1000 * time)
    on = [
        (event.keep, round(1000 * event.onset), -event.duration, n, event.item)
        for n, event in enumerate(events)
        if round(1000 * event.onset) <= now
        and now < round(1000 * (event.onset + max(event.duration, tr)))
    ]
    return max(on)[-1] if on else None


@given(random_events(), st.sampled_from([0.5, 1.0, 2.0, 2.5]), st.sampled_from([0.0, 0.25, 0.5]))
def test_what_each_volume_shows(events: list[Event], tr: float, start: float) -> None:
    time = start + tr * np.arange(40)
    expected = [reference(at, tr, events) for at in time]
    found = shown_at(time, tr, events)
    assert [events[n].item if n != NONE else None for n in found] == expected


@given(random_events(), st.sampled_from([1.0, 2.0]), st.booleans())
def test_samples_are_what_each_volume_shows(events: list[Event], tr: float, between: bool) -> None:
    """The index of samples against the same reference, gaps included."""
    units = [replace(event, unit=f"r/{n}") for n, event in enumerate(events)]
    run = replace(RUN, time=tr * np.arange(20), censor=np.zeros(20, bool), tr=tr)
    table = run_samples(run, units, Exchange(unit="block"), between)
    shown = [reference(at, tr, events) for at in run.time]
    keep = {event.item: event.keep for event in events}
    assert [item if isinstance(item, str) else None for item in table["item"]] == shown
    expected = [keep[item] if item else between for item in shown]
    assert table["keep"].tolist() == expected
    last = None
    for item, unit in zip(shown, table["unit"], strict=True):
        own = next((e.unit for e in units if e.item == item), None)
        last = own or (last if between else None)
        assert (unit if isinstance(unit, str) else None) == last


@given(random_events())
def test_samples_that_overlap_are_found_however_far_apart_they_begin(events: list[Event]) -> None:
    """Against every pair of events; each third of them shows the same."""
    events = [replace(event, item=f"e{n % 3}") for n, event in enumerate(events)]
    kept = [event for event in events if event.keep]
    expected = any(
        one.onset <= other.onset and one.end - other.onset > ROUNDED and one.item != other.item
        for one, other in permutations(kept, 2)
    )
    try:
        check_overlaps(SETTINGS, {"main": {"run-1": events}})
    except UserError:
        assert expected
    else:
        assert not expected


ROWS = st.tuples(st.floats(0, 500), st.floats(0, 20), st.sampled_from("abcd"))


@given(st.lists(ROWS, unique=True))
def test_the_reader_of_events_files(rows: list[tuple[float, float, str]]) -> None:
    """Every row of a file becomes one event, by onset, whatever the order of the rows."""
    text = "onset\tduration\ttrial_type\n" + "".join(f"{a!r}\t{d!r}\t{x}\n" for a, d, x in rows)
    with TemporaryDirectory() as folder:
        path = Path(folder, "events.tsv")
        path.write_text(text)
        events = read_bids_events(path)
    expected = sorted(rows, key=lambda row: row[0])
    assert [(e.onset, e.duration, e.label) for e in events] == expected
