"""`make check`: the tests that are chosen for what changed, and the time that they may take."""

import subprocess
import sys

import changed
from helpers import REPOSITORY


def test_a_changed_module_asks_for_the_tests_that_import_it():
    found = changed.chosen({"src/tristream/bold/trials.py"})
    assert "tests/bold/test_trials.py" in found
    assert "tests/encode/test_ceiling.py" not in found
    assert found[:2] == list(changed.ALWAYS)


def test_a_changed_test_is_run_and_whole_studies_are_not():
    found = changed.chosen({"tests/align/test_samples.py", "tests/workflow/test_reruns.py"})
    assert found == [*changed.ALWAYS, "tests/align/test_samples.py"]


def test_much_change_asks_for_a_fixed_choice():
    source = REPOSITORY / "src"
    every = {path.relative_to(REPOSITORY).as_posix() for path in source.rglob("*.py")}
    assert changed.chosen(every) == list(changed.FIXED)


def test_what_takes_too_long_is_left_out(tmp_path):
    (tmp_path / "conftest.py").write_text(
        (REPOSITORY / "tests/helpers/quick.py").read_text() + HOOKS
    )
    (tmp_path / "test_it.py").write_text(
        "import time, pytest\ndef test_quick(): pass\n"
        "@pytest.mark.parametrize('n', range(9))\ndef test_slow(n): time.sleep(60)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "--quick", "1.5"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "too slow for a quick check" in done.stdout
    assert "the time of a quick check is up" in done.stdout
    assert done.returncode == 0


HOOKS = """
def pytest_addoption(parser):
    add_option(parser)

@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    with limit(item):
        return (yield)
"""
