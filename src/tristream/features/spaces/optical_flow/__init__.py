"""Optical flow of a film: how fast, where to, growing or turning, in each part of the picture."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import Field, model_validator

from tristream.config.base import Section
from tristream.config.sources import ArchiveSource
from tristream.features.core import flow_measures as measures
from tristream.features.core.registry import Block, Preview, Used, extractor
from tristream.features.spaces.optical_flow import camera
from tristream.features.spaces.optical_flow.fields import IFNET, NETWORKS, Method

LAYERS = ("flow", "directions", "speeds", "camera", "local")
BATCH = 360


class FlowOptions(Section):
    """Options of the optical flow."""

    fps: float = Field(default=12.0, gt=0, description="samples per second")
    size: tuple[int, int] = Field(default=(160, 90), description="width, height in pixels")
    grid: tuple[int, int] = Field(default=(4, 6), description="rows, columns of cells")
    method: Method = Field(
        default="dis", description="dis, farneback or tvl1 of OpenCV; the networks ifnet or raft"
    )
    checkpoint: str = Field(
        default="", description="raft only: its weights, a .pth file of torchvision"
    )

    @model_validator(mode="after")
    def _weighted(self) -> "FlowOptions":
        if (self.method == "raft") != bool(self.checkpoint):
            raise ValueError("method raft needs its checkpoint, and no other method has one")
        return self


def _weights(options: FlowOptions) -> ArchiveSource | None:
    return IFNET if options.method == "ifnet" else None


def _names(layer: str, options: FlowOptions, p: int) -> list[str]:
    if layer == "camera":
        return list(camera.COLUMNS)
    names = {"directions": measures.direction_names(), "speeds": measures.speed_names()}
    return measures.cell_names(names.get(layer, measures.MEASURES), options.grid)


def _preview(path: Path, options: FlowOptions, at: float, folder: Path | None) -> Preview:
    """One of the two frames between which the flow is found."""
    from tristream.features.core.frames import still

    colour = options.method in NETWORKS
    picture = still(path, at, size=options.size, format="rgb24" if colour else "gray")
    what = f"{options.size[0]} x {options.size[1]} pixels, {'colour' if colour else 'grey'}"
    return Preview(picture, at, at, what)


METHODS = {
    "dis": "dense inverse search [@kroeger2016] in OpenCV",
    "farneback": "polynomial expansion [@farneback2003] in OpenCV",
    "tvl1": "the TV-L1 method [@zach2007] in OpenCV",
    "ifnet": "the network IFNet of RIFE [@huang2022]",
    "raft": "the network RAFT [@teed2020]",
}


def _methods(used: Used) -> str:
    return (
        "measures of optical flow between successive frames of the film, found by "
        f"{METHODS[used.options.method]}"
    )


@extractor(
    "optical_flow",
    media="film",
    layers=LAYERS,
    default=("flow",),
    options=FlowOptions,
    weights=_weights,
    reads=lambda options: [options.checkpoint] if options.checkpoint else [],
    names=_names,
    window=lambda layer, options: 1 / options.fps,
    preview=_preview,
    methods=_methods,
    can_skip=True,
    uses_gpu=lambda options: options.method in NETWORKS,
    stream="dorsal",
)
def optical_flow(
    path: Path,
    layers: tuple[str, ...],
    options: FlowOptions,
    weights: Path | None,
    device: str,
    skip: int = 0,
) -> Iterator[dict[str, Block]]:
    """Speed, direction, expansion and rotation of the flow in each cell of a grid; camera motion.

    Flow by dense inverse search (Kroeger et al. 2016, in OpenCV) or another `method` from each
    sampled frame to the next, so a sample stands midway between its two frames. Velocities are in
    picture heights per second. Layers:

    ``flow``
        Means over a cell of ``speed``, ``right`` and ``down`` (the velocity's components),
        ``expansion`` (divergence, dvx/dx + dvy/dy) and ``rotation`` (curl, dvy/dx - dvx/dy,
        clockwise on screen).
    ``directions``
        Histogram of directions weighted by speed: how fast a cell moves each way.
    ``speeds``
        Histogram of speeds: share of a cell's pixels in each band.
    ``camera``
        Shift, zoom and turn of the picture as a whole, and the share of it that moves otherwise.
    ``local``
        The measures of ``flow`` without the camera's motion.
    """
    from tristream.features.core.frames import frame_batches
    from tristream.features.spaces.optical_flow.fields import flow_fields
    from tristream.media.media_contents import media_info

    info = media_info(path)
    width, height = options.size
    # A pixel in picture heights: sampled pixels need not be square.
    pixel = np.array([info.width / info.height / width, 1 / height])
    fields = flow_fields(options.method, weights, options.checkpoint, device)
    for times, images in frame_batches(
        path,
        fps=options.fps,
        size=options.size,
        format="rgb24" if options.method in NETWORKS else "gray",
        length=BATCH,
        overlap=1,
        skip=skip,
    ):
        rows = [
            _measured(measures.Motion(field * pixel * options.fps, pixel), layers, options)
            for field in fields(images)
        ]
        middle = (times[:-1] + times[1:]) / 2
        yield {
            layer: Block(_table([row[layer] for row in rows], _width(layer, options)), middle)
            for layer in layers
        }


def _measured(
    motion: measures.Motion, layers: tuple[str, ...], options: FlowOptions
) -> dict[str, np.ndarray]:
    """Values of the wanted layers between two frames."""
    grid = options.grid
    out = {}
    if "flow" in layers:
        out["flow"] = motion.means(grid)
    if "directions" in layers:
        out["directions"] = motion.directions(grid)
    if "speeds" in layers:
        out["speeds"] = motion.speeds(grid)
    if "camera" in layers or "local" in layers:
        found = camera.camera_motion(motion, options.fps)
        out["camera"] = found.values
        out["local"] = found.rest.means(grid)
    return {layer: out[layer].ravel() for layer in layers}


def _width(layer: str, options: FlowOptions) -> int:
    return len(_names(layer, options, 0))


def _table(rows: list[np.ndarray], width: int) -> np.ndarray:
    """(n, width), also for n = 0: a film of one frame."""
    return np.array(rows).reshape(len(rows), width)
