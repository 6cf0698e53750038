"""Colours of film frames, as histograms."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tristream.config.base import Section
from tristream.features.core.previews import picture
from tristream.features.core.registry import Block, extractor

SIZE = (96, 54)
BATCH = 240


class ColourOptions(Section):
    """Options of the colour histograms."""

    fps: float = Field(default=4.0, gt=0, description="samples per second")
    hues: int = Field(default=12, ge=2, le=180, description="bins of hue")
    levels: int = Field(default=4, ge=2, le=256, description="bins of saturation and of value")


def _names(layer: str, options: ColourOptions, p: int) -> list[str]:
    hues = [f"hue_{round(360 * i / options.hues)}" for i in range(options.hues)]
    levels = range(1, options.levels + 1)
    return [*hues, *(f"saturation_{i}" for i in levels), *(f"value_{i}" for i in levels)]


@extractor(
    "colour",
    media="film",
    layers=("histogram",),
    options=ColourOptions,
    names=_names,
    window=lambda layer, options: 1 / options.fps,
    preview=picture(SIZE),
    methods="histograms of hue, saturation and value of film frames",
    can_skip=True,
    stream="nuisance",
)
def colour(
    path: Path,
    layers: tuple[str, ...],
    options: ColourOptions,
    weights: Path | None,
    device: str,
    skip: int = 0,
) -> Iterator[dict[str, Block]]:
    """Histograms of hue (weighted by saturation x value), saturation and value of each frame.

    A hue bin holds the mean over pixels of saturation x value in that hue, so that grey and black
    pixels, whose hue is noise, count for nothing; bins of saturation and value add up to 1.
    """
    from tristream.features.core.frames import frame_batches

    batches = frame_batches(path, fps=options.fps, size=SIZE, length=BATCH, skip=skip)
    for times, images in batches:
        rows = [_histograms(image, options) for image in images]
        yield {"histogram": Block(np.array(rows), times)}


def _histograms(image: np.ndarray, options: ColourOptions) -> np.ndarray:
    """Histograms of one RGB image, (hues + 2 levels,)."""
    import cv2

    hsv: Any = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL).reshape(-1, 3).astype(np.int64)
    chroma = hsv[:, 1] * hsv[:, 2] / 255**2
    # Bins are centred on their hue, so that red is not cut in two.
    nearest = (2 * hsv[:, 0] * options.hues + 256) // 512 % options.hues
    hue = np.bincount(nearest, chroma, options.hues)
    levels = [np.bincount(hsv[:, c] * options.levels // 256, None, options.levels) for c in (1, 2)]
    return np.concatenate([hue, *levels]) / len(hsv)
