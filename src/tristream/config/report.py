"""What the study wants of its report."""

from pathlib import PurePosixPath
from typing import Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from tristream.config.base import Name, Section

SummarySection = Literal[
    "brains",
    "models",
    "decoders",
    "contrasts",
    "univariate",
    "identification",
    "similarity",
    "group",
    "warnings",
    "datasets",
    "spaces",
    "power",
    "methods",
    "omissions",
    "provenance",
]
SUMMARY: list[str] = [*get_args(SummarySection)]
OWN_FORMATS = (".txt", ".tsv", ".png")


class OwnSection(Section):
    """A section of one's own on the first page, from a file of the study's folder.

    The file is one of three kinds: a text (`.txt`, paragraphs between empty lines, up to 100 kB), a
    table (`.tsv` with a row of names, up to 1,000 rows) or a picture (`.png`, up to 2 MB). Words
    are shown as they stand: nothing in them is read as HTML.
    """

    title: str = Field(min_length=1, max_length=120, description="its heading")
    file: str = Field(
        description="path from the folder in which the workflow runs, which it does not leave"
    )
    caption: str = Field(
        default="", max_length=1000, description="what it shows; a picture needs one"
    )

    @field_validator("file")
    @classmethod
    def _in_the_study(cls, value: str) -> str:
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts or "\\" in value or "\0" in value:
            raise ValueError(f"{value!r} leaves the study's folder; copy the file into it")
        if path.suffix not in OWN_FORMATS:
            raise ValueError(f"{value!r} is none of {', '.join(OWN_FORMATS)}")
        return value

    @model_validator(mode="after")
    def _pictures_have_words(self) -> Self:
        if self.file.endswith(".png") and not self.caption:
            raise ValueError(f"{self.file!r} needs a `caption`, for those who can't see it")
        return self


class Report(Section):
    """The first page's sections, and one file to mail.

    What is left out of `sections` is not on the first page. Sections of one's own (`own`) stand
    where `sections` names them, and at the end if it does not. `single_file` also writes
    `report.html`: all pages below each other with their figures, feature spaces last, as far as
    15 MB reach; the large maps are not in it.
    """

    sections: list[SummarySection | Name] = Field(
        default=SUMMARY, description="sections of the first page, in their order"
    )
    own: dict[Name, OwnSection] = Field(
        default={}, description="sections of one's own, by a name for `sections`"
    )
    single_file: bool = Field(default=False, description="true: also one HTML file to mail")

    @field_validator("sections")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        for name in value:
            if value.count(name) > 1:
                raise ValueError(f"{name!r} stands {value.count(name)} times; name each once")
        return value

    @model_validator(mode="after")
    def _all_are_known(self) -> Self:
        for name in self.own:
            if name in SUMMARY:
                raise ValueError(f"own: {name!r} is a section of the report; choose another name")
        for name in self.sections:
            if name not in SUMMARY and name not in self.own:
                known = ", ".join(map(repr, [*SUMMARY, *self.own]))
                raise ValueError(f"sections: {name!r} is none of {known}")
        return self

    @property
    def order(self) -> list[str]:
        """All sections of the first page, in their order."""
        return [*self.sections, *(name for name in self.own if name not in self.sections)]
