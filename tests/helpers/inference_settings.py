"""What jobs that test fitted models are given, with the study's defaults."""

from typing import Any

from tristream.config.inference import Inference
from tristream.config.power import Power
from tristream.config.recovery import Recovery
from tristream.config.settings.inference import (
    CompareSettings,
    GroupSettings,
    InferenceSettings,
    PartitionTestSettings,
)
from tristream.config.settings.power import PowerSettings
from tristream.config.settings.recovery import RecoverySettings

DEFAULTS = Inference()


def picked(kind: Any, changes: dict[str, Any]) -> dict[str, Any]:
    """Defaults of the keys of ``inference:`` that the settings have, too."""
    known = {key: getattr(DEFAULTS, key) for key in kind.model_fields if hasattr(DEFAULTS, key)}
    return {**known, **changes}


def inferring(unit: str = "time", **changes: Any) -> InferenceSettings:
    """Of a test of one model."""
    return InferenceSettings(**picked(InferenceSettings, {"unit": unit, **changes}))


def comparing(unit: str = "time", **changes: Any) -> CompareSettings:
    """Of a comparison of two models."""
    return CompareSettings(**picked(CompareSettings, {"unit": unit, **changes}))


def settings_of_parts(**changes: Any) -> PartitionTestSettings:
    """Of a test of unique and shared variance."""
    return PartitionTestSettings(**picked(PartitionTestSettings, changes))


def grouping(unit: str = "time", **changes: Any) -> GroupSettings:
    """Of the group level; no subject has a timeline of its own."""
    return GroupSettings(**picked(GroupSettings, {"unit": unit, "timelines": {}, **changes}))


def recovering(**changes: Any) -> RecoverySettings:
    """Of the demo's recovery check."""
    demo = {
        "bands": ["ventral", "dorsal", "auditory"],
        "oracles": ["oracle"],
        "thresholds": Recovery(ceiling=0.3, best_band=0.85, accuracy=0.65),
    }
    return RecoverySettings(**picked(RecoverySettings, {**demo, **changes}))


def planning(block: Power, name: str = "x", **changes: Any) -> PowerSettings:
    """Of a power analysis."""
    return PowerSettings(**picked(PowerSettings, {"name": name, "block": block, **changes}))
