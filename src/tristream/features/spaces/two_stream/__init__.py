"""A two-stream network of the user's own: frames, flow, and both together.

References
----------
Simonyan K, Zisserman A (2014). Two-stream convolutional networks for action recognition in videos.
NeurIPS.
"""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from tristream.config.base import Section
from tristream.config.sources import FolderSource
from tristream.errors.json_text import read_object
from tristream.features.core.registry import Block, Preview, extractor, numbered

LAYERS = (
    *("spatial_conv", "spatial", "spatial_scores"),
    *("temporal_conv", "temporal", "temporal_scores"),
    "fusion",
)


class TwoStreamOptions(Section):
    """Options of the two-stream network."""

    folder: str = Field(
        default="",
        validate_default=True,
        min_length=1,
        description="what `tristream features train-two-stream` wrote",
    )


def _config(options: TwoStreamOptions) -> dict[str, object]:
    return read_object(Path(options.folder) / "config.json")


def _names(layer: str, options: TwoStreamOptions, p: int) -> list[str]:
    if layer != "fusion" and not layer.endswith("_scores"):
        return numbered(layer, options, p)
    classes = _config(options)["classes"]
    assert isinstance(classes, list)
    return [f"{layer}_{name}" for name in classes]


def _window(layer: str, options: TwoStreamOptions) -> float:
    """Seconds that a sample's flow spans; the spatial stream's frame stands in their middle."""
    config = _config(options)
    fps = float(str(config["fps"]))
    return 1 / fps if layer.startswith("spatial") else (int(str(config["stack"])) + 1) / fps


def _preview(path: Path, options: TwoStreamOptions, at: float, folder: Path | None) -> Preview:
    """The frame of the spatial stream, scaled to a square; the flow is of frames like it."""
    from tristream.features.core.frames import still

    size = int(str(_config(options)["size"]))
    values = still(path, at, size=(size, size)) / 255
    return Preview(values, at, at, f"{size} x {size} pixels, 0 to 1")


@extractor(
    "two_stream",
    media="film",
    layers=LAYERS,
    default=("spatial", "temporal", "fusion"),
    options=TwoStreamOptions,
    weights=lambda options: FolderSource(path=options.folder),
    names=_names,
    window=_window,
    preview=_preview,
    methods=(
        "activations of a two-stream network [@simonyan2014] that was trained on labelled clips of "
        "the user's"
    ),
    can_skip=True,
    uses_gpu=True,
    stream="dorsal",
)
def two_stream(
    path: Path,
    layers: tuple[str, ...],
    options: TwoStreamOptions,
    weights: Path,
    device: str,
    skip: int = 0,
) -> Iterator[dict[str, Block]]:
    """A network for frames, one for stacked flow, and their late fusion, trained by the user.

    ``spatial`` and ``temporal``: the 64 units before the classifiers; ``…_conv``: the last
    convolutions, averaged over the picture; ``…_scores``: probabilities of the classes;
    ``fusion``: the mean of both streams' probabilities (Simonyan & Zisserman 2014).
    """
    import torch

    from tristream.features.spaces.two_stream.network import load
    from tristream.features.spaces.two_stream.samples import samples

    network = load(weights, device)
    for times, images, flows in samples(path, network.shape, skip):
        with torch.inference_mode():
            out = network(torch.from_numpy(images).to(device), torch.from_numpy(flows).to(device))
        yield {layer: Block(out[layer].cpu().numpy(), times) for layer in layers}
