"""The bibliography: ``references.bib`` of the package, and how a page cites and lists it."""

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from pybtex.backends.plaintext import Backend
from pybtex.database import BibliographyData, Entry, parse_string
from pybtex.style.formatting.unsrt import Style

from tristream.errors import UserError

# ``[@haxby2001; @nilearn]``, as pandoc writes citations.
CITATION = re.compile(r"\[@([^\]]*)\]")


@cache
def library() -> BibliographyData:
    """All entries that a sentence may cite."""
    text = files("tristream").joinpath("references.bib").read_text(encoding="utf-8")
    return parse_string(text, "bibtex")


def keys_of(text: str) -> list[str]:
    """Keys that a text cites, in order; some may be unknown."""
    cited = [key for keys in CITATION.findall(text) for key in keys.split(";")]
    return [key.strip().removeprefix("@") for key in cited]


def resolve(text: str) -> str:
    """A text with its citations as a reader wants them: ``(Haxby et al. 2001; …)``.

    Raises
    ------
    UserError
        If a key is not in ``references.bib``.
    """

    def cited(match: re.Match[str]) -> str:
        return f"({'; '.join(short(key) for key in keys_of(match[0]))})"

    return CITATION.sub(cited, text)


def short(key: str) -> str:
    """``Haxby et al. 2001``."""
    entry = entry_of(key)
    names = [
        " ".join([*person.prelast_names, *person.last_names]).replace("{", "").replace("}", "")
        for person in entry.persons["author"]
    ]
    more = {1: "", 2: f" and {names[-1]}"}.get(len(names), " et al.")
    return f"{names[0]}{more} {entry.fields['year']}"


def entry_of(key: str) -> Entry:
    """The entry of a key."""
    entries = library().entries
    if key not in entries:
        raise UserError(
            f"references.bib: a methods sentence cites {key!r}, which has no entry; add it "
            "to src/tristream/references.bib, or correct the key"
        )
    return entries[key]


def listed(keys: Iterable[str]) -> list[str]:
    """Formatted entries, each once, by first author and year."""
    ordered = sorted(set(keys), key=lambda key: short(key).casefold())
    formatted = Style().format_entries([entry_of(key) for key in ordered])
    backend = Backend()  # by its name, each entry would look for it among all that is installed
    lines = [entry.text.render(backend) for entry in formatted]
    return [line.replace(", and others", ", et al") for line in lines]


def bibtex(keys: Iterable[str]) -> str:
    """A .bib file of some entries."""
    return BibliographyData({key: entry_of(key) for key in sorted(set(keys))}).to_string("bibtex")
