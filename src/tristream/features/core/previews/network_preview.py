"""One picture as it reaches a network, for a reader's eye."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tristream.features.core.registry import Preview

if TYPE_CHECKING:
    from tristream.features.core.frames import Source
    from tristream.features.core.networks.image_processor import Preparation


def network_preview(path: "Source", options: Any, at: float, folder: Path | None) -> Preview | None:
    """The frame on screen at `at`, or the image, prepared as the network in `folder` wants it."""
    from tristream.features.core.networks.image_processor import read_preparation

    return prepared_preview(path, at, read_preparation(folder)) if folder else None


def prepared_preview(path: "Source", at: float, preparation: "Preparation") -> Preview:
    """The frame on screen at `at`, or the image at this place, prepared."""
    import torch

    from tristream.features.core.frames import still

    pixels = torch.from_numpy(preparation.pixels(still(path, at)).copy())
    seen = preparation.tensor(pixels).movedim(0, -1).numpy()
    size = f"{seen.shape[1]} x {seen.shape[0]} pixels"
    return Preview(seen, at, at, f"{size}, values {seen.min():.2f} to {seen.max():.2f}")
