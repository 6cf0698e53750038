"""What is wrong with events and images that are here is told by check, plan and dry run.

Only the chosen subjects stop a study; what differs between subjects is told with a remedy.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.small_study import commands, planned, run_here, snakemake
from helpers.subjects_study import (
    EVENTS,
    RUNS,
    chosen,
    events,
    image,
    not_fetched,
    write_images,
    write_study,
)
from tristream.bold import files_at_hand
from tristream.cli import main
from tristream.stimuli.tables import read_inventory

Fault = Callable[[Path], object]
LAST = RUNS[-1]
# What is wrong with sub-02, and what is told of it.
IN_EVENTS: dict[str, tuple[Fault, str]] = {
    "no events": (
        lambda f: events(f, "02", LAST).unlink(),
        "has no file sub-02/func/sub-02_task-a_run-3_events.tsv",
    ),
    "Windows-1252": (
        lambda f: events(f, "02", LAST).write_bytes(EVENTS.encode() + b"24\t1\tf\xe4ce\n"),
        "sub-02_task-a_run-3_events.tsv: is not UTF-8 text",
    ),
    "negative duration": (
        lambda f: events(f, "02", LAST).write_text(EVENTS + "30\t-1\tface\n"),
        "sub-02_task-a_run-3_events.tsv: row 4: duration -1 s is negative",
    ),
    "other events": (
        lambda f: events(f, "02", LAST).write_text(EVENTS.replace("house", "car")),
        "sub-02 task-a_run-3 row 2: differs from sub-01",
    ),
    "empty": (
        lambda f: events(f, "02", LAST).write_text(""),
        "sub-02_task-a_run-3_events.tsv: is empty",
    ),
    "compressed": (
        lambda f: events(f, "02", LAST).rename(f"{events(f, '02', LAST)}.gz"),
        "sub-02_task-a_run-3_events.tsv (similar: sub-02/func/sub-02_task-a_run-3_events.tsv.gz",
    ),
    "not fetched": (
        lambda f: not_fetched(events(f, "02", LAST)),
        "sub-02_task-a_run-3_events.tsv: its content is not present: it was not fetched; run `git",
    ),
    "another TR": (
        lambda f: (f / "bids/sub-02/sub-02_task-a_bold.json").write_text('{"RepetitionTime": 2}'),
        "sub-02 task-a_run-1: its sidecars say RepetitionTime 2, the descriptor `tr: 1.5`",
    ),
    "no image": (
        lambda f: image(f, "02", LAST).unlink(),
        "has no file derivatives/fmriprep/sub-02/func/sub-02_task-a_run-3_space-MNI",
    ),
}
# What headers and sidecars of images show: told by the plan.
IN_IMAGES: dict[str, tuple[Fault, str]] = {
    "other volumes": (
        lambda f: write_images(f, "02", LAST, volumes=22),
        "sub-02 task-a_run-3 has 22 volumes that stand 0.75 s into their TR, but sub-01, sub-03",
    ),
    "other start time": (
        lambda f: write_images(f, "02", LAST, StartTime=0.5),
        "sub-02 task-a_run-3 has 24 volumes that stand 0.5 s into their TR, but sub-01, sub-03",
    ),
    "TR of the images": (
        lambda f: write_images(f, "02", LAST, RepetitionTime=2.0),
        "the TR is not the same everywhere (header 2 s, descriptor 1.5 s, sidecar 2 s)",
    ),
    "too short": (lambda f: write_images(f, "02", LAST, volumes=9), "it is cut short, or not of"),
    "image not fetched": (
        lambda f: not_fetched(image(f, "02", LAST)),
        "preproc_bold.nii.gz: its content is not present: it was not fetched; run `git",
    ),
}


def told(folder: Path, capsys: pytest.CaptureFixture[str], *call: str) -> tuple[int, str]:
    code = main([*call, "--config", str(folder / "config.yaml")])
    out, err = capsys.readouterr()
    return code, out + err


@pytest.mark.parametrize("name", IN_EVENTS)
def test_faulty_events_are_told_by_the_check_of_the_study(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage, message = IN_EVENTS[name]
    monkeypatch.chdir(write_study(tmp_path))
    assert told(tmp_path, capsys, "config", "check")[0] == 0
    damage(tmp_path)
    code, text = told(tmp_path, capsys, "config", "check")
    assert code == 2
    assert message in text
    assert text.count("\n") == 1
    # A study of the others is not stopped.
    (tmp_path / "workflow/datasets/d.yaml").rename(tmp_path / "d.yaml")
    write_study(tmp_path / "again", chosen("01", "03"))
    monkeypatch.chdir(tmp_path / "again")
    damage(tmp_path / "again")
    assert told(tmp_path / "again", capsys, "config", "check")[0] == 0


@pytest.mark.parametrize("name", IN_IMAGES)
def test_faulty_images_are_told_by_the_plan(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage, message = IN_IMAGES[name]
    monkeypatch.chdir(write_study(tmp_path))
    damage(tmp_path)
    code, text = told(tmp_path, capsys, "plan")
    assert code == 1
    (line,) = text.partition("\nFaults\n")[2].splitlines()
    assert message in line


def test_sidecars_of_images_that_are_not_here_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a clone, whose sidecars are text in git: start times are known before gigabytes."""
    monkeypatch.chdir(write_study(tmp_path))
    write_images(tmp_path, "02", LAST, StartTime=0.5)
    monkeypatch.setattr(files_at_hand, "_is_here", lambda *_: False)
    code, text = told(tmp_path, capsys, "plan")
    assert code == 1
    (line,) = text.partition("\nFaults\n")[2].splitlines()
    assert "sub-02 task-a_run-3 has volumes that stand 0.5 s into their TR, but sub-01" in line
    assert "a timeline of its own" in line


