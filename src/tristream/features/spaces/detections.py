"""What is in the picture and how much of it: the output of an object detector as features."""

from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from tristream.features.core.networks.network_options import (
    NetworkOptions,
    network_source,
    read_config,
)
from tristream.features.core.previews.network_preview import network_preview
from tristream.features.core.registry import Block, extractor

if TYPE_CHECKING:
    import torch

LAYERS = ("scores", "count", "area")
# Batches that are stored together.
TOGETHER = 8
# Detectors whose queries choose among classes and "no object"; the others judge each class alone.
CHOOSING = ("detr", "yolos", "table-transformer")


class DetectionOptions(NetworkOptions):
    """Options of object detections."""

    fps: float | None = Field(
        default=2.0, gt=0, description="frames per second that the network sees; null: every frame"
    )
    threshold: float = Field(
        default=0.5, gt=0, lt=1, description="probability from which a detection counts"
    )
    batch: int = Field(default=4, ge=1, description="pictures that go through the network at once")
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        default="float32", description="of the network's arithmetic"
    )


@extractor(
    "detections",
    media="film",
    images=True,
    layers=LAYERS,
    options=DetectionOptions,
    weights=network_source,
    preview=network_preview,
    window=lambda layer, options: 1 / options.fps if options.fps else 0.0,
    methods=(
        "classes that an object detector found in each picture, computed with transformers "
        "[@wolf2020]"
    ),
    can_skip=True,
    takes_notes=True,
    uses_gpu=True,
    stream="ventral",
)
def detections(
    path: Path | tuple[Path, ...],
    layers: tuple[str, ...],
    options: DetectionOptions,
    weights: Path,
    device: str,
    notes: MutableMapping[str, Any],
    skip: int = 0,
) -> Iterator[dict[str, Block]]:
    """Object classes found by a ``transformers`` detector (DETR, YOLOS, RT-DETR …).

    One column a class: ``scores``, the highest probability that any of the detector's boxes gives
    it; ``count``, the number of its detections above `threshold`; ``area``, the share of the
    picture that their boxes cover (boxes that overlap count twice). Detections are those of
    ``transformers``' own ``post_process_object_detection``.
    """
    from tristream.features.core.frames import pictures
    from tristream.features.core.networks.image_processor import read_preparation
    from tristream.features.core.networks.load_network import load_network
    from tristream.features.core.networks.network_pass import autocast, run, stacked

    network = load_network(weights, "AutoModelForObjectDetection", device)
    chooses = read_config(weights)["model_type"] in CHOOSING
    notes["columns"] = dict.fromkeys(layers, class_names(network.config.id2label))
    preparation = read_preparation(weights)

    def compute(pixels: Any) -> dict[str, np.ndarray]:
        with autocast(device, options.precision):
            output = network(pixel_values=preparation.tensor(pixels).contiguous())
        found = describe(
            output.logits.float(), output.pred_boxes.float(), chooses, options.threshold
        )
        return {layer: found[layer].cpu().numpy() for layer in layers}

    chunk = options.batch * TOGETHER
    source = pictures(path, options.fps, skip=skip * chunk, prepare=preparation.pixels)
    yield from run(stacked(source, options.batch, chunk), compute, device, notes, chunk)


def class_names(labels: dict[int, str]) -> list[str]:
    """Names of the classes in order; those that stand more than once get their number."""
    ordered = [labels[index] for index in sorted(labels)]
    return [
        f"{name}_{index}" if ordered.count(name) > 1 else name for index, name in enumerate(ordered)
    ]


def describe(
    logits: "torch.Tensor", boxes: "torch.Tensor", chooses: bool, threshold: float
) -> dict[str, "torch.Tensor"]:
    """Scores, counts and areas of the classes.

    Parameters
    ----------
    logits : tensor (n, queries, classes [+ 1])
        With a last column for "no object" if the queries choose.
    boxes : tensor (n, queries, 4)
        Centre, width and height in shares of the picture.
    chooses : bool
        Whether a query is of one class (softmax), or may be of several (sigmoid).
    threshold : float
        Probability above which a detection counts.

    Returns
    -------
    dict of layer to tensor (n, classes)
    """
    import torch

    area = _area(boxes)
    if chooses:
        probabilities = logits.softmax(-1)[..., :-1]
        surest, label = probabilities.max(-1)
    else:
        probabilities = logits.sigmoid()
        classes = probabilities.shape[-1]
        surest, place = probabilities.flatten(1).topk(probabilities.shape[1], dim=1)
        label = place % classes
        area = area.gather(1, place // classes)
    kept = (surest > threshold).float()
    empty = torch.zeros(len(logits), probabilities.shape[-1], device=logits.device)
    return {
        "scores": probabilities.amax(1),
        "count": empty.scatter_add(1, label, kept),
        "area": empty.scatter_add(1, label, kept * area),
    }


def _area(boxes: "torch.Tensor") -> "torch.Tensor":
    """Share of the picture of each box; what lies outside does not count."""
    centre, size = boxes[..., :2], boxes[..., 2:]
    low, high = (centre - size / 2).clamp(0, 1), (centre + size / 2).clamp(0, 1)
    return (high - low).prod(-1)
