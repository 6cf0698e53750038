"""Which networks of ``transformers`` are known, and which layers each has, from its config alone.

Layers are the entries of ``transformers``' own ``hidden_states``: ``embeddings`` is what enters the
first block, ``layerI`` what block I gives (a stage, for networks that ``transformers`` reads by
stages), ``last`` the last layer after its final normalisation (or, in EfficientNet and MobileNetV2,
convolution), ``pooled`` the network's own summary of the picture.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tristream.errors import UserError
from tristream.features.core.networks.network_options import read_config
from tristream.features.core.networks.processor_file import check_pictures

Config = Mapping[str, Any]

EMBEDDINGS, LAST, POOLED = "embeddings", "last", "pooled"
# Blocks of MobileNetV2: the architecture fixes them.
MOBILENET_BLOCKS = 16


def _layers(config: Config) -> int:
    return int(config.get("num_hidden_layers", 12))


def _stages(config: Config) -> int:
    return len(config.get("depths", (3, 4, 6, 3)))


def _efficientnet(config: Config) -> int:
    repeats = config.get("num_block_repeats", (1, 2, 2, 3, 3, 4, 1))
    depth = config.get("depth_coefficient", 3.1)
    return sum(math.ceil(depth * number) for number in repeats)


@dataclass(frozen=True)
class Family:
    """A kind of network.

    Attributes
    ----------
    kind : str
        Class of ``transformers``.
    count : callable
        Number of blocks, from the config.
    stem : bool
        Whether ``hidden_states`` begin with what enters the first block.
    maps : bool
        Whether it is made of convolutions, whose layers are maps and not tokens.
    leading : callable
        Tokens before those of the patches: the class token, registers. 0: none.
    pooled : bool
        Whether it has a summary of its own (of trained or no weights).
    options : dict
        For ``from_pretrained``.
    call : str
        Method that takes the pixels.
    pixels : str
        Its argument for them.
    forward : dict
        Its further arguments.
    order : str
        Video networks: order of the tokens of a clip, ``thw`` or ``hwt``, or ``frames`` where
        each frame has its own.
    any_length : bool
        Video networks: whether they take clips of other lengths than in training.
    one_size : bool
        Whether it has positions for pictures of its ``image_size`` alone.
    """

    kind: str = "AutoModel"
    count: Callable[[Config], int] = _layers
    stem: bool = True
    maps: bool = False
    leading: Callable[[Config], int] = lambda config: 0
    pooled: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    call: str = "forward"
    pixels: str = "pixel_values"
    forward: Mapping[str, Any] = field(default_factory=dict)
    order: str = ""
    any_length: bool = False
    one_size: bool = False


def _one(config: Config) -> int:
    return 1


def _registers(config: Config) -> int:
    return 1 + int(config.get("num_register_tokens", 4))


# Poolers of these are trained with the language half or for another task, and absent from many
# checkpoints: they are not built.
_NO_POOLER = {"add_pooling_layer": False}

IMAGE = {
    "resnet": Family(count=_stages, maps=True, pooled=True),
    "convnext": Family(count=_stages, maps=True, pooled=True),
    "convnextv2": Family(count=_stages, maps=True, pooled=True),
    "efficientnet": Family(count=_efficientnet, maps=True, pooled=True),
    "mobilenet_v2": Family(
        count=lambda config: MOBILENET_BLOCKS, stem=False, maps=True, pooled=True
    ),
    "swinv2": Family(count=lambda config: len(config.get("depths", (2, 2, 6, 2))), pooled=True),
    "vit": Family(leading=_one, options=_NO_POOLER, one_size=True),
    "dinov2": Family(leading=_one, pooled=True),
    "dinov2_with_registers": Family(leading=_registers, pooled=True),
    "clip": Family("CLIPVisionModel", leading=_one, pooled=True, one_size=True),
    "clip_vision_model": Family("CLIPVisionModel", leading=_one, pooled=True, one_size=True),
    "siglip": Family("SiglipVisionModel", pooled=True, one_size=True),
    "siglip_vision_model": Family("SiglipVisionModel", pooled=True, one_size=True),
}
VIDEO = {
    "videomae": Family(order="thw", one_size=True),
    "timesformer": Family(leading=_one, order="hwt", any_length=True),
    "vjepa2": Family(
        count=lambda config: int(config.get("num_hidden_layers", 24)),
        pixels="pixel_values_videos",
        forward={"skip_predictor": True},
        order="thw",
        any_length=True,
    ),
    "xclip": Family(
        "XCLIPModel",
        leading=_one,
        pooled=True,
        call="get_video_features",
        order="frames",
        one_size=True,
    ),
}


def family_of(config: Config, known: Mapping[str, Family], folder: Path | None) -> Family:
    """The family of a network.

    Raises
    ------
    UserError
        If it is none of those that are known.
    """
    kind = config["model_type"]
    if kind not in known:
        raise UserError(
            f"{folder}: is a network of type {kind!r}; read are {', '.join(sorted(known))}"
        )
    return known[kind]


def vision_config(folder: Path | None) -> dict[str, Any]:
    """The network's config; of a network of pictures and words, that of the pictures' half."""
    config = read_config(folder)
    return {**config, **config.get("vision_config", {}), "model_type": config["model_type"]}


def layer_names(
    folder: Path | None, known: Mapping[str, Family], tokens: str = "patches"
) -> tuple[str, ...]:
    """Every layer of the network in `folder`.

    Raises
    ------
    UserError
        If it is not known, or `tokens` asks for a class token that it does not have.
    """
    config = vision_config(folder)
    family = family_of(config, known, folder)
    if tokens != "patches" and not family.leading(config):
        raise UserError(
            f"{config['model_type']} has no class token: tokens: {tokens} is not possible"
        )
    blocks = [f"layer{index}" for index in range(1, family.count(config) + 1)]
    stem = [EMBEDDINGS] if family.stem else []
    return (*stem, *blocks, LAST, *([POOLED] if family.pooled else []))


def check_fits(folder: Path, known: Mapping[str, Family]) -> None:
    """Refuse a network that can't take what its image processor prepares.

    Raises
    ------
    UserError
        As of :func:`.processor_file.check_pictures`.
    """
    config = vision_config(folder)
    taken = config.get("image_size")
    if taken and family_of(config, known, folder).one_size:
        check_pictures(folder, taken)


def spread_layers(layers: Sequence[str]) -> tuple[str, ...]:
    """Four of the blocks, evenly through the network up to the last."""
    blocks = [name for name in layers if name.startswith("layer")]
    places = [math.ceil(len(blocks) * quarter / 4) - 1 for quarter in (1, 2, 3, 4)]
    return tuple(dict.fromkeys(blocks[place] for place in places))


def hidden_layer(output: Any, layer: str, family: Family) -> Any:
    """A layer in the output of ``transformers``, asked for with ``output_hidden_states``."""
    if layer == LAST:
        return output.last_hidden_state
    if layer == POOLED:
        return output.pooler_output
    if layer == EMBEDDINGS:
        return output.hidden_states[0]
    return output.hidden_states[int(layer.removeprefix("layer")) - (not family.stem)]
