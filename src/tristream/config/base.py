"""What all sections of the configuration share."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, values can't be changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _check_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise ValueError(
            f"{name!r} is not usable as a name: use letters, digits and _, starting with a letter"
        )
    return name


def _check_label(label: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]+", label):
        raise ValueError(f"{label!r} is not a BIDS label: letters and digits only")
    return label


Name = Annotated[str, AfterValidator(_check_name)]
"""A name that the user gives and that becomes part of file names."""

Label = Annotated[str, AfterValidator(_check_label)]
"""A BIDS label, without its ``sub-``."""

LONGEST_TIME = 1e6
"""No time within a run is further from its start (s): eleven days."""

Seconds = Annotated[float, Field(le=LONGEST_TIME)]
"""A time within a run, or its length; arrays are made that are as long."""

RepetitionTime = Annotated[float, Field(ge=0.01, le=100)]
"""Seconds from one volume to the next; 2000 are milliseconds."""

Checksum = Annotated[str, StringConstraints(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")]
"""A checksum of a file's content, with its algorithm."""


def expand(patterns: list[str]) -> list[str]:
    """Expand ``{01..12}`` in each pattern: ``run-{1..3}`` gives ``run-1``, ``run-2``, ``run-3``.

    Leading zeros of the first number are kept. Several braces in one pattern multiply.
    """
    out: list[str] = []
    for pattern in patterns:
        match = re.search(r"\{(\d+)\.\.(\d+)\}", pattern)
        if match is None:
            out.append(pattern)
            continue
        first, last = match.groups()
        for number in range(int(first), int(last) + 1):
            text = str(number).zfill(len(first))
            out += expand([pattern[: match.start()] + text + pattern[match.end() :]])
    return out