def test_plan_and_dry_run_tell_faulty_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(write_study(tmp_path, chosen("01", "02")))
    damage, message = IN_EVENTS["Windows-1252"]
    events(tmp_path, "03", LAST).write_bytes(b"\xff")
    assert "inventory" in snakemake(tmp_path, "--dry-run")
    damage(tmp_path)
    code, text = told(tmp_path, capsys, "plan")
    assert code == 1
    assert message in text.partition("\nFaults\n")[2]
    said = snakemake(tmp_path, "--dry-run", ok=False)
    assert message in said
    assert "Traceback" not in said
    # One line ends it, and nothing follows.
    assert message in said.strip().splitlines()[-1]


@pytest.mark.parametrize("first", ["01", "02"])
def test_volumes_are_compared_before_bold_is_read(first: str, tmp_path: Path) -> None:
    """By the rules' own commands; the first subject is no more right than the others."""
    write_study(tmp_path, chosen(first, *{"01", "02", "03"} - {first}))
    target = "results/bold/d/timing.json"
    calls = commands(tmp_path, target)
    assert [call[:2] for call in calls].count(["bold", "check"]) == 3
    assert not any(call[:2] == ["bold", "prepare"] for call in calls)
    run_here(tmp_path, calls)
    assert (tmp_path / target).exists()
    (tmp_path / target).unlink()
    write_images(tmp_path, "02", LAST, volumes=22)
    with pytest.raises(AssertionError, match="sub-02 task-a_run-3 has 22 volumes that stand"):
        run_here(tmp_path, calls)


def test_a_run_that_the_first_subject_lacks_is_aligned_by_another(tmp_path: Path) -> None:
    """Features of each run are at the volumes of the first of those who have it."""
    write_study(tmp_path)
    descriptor = tmp_path / "workflow/datasets/d.yaml"
    descriptor.write_text(descriptor.read_text() + f"missing: {{'01': [{RUNS[1]}]}}\n")
    events(tmp_path, "01", RUNS[1]).unlink()
    image(tmp_path, "01", RUNS[1]).unlink()
    calls = commands(tmp_path, "results/encode/d/objects/sub-02.h5")
    (aligned,) = [call for call in calls if call[:2] == ["align", "features"]]
    bold = aligned[aligned.index("--bold") + 1 : aligned.index("--output")]
    assert [Path(path).parent.name for path in bold] == ["sub-01", "sub-02", "sub-01"]
    run_here(tmp_path, calls)
    assert (tmp_path / "results/encode/d/objects/sub-02.h5").exists()


def test_what_is_corrected_or_added_is_read_again(tmp_path: Path) -> None:
    """By a real run: events corrected in place, and a missing file that came after the error."""
    write_study(tmp_path, chosen("01", "03"))
    table = "results/stimuli/d/inventory.tsv"
    text = events(tmp_path, "02", LAST).read_text()
    events(tmp_path, "02", LAST).unlink()
    snakemake(tmp_path, table)
    assert list(read_inventory(tmp_path / table).left_out) == ["02"]
    assert planned(tmp_path, table) == {}
    events(tmp_path, "02", LAST).write_text(text)
    assert set(planned(tmp_path, table)) == {"fetch_dataset", "inventory"}
    snakemake(tmp_path, table)
    assert read_inventory(tmp_path / table).left_out == {}
    assert planned(tmp_path, table) == {}
    for subject in ("01", "02", "03"):
        events(tmp_path, subject, LAST).write_text(text.replace("house", "horse"))
    assert set(planned(tmp_path, table)) == {"fetch_dataset", "inventory"}
