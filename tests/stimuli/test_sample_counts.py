"""Overlap, brief events and gaps: refused, counted or warned of, before there is BOLD."""

from typing import Any

import pytest

from tristream.config.dataset import Dataset
from tristream.config.settings.stimuli import InventorySettings
from tristream.errors import UserError
from tristream.stimuli.overlaps import check_overlaps, check_some, check_windows
from tristream.stimuli.sample_counts import count_samples
from tristream.stimuli.timelines import Event


def settings(tr: float = 2.0, unit: str = "block", **more: Any) -> InventorySettings:
    content: dict[str, Any] = {
        "id": "d",
        "title": "d",
        "licence": "CC0",
        "citation": "d",
        "source": {"kind": "folder", "path": "."},
        "layout": {"kind": "fmriprep"},
        "tr": tr,
        "subjects": ["01"],
        "runs": ["run-1", "run-2", "run-3"],
        "split": {"scheme": "leave-one-run-out"},
        "exchange": {"unit": unit},
    }
    return InventorySettings.from_descriptor(Dataset.model_validate(content | more))


def labels(*rows: tuple[float, float, str], keep: bool = True) -> list[Event]:
    return [Event(a, d, name, "label", name, keep=keep, label=name) for a, d, name in rows]


FACES = labels((10, 20, "face"), (50, 20, "house"))
BUTTONS = labels((15.2, 0, "button"), (60.4, 0, "button"))


def test_buttons_within_blocks_are_a_question() -> None:
    events = {"main": {"run-1": sorted(FACES + BUTTONS, key=lambda e: e.onset)}}
    with pytest.raises(UserError, match=r"button at 15.2 s overlaps face .*trial_type: \[button\]"):
        check_overlaps(settings(), events)
    check_overlaps(settings(events={"overlap": "later"}), events)
    check_overlaps(settings(unit="time"), events)
    modelled = labels((15.2, 0, "button"), (60.4, 0, "button"), keep=False)
    events = {"main": {"run-1": FACES + modelled}}
    check_overlaps(settings(), events)
    assert count_samples(settings(), events).samples == {"main": {"run-1": 20}}


def test_rounding_is_no_overlap_nor_is_one_item_that_goes_on() -> None:
    rounded = labels((0, 10.05, "face"), (10, 10, "house"))
    same = labels((30, 10, "cat"), (35, 10, "cat"))
    check_overlaps(settings(), {"main": {"run-1": rounded + same}})
    # A block that goes on behind a brief repeat of it is still there when the next event begins.
    later = labels((30, 20, "cat"), (33, 1, "cat"), (40, 2, "dog"))
    with pytest.raises(UserError, match=r"dog at 40 s overlaps cat \(30 to 50 s\)"):
        check_overlaps(settings(), {"main": {"run-1": later}})


def test_trials_may_overlap_but_not_begin_together() -> None:
    trials = {"trials": {"estimate": "lss"}}
    check_overlaps(settings(**trials), {"main": {"run-1": labels((0, 5, "a"), (3, 5, "b"))}})
    with pytest.raises(UserError, match="b at 3 s begins together with a"):
        check_overlaps(settings(**trials), {"main": {"run-1": labels((3, 5, "a"), (3, 2, "b"))}})


def test_few_samples_of_brief_events_are_doubtful() -> None:
    """36 events of 2 s, 13.3 s apart, at a TR of 2 s: 36 of 234 volumes."""
    events = {"main": {"run-1": labels(*[(40 / 3 * n, 2, "ab"[n % 2]) for n in range(36)])}}
    counts = count_samples(settings(), events)
    assert (counts.samples, counts.of) == ({"main": {"run-1": 36}}, {"main": {"run-1": 234}})
    assert "samples: all" in counts.doubts[0]
    counts = count_samples(settings(samples="all"), events)
    assert counts.samples == {"main": {"run-1": 234}}
    assert counts.doubts == []


def test_images_of_a_second_at_two_seconds_are_not_counted_by_chance() -> None:
    """Each has one volume, wherever its onset falls; and so do instants."""
    for shift in (0.0, 0.7, 1.3, 1.9):
        for duration in (0, 0.2, 1):
            rows = [(8 * n + shift, duration, "ab"[n % 2]) for n in range(10)]
            counts = count_samples(settings(), {"main": {"run-1": labels(*rows)}})
            assert counts.samples == {"main": {"run-1": 10}}


def test_events_that_hold_no_volume_are_told() -> None:
    events = {"main": {"run-1": labels(*[(n, 1, "ab"[n % 2]) for n in range(10)])}}
    (doubt,) = count_samples(settings(), events).doubts
    assert "5 of 10 events hold no volume (the first is a at 0 s)" in doubt


def test_trials_of_no_duration_need_a_window() -> None:
    events = {"main": {"run-1": labels((4, 0, "a"), (9, 0, "b"))}}
    with pytest.raises(UserError, match=r"a at 4 s lasts 0 s.*trials.window"):
        check_windows(settings(trials={"estimate": "mean"}), events)
    counts = count_samples(settings(trials={"estimate": "mean", "window": 3.0}), events)
    assert (counts.rows, counts.samples) == ("trials", {"main": {"run-1": 2}})


def test_a_run_without_any_event_is_refused() -> None:
    events = {"main": {"run-1": FACES, "run-2": []}}
    with pytest.raises(UserError, match="d: run-2: has no event"):
        check_some(settings(), events)
    check_some(settings(), {"main": {"run-1": FACES}})


@pytest.mark.parametrize(
    ("other", "told"),
    [("Face", True), ("face ", True), ("fa-ce", True), ("face2", False), ("fcae", False)],
)
def test_labels_that_look_like_one_are_told(other: str, told: bool) -> None:
    run = {"run-1": FACES, "run-2": labels((10, 20, other), (50, 20, "house"))}
    doubts = count_samples(settings(), {"main": run}).doubts
    assert [f"labels 'face' and {other!r} differ in case" in doubt for doubt in doubts] == [
        True
    ] * told


def test_a_label_of_one_run_alone_is_told_where_others_are_in_several() -> None:
    names = ("face", "house", "tool", "cat")
    runs = {
        f"run-{n}": labels(*((20 * k, 10, name) for k, name in enumerate(names))) for n in "123"
    }
    assert count_samples(settings(), {"main": runs}).doubts == []
    misspelt = runs | {"run-2": [*runs["run-2"], *labels((100, 10, "fcae"))]}
    (doubt,) = count_samples(settings(), {"main": misspelt}).doubts
    assert doubt.startswith("run-2 alone has the label 'fcae'")
    # Where every run shows others, none is misspelt.
    own = {run: labels((0, 10, f"a{run}"), (20, 10, f"b{run}")) for run in runs}
    assert count_samples(settings(), {"main": own}).doubts == []
