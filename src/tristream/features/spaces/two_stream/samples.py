"""What the two streams see: a frame, and the flow of the frames that follow it."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tristream.features.core.frames import frame_batches
from tristream.features.spaces.two_stream.network import Shape

BATCH = 64


def samples(
    path: Path, shape: Shape, skip: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Frames of a film and the flow from each to the `stack` frames after it.

    The picture is scaled to a square. Flow by dense inverse search (Kroeger et al. 2016, in OpenCV)
    between neighbouring frames. A sample's frame is the middle one of the `stack` + 1 that its flow
    spans.

    Parameters
    ----------
    path : Path
        The film.
    shape : Shape
        Size, rate and number of fields.
    skip : int
        Batches to leave out.

    Yields
    ------
    times : ndarray (n,)
        Middle of the frames that the flow spans, seconds.
    images : ndarray of float32, (n, 3, size, size)
        0 to 1.
    flows : ndarray of float32, (n, 2 stack, size, size)
        Pixels a frame: all to the right first, then all down.
    """
    search: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    for times, images in frame_batches(
        path,
        fps=shape.fps,
        size=(shape.size, shape.size),
        length=BATCH,
        overlap=shape.stack,
        skip=skip,
    ):
        grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]
        count = len(images) - shape.stack
        if count < 1:
            empty = np.zeros((0, 2 * shape.stack, shape.size, shape.size), np.float32)
            yield times[:0], empty[:, :3], empty
            continue
        fields = np.stack([np.moveaxis(search.calc(a, b, None), 2, 0) for a, b in pairwise(grey)])
        if shape.subtract_mean:
            fields -= fields.mean(axis=(2, 3), keepdims=True)
        flows = np.stack([fields[i : i + shape.stack] for i in range(count)])
        flows = flows.transpose(0, 2, 1, 3, 4).reshape(count, -1, shape.size, shape.size)
        middle = images[shape.stack // 2 :][:count].astype(np.float32) / 255
        centres = (times[:count] + times[shape.stack :]) / 2
        yield centres, np.moveaxis(middle, 3, 1), flows.astype(np.float32)
