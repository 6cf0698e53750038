"""Lines of a descriptor: a value, why it is believed, and what only the user can know.

Text of a dataset is untrusted: as a value it is quoted, in a comment it is one printable line.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tristream.config.load.questions import MARK

WIDTH = 100
COMMENT = 300


@dataclass(frozen=True)
class Line:
    """One or several lines of YAML.

    Attributes
    ----------
    text : str
        YAML, made of :func:`quoted` values alone; empty for a comment that stands by itself.
    why : str
        Why it says so.
    question : str
        What is open; the text then is a guess.
    """

    text: str
    why: str = ""
    question: str = ""


def quoted(value: str) -> str:
    """A text as YAML that is read back as the same text, whatever is in it."""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*", value) and value.lower() not in RESERVED:
        return value
    return json.dumps(value, ensure_ascii=True)


RESERVED = ("y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf")
"""Words that YAML, or some reader of it, takes for something else than text."""


def listed(values: Sequence[str]) -> str:
    """A list of texts, in one line."""
    return f"[{', '.join(map(quoted, values))}]"


def plain(text: str) -> str:
    """Text of a dataset as one printable line of a comment, without anything that asks."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    line = line.replace(MARK.strip(), "QUESTION")
    return line if len(line) <= COMMENT else f"{line[:COMMENT]} …"


def render(lines: Sequence[Line]) -> str:
    """The file's text."""
    out: list[str] = []
    for line in lines:
        first, *rest = line.text.split("\n")
        indent = " " * (len(first) - len(first.lstrip()))
        if line.question:
            out.append(f"{indent}{MARK}{plain(line.question)}")
        why = f"# {plain(line.why)}" if line.why else ""
        if why and (rest or not first or len(first) + 3 + len(why) > WIDTH):
            out.append(f"{indent}{why}")
            why = ""
        if first:
            out += [f"{first}   {why}" if why else first, *rest]
    return "\n".join(out) + "\n"
