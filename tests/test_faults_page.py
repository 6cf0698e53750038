"""The page of faults names tests that exist, and leaves out no fault."""

import ast
import re

from helpers import REPOSITORY

PAGE = (REPOSITORY / "docs/faults.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "`tests/" in line]


def test_every_fault_has_a_test_that_exists():
    table = [line for line in PAGE.splitlines() if re.match(r"\| (?!fault)", line)]
    assert table == ROWS
    for row in ROWS:
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
