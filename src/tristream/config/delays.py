"""Delays of the BOLD behind what was shown: seconds, or TRs, with their unit."""

import math
import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import BeforeValidator

NUMBER = r"\d+(?:\.\d+)?"
ONE = re.compile(rf"({NUMBER})\s*(s|TR)")
RANGE = re.compile(rf"({NUMBER})\s*-\s*({NUMBER})\s*(s|TR)")
# The response begins about 2 s after the stimulus and is past its peak at 8 s.
# No response comes later (s or TRs).
LATEST = 1000
RESPONSE = "2-8 s"
PEAK = "5 s"


def _with_unit(value: object) -> object:
    if not isinstance(value, bool) and value == 0:
        return "0 s"
    if isinstance(value, str):
        if not ONE.fullmatch(value) and not RANGE.fullmatch(value):
            raise ValueError(
                f"{value!r} is not a delay: write `4 s`, `2 TR`, or a range, `{RESPONSE}`"
            )
        if max(map(float, re.findall(NUMBER, value))) > LATEST:
            raise ValueError(f"{value!r} is too late: write a delay of {LATEST} s or TR at most")
    return value


def _seconds(value: object) -> object:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:g} s" if number else value


def _listed(value: object) -> object:
    values = value if isinstance(value, list) else [value]
    if any(_bare(one) for one in values):
        meant = ", ".join(f"{one:g} TR" if _bare(one) else str(one) for one in values)
        raise ValueError(
            f"a number has no unit: write `[{meant}]`, as delays without a unit were once read, or "
            f"seconds, as `{RESPONSE}`"
        )
    return values


def _bare(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value != 0


Delay = Annotated[str, BeforeValidator(_with_unit)]
Delays = Annotated[list[Delay], BeforeValidator(_listed)]
"""``2-8 s``, ``[2 s, 4 s]``, ``[1 TR, 2 TR]``; one that stands alone is a list of one."""
DecoderDelay = Annotated[Delay, BeforeValidator(_seconds)]
"""Like a delay; a number is of seconds, as it always was in decoders."""


def in_volumes(delays: Sequence[str], tr: float) -> list[int]:
    """Whole volumes that are nearest to some delays, rising, each once.

    Parameters
    ----------
    delays : list of str
        As :data:`Delays`; of a range all volumes from its begin to its end.
    tr : float
        Seconds.
    """
    found: set[int] = set()
    for text in delays:
        if one := RANGE.fullmatch(text):
            first, last = (_volumes(number, one[3], tr) for number in one.groups()[:2])
            found.update(range(first, last + 1))
        elif one := ONE.fullmatch(text):
            found.add(_volumes(one[1], one[2], tr))
    return sorted(found)


def _volumes(number: str, unit: str, tr: float) -> int:
    return math.floor(float(number) / (tr if unit == "s" else 1) + 0.5)
