"""Where results lie: one list, from which the documentation is written."""

import pytest

from helpers import REPOSITORY
from tristream.results import KINDS, PLACES, Layout, markdown


def test_the_page_of_paths_is_written_from_the_list():
    written = (REPOSITORY / "docs/paths.md").read_text(encoding="utf-8")
    assert written == markdown(), "run: tristream config reference"


def test_the_page_of_files_has_every_kind():
    text = (REPOSITORY / "docs/files.md").read_text(encoding="utf-8")
    kinds = {place.kind for place in PLACES.values() if place.kind} & set(KINDS)
    assert {kind for kind in kinds if f"`{kind}`" not in text and f"## {kind}" not in text} == set()


def test_a_path_gives_back_its_wildcards():
    layout = Layout("results")
    path = layout.path("bold", dataset="d", subject="1", run="task-a_run-1")
    assert layout.wildcards("bold", path) == {"dataset": "d", "subject": "1", "run": "task-a_run-1"}
    assert layout.wildcards("samples", path) is None
    with pytest.raises(KeyError):
        layout.path("bold", dataset="d")
