"""Tests that share a fixture go to one process."""

from helpers.groups import group_of


def test_groups_are_read_off_the_files():
    assert group_of("tests/workflow/test_reruns.py") == "study"
    assert group_of("tests/study/test_end_to_end.py") == "study"
    assert group_of("tests/test_groups.py") == ""


def test_files_with_a_fixture_for_all_their_tests_are_groups():
    file = "tests/workflow/test_synthetic_openneuro.py"
    assert group_of(file) == file


def test_a_test_that_is_marked_is_of_its_group():
    file = "tests/study/test_kill.py"
    assert group_of(file, "test_a_second_live_run_is_refused") == "study"
    assert group_of(file) == ""
    assert group_of("tests/workflow/test_reruns.py", "test_any") == "study"
