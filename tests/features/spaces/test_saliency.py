"""Saliency finds what stands out."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from helpers.films import clocks, make_film
from tristream.features.spaces.saliency import SUMMARY, SaliencyOptions, saliency

SIZE = (160, 90)


def pattern() -> np.ndarray:
    """A regular field of small upright bars on grey."""
    image = np.full(SIZE[::-1], 90, np.uint8)
    for y in range(9, SIZE[1], 12):
        for x in range(8, SIZE[0], 12):
            image[y - 3 : y + 3, x - 1 : x + 1] = 150
    return image


def popout(column: int, row: int) -> np.ndarray:
    """One bright disc in the field of bars."""
    return np.asarray(cv2.circle(pattern(), (column, row), 6, 255, -1), np.uint8)


def layers(path: Any, **options: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    chosen = SaliencyOptions(**options)
    blocks = list(saliency(path, ("cells", "summary"), chosen, None, "cpu"))
    times = np.concatenate([block["cells"].times for block in blocks])
    values = {
        layer: np.concatenate([block[layer].values for block in blocks])
        for layer in ("cells", "summary")
    }
    for layer, array in values.items():
        assert array.shape[1] == len(saliency.names(layer, chosen, array.shape[1]))
    return times, values


@pytest.mark.parametrize(("column", "row"), [(40, 20), (120, 25), (30, 70), (100, 60)])
def test_a_bright_popout_is_the_peak(tmp_path: Path, column: int, row: int) -> None:
    """As an image: its place, its cell, its side of the picture."""
    path = tmp_path / "popout.png"
    Image.fromarray(popout(column, row)).save(path)
    times, values = layers((path, path))
    np.testing.assert_array_equal(times, [0, 1])
    summary = dict(zip(SUMMARY, values["summary"][0], strict=True))
    assert saliency.preview is not None
    np.testing.assert_array_equal(
        saliency.preview((path, path), SaliencyOptions(), 1, None).values, popout(column, row)
    )
    x, y = column / SIZE[0] - 0.5, row / SIZE[1] - 0.5
    assert summary["peak_right"] == pytest.approx(x, abs=0.04)
    assert summary["peak_down"] == pytest.approx(y, abs=0.06)
    assert summary["right"] * x > 0
    assert summary["down"] * y > 0
    cells = values["cells"][0].reshape(SaliencyOptions().grid)
    where = np.unravel_index(cells.argmax(), cells.shape)
    assert where == (row * cells.shape[0] // SIZE[1], column * cells.shape[1] // SIZE[0])


def test_one_thing_is_less_uniform_than_many(tmp_path: Path) -> None:
    paths = (tmp_path / "one.png", tmp_path / "many.png", tmp_path / "none.png")
    noise = np.random.default_rng(0).integers(0, 256, SIZE[::-1], dtype=np.uint8)
    for path, image in zip(
        paths, (popout(80, 45), noise, np.full(SIZE[::-1], 70, np.uint8)), strict=True
    ):
        Image.fromarray(image).save(path)
    _, values = layers(paths)
    summary = dict(zip(SUMMARY, values["summary"].T, strict=True))
    one, many, none = summary["entropy"]
    assert one < many < none
    assert none == pytest.approx(1)
    assert summary["spread"][0] < summary["spread"][1]
    # Nothing stands out in an empty picture, so nothing lies off its middle.
    np.testing.assert_allclose(values["summary"][2, :4], 0, atol=1e-9)


@pytest.mark.parametrize("clock", ["24", "23.976", "variable"])
def test_a_jump_of_the_popout_is_where_the_film_has_it(tmp_path: Path, clock: str) -> None:
    times = clocks(4.0)[clock]
    jump = times[np.searchsorted(times, 2.0)]
    images = np.stack([popout(40, 45) if t < jump else popout(120, 45) for t in times])
    path = make_film(tmp_path / "jump.mp4", images, times)
    centres, values = layers(path, fps=48)
    right = values["summary"][:, SUMMARY.index("peak_right")]
    first = centres[np.flatnonzero(right > 0)[0]]
    assert 0 <= first - jump < 1 / 48
    assert np.all(right[centres < jump] < 0)


def test_chunks_can_be_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = np.arange(24) / 24
    images = np.stack([popout(20 + 5 * index, 45) for index in range(24)])
    path = make_film(tmp_path / "film.mp4", images, times)
    monkeypatch.setattr("tristream.features.spaces.saliency.BATCH", 7)
    arguments = (path, ("summary",), SaliencyOptions(fps=24), None, "cpu")
    whole, rest = list(saliency(*arguments)), list(saliency(*arguments, skip=2))
    assert len(whole) == 4
    for one, other in zip(whole[2:], rest, strict=True):
        np.testing.assert_array_equal(one["summary"].times, other["summary"].times)
        np.testing.assert_array_equal(one["summary"].values, other["summary"].values)
