"""What an image goes through before a network sees it, as its ``preprocessor_config.json`` says.

Resampling is Pillow's, on 8-bit images, as in ``transformers``' own Pillow processors, whatever
else is installed: the processors that ``transformers`` chooses depend on the machine.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tristream.errors import UserError
from tristream.features.core.networks.processor_file import (
    WARPED_FROM,
    read_processor,
    sizes_of,
)
from tristream.media.films import Pixels

if TYPE_CHECKING:
    import torch

BILINEAR, BICUBIC = 2, 3


@dataclass(frozen=True)
class Preparation:
    """How an image is prepared.

    Attributes
    ----------
    family : str
        ``ViT``, ``CLIP``, ``ConvNext`` …, from the processor's name.
    size : dict
        ``height`` and ``width``, or ``shortest_edge`` and perhaps ``longest_edge``; empty: as it
        is.
    resample : int
        Pillow's code of the filter.
    crop : (height, width) or None
        Middle that is cut out.
    crop_share : float
        ConvNeXt: share of the resized picture's side that is kept.
    scale, offset : float
        Bytes are multiplied by `scale`, then `offset` is added.
    mean, std : tuple of float
        Subtracted, divided by; three channels.
    """

    family: str
    size: Mapping[str, int]
    resample: int
    crop: tuple[int, int] | None
    crop_share: float
    scale: float
    offset: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of an image after resizing, before the crop."""
        size = self.size
        if not size:
            return height, width
        if "height" in size:
            return size["height"], size["width"]
        edge = size["shortest_edge"]
        if self.family == "ConvNext":
            if edge >= WARPED_FROM:
                return edge, edge
            return _shortest(height, width, int(edge / self.crop_share))
        if "longest_edge" in size:
            high, wide = _between(height, width, edge, size["longest_edge"])
            # The patches of YOLOS must fit.
            step = 16 if self.family == "Yolos" else 1
            return high - high % step, wide - wide % step
        return _shortest(height, width, edge)

    def pixels(self, image: Pixels) -> Pixels:
        """The image resized and cropped, (height, width, 3)."""
        shape = self.shape(*image.shape[:2])
        if shape != image.shape[:2]:
            resized = Image.fromarray(image).resize(
                (shape[1], shape[0]), Image.Resampling(self.resample)
            )
            image = np.asarray(resized)
        return image if self.crop is None else _middle(image, *self.crop)

    def tensor(self, pixels: "torch.Tensor") -> "torch.Tensor":
        """Bytes (..., height, width, 3) as the network's input (..., 3, height, width), float32."""
        import torch

        mean = torch.tensor(self.mean, device=pixels.device)
        std = torch.tensor(self.std, device=pixels.device)
        scaled = (pixels.float() * self.scale + self.offset - mean) / std
        return scaled.movedim(-1, -3)


# How networks are usually tested on ImageNet.
IMAGENET = Preparation(
    family="",
    size={"shortest_edge": 256},
    resample=BILINEAR,
    crop=(224, 224),
    crop_share=1.0,
    scale=1 / 255,
    offset=0.0,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)


def read_preparation(folder: Path) -> Preparation:
    """Read how a network's input is prepared.

    Parameters
    ----------
    folder : Path
        The network's folder.

    Raises
    ------
    UserError
        If no file says it, or it lacks the mean and standard deviation or the size.
    """
    path, config = read_processor(folder)
    family, size, crop = sizes_of(config, path)
    share = config.get("crop_pct") or 224 / 256
    mean, std = _statistics(config, family, path)
    resample = config.get("resample")
    if resample is None:
        resample = BICUBIC if family in ("CLIP", "Bit") else BILINEAR
    return Preparation(
        family=family,
        size=size,
        resample=int(resample),
        crop=crop,
        crop_share=float(share),
        scale=float(config.get("rescale_factor", 1 / 255))
        if config.get("do_rescale", True)
        else 1.0,
        offset=-1.0 if config.get("rescale_offset", False) else 0.0,
        mean=mean,
        std=std,
    )


@contextmanager
def taken(folder: Path, height: int, width: int) -> Iterator[None]:
    """Tell in one line that a network cannot take pictures of this size.

    Raises
    ------
    UserError
        If the block ends with an error of shapes.
    """
    try:
        yield
    except (ValueError, AssertionError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        if not re.search(r"size|shape|dimension|match", reason):
            raise
        raise UserError(
            f"{folder}: the network cannot take pictures of {height} x {width}, as its image "
            f"processor prepares them ({reason}); correct size, crop_size or do_resize in "
            f"{read_processor(folder)[0].name}"
        ) from None


def _statistics(
    config: Mapping[str, Any], family: str, path: Path
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of the three channels."""
    normalises = config.get("do_normalize", True)
    twice = family == "EfficientNet" and config.get("include_top", True)
    if (normalises and "image_mean" not in config) or (
        (normalises or twice) and "image_std" not in config
    ):
        raise UserError(f"{path}: lacks image_mean or image_std; fetch the network again")
    mean = tuple(config["image_mean"]) if normalises else (0.0,) * 3
    power = int(normalises) + int(twice)
    return mean, tuple(float(s) ** power for s in config.get("image_std", (1.0,) * 3))


def _shortest(height: int, width: int, edge: int) -> tuple[int, int]:
    if height <= width:
        return edge, int(edge * width / height)
    return int(edge * height / width), edge


def _between(height: int, width: int, shortest: int, longest: int) -> tuple[int, int]:
    """The aspect ratio is kept; the short side is `shortest` unless the long one gets too long."""
    low, high = min(height, width), max(height, width)
    edge: float = shortest
    if high / low * shortest > longest:
        edge = longest * low / high
        shortest = round(edge)
    if low == shortest:
        return height, width
    other = int(edge * high / low)
    return (other, shortest) if width < height else (shortest, other)


def _middle(image: Pixels, height: int, width: int) -> Pixels:
    """The middle of an image; what is smaller gets a black rim."""
    high, wide = image.shape[:2]
    rim = [-(-max(want - have, 0) // 2) for want, have in ((height, high), (width, wide))]
    if any(rim):
        padded = np.zeros((max(height, high), max(width, wide), 3), np.uint8)
        padded[rim[0] : rim[0] + high, rim[1] : rim[1] + wide] = image
        image = padded
    top, left = max((high - height) // 2, 0), max((wide - width) // 2, 0)
    return image[top : top + height, left : left + width]
