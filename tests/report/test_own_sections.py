"""Sections of a study's own: where they stand, what is refused, that none is HTML."""

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydantic import ValidationError

from helpers import report_tree
from tristream.config.report import SUMMARY, Report
from tristream.errors import UserError
from tristream.report.build import write_pages
from tristream.report.declared import paths
from tristream.report.elements import Figure, Missing, Table, Text
from tristream.report.findings import Findings
from tristream.report.front_page import Study, front_page
from tristream.report.own_sections import blocks
from tristream.report.study_results import Results

HOSTILE = "<script>alert(1)</script> & <img src=x onerror=alert(2)>"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A study's folder, in which the workflow runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    return tmp_path


def results_of(folder, **files: str) -> Results:
    own = {
        name: {"title": f"About {name}", "file": file, "caption": f"Words on {name}."}
        for name, file in files.items()
    }
    report = {"sections": ["warnings", *list(files)[:1], "provenance"], "own": own}
    config = report_tree.write_study(folder, report=report)
    return Results(report_tree.read_study(config), folder / "results/report")


def test_text_table_and_picture_stand_where_the_study_names_them_and_are_escaped(folder):
    (folder / "notes/pilot.txt").write_text(f"One\nparagraph.\n\n{HOSTILE}\n")
    (folder / "notes/people.tsv").write_text(f"who\tage\n{HOSTILE}\t0031\n")
    Image.fromarray(np.full((20, 30, 3), 200, np.uint8)).save(folder / "notes/set_up.png")
    files = {"pilot": "pilot.txt", "people": "people.tsv", "set_up": "set_up.png"}
    results = results_of(folder, **{name: f"notes/{file}" for name, file in files.items()})
    page = front_page(Study(results, Findings([], [], []), {}, [], {}))
    ids = [section.id for section in page.sections]
    # With nothing found there are no warnings; what `sections` does not name comes last.
    assert ids == ["own-pilot", "provenance", "own-people", "own-set_up"]
    shown = {section.id: section.blocks for section in page.sections}
    assert [one.text for one in shown["own-pilot"]] == [
        "Words on pilot.",
        "One paragraph.",
        HOSTILE,
        "From notes/pilot.txt, as the study's authors wrote it.",
    ]
    table, figure = shown["own-people"][0], shown["own-set_up"][0]
    assert isinstance(table, Table)
    assert (table.columns, table.rows) == (("who", "age"), ((HOSTILE, "0031"),))
    assert isinstance(figure, Figure)
    assert figure.size == (30, 20)
    assert (results.folder / figure.png).is_file()
    write_pages([page], results.resolved, results.folder / "index.html")
    html = (results.folder / "index.html").read_text()
    assert "alert(1)" in html
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "0031" in html
    assert set(paths(results.resolved, results.spaces)) >= {
        f"notes/{file}" for file in files.values()
    }


def test_a_picture_is_written_anew_without_what_else_it_holds(folder):
    told = PngInfo()
    told.add_text("Comment", "where we live")
    Image.new("RGB", (5, 5)).save(folder / "notes/a.png", pnginfo=told)
    results = results_of(folder, a="notes/a.png")
    figure, source = blocks(results, "a")
    assert b"where we live" in (folder / "notes/a.png").read_bytes()
    assert b"where we live" not in (results.folder / figure.png).read_bytes()
    assert isinstance(source, Text)


def test_a_file_that_is_not_there_is_named(folder):
    (gone,) = blocks(results_of(folder, a="notes/a.txt"), "a")
    assert gone == Missing("About a", "there is no notes/a.txt")


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("a.txt", b"x" * 100_001, "100,001 bytes"),
        ("a.txt", b"caf\xe9", "not UTF-8"),
        ("a.tsv", b"a\tb\n1\n", "line 2: 1 columns"),
        ("a.tsv", b"a\n" + b"1\n" * 1001, "1001 rows"),
        ("a.tsv", b"", "is empty"),
        ("a.png", b"<svg onload=alert(1)>", "can't be read as a PNG"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "can't be read as a PNG"),
    ],
)
def test_what_is_too_large_or_not_what_its_ending_says_is_refused(folder, file, content, words):
    (folder / "notes" / file).write_bytes(content)
    with pytest.raises(UserError, match=words):
        blocks(results_of(folder, a=f"notes/{file}"), "a")


def test_a_link_out_of_the_study_is_not_followed(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.txt"
    outside.write_text("secret")
    (folder / "notes/a.txt").symlink_to(outside)
    with pytest.raises(UserError, match="leaves the study's folder"):
        blocks(results_of(folder, a="notes/a.txt"), "a")


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"file": "/etc/passwd.txt"}, "leaves the study's folder"),
        ({"file": "notes/../../a.txt"}, "leaves the study's folder"),
        ({"file": "notes/a.html"}, "none of .txt, .tsv, .png"),
        ({"file": "notes/a.png"}, "needs a `caption`"),
        ({"file": "notes/a.txt", "title": ""}, "title"),
    ],
)
def test_paths_that_leave_the_study_and_other_kinds_are_refused_as_the_study_is_read(own, words):
    with pytest.raises(ValidationError, match=words):
        Report(own={"a": {"title": "A", **own}})


def test_a_name_of_the_reports_own_sections_is_taken():
    with pytest.raises(ValidationError, match="choose another name"):
        Report(own={"brains": {"title": "A", "file": "a.txt"}})
    assert Report().order == SUMMARY
