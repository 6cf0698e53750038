"""What the study wants of the leakage audit."""

from typing import Literal

from pydantic import Field

from tristream.config.base import Section


class Leakage(Section):
    """What happens when a test stimulus resembles a training stimulus."""

    action: Literal["warn", "drop", "error"] = Field(
        default="warn", description="write it down, leave the test rows out, or stop"
    )
    minimum_gap: float = Field(
        default=20.0, ge=20.0, description="seconds of a film between training and test clips"
    )
