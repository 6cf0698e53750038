"""Optical flow of a film: how fast, where to, growing or turning, in each part of the picture."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tristream.config.base import Section
from tristream.features.registry import Block, extractor

MEASURES = ("speed", "right", "down", "expansion", "rotation")
BATCH = 360


class FlowOptions(Section):
    """Options of the optical flow."""

    fps: float = Field(default=12.0, gt=0, description="samples per second")
    size: tuple[int, int] = Field(default=(160, 90), description="width, height in pixels")
    grid: tuple[int, int] = Field(default=(4, 6), description="rows, columns of cells")


def _names(layer: str, options: FlowOptions, p: int) -> list[str]:
    rows, columns = options.grid
    cells = [f"{row + 1}_{column + 1}" for row in range(rows) for column in range(columns)]
    return [f"{measure}_{cell}" for measure in MEASURES for cell in cells]


@extractor(
    "optical_flow",
    media="film",
    layers=("flow",),
    options=FlowOptions,
    names=_names,
    window=lambda layer, options: 1 / options.fps,
)
def optical_flow(
    path: Path,
    layers: tuple[str, ...],
    options: FlowOptions,
    weights: Path | None,
    device: str,
    skip: int = 0,
) -> Iterator[dict[str, Block]]:
    """Speed, direction, expansion and rotation of the flow in each cell of a grid.

    Flow by dense inverse search (Kroeger et al. 2016, in OpenCV) from each sampled frame to the
    next, so a sample stands midway between its two frames. Means over a cell of: ``speed``,
    ``right`` and ``down`` (the velocity's components) in picture heights per second; ``expansion``
    (divergence, dvx/dx + dvy/dy) and ``rotation`` (curl, dvy/dx - dvx/dy, clockwise on screen)
    per second.
    """
    import cv2

    from tristream.features.frames import frame_batches
    from tristream.stimuli.media import media_info

    info = media_info(path)
    width, height = options.size
    # A pixel in picture heights: sampled pixels need not be square.
    pixel = np.array([info.width / info.height / width, 1 / height])
    search: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    for times, images in frame_batches(
        path,
        fps=options.fps,
        size=options.size,
        format="gray",
        length=BATCH,
        overlap=1,
        skip=skip,
    ):
        rows = [
            _measures(search.calc(before, after, None), pixel, options)
            for before, after in pairwise(images)
        ]
        values = np.array(rows).reshape(
            len(rows), len(MEASURES) * options.grid[0] * options.grid[1]
        )
        yield {"flow": Block(values, (times[:-1] + times[1:]) / 2)}


def _measures(flow: Any, pixel: np.ndarray, options: FlowOptions) -> np.ndarray:
    """Means over the grid's cells, (measures, rows, columns), of one flow field in pixels."""
    velocity = flow.astype(np.float64) * pixel * options.fps
    right, down = velocity[..., 0], velocity[..., 1]
    right_by_y, right_by_x = np.gradient(right, pixel[1], pixel[0])
    down_by_y, down_by_x = np.gradient(down, pixel[1], pixel[0])
    maps = np.stack(
        [
            np.hypot(right, down),
            right,
            down,
            right_by_x + down_by_y,
            down_by_x - right_by_y,
        ]
    )
    rows, columns = options.grid
    top = np.linspace(0, maps.shape[1], rows, endpoint=False).astype(int)
    left = np.linspace(0, maps.shape[2], columns, endpoint=False).astype(int)
    sums = np.add.reduceat(np.add.reduceat(maps, top, axis=1), left, axis=2)
    heights = np.diff(np.append(top, maps.shape[1]))
    widths = np.diff(np.append(left, maps.shape[2]))
    return sums / (heights[:, None] * widths)
