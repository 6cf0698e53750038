"""Contrasts between conditions of an experiment: the ``contrasts:`` blocks of ``config.yaml``."""

from typing import Literal

from pydantic import Field, model_validator

from tristream.config.base import Name, Seconds, Section


class Contrast(Section):
    """Where the BOLD follows some conditions more than others: a t map of each subject.

    A general linear model by nilearn: one regressor a label, one for all events that are
    not samples, and what cleaning projected out; runs are joined as fixed effects.
    """

    datasets: list[Name] = Field(description="datasets with events of these labels")
    plus: list[str] = Field(min_length=1, description="labels whose mean response counts up")
    minus: list[str] = Field(
        default=[], description="labels whose mean response counts down; default: the baseline"
    )
    duration: Seconds | None = Field(
        default=None, ge=0, description="seconds of every event, 0: an instant; default: its own"
    )
    hrf: Literal["spm", "glover"] = Field(default="spm", description="nilearn's response function")
    noise: Literal["ar1", "ols"] = Field(
        default="ar1", description="autoregressive noise of order one, or white noise"
    )
    threshold: float | None = Field(
        default=None,
        gt=0,
        description="t above which a voxel counts; default: by the rate in `inference.fdr`",
    )

    @model_validator(mode="after")
    def _two_sides(self) -> "Contrast":
        both = sorted(set(self.plus) & set(self.minus))
        if both:
            raise ValueError(f"{', '.join(both)} stands in plus and in minus; take it out of one")
        return self
