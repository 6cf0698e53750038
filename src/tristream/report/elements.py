"""What a page is made of: sections of blocks, each block one kind of thing to read."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

MANY = 1e9


@dataclass(frozen=True)
class Link:
    """A cell of a table, or the end of a paragraph, that leads somewhere, relative to the page."""

    text: str
    href: str


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str
    more: Link | None = None


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Code:
    """Text to be copied as it stands; a long one is folded under `summary`."""

    kind: ClassVar[str] = "code"
    text: str
    summary: str = ""


@dataclass(frozen=True)
class Facts:
    """Terms and what they are."""

    kind: ClassVar[str] = "facts"
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """A table; cells are text, numbers or links. A long one is folded under its caption."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    tsv: str = ""
    folded: bool = False

    @cached_property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers only, and are set to the right."""
        cells = zip(*self.rows, strict=True) if self.rows else ((),) * len(self.columns)
        return tuple(all(_is_number(c) or c in ("–", None) for c in column) for column in cells)


@dataclass(frozen=True)
class Figure:
    """A picture with how to read it; files are relative to the page. One's own is a PNG alone."""

    kind: ClassVar[str] = "figure"
    title: str
    caption: str
    png: str
    svg: str
    tsv: str
    wide: bool = False
    size: tuple[int, int] | None = None
    """Width and height in pixels, where known."""

    @property
    def alt(self) -> str:
        """What a screen reader says."""
        return f"{self.title}. {self.caption}"


@dataclass(frozen=True)
class Missing:
    """Something that is not here, and why."""

    kind: ClassVar[str] = "missing"
    what: str
    why: str


@dataclass(frozen=True)
class Caution:
    """Something that a reader must know before believing what stands beside it."""

    kind: ClassVar[str] = "caution"
    text: str
    more: Link | None = None


@dataclass(frozen=True)
class Lead:
    """What was found, in a few sentences that begin a page."""

    kind: ClassVar[str] = "lead"
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Multiple:
    """A row of small pictures: whose they are, their numbers, and the pictures."""

    whose: Link
    numbers: tuple[str, ...]
    figures: tuple[Figure | None, ...]


@dataclass(frozen=True)
class Multiples:
    """Small pictures of one scale, rows below each other, to be compared by eye."""

    kind: ClassVar[str] = "multiples"
    caption: str
    columns: tuple[str, ...]
    rows: tuple[Multiple, ...]


Block = Text | Heading | Code | Facts | Table | Figure | Missing | Caution | Lead | Multiples


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes
    ----------
    id : str
        Anchor.
    title : str
        Heading.
    blocks : sequence of Block
        In reading order.
    """

    id: str
    title: str
    blocks: Sequence[Block]


@dataclass
class Page:
    """One HTML file.

    Attributes
    ----------
    file : str
        Name in the report's folder.
    title : str
        Heading.
    subtitle : str
        A line below it.
    banner : str
        Words that nobody may miss, or nothing.
    sections : list of Section
        In reading order.
    lead : Lead or None
        What was found, before all sections.
    """

    file: str
    title: str
    subtitle: str
    banner: str = ""
    sections: list[Section] = field(default_factory=list)
    lead: Lead | None = None


def facts(pairs: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Facts:
    """Facts from names and values; empty values are left out."""
    items = pairs.items() if isinstance(pairs, Mapping) else pairs
    return Facts(tuple((str(k), shown(v)) for k, v in items if v is not None and v != ""))


def shown(value: Any) -> str:
    """A value as a reader wants it: three significant digits, a dash for what is unknown."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if math.isfinite(value) and abs(value) >= 1000:
            return shown(round(value))
        return "–" if math.isnan(value) else f"{value:.3g}"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, Mapping):
        return "; ".join(f"{k}: {shown(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(shown(v) for v in value)
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return shown(value.item())
    return str(value)


def count(number: float | None) -> str:
    """A count that may be beyond all counting."""
    if number is None:
        return "–"
    return f"{int(number):,}" if number < MANY else f"more than 10^{int(np.log10(number)) - 1}"


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, str):
        return value.endswith("%") and value[:-1].isdigit()
    return isinstance(value, int | float) or (hasattr(value, "dtype") and value.dtype.kind in "fiu")
