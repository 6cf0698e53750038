"""Random events against references that look at every moment by itself."""

import pytest

from tristream.stimuli.entry_points import continued
from tristream.stimuli.timelines import Event

pytest.importorskip("hypothesis", reason="pip install 'tristream[dev]' brings it")
from hypothesis import given
from hypothesis import strategies as st


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
