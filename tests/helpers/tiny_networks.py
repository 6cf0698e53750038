"""Tiny random networks of each architecture, saved as those of the hub are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as t

TRANSFORMER: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 48,
}
PATCHES: dict[str, Any] = {"image_size": 32, "patch_size": 8, **TRANSFORMER}
SQUARE = {"height": 32, "width": 32}
CROPPED: dict[str, Any] = {"size": {"shortest_edge": 36}, "crop_size": SQUARE}


def _seeing(network: Any, gain: float = 1.0) -> Any:
    """Weights that let a picture through: as they begin, some networks see the same in all."""
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
        elif isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5 * gain, 1.5 * gain)
    return network


def _resnet() -> tuple[Any, Any]:
    config = t.ResNetConfig(embedding_size=8, hidden_sizes=[8, 12, 16], depths=[1, 2, 1])
    return t.ResNetModel(config), t.ConvNextImageProcessor(size={"shortest_edge": 64})


def _convnextv2() -> tuple[Any, Any]:
    config = t.ConvNextV2Config(hidden_sizes=[8, 12, 16], depths=[1, 2, 1], num_stages=3)
    return t.ConvNextV2Model(config), t.ConvNextImageProcessor(size={"shortest_edge": 64})


def _efficientnet() -> tuple[Any, Any]:
    config = t.EfficientNetConfig(width_coefficient=0.25, depth_coefficient=0.5, hidden_dim=320)
    return _seeing(t.EfficientNetModel(config), 1.6), t.EfficientNetImageProcessor(
        size={"height": 64, "width": 64}, resample=0
    )


def _mobilenet() -> tuple[Any, Any]:
    config = t.MobileNetV2Config(depth_multiplier=0.25)
    processor = t.MobileNetV2ImageProcessor(
        size={"shortest_edge": 72}, crop_size={"height": 64, "width": 64}
    )
    return _seeing(t.MobileNetV2Model(config)), processor


def _swinv2() -> tuple[Any, Any]:
    config = t.Swinv2Config(
        image_size=64, embed_dim=12, depths=[1, 2, 1], num_heads=[1, 2, 2], window_size=4
    )
    return t.Swinv2Model(config), t.ViTImageProcessor(size={"height": 64, "width": 64})


def _vit() -> tuple[Any, Any]:
    return t.ViTForImageClassification(t.ViTConfig(**PATCHES)), t.ViTImageProcessor(size=SQUARE)


def _dinov2() -> tuple[Any, Any]:
    config = t.Dinov2Config(**PATCHES)
    return t.Dinov2Model(config), t.BitImageProcessor(**CROPPED)


def _clip() -> tuple[Any, Any]:
    config = t.CLIPConfig(
        vision_config=PATCHES, text_config={**TRANSFORMER, "vocab_size": 50}, projection_dim=16
    )
    return t.CLIPModel(config), t.CLIPImageProcessor(**CROPPED)


def _siglip() -> tuple[Any, Any]:
    return t.SiglipVisionModel(t.SiglipVisionConfig(**PATCHES)), t.SiglipImageProcessor(size=SQUARE)


IMAGE: dict[str, Callable[[], tuple[Any, Any]]] = {
    "resnet": _resnet,
    "convnextv2": _convnextv2,
    "efficientnet": _efficientnet,
    "mobilenet_v2": _mobilenet,
    "swinv2": _swinv2,
    "vit": _vit,
    "dinov2": _dinov2,
    "clip": _clip,
    "siglip": _siglip,
}


def _videomae() -> tuple[Any, Any]:
    config = t.VideoMAEConfig(num_frames=4, use_mean_pooling=False, **PATCHES)
    return t.VideoMAEModel(config), t.VideoMAEImageProcessor(**CROPPED)


def _timesformer() -> tuple[Any, Any]:
    config = t.TimesformerConfig(num_frames=4, **PATCHES)
    return t.TimesformerModel(config), t.VideoMAEImageProcessor(**CROPPED)


def _vjepa2() -> tuple[Any, Any]:
    config = t.VJEPA2Config(
        crop_size=32,
        patch_size=8,
        frames_per_clip=4,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        pred_hidden_size=32,
        pred_num_attention_heads=2,
        pred_num_hidden_layers=1,
    )
    return t.VJEPA2Model(config), t.VideoMAEImageProcessor(**CROPPED)


def _xclip() -> tuple[Any, Any]:
    mit = {"mit_hidden_size": 16, "mit_intermediate_size": 24, "mit_num_attention_heads": 2}
    config = t.XCLIPConfig(
        vision_config={"num_frames": 4, **mit, **PATCHES},
        text_config={**TRANSFORMER, "vocab_size": 50},
        projection_dim=16,
        prompt_num_attention_heads=2,
    )
    return t.XCLIPModel(config), t.VideoMAEImageProcessor(**CROPPED)


VIDEO: dict[str, Callable[[], tuple[Any, Any]]] = {
    "videomae": _videomae,
    "timesformer": _timesformer,
    "vjepa2": _vjepa2,
    "xclip": _xclip,
}


BACKBONE: dict[str, Any] = {
    "embedding_size": 8,
    "hidden_sizes": [8, 12, 16, 16],
    "depths": [1, 1, 1, 1],
    "out_features": ["stage4"],
}
LABELS = {"id2label": {0: "N/A", 1: "person", 2: "N/A", 3: "dog"}}


def _detr() -> tuple[Any, Any]:
    config = t.DetrConfig(
        backbone_config=t.ResNetConfig(**BACKBONE),
        use_timm_backbone=False,
        backbone=None,
        d_model=16,
        num_queries=7,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        **LABELS,
    )
    size = {"shortest_edge": 64, "longest_edge": 100}
    return t.DetrForObjectDetection(config), t.DetrImageProcessor(size=size)


def _yolos() -> tuple[Any, Any]:
    config = t.YolosConfig(**{**PATCHES, "image_size": [48, 80]}, num_detection_tokens=7, **LABELS)
    size = {"shortest_edge": 50, "longest_edge": 100}
    return t.YolosForObjectDetection(config), t.YolosImageProcessor(size=size)


def _rt_detr() -> tuple[Any, Any]:
    backbone = t.RTDetrResNetConfig(
        **{**BACKBONE, "out_features": ["stage2", "stage3", "stage4"]}, layer_type="basic"
    )
    config = t.RTDetrConfig(
        backbone_config=backbone,
        encoder_hidden_dim=16,
        encoder_in_channels=[12, 16, 16],
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        d_model=16,
        num_queries=7,
        decoder_in_channels=[16, 16, 16],
        decoder_ffn_dim=16,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_n_points=2,
        num_denoising=0,
        **LABELS,
    )
    size = {"height": 64, "width": 64}
    network = t.RTDetrForObjectDetection(config)
    for value in network.parameters():
        if value.ndim > 1:  # its own beginning hardly looks at the picture
            torch.nn.init.xavier_normal_(value, gain=2)
    return network, t.RTDetrImageProcessor(size=size)


DETECTOR: dict[str, Callable[[], tuple[Any, Any]]] = {
    "detr": _detr,
    "yolos": _yolos,
    "rt_detr": _rt_detr,
}


def save(make: Callable[[], tuple[Any, Any]], folder: Path) -> Path:
    """Save a network and its processor; every weight is random, batch statistics too."""
    torch.manual_seed(0)
    network, processor = make()
    for name, value in network.named_buffers():
        if name.endswith("running_mean"):
            value.normal_(0, 0.1)
        elif name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
    for name, value in network.named_parameters():
        if "class" in name or "score_head" in name:  # so that a detector is sure of something
            torch.nn.init.normal_(value, 0, 2 if "class_labels" in name else 0.3)
            value.data[-1:] = -2  # not of there being no object
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
