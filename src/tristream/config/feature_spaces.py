"""A feature space: one extractor with its options."""

from typing import Any, Literal

from pydantic import Field

from tristream.config.base import Name, Section

Stream = Literal["ventral", "dorsal", "auditory", "nuisance", "label", "truth"]


class FeatureSpace(Section):
    """One extractor with its options; each of its layers becomes a feature file."""

    stream: Stream = Field(description="what the maps colour it as")
    extractor: str = Field(description="one of `tristream features list`")
    layers: list[Name] = Field(default=[], description="empty: the extractor's default layers")
    options: dict[str, Any] = Field(default={}, description="options of the extractor")
    module: str | None = Field(default=None, description="a .py file that defines the extractor")
