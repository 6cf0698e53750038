"""Tests that share a fixture run in one process of pytest-xdist: it is made once.

Those are the tests that are marked with one group, alone or by their file, and those of a file that
has a fixture of its own for all of them. pytest-xdist finds the group of a test (``xdist_group``)
in a suffix of its node id, which pytest no longer lets it add; this reads it off the file.
"""

import ast
import re
from functools import cache

import pytest
from xdist.scheduler import LoadScopeScheduling

from helpers import REPOSITORY

SHARED = re.compile(r'^@pytest\.fixture\(scope="(?:module|session)"', re.MULTILINE)


class GroupedScheduling(LoadScopeScheduling):
    """Every test by itself, but for those of files with a group; large groups first."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        return group_of(file, test.partition("[")[0]) or nodeid


def group_of(file: str, test: str = "") -> str:
    """The group of a test: its mark, or its file's, or the file if it has a fixture for all."""
    marks, shares = _groups(file)
    return marks.get(test) or marks.get("") or (file if shares else "")


@cache
def _groups(file: str) -> tuple[dict[str, str], bool]:
    """Groups by test, the file's own under no name; whether it has a fixture for all its tests."""
    text = (REPOSITORY / file).read_text(encoding="utf-8")
    marks: dict[str, str] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            marks[node.name] = "".join(_group(mark) for mark in node.decorator_list)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            marks[""] = _group(node.value)
    return marks, bool(SHARED.search(text))


def _group(mark: ast.expr) -> str:
    """The name in ``pytest.mark.xdist_group("name")``; empty for another mark."""
    found = re.fullmatch(r"pytest\.mark\.xdist_group\('(\w+)'\)", ast.unparse(mark))
    return found[1] if found else ""


def scheduler(config: pytest.Config, log: object) -> GroupedScheduling | None:
    """What distributes the tests under ``--dist loadgroup``; else pytest-xdist's own."""
    wanted = config.getoption("dist") == "loadgroup"
    return GroupedScheduling(config, log) if wanted else None
