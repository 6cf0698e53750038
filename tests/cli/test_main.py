"""The command line as a process: what it returns, and how little Python tidies up."""

import gc
import subprocess
import sys

import pytest

import tristream.__main__ as process
from helpers.small_study import environment


def test_a_process_ends_with_the_status_of_its_command():
    call = [sys.executable, "-m", "tristream", "config", "check", "--config", "nowhere.yaml"]
    done = subprocess.run(call, env=environment(), capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("tristream: error: ")


@pytest.mark.parametrize("outcome", [0, 2, KeyboardInterrupt])
def test_garbage_is_looked_for_seldom_and_not_at_the_end(monkeypatch, outcome):
    done = []

    def main():
        done.append(gc.get_threshold()[0])
        if outcome is KeyboardInterrupt:
            raise outcome
        return outcome

    thresholds = gc.get_threshold()
    monkeypatch.setattr(process, "main", main)
    monkeypatch.setattr(process.gc, "freeze", lambda: done.append("freeze"))
    try:
        if outcome is KeyboardInterrupt:
            with pytest.raises(KeyboardInterrupt):
                process.run()
        else:
            assert process.run() == outcome
    finally:
        gc.set_threshold(*thresholds)
    assert done == [process.COLLECT_AFTER, "freeze"]
