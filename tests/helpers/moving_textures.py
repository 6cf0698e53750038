"""Labelled clips: tinted textures that drift in one of four directions behind a round window."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from helpers.films import make_film

DIRECTIONS = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}
KINDS = {"rust": (1.2, 0.93, 0.8), "moss": (0.85, 1.06, 0.95)}
"""Red, green and blue of the tint: both are as bright, so flow does not tell them apart."""
SIDE = 64
FRAMES = 9
FPS = 12.0
STEP = 1.5
"""Pixels a frame."""


def texture(kind: str, rng: np.random.Generator) -> np.ndarray:
    """A tinted pattern of smooth blobs, RGB, twice as large as the clip."""
    side = 2 * SIDE
    noise = cv2.GaussianBlur(rng.normal(size=(side, side)), (0, 0), 4)
    grey = 110 + 40 * (noise - noise.mean()) / noise.std()
    return np.clip(grey[..., None] * np.array(KINDS[kind]), 0, 255).astype(np.uint8)


def clip(path: Path, kind: str, direction: str, rng: np.random.Generator) -> Path:
    """Write one clip: the texture drifts inside a disc, around it the same texture stands."""
    picture = texture(kind, rng)
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    disc = np.hypot(x, y) < 24
    images = []
    for frame in range(FRAMES):
        shift = np.array(DIRECTIONS[direction]) * STEP * (frame - FRAMES // 2)
        moved = cv2.warpAffine(
            picture,
            np.array([[1, 0, shift[0] - SIDE / 2], [0, 1, shift[1] - SIDE / 2]]),
            (SIDE, SIDE),
        )
        still = picture[SIDE // 2 :][:SIDE, SIDE // 2 :][:, :SIDE]
        images.append(np.where(disc[..., None], moved, still))
    return make_film(path, np.stack(images), np.arange(FRAMES) / FPS)


def write_clips(folder: Path, *, groups: int, test: int, seed: int = 0) -> Path:
    """Write clips of `groups` groups, each with all eight labels, the last `test` held out.

    Returns
    -------
    Path
        The table.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for group in range(groups):
        for kind in KINDS:
            for direction in DIRECTIONS:
                name = f"{group}_{kind}_{direction}.mp4"
                clip(folder / name, kind, direction, rng)
                split = "test" if group >= groups - test else "train"
                rows.append((name, f"{kind}_{direction}", str(group), split))
    table = folder / "clips.tsv"
    columns = ["path", "label", "group", "split"]
    pd.DataFrame(rows, columns=columns).to_csv(table, sep="\t", index=False)
    return table
