"""Random time stamps against references that lay one packet after the other."""

from collections.abc import Iterator
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tristream.media.clocks import gaps_of, pace_of, read_clocks, shown_times

pytest.importorskip("hypothesis", reason="pip install 'tristream[dev]' brings it")
from hypothesis import given, settings
from hypothesis import strategies as st

STEPS = st.lists(st.integers(1, 20), min_size=1, max_size=40)


@given(STEPS, st.integers(0, 4))
def test_shown_times_are_those_of_a_player_that_holds_pictures_back(
    steps: list[int], delay: int
) -> None:
    """Against a muxer and a player that look at one packet after the other."""
    shown = np.cumsum([0, *steps]) * 0.04
    # A packet is decoded when the picture `delay` places before it is shown.
    dts = [
        shown[i - delay] if i >= delay else shown[0] - (delay - i) * 0.04 for i in range(len(shown))
    ]
    stored = np.array(dts) - dts[0]  # AVI begins at 0
    np.testing.assert_allclose(
        shown_times(stored, delay, 0.04)[: -delay or None], shown[: -delay or None], atol=1e-9
    )


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), min_size=1, max_size=20))
def test_gaps_are_those_of_a_second_by_second_look(pieces: list[tuple[int, int]]) -> None:
    starts = np.array([start for start, _ in pieces], float)
    ends = starts + [length for _, length in pieces]
    filled = np.zeros(80, bool)
    for start, length in pieces:
        filled[start : start + length] = True
    expected, inside = [], np.arange(int(starts.min()), int(ends.max()))
    for second in inside[~filled[inside]]:
        if expected and expected[-1][1] == second:
            expected[-1] = (expected[-1][0], second + 1)
        else:
            expected.append((second, second + 1))
    assert list(gaps_of(starts, ends, 1.0)) == [(a, b) for a, b in expected if b - a > 1]


@given(
    st.lists(st.integers(2, 30), min_size=1, max_size=5),
    st.lists(st.integers(0, 4000), min_size=5, max_size=5),
)
@settings(max_examples=50)
def test_parts_with_clocks_of_their_own(lengths: list[int], begins: list[int]) -> None:
    """Against a reference that lays part after part; each begins anywhere before the last ended."""
    period, packets, expected, end = 0.5, [], [], 0.0
    reached = 0.0
    for number, (length, begin) in enumerate(zip(lengths, begins, strict=False)):
        # A clock that begins anew is behind the one before.
        start = 0.0 if number == 0 else (begin / 4000) * max(reached - 1.0, 0.0)
        for k in range(length):
            packets.append(start + k * period)
            expected.append(end + k * period)
        reached = start + length * period
        end += length * period
    clock = read_clocks(_Container(packets, period), [_STREAM], 0.0)[0]
    times = [
        float(p.pts * p.time_base) for p in clock.packets(_Container(packets, period), _STREAM)
    ]
    # Stamps are in ticks of 1/90,000 s.
    np.testing.assert_allclose(times, expected, atol=1e-4)
    assert clock.end == pytest.approx(end, abs=1e-4)


PART = st.tuples(st.integers(4, 30), st.floats(0, 0.9), st.sets(st.integers(1, 28), max_size=12))


@given(st.lists(PART, min_size=1, max_size=4))
@settings(max_examples=60)
def test_picture_and_sound_of_parts_with_gaps(parts: list[tuple[int, float, set[int]]]) -> None:
    """Both streams, interleaved; pictures are missing here and there, and each part begins anew."""
    packets: list[tuple[Any, float, float]] = []
    pictures: list[float] = []
    sounds: list[float] = []
    end = reached = 0.0
    for number, (length, share, lost) in enumerate(parts):
        start = 0.0 if number == 0 else share * max(reached - 2.0, 0.0)
        for k in range(length):
            # The first and the last picture of a part are there.
            if k not in lost or k == length - 1:
                packets.append((_STREAM, start + k * 0.5, 0.5))
                pictures.append(end + k * 0.5)
            for half in (0.0, 0.25):
                packets.append((_SOUND, start + k * 0.5 + half, 0.25))
                sounds.append(end + k * 0.5 + half)
        reached, end = start + length * 0.5, end + length * 0.5
    clocks = read_clocks(_Streams(packets), [_STREAM, _SOUND], 0.0)
    for stream, expected in ((_STREAM, pictures), (_SOUND, sounds)):
        clock = clocks[stream.index]
        found = clock.packets(_Streams([p for p in packets if p[0] is stream]), stream)
        times = [float(packet.pts * packet.time_base) for packet in found]
        np.testing.assert_allclose(times, expected, atol=1e-4)
        assert clock.end == pytest.approx(end, abs=1e-4)
    told = clocks[0].gaps
    # By every half second that has no picture.
    shown = {round(time / 0.5) for time in pictures}
    missing = [k for k in range(round(end / 0.5)) if k not in shown]
    runs: list[list[int]] = []
    for k in missing:
        if runs and runs[-1][-1] == k - 1:
            runs[-1].append(k)
        else:
            runs.append([k])
    long = [(run[0] * 0.5, (run[-1] + 1) * 0.5) for run in runs if len(run) * 0.5 > 2.5]
    np.testing.assert_allclose(np.array(told).ravel(), np.array(long).ravel(), atol=1e-4)


@given(st.floats(0.99, 1.01), st.lists(st.integers(0, 299), max_size=4, unique=True))
def test_the_pace_of_a_sound_with_pauses(pace: float, pauses: list[int]) -> None:
    samples = np.full(300, 1024.0)
    lengths = samples / 48000 * pace
    stamps = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    for at in pauses:
        stamps[at:] += 0.5
    found = pace_of(stamps, samples, 48000)
    assert found == pytest.approx(pace if abs(pace - 1) * 6.4 > 0.03 else found, abs=1e-3)
    assert abs(found - pace) * 6.4 <= 0.03


_STREAM = SimpleNamespace(
    index=0,
    type="video",
    average_rate=Fraction(2),
    codec_context=SimpleNamespace(name="mpeg2video", reorder_depth=0),
)


_SOUND = SimpleNamespace(
    index=1,
    type="audio",
    codec_context=SimpleNamespace(name="mp2", frame_size=0, sample_rate=48000),
)


class _Streams:
    """Packets of several streams, in the order of a transport stream: (stream, stamp, length)."""

    format = SimpleNamespace(name="mpegts")

    def __init__(self, packets: list[tuple[Any, float, float]]) -> None:
        self.given = packets

    def demux(self, *streams: Any) -> Iterator[Any]:
        base = Fraction(1, 90000)
        for stream, stamp, length in self.given:
            packet = _Packet(round(stamp / base), round(length / base), base)
            packet.stream = stream
            yield packet


class _Container:
    """Packets of one stream, as an MPEG transport stream gives them."""

    format = SimpleNamespace(name="mpegts")

    def __init__(self, stamps: list[float], period: float) -> None:
        self.stamps, self.period = stamps, period

    def demux(self, *streams: Any) -> Iterator[Any]:
        base = Fraction(1, 90000)
        for stamp in self.stamps:
            ticks = round(stamp / base)
            yield _Packet(ticks, round(self.period / base), base)


class _Packet(SimpleNamespace):
    def __init__(self, ticks: int, duration: int, base: Fraction) -> None:
        super().__init__(
            pts=ticks,
            dts=ticks,
            duration=duration,
            time_base=base,
            size=1,
            stream=_STREAM,
        )
