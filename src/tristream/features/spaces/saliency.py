"""Visual saliency of a picture: what stands out, where, and how much it is alone in doing so."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tristream.config.base import Section
from tristream.features.core.flow_measures import cell_means, cell_names
from tristream.features.core.registry import Block, Preview, extractor

SUMMARY = ("right", "down", "peak_right", "peak_down", "spread", "entropy")
BATCH = 360
# Pictures with less contrast (standard deviation of 0 to 255) are taken as empty: the method
# would blow up their coding noise.
CONTRAST = 1.0


class SaliencyOptions(Section):
    """Options of the saliency."""

    fps: float = Field(default=4.0, gt=0, description="film frames per second that are looked at")
    size: tuple[int, int] = Field(default=(160, 90), description="width, height in pixels")
    grid: tuple[int, int] = Field(default=(4, 6), description="rows, columns of cells")


def _names(layer: str, options: SaliencyOptions, p: int) -> list[str]:
    if layer == "summary":
        return list(SUMMARY)
    return cell_names(("saliency",), options.grid)


def _preview(
    path: Path | tuple[Path, ...], options: SaliencyOptions, at: float, folder: Path | None
) -> Preview:
    """The grey picture whose saliency is mapped."""
    from tristream.features.core.frames import still

    picture = still(path, at, size=options.size, format="gray")
    return Preview(picture, at, at, f"{options.size[0]} x {options.size[1]} pixels, grey")


@extractor(
    "saliency",
    media="film",
    images=True,
    layers=("cells", "summary"),
    options=SaliencyOptions,
    names=_names,
    window=lambda layer, options: 1 / options.fps,
    preview=_preview,
    methods="saliency by the spectral residual of each picture [@hou2007], computed with OpenCV",
    can_skip=True,
    stream="ventral",
)
def saliency(
    path: Path | tuple[Path, ...],
    layers: tuple[str, ...],
    options: SaliencyOptions,
    weights: Path | None,
    device: str,
    skip: int = 0,
) -> Iterator[dict[str, Block]]:
    """Saliency by the spectral residual of each picture (Hou and Zhang 2007, in OpenCV).

    The map is computed on 64 x 64 pixels of luminance and lies between 0 and 1. Layers:

    ``cells``
        Its mean over each cell of a grid.
    ``summary``
        The map as a distribution over the picture: ``right`` and ``down`` of its centre of mass
        and of its peak, from the middle, as shares of the picture's width and height (-0.5 to
        0.5); ``spread``, the root mean square distance from the centre in the same shares;
        ``entropy`` relative to that of a uniform map (1). An empty picture has a uniform map.
    """
    import cv2

    from tristream.features.core.frames import frame_batches

    residual = cv2.saliency.StaticSaliencySpectralResidual.create()
    for times, images in frame_batches(
        path, fps=options.fps, size=options.size, format="gray", length=BATCH, skip=skip
    ):
        maps = np.stack([_map(residual, image) for image in images])
        out = {"cells": _cells(maps, options.grid), "summary": _summary(maps)}
        yield {layer: Block(out[layer], times) for layer in layers}


def _map(residual: Any, image: np.ndarray) -> np.ndarray:
    """Saliency of a grey picture, of the picture's size, 0 to 1."""
    if image.std() < CONTRAST:
        return np.ones(image.shape)
    return np.asarray(residual.computeSaliency(image)[1], np.float64)


def _cells(maps: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    return cell_means(maps, grid).reshape(len(maps), grid[0] * grid[1])


def _summary(maps: np.ndarray) -> np.ndarray:
    """Columns of :data:`SUMMARY` for maps (n, height, width)."""
    height, width = maps.shape[1:]
    share = maps / maps.sum(axis=(1, 2), keepdims=True)
    x, y = ((np.arange(side) + 0.5) / side - 0.5 for side in (width, height))
    right, down = share.sum(axis=1) @ x, share.sum(axis=2) @ y
    squares = share.sum(axis=1) @ x**2 + share.sum(axis=2) @ y**2
    spread = np.sqrt(squares - right**2 - down**2)
    peak = maps == maps.max(axis=(1, 2), keepdims=True)
    peak_right, peak_down = (
        peak.sum(axis=axis) @ place / peak.sum(axis=(1, 2)) for axis, place in ((1, x), (2, y))
    )
    logs = np.log(share, out=np.zeros_like(share), where=share > 0)
    entropy = -(share * logs).sum(axis=(1, 2)) / np.log(width * height)
    return np.column_stack([right, down, peak_right, peak_down, spread, entropy])
