"""Sprites that move over a real film on known paths, and what a faulty detector says of them."""

from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from tristream.features.spaces.tracked_objects.detect import Detections
from tristream.media.films import frames

FPS = 8.0
SIZE = (480, 270)
SPRITE = (26, 60)


@dataclass(frozen=True)
class Scene:
    """Attributes
    ----------
    images : list of ndarray
        RGB frames.
    truth : list of dict
        Boxes (left, top, width, height) by the sprite's number, where at least half of it shows.
    detections : list of Detections
        With misses, jitter and false alarms, in no order.
    """

    images: list[np.ndarray]
    truth: list[dict[int, np.ndarray]]
    detections: list[Detections]


def paths(count: int) -> np.ndarray:
    """Left and top of the sprites in each frame, (sprites, frames, 2).

    0 and 1 look alike and cross; 2 and 3 meet and turn back; 4 comes down from the right, before
    1 and 3; 5 comes late and stands; 6 comes later and walks out of the picture.
    """
    time = np.linspace(0, 1, count)
    there, back = 30 + 380 * time, 410 - 380 * time
    bounce = np.abs(time - 0.5) * 2
    rows = [
        (there, 20 + 10 * np.sin(9 * time)),
        (back, 22 + 10 * np.cos(9 * time)),
        (222 - 190 * bounce, np.full(count, 105.0)),
        (232 + 190 * bounce, np.full(count, 107.0)),
        (445 - 190 * time, 5 + 143 * time),
        (np.full(count, 60.0), 195 + 4 * np.sin(20 * time)),
        (330 + 260 * np.maximum(time - 0.4, 0) / 0.6, np.full(count, 195.0)),
    ]
    return np.array([np.stack(row, axis=1) for row in rows])


def present(count: int) -> np.ndarray:
    """Whether a sprite is there, (sprites, frames)."""
    frame = np.arange(count)
    begins = np.array([0, 0, 0, 0, 0, 0.25, 0.4]) * count
    inside = paths(count)[:, :, 0] + SPRITE[0] / 2 < SIZE[0]
    return (frame >= begins[:, None]) & inside


@cache
def _shots(film: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Frames of the film from its 15th second on, and seven pictures.

    The pictures are parts of earlier frames that differ; the first two are the same.
    """
    shots = [image for _, image in islice(frames(film, fps=FPS, size=SIZE), 220)]
    width, height = SPRITE
    parts = [image[100 : 100 + height, 200 : 200 + width] for image in shots[::36]]
    hues = (0, 30, 60, 90, 120, 150)
    coloured = [_tinted(part, hue) for part, hue in zip(parts, hues, strict=False)]
    return shots[120:], [coloured[0], *coloured]


def _tinted(part: np.ndarray, hue: int) -> np.ndarray:
    """The picture with a patterned coat of one hue."""
    hsv = cv2.cvtColor(part, cv2.COLOR_RGB2HSV)
    hsv[15:45, 3:23, 0] = hue
    hsv[15:45, 3:23, 1] = 200
    hsv[15:45, 3:23, 2] = 90 + 120 * ((np.arange(15, 45) // (2 + hue // 30)) % 2)[:, None]
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def scene(
    film: Path, *, count: int = 80, misses: float = 0.12, alarms: float = 0.8, seed: int = 0
) -> Scene:
    """Make the scene.

    Parameters
    ----------
    film : Path
        Background, at least 28 s long.
    count : int
        Frames, 100 at most.
    misses : float
        Share of visible sprites that go unnoticed.
    alarms : float
        False alarms a frame, on average.
    seed : int
        Of the detector's mistakes.
    """
    rng = np.random.default_rng(seed)
    background, pictures = _shots(film)
    where, there = paths(count), present(count)
    images, truth, detections = [], [], []
    for index, image in enumerate(background[:count]):
        shown = image.copy()
        owner = np.full(shown.shape[:2], -1)
        for number in np.flatnonzero(there[:, index]):
            left, top = np.round(where[number, index]).astype(int)
            part = pictures[number][:, : SIZE[0] - left]
            shown[top : top + SPRITE[1], left : left + SPRITE[0]] = part
            owner[top : top + SPRITE[1], left : left + SPRITE[0]] = number
        images.append(shown)
        visible = {
            int(number): np.array([*where[number, index], *SPRITE], float)
            for number in np.flatnonzero(there[:, index])
            if (owner == number).mean() * owner.size > 0.5 * SPRITE[0] * SPRITE[1]
        }
        truth.append(visible)
        detections.append(_detected(list(visible.values()), misses, alarms, rng))
    return Scene(images, truth, detections)


def _detected(
    boxes: list[np.ndarray], misses: float, alarms: float, rng: np.random.Generator
) -> Detections:
    height = SPRITE[1]
    seen = [box + rng.normal(0, 0.03 * height, 4) for box in boxes if rng.random() >= misses]
    for _ in range(rng.poisson(alarms)):
        corner = rng.uniform(0, np.array(SIZE) - SPRITE)
        seen.append(np.array([*corner, *(np.array(SPRITE) * rng.uniform(0.7, 1.4))]))
    order = rng.permutation(len(seen))
    stacked = np.array(seen, float).reshape(-1, 4)[order]
    return Detections(stacked, np.ones(len(stacked)))
