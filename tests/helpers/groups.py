"""Test files that share a costly fixture run in one process of pytest-xdist.

pytest-xdist finds the group of a test (``xdist_group``) in a suffix of its node id, which pytest no
longer lets it add; this reads the mark off the file.
"""

import re
from functools import cache

import pytest
from xdist.scheduler import LoadScopeScheduling

from helpers import REPOSITORY

MARK = re.compile(r'^pytestmark = pytest\.mark\.xdist_group\("(\w+)"\)$', re.MULTILINE)


class GroupedScheduling(LoadScopeScheduling):
    """Every test by itself, but for those of files with a group."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0]) or nodeid


@cache
def group_of(file: str) -> str:
    """The group that a test file is marked with; empty for none."""
    found = MARK.search((REPOSITORY / file).read_text(encoding="utf-8"))
    return found[1] if found else ""


def scheduler(config: pytest.Config, log: object) -> GroupedScheduling | None:
    """What distributes the tests under ``--dist loadgroup``; else pytest-xdist's own."""
    wanted = config.getoption("dist") == "loadgroup"
    return GroupedScheduling(config, log) if wanted else None
