"""README's line for a synthetic dataset, as printed, and what it prints, up to the inventory."""

import io
import re
import shlex
import shutil
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import yaml

from helpers import REPOSITORY
from tristream.cli import main
from tristream.stimuli.tables import read_inventory


def printed_command() -> list[str]:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^tristream (simulate like (?:.*\\\n)*.*)$", text, re.MULTILINE)
    return shlex.split(line.replace("\\\n", " "), comments=True)


def test_the_lines_for_a_synthetic_dataset(
    tmp_path: Path, trailer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone the address of the real dataset is another: its events, from the tests' own copy.

    It takes as long as README's command does: four runs of raw BOLD that moved.
    """
    monkeypatch.chdir(tmp_path)
    shutil.unpack_archive(REPOSITORY / "tests/data/openneuro_events.tar.gz", "real")
    shutil.copytree(REPOSITORY / "workflow/datasets", "workflow/datasets")
    shutil.copyfile(trailer, "any.mp4")
    with redirect_stdout(io.StringIO()) as printed:
        assert main([*printed_command(), "--from", "real/ds003720"]) == 0
    lines = yaml.safe_load(printed.getvalue())
    assert lines["datasets"]["ds003720"]["subjects"] == ["001"]
    Path("config.yaml").write_text(printed.getvalue())
    dataset = ["--dataset", "ds003720"]
    assert main(["fetch", "dataset", *dataset, "--output", "dataset.json"]) == 0
    assert main(["fetch", "stimuli", *dataset, "--output", "stimuli.json"]) == 0
    tables = ["--inventory", "inventory.tsv", "--splits", "splits.tsv"]
    given = ["--listing", "dataset.json", "--receipt", "stimuli.json"]
    assert main(["stimuli", "inventory", *dataset, *given, *tables]) == 0
    inventory = read_inventory("inventory.tsv")
    assert set(inventory.left_out) == {"002", "003", "004", "005"}
    assert len(inventory.timeline("main")) == 4
    assert inventory.counts is not None
    assert not inventory.counts.doubts
    subject = ["--subject", "001", "--listing", "dataset.json", "--output", "receipt.json"]
    assert main(["fetch", "subject", *dataset, *subject]) == 0
    call = ["bold", "check", *dataset, "--subject", "001", "--receipt", "receipt.json"]
    assert main([*call, "--inventory", "inventory.tsv", "--output", "checked.json"]) == 0
