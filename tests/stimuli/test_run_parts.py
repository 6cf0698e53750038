"""Parts of a run: cut in time, or by what its trials test."""

import math

import pytest

from tristream.config.events import Events, Stimulus
from tristream.config.runs import Parts, whole_run
from tristream.errors import UserError
from tristream.stimuli.events import read_bids_events
from tristream.stimuli.run_parts import dealt_out, in_part
from tristream.stimuli.timelines import Event

FILM = Event(0.0, 100.0, "film", "film", "film", media_start=10.0)


def test_a_film_goes_on_in_each_part_and_not_in_the_gap():
    parts = Parts(times=[40.0, 70.0], gap=5.0)
    found = {n: in_part([FILM], parts, f"task-a_part-{n}") for n in (1, 2, 3)}
    assert [(e.onset, e.end, e.media_start) for (e,) in found.values()] == [
        (0.0, 40.0, 10.0),
        (45.0, 70.0, 55.0),
        (75.0, 100.0, 85.0),
    ]


def test_a_cut_film_without_a_media_time_is_refused():
    unknown = Event(0.0, 100.0, "film", "film", "film")
    with pytest.raises(UserError, match="without_media_start"):
        in_part([unknown], Parts(times=[40.0]), "task-a_part-2")


def test_a_film_until_its_end_stays_so_in_the_last_part():
    until = Event(0.0, math.nan, "film", "film", "film", media_start=0.0)
    parts = Parts(times=[40.0], gap=0.0)
    (first,), (last,) = (in_part([until], parts, f"task-a_part-{n}") for n in (1, 2))
    assert first.end == 40.0
    assert math.isnan(last.duration)
    assert last.media_start == 40.0


def test_training_trials_near_a_test_trial_are_left_out():
    events = [Event(4.0 * n, 1.0, "x", "label", f"i{n}") for n in range(6)]
    tests = [n == 3 for n in range(6)]
    held = dealt_out(events, tests, 4.0, testing=True)
    assert [e.keep for e in held] == tests
    train = dealt_out(events, tests, 4.0, testing=False)
    assert [e.keep for e in train] == [True, True, False, False, False, True]
    wide = dealt_out(events, tests, 0.0, testing=False)
    assert [e.keep for e in wide] == [n != 3 for n in range(6)]


def test_the_whole_run_names_files():
    assert whole_run("ses-1_task-a_run-01_part-test") == "ses-1_task-a_run-01"
    assert whole_run("part-1") == "part-1"
    assert whole_run("task-a_part-mag") == "task-a_part-mag"


@pytest.mark.parametrize(("label", "wanted"), [(None, "yo-yo"), ("trial_type", "exp")])
def test_labels_of_the_table_go_before_a_column_that_is_not_named(tmp_path, label, wanted):
    path = tmp_path / "events.tsv"
    path.write_text("onset\tduration\ttrial_type\tfile\n0\t1\texp\tyo-yo/yo-yo_11s.jpg\n")
    name = "yo-yo/yo-yo_11s.jpg"
    row = Stimulus(stimulus="yo_yo_11s", kind="image", path=name, match=name, label="yo-yo")
    reading = Events(stimulus="{file}", label=label)
    (event,) = read_bids_events(path, [row], "", reading)
    assert (event.stimulus, event.label) == ("yo_yo_11s", wanted)
