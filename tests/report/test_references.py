"""The bibliography: every citation in the package has an entry, every entry is whole."""

import ast
import re

import pytest

from helpers import REPOSITORY
from tristream.errors import UserError
from tristream.report.references import bibtex, keys_of, library, listed, resolve, short

ENTRIES = library().entries
PACKAGE = REPOSITORY / "src/tristream"
NEEDED = {
    "article": {"journal", "volume"},
    "inproceedings": {"booktitle"},
    "techreport": {"institution", "number"},
    "misc": {"howpublished"},
    "software": {"howpublished", "doi"},
    "book": {"publisher"},
    "incollection": {"booktitle", "publisher"},
    "phdthesis": {"school"},
    "mastersthesis": {"school"},
}


def cited_in_package():
    """Keys in the texts of the package that are no docstrings, with where they stand."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for key in re.findall(r"@([a-z]+[0-9]{4}[a-z]?|nilearn)\b", node.value):
                    found[key] = path.relative_to(PACKAGE)
    return found


def test_every_citation_has_an_entry():
    cited = cited_in_package()
    assert len(cited) > 3
    assert {key: where for key, where in cited.items() if key not in ENTRIES} == {}


@pytest.mark.parametrize("key", ENTRIES)
def test_entries_have_the_fields_of_their_type(key):
    entry = ENTRIES[key]
    assert entry.persons["author"]
    assert NEEDED[entry.type] <= set(entry.fields)
    assert re.fullmatch(r"\d{4}", entry.fields["year"])
    assert key == "nilearn" or key.endswith(entry.fields["year"])
    if "pages" in entry.fields:
        # Pages of supplements have an i before them, numbers of articles an e, or their volume.
        assert re.fullmatch(r"([ei]|giaa)?\d+(--i?\d+)?", entry.fields["pages"])
    if "eprint" in entry.fields:
        assert entry.fields["archiveprefix"] == "arXiv"
    # A volume or pages in the name of the journal would be lost to a reader's style.
    assert not re.search(r"\d", entry.fields.get("journal", "").replace("F1000", ""))


def test_dois_are_those_of_one_entry():
    dois = [entry.fields["doi"].lower() for entry in ENTRIES.values() if "doi" in entry.fields]
    assert len(set(dois)) == len(dois)


def test_citations_are_resolved():
    text = "Banded ridge [@nunezelizalde2019; @dupre2022] was fitted [@nilearn]."
    assert keys_of(text) == ["nunezelizalde2019", "dupre2022", "nilearn"]
    assert resolve(text) == (
        "Banded ridge (Nunez-Elizalde et al. 2019; Dupré la Tour et al. 2022) was fitted "
        "(Nilearn contributors 2025)."
    )
    assert short("tan2019") == "Tan and Le 2019"
    assert short("oord2018") == "van den Oord et al. 2018"


def test_an_unknown_key_is_named():
    with pytest.raises(UserError, match="cites 'nobody1900', which has no entry"):
        resolve("As ever [@nobody1900].")


def test_listed_entries_are_formatted_and_in_order():
    lines = listed(["oord2018", "haxby2001", "nilearn", "molder2021", "haxby2001"])
    assert lines[0].startswith("J. V. Haxby, M. I. Gobbini")
    assert "Science, 293:2425–2430, 2001. doi:10.1126/science.1063736" in lines[0]
    assert "B. Letcher, et al." in lines[1]
    assert lines[2].startswith("Nilearn contributors")
    assert "arXiv:1807.03748" in lines[3]
    assert len(lines) == 4
    assert all(not re.search(r"[{}]", line) for line in listed(ENTRIES))


def test_the_bib_file_is_read_back_with_its_types():
    from pybtex.database import parse_string

    again = parse_string(bibtex(["nilearn", "haxby2001", "tan2019", "kroeger2016"]), "bibtex")
    assert {key: entry.type for key, entry in again.entries.items()} == {
        "haxby2001": "article",
        "kroeger2016": "inproceedings",
        "nilearn": "software",
        "tan2019": "misc",
    }
    assert again.entries["haxby2001"] == ENTRIES["haxby2001"]
