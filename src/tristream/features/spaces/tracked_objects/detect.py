"""Objects of single frames: OpenCV's pedestrian detector, or a detector of ``transformers``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from tristream.errors import UserError

Boxes = np.ndarray
"""(n, 4): left, top, width, height in pixels."""

OVERLAP = 0.5
"""Of two boxes that overlap more (intersection over union), the one of the lower score goes."""
NESTED = 0.65
"""The same for windows of the pedestrian detector, as a share of the smaller one."""


@dataclass(frozen=True)
class Detections:
    """What a detector found in one frame.

    Attributes
    ----------
    boxes : ndarray (n, 4)
        Left, top, width, height in pixels.
    scores : ndarray (n,)
        The surer the higher.
    """

    boxes: Boxes
    scores: np.ndarray


class Detector(Protocol):
    """Finds objects in an RGB image."""

    def __call__(self, image: np.ndarray) -> Detections:
        """(height, width, 3) uint8 -> what is there."""


class PedestrianDetector:
    """Upright people by histograms of oriented gradients and a linear SVM, as OpenCV has them.

    A person must be some 100 pixels tall to be found. The boxes are the people's, without the
    margin of the detector's window.

    References
    ----------
    Dalal N, Triggs B (2005). Histograms of oriented gradients for human detection. CVPR.
    """

    # In its window of 64 x 128 pixels the training set's people are about 96 tall, 40 wide.
    MARGINS = (12 / 64, 16 / 128)

    def __init__(self, score: float) -> None:
        self.score = score
        self._descriptor: Any = cv2.HOGDescriptor()
        self._descriptor.setSVMDetector(np.array(cv2.HOGDescriptor.getDefaultPeopleDetector()))

    def __call__(self, image: np.ndarray) -> Detections:
        """Find people in an RGB image."""
        windows, scores = self._descriptor.detectMultiScale(
            cv2.cvtColor(image, cv2.COLOR_RGB2GRAY),
            hitThreshold=self.score,
            winStride=(8, 8),
            padding=(8, 8),
            scale=1.05,
            groupThreshold=0,
        )
        boxes = np.asarray(windows, np.float64).reshape(-1, 4)
        across, down = self.MARGINS
        boxes[:, :2] += boxes[:, 2:] * [across, down]
        boxes[:, 2:] *= [1 - 2 * across, 1 - 2 * down]
        return without_nested(Detections(boxes, np.ravel(scores).astype(np.float64)))


class NetworkDetector:
    """A detector of ``transformers``: DETR, YOLOS, RT-DETR …

    Parameters
    ----------
    folder : Path
        Holds config.json, preprocessor_config.json and safetensors.
    score : float
        Probability that a detection must have.
    labels : sequence of str
        Classes to keep, by the network's names; all if empty.
    device : str
        ``cpu`` or ``cuda``.

    Raises
    ------
    UserError
        If the folder holds no detector, or the network knows no such class.
    """

    def __init__(self, folder: Path, score: float, labels: Sequence[str], device: str) -> None:
        from tristream.features.core.networks.load_network import import_transformers, load_network

        self._network = load_network(folder, "AutoModelForObjectDetection", device)
        names = self._network.config.id2label
        unknown = sorted(set(labels) - set(names.values()))
        if unknown:
            raise UserError(
                f"{folder}: knows no class {', '.join(unknown)}; it has "
                f"{', '.join(sorted(names.values()))[:300]}"
            )
        self._wanted = {index for index, name in names.items() if not labels or name in labels}
        try:
            self._processor = import_transformers().AutoImageProcessor.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False
            )
        except Exception as error:  # whatever comes of a file in which anything may stand
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"{folder}: says not how images are prepared ({reason}); save its image "
                "processor there, too"
            ) from None
        self._score, self._device = score, device

    def __call__(self, image: np.ndarray) -> Detections:
        """Find the wanted classes in an RGB image."""
        import torch

        inputs = self._processor(images=[image], return_tensors="pt").to(self._device)
        with torch.inference_mode():
            outputs = self._network(**inputs)
        [found] = self._processor.post_process_object_detection(
            outputs, threshold=self._score, target_sizes=[image.shape[:2]]
        )
        kept = [i for i, label in enumerate(found["labels"].tolist()) if label in self._wanted]
        corners = found["boxes"].cpu().numpy().astype(np.float64)[kept].reshape(-1, 4)
        boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
        return without_doubles(Detections(boxes, found["scores"].cpu().numpy()[kept]))


def without_doubles(found: Detections) -> Detections:
    """Keep the surest of boxes that lie upon each other (greedy non-maximum suppression)."""
    if not len(found.boxes):
        return found
    # OpenCV wants scores above 0, and those of the SVM may be negative.
    scores = found.scores - found.scores.min() + 1
    kept = np.ravel(cv2.dnn.NMSBoxes(found.boxes.tolist(), scores.tolist(), 0.0, OVERLAP))
    kept = kept.astype(int)
    return Detections(found.boxes[kept], found.scores[kept])


def without_nested(found: Detections) -> Detections:
    """Keep the surest of boxes of which one holds most of the other.

    The pedestrian detector answers at many scales, so a person often stands in a larger window, of
    a lower score, that overlap by union does not take for the same.
    """
    low, high = found.boxes[:, :2], found.boxes[:, :2] + found.boxes[:, 2:]
    sides = np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None])
    shared = np.prod(np.maximum(sides, 0), axis=2)
    areas = np.prod(found.boxes[:, 2:], axis=1)
    nested = shared > NESTED * np.minimum(areas[:, None], areas[None])
    kept: list[int] = []
    for index in np.argsort(-found.scores, kind="stable"):
        if not nested[index, kept].any():
            kept.append(int(index))
    return Detections(found.boxes[kept], found.scores[kept])
