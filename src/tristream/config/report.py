"""What the study wants of its report."""

from typing import Literal

from pydantic import Field, field_validator

from tristream.config.base import Section

SummarySection = Literal[
    "brains",
    "models",
    "decoders",
    "group",
    "warnings",
    "datasets",
    "spaces",
    "power",
    "methods",
    "omissions",
    "provenance",
]
SUMMARY: list[SummarySection] = [
    *("brains", "models", "decoders", "group", "warnings", "datasets", "spaces", "power"),
    *("methods", "omissions", "provenance"),
]


class Report(Section):
    """The first page of the report: what is left out of `sections` is not on it."""

    sections: list[SummarySection] = Field(
        default=SUMMARY, description="sections of the first page, in their order"
    )

    @field_validator("sections")
    @classmethod
    def _each_once(cls, value: list[SummarySection]) -> list[SummarySection]:
        for name in value:
            if value.count(name) > 1:
                raise ValueError(f"{name!r} stands {value.count(name)} times; name each once")
        return value
