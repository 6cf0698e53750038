"""Encoding and decoding of films and music in the brain, as one Snakemake workflow."""

from importlib import import_module
from importlib.metadata import version
from typing import Any

__version__ = version("tristream")

# What is meant to be called from Python, and where it is: names that stay. They are brought when
# they are asked for, so that the command line starts without torch.
PUBLIC = {
    "BandedRidgeCV": "tristream.encode.estimators",
    "RidgeCV": "tristream.encode.estimators",
    "StackedRidgeCV": "tristream.encode.estimators",
    "BrainAndLabelNetwork": "tristream.encode.brain_and_label",
    "compare_regimes": "tristream.encode.regimes",
    "draw_regimes": "tristream.encode.regime_figure",
    "FeatureDecoder": "tristream.decode.feature_decoder",
    "ContrastiveDecoder": "tristream.decode.contrastive",
    "average_showings": "tristream.decode.feature_decoder",
    "identify": "tristream.decode.identification",
    "profile_correlation": "tristream.decode.identification",
    "pattern_reliability": "tristream.decode.pattern_reliability",
    "extract_files": "tristream.features.core.own_files",
    "read_encoding": "tristream.encode.encoding_file",
    "read_inference": "tristream.inference.inference_file",
    "read_decoding": "tristream.decode.decoding_file",
    "read_group": "tristream.inference.group_file",
}


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *PUBLIC])
