"""How pages become HTML: templates, what they may call, and hashes for their policies."""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined

from tristream.maps.style import SIMULATED
from tristream.report.elements import Block, Figure, Link, shown


def asset(name: str) -> str:
    """A file of the package that pages hold, or that lies beside them."""
    return files("tristream.report").joinpath("assets", name).read_text(encoding="utf-8")


def hash_of(text: str) -> str:
    """How a page's policy names the one script, or style sheet, that counts."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def environment() -> Environment:
    """Where templates are; all that they print is escaped."""
    environment = Environment(
        loader=PackageLoader("tristream.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    environment.filters["grouped"] = grouped
    environment.tests["link"] = lambda value: isinstance(value, Link)
    environment.globals["simulated_words"] = SIMULATED
    return environment


def grouped(blocks: Sequence[Block]) -> list[tuple[bool, list[Block]]]:
    """Neighbouring figures that may share a row, and all else, in order."""
    return [
        (in_grid, list(group))
        for in_grid, group in groupby(blocks, lambda b: isinstance(b, Figure) and not b.wide)
    ]
