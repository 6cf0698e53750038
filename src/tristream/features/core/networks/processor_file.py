"""What a network's folder says of the size of its pictures; light, for the check of config.yaml."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tristream.errors import UserError
from tristream.errors.json_text import read_object

FILES = ("preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json")
# Processors whose `size: 224` means the shortest edge, not a square; those that crop by default.
SHORTEST = ("CLIP", "ConvNext", "Bit", "MobileNetV2", "VideoMAE", "Timesformer", "Detr", "Yolos")
CROPPING = ("CLIP", "Bit", "MobileNetV2", "VideoMAE", "Timesformer", "DeiT", "VJEPA2")
# ConvNeXt's networks of fewer pixels see the middle of a larger picture, the others all of it.
WARPED_FROM = 384


def check_pictures(folder: Path, taken: Any) -> None:
    """Refuse a processor that prepares pictures of another size than the network takes.

    Parameters
    ----------
    folder : Path
        The network's folder.
    taken : int or sequence of 2 ints
        ``image_size`` of its config: it has positions for no other.

    Raises
    ------
    UserError
        With both sizes; also if no file says how pictures are prepared.
    """
    path, config = read_processor(folder)
    wanted = (int(taken),) * 2 if isinstance(taken, int) else tuple(map(int, taken))
    _, size, crop = sizes_of(config, path)
    if crop:
        prepared, told = crop, f"cuts out {crop[0]} x {crop[1]}"
    elif "height" in size:
        prepared = (size["height"], size["width"])
        told = f"resizes to {size['height']} x {size['width']}"
    else:
        prepared = None
        told = "keeps the shape of each picture" if size else "resizes nothing (do_resize)"
    if prepared != wanted:
        raise UserError(
            f"{path}: {told}, but the network takes pictures of {wanted[0]} x {wanted[1]} alone; "
            "correct size, crop_size, do_center_crop or do_resize"
        )


def sizes_of(
    config: Mapping[str, Any], path: Path
) -> tuple[str, dict[str, int], tuple[int, int] | None]:
    """Family of a processor, the size that it resizes to (empty: none), and what it cuts out.

    Raises
    ------
    UserError
        If it does not say the size, or says it by anything but numbers.
    """
    try:
        return _sizes_of(config, path)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: its size or crop_size can't be used ({error}); fetch the network again"
        ) from None


def _sizes_of(
    config: Mapping[str, Any], path: Path
) -> tuple[str, dict[str, int], tuple[int, int] | None]:
    family = _family(config)
    if family == "VJEPA2":
        # Its processor forgets `size` and resizes by the crop.
        edge = _pair(config.get("crop_size", 256))[0]
        config = {**config, "size": {"shortest_edge": int(edge * 256 / 224)}}
    size = _size(config, family, path) if config.get("do_resize", True) else {}
    crop = config.get("do_center_crop", family in CROPPING)
    if family == "ConvNext" and size:
        if "shortest_edge" not in size:
            raise UserError(f"{path}: size {size} of a ConvNeXt lacks shortest_edge; correct it")
        middle: Any = size["shortest_edge"] if size["shortest_edge"] < WARPED_FROM else None
    else:
        middle = config.get("crop_size", size) if crop else None
    return family, size, None if middle is None else _pair(middle)


def read_processor(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The file that says how images are prepared, and what it says.

    Raises
    ------
    UserError
        If there is none, or it is not JSON.
    """
    for name in FILES:
        path = folder / name
        if not path.is_file():
            continue
        config = read_object(path, remedy="fetch the network again")
        for part in ("image_processor", "video_processor"):
            if isinstance(config.get(part), dict):
                return path, config[part]
        if name != "processor_config.json":
            return path, config
    raise UserError(
        f"{folder}: does not say how images are prepared (preprocessor_config.json); save the "
        "network's image processor there with save_pretrained"
    )


def _family(config: Mapping[str, Any]) -> str:
    """``ConvNextImageProcessorFast`` or ``ConvNextFeatureExtractor`` -> ``ConvNext``."""
    names = ("image_processor_type", "video_processor_type", "feature_extractor_type")
    name = next((str(config[key]) for key in names if config.get(key)), "ViTImageProcessor")
    return re.sub(r"(Image|Video)?(Processor|FeatureExtractor|Extractor)(Fast|Pil)?$", "", name)


def _size(config: Mapping[str, Any], family: str, path: Path) -> dict[str, int]:
    size = config.get("size")
    if isinstance(size, int):
        if family not in SHORTEST:
            return {"height": size, "width": size}
        longest = {"longest_edge": int(config.get("max_size", 1333))}
        return {"shortest_edge": size, **(longest if family in ("Detr", "Yolos") else {})}
    known = ("height", "width", "shortest_edge", "longest_edge")
    found = {key: int(size[key]) for key in known if size.get(key)} if size else {}
    if not ({"height", "width"} <= set(found) or "shortest_edge" in found):
        raise UserError(f"{path}: size {size!r} gives neither height and width nor shortest_edge")
    return found


def _pair(size: Any) -> tuple[int, int]:
    if isinstance(size, Mapping):
        edge = size.get("shortest_edge", 0)
        return int(size.get("height", edge)), int(size.get("width", edge))
    return int(size), int(size)
