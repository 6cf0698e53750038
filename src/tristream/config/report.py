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
    """The first page's sections, and one file to mail.

    What is left out of `sections` is not on the first page. `single_file` also writes
    `report.html`: all pages below each other with their figures, feature spaces last, as far as
    15 MB reach; the large maps are not in it.
    """

    sections: list[SummarySection] = Field(
        default=SUMMARY, description="sections of the first page, in their order"
    )
    single_file: bool = Field(default=False, description="true: also one HTML file to mail")

    @field_validator("sections")
    @classmethod
    def _each_once(cls, value: list[SummarySection]) -> list[SummarySection]:
        for name in value:
            if value.count(name) > 1:
                raise ValueError(f"{name!r} stands {value.count(name)} times; name each once")
        return value
