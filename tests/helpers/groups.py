"""Tests that share a fixture run in one process of pytest-xdist: it is made once.

Those are the tests of a file that has a fixture of its own for all of them, and those of the files
that are marked with one group. pytest-xdist finds the group of a test (``xdist_group``) in a suffix
of its node id, which pytest no longer lets it add; this reads both off the file.
"""

import re
from functools import cache

import pytest
from xdist.scheduler import LoadScopeScheduling

from helpers import REPOSITORY

MARK = re.compile(r'^pytestmark = pytest\.mark\.xdist_group\("(\w+)"\)$', re.MULTILINE)
SHARED = re.compile(r'^@pytest\.fixture\(scope="(?:module|session)"', re.MULTILINE)


class GroupedScheduling(LoadScopeScheduling):
    """Every test by itself, but for those of files with a group; large groups first."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0]) or nodeid


@cache
def group_of(file: str) -> str:
    """The group of a test file's tests: its mark, or the file if they share a fixture, or none."""
    text = (REPOSITORY / file).read_text(encoding="utf-8")
    if found := MARK.search(text):
        return found[1]
    return file if SHARED.search(text) else ""


def scheduler(config: pytest.Config, log: object) -> GroupedScheduling | None:
    """What distributes the tests under ``--dist loadgroup``; else pytest-xdist's own."""
    wanted = config.getoption("dist") == "loadgroup"
    return GroupedScheduling(config, log) if wanted else None
