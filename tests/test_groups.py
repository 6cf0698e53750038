"""Tests that share a costly fixture go to one process."""

from helpers.groups import group_of


def test_groups_are_read_off_the_files():
    assert group_of("tests/workflow/test_reruns.py") == "study"
    assert group_of("tests/study/test_end_to_end.py") == "study"
    assert group_of("tests/test_groups.py") == ""
