"""A film is seen as a player shows it: upright, of the default track; else it is refused."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from helpers.odd_films import clicks, clicks_in, film, number_of, numbered, turned
from tristream.errors import UserError
from tristream.media.films import frame_at, frames
from tristream.media.media_contents import media_info
from tristream.media.sounds import read_sound

# (a, b, c, d): a stored pixel (x, y) is shown at (a x + c y, b x + d y).
MATRICES = {
    "90° clockwise": ((0, 1, -1, 0), lambda p: np.rot90(p, -1)),
    "90° anticlockwise": ((0, -1, 1, 0), lambda p: np.rot90(p, 1)),
    "180°": ((-1, 0, 0, -1), lambda p: np.rot90(p, 2)),
    "mirrored": ((-1, 0, 0, 1), lambda p: p[:, ::-1]),
    "upside down": ((1, 0, 0, -1), lambda p: p[::-1]),
}


@pytest.mark.parametrize("name", MATRICES)
def test_a_phone_film_is_seen_upright(tmp_path: Path, name: str) -> None:
    matrix, turn = MATRICES[name]
    path = film(tmp_path / "film.mp4", 25)
    stored = [image for _, image in frames(path, format="gray")]
    info = media_info(turned(path, matrix))
    seen = [image for _, image in frames(path, format="gray")]
    np.testing.assert_array_equal(seen[7], turn(stored[7]))
    assert (info.height, info.width) == seen[0].shape
    assert info.facts["turned"] == name
    small = frame_at(path, 0.3, size=(20, 10))
    assert small.shape == (10, 20, 3)
    big = turn(frame_at(path, 0.3, format="gray"))
    assert big.shape in ((32, 64), (64, 32))


def test_upward_motion_is_upward(tmp_path: Path) -> None:
    """A bar that a phone on its side stores as moving to the right."""
    bars = [np.zeros((64, 96, 3), np.uint8) for _ in range(20)]
    for k, picture in enumerate(bars):
        picture[:, 4 * k : 4 * k + 8] = 255
    path = turned(film(tmp_path / "film.mp4", 20, pictures=bars), MATRICES["90° anticlockwise"][0])
    rows = [
        float(np.average(np.arange(96), weights=image.sum(1) + 1e-9))
        for _, image in frames(path, format="gray")
    ]
    assert (np.diff(rows) < 0).all()  # towards the first row


def test_a_film_askew_is_refused(tmp_path: Path) -> None:
    path = turned(film(tmp_path / "film.mp4", 5), (0.8, 0.6, -0.6, 0.8))
    with pytest.raises(UserError, match=r"film\.mp4: is to be shown turned by 3[67] degrees"):
        next(frames(path))


def test_pixels_that_are_not_square(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", 5, sample_aspect_ratio=Fraction(3, 2))
    info = media_info(path)
    assert (info.width, info.height) == (96, 32)
    assert next(frames(path))[1].shape == (32, 96, 3)


@pytest.mark.parametrize(("curve", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_refused(tmp_path: Path, curve: int, name: str) -> None:
    path = film(tmp_path / "film.mp4", 5, color_trc=curve, colorspace=9, color_primaries=9)
    with pytest.raises(UserError, match=rf"is HDR \({name}\).*tonemap") as caught:
        next(frames(path))
    assert "\n" not in str(caught.value)


def test_interlaced_is_refused(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", 5, stream_options={"x264-params": "tff=1"})
    with pytest.raises(UserError, match=r"is interlaced.*bwdif") as caught:
        next(frames(path))
    assert str(caught.value) == media_info(path).unseen  # which the inventory refuses


def test_the_default_tracks_are_read(tmp_path: Path) -> None:
    """A commentary comes first in the file; the film's own sound is marked."""
    path = tmp_path / "film.mkv"
    options: Any = {"sound_codec": "pcm_s16le", "stream_options": {"bf": "0"}}
    a = film(tmp_path / "a.mkv", 50, clicks(2.0, 1.0), **options)
    b = film(tmp_path / "b.mkv", 50, clicks(2.0, 0.5), first=100, **options)
    with av.open(str(path), "w") as out, av.open(str(a)) as one, av.open(str(b)) as two:
        packets = []
        for source, default in ((one, False), (two, True)):
            copies = {}
            for stream in source.streams:
                copies[stream.index] = out.add_stream_from_template(stream)
                copies[stream.index].disposition = (
                    Disposition.default if default else Disposition(0)
                )
            packets += [(p, copies[p.stream_index]) for p in source.demux() if p.size]
        for packet, copy in sorted(packets, key=lambda p: p[0].dts * p[0].time_base):
            packet.stream = copy
            out.mux(packet)
    assert number_of(frame_at(path, 0.02)) == 100
    np.testing.assert_allclose(
        clicks_in(read_sound(path, 16000), 16000), [0, 0.5, 1, 1.5], atol=0.01
    )
    assert any("2 sound tracks: 2 is used" in note for note in media_info(path).notes)


def test_numbers_survive(tmp_path: Path) -> None:
    assert [number_of(numbered(k)) for k in range(256)] == list(range(256))
