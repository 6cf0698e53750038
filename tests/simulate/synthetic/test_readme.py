"""README's commands as printed: a synthetic dataset, the check of its files, then the others."""

import io
import re
import shlex
import shutil
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import yaml

from helpers import REPOSITORY
from helpers.small_study import snakemake
from tristream.cli import main
from tristream.stimuli.tables import read_inventory

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
# What each printed command of ours says where it runs on the synthetic dataset, or who runs it.
ON_THE_DATASET = {
    "plan --config mine.yaml": "fetch_subject|stimuli",
    "fetch plan --dataset ds003720": "ds003720",
    "fetch status --dataset ds003720": "present",
    "features list": "optical_flow",
}
ELSEWHERE = {
    "simulate like": "the test below, with all that it prints",
    "run": "tests/study",
    "bids BIDS_DIR OUT participant|group": "tests/cli/test_bids.py",
    "features show SPACE": "tests/features/show",
    "weights fetch": "tests/fetch/test_weights.py",
    "describe": "tests/workflow/test_first_hour.py",
    "features extract my_sounds/*.wav --space acoustics --layers rms --output rms.h5": (
        "tests/features/core/test_own_files.py"
    ),
}


def printed_command() -> list[str]:
    (line,) = re.findall(r"^tristream (simulate like (?:.*\\\n)*.*)$", README, re.MULTILINE)
    return shlex.split(line.replace("\\\n", " "), comments=True)


def printed_commands() -> set[str]:
    """Commands of ours in README's text and listings, without comments."""
    inline = re.findall(r"`tristream ([^`]+)`", README)
    listed = re.findall(r"^tristream ((?:.*\\\n)*.*)$", README, re.MULTILINE)
    return {" ".join(text.partition("#")[0].split()) for text in (*inline, *listed)}


def test_every_printed_command_is_run_somewhere() -> None:
    known = {*ON_THE_DATASET, *ELSEWHERE, "predict --help"}
    printed = printed_commands()
    assert {one for one in printed if not one.startswith("simulate like")} <= known
    assert known <= printed
    with pytest.raises(SystemExit) as asked, redirect_stdout(io.StringIO()) as shown:
        main(["predict", "--help"])
    assert asked.value.code == 0
    assert "tristream predict" in shown.getvalue()


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
    shutil.copyfile("config.yaml", "mine.yaml")
    Path("Snakefile").write_text(f'include: "{REPOSITORY}/Snakefile"\n')
    for line, words in ON_THE_DATASET.items():
        with redirect_stdout(io.StringIO()) as shown:
            assert main(shlex.split(line)) == 0, shown.getvalue()
        assert re.search(words, shown.getvalue()), (line, shown.getvalue())
    assert "inventory" in snakemake(tmp_path, "--dry-run")
