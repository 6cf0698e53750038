"""The pages of faults and of odd input name tests that exist, and leave out no fault."""

import ast
import re

import pytest

from helpers import REPOSITORY

PAGE = (REPOSITORY / "docs/faults.md").read_text(encoding="utf-8")
ODD = (REPOSITORY / "docs/odd_input.md").read_text(encoding="utf-8")


def rows_of(page):
    """Rows of all tables that name a test."""
    return [line for line in page.splitlines() if line.startswith("| ") and "`tests/" in line]


@pytest.mark.parametrize("page", [PAGE, ODD], ids=["faults", "odd input"])
def test_every_fault_has_a_test_that_exists(page):
    table = [line for line in page.splitlines() if re.match(r"\| (?!fault|kind)", line)]
    assert table == rows_of(page)
    for row in table:
        for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row):
            tree = ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))
            assert name in {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}, row


def test_every_test_that_injects_faults_into_a_study_is_on_the_page():
    for path in ("tests/faults/test_bit_flips.py", "tests/study/test_kill.py"):
        assert path in PAGE
    for path in (REPOSITORY / "tests").rglob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"mark\.faults\n(?:@.*\n)*def (\w+)", text):
            assert f"{path.relative_to(REPOSITORY).as_posix()}::{name}`" in PAGE, name


def test_every_kind_of_odd_input_has_an_instance_that_was_not_reported():
    sections = ODD.split("\n## ")[1:]
    assert len(sections) > 10
    for section in sections:
        assert "| + " in section, section.splitlines()[0]
    assert not [row for row in rows_of(ODD) if row.count(" | ") != 3]
