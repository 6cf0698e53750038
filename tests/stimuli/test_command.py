"""The commands of the stimuli stage write their tables with what a reader must know."""

import argparse
from pathlib import Path

import pytest
import yaml

from helpers.stimuli_clips import drawn, write_film
from tristream.cli import stimuli
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.store import read_json, read_table, sidecar


def run(*words: str) -> None:
    parser = argparse.ArgumentParser()
    stimuli.register(parser.add_subparsers(required=True))
    args = parser.parse_args(["stimuli", *words])
    args.run(args)


def receipt(path: Path, root: Path, simulated: bool) -> None:
    files = [p for p in sorted(root.rglob("*")) if p.is_file()]
    listed = tuple(FetchedFile(p.relative_to(root).as_posix(), p.stat().st_size) for p in files)
    Receipt("d", None, {}, "", root, "d", "CC0", listed, simulated).write(path)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two runs show the first and second half of a film; a third repeats the second."""
    source, media = tmp_path / "source", tmp_path / "media"
    media.mkdir()
    write_film(media / "blobs.mp4", drawn(24 * 40))
    shown = {"task-a_run-1": 0, "task-t_run-1": 25, "task-t_run-2": 25}
    for name, start in shown.items():
        path = source / "sub-1" / "func" / f"sub-1_{name}_events.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"onset\tduration\tstim_file\tmedia_start\n4\t15\tb.mp4\t{start}\n")
    receipt(tmp_path / "listing.json", source, simulated=True)
    receipt(tmp_path / "stimuli.json", media, simulated=False)
    descriptor = {
        "id": "d",
        "title": "d",
        "licence": "CC0",
        "citation": "d",
        "source": {"kind": "folder", "path": str(source)},
        "layout": {"kind": "fmriprep"},
        "tr": 1.0,
        "subjects": ["1"],
        "runs": list(shown),
        "stimuli": {
            "source": {"kind": "folder", "path": str(media)},
            "table": [{"stimulus": "blobs", "kind": "film", "path": "blobs.mp4", "match": "b.mp4"}],
        },
        "split": {"scheme": "holdout", "test": ["task-t_*"]},
        "exchange": {"unit": "time"},
    }
    (tmp_path / "d.yaml").write_text(yaml.safe_dump(descriptor))
    (tmp_path / "config.yaml").write_text("datasets: {d: {}}\nleakage: drop\n")
    return tmp_path


def test_inventory_and_leakage(study: Path) -> None:
    common = ["--dataset", "d", "--receipt", str(study / "stimuli.json"), "--code", "abc"]
    common += ["--config", str(study / "config.yaml"), "--datasets", str(study)]
    tables = ["--inventory", str(study / "inventory.tsv"), "--splits", str(study / "splits.tsv")]
    run("inventory", "--listing", str(study / "listing.json"), *tables, *common)
    inventory, said = read_table(study / "inventory.tsv", "inventory")
    assert (said.simulated, said.code) == (True, "abc")
    assert inventory["item"].tolist() == ["blobs", "blobs@25", "blobs@25"]
    assert inventory["unit"].isna().all()
    splits, said = read_table(study / "splits.tsv", "splits")
    assert said.simulated
    assert splits["repeat"].tolist()[1:] == ["test1", "test1"]
    [listed] = read_json(sidecar(study / "inventory.tsv"), "inventory")[0]["stimuli"]
    assert listed["duration"] == pytest.approx(40.0, abs=0.05)
    assert len(listed["sha256"]) == 64

    run("leakage", *tables, "--output", str(study / "leakage.tsv"), *common)
    table, said = read_table(study / "leakage.tsv", "leakage")
    assert said.simulated
    # 10 s lie between the halves, which is less than the minimum gap of 20 s.
    assert table["check"].tolist() == ["gap", "gap"]
    assert table["score"].tolist() == [10.0, 10.0]
    assert table["action"].tolist() == ["drop", "drop"]
    content = read_json(sidecar(study / "leakage.tsv"), "leakage")[0]
    # The first 10 s of the test clip, from its onset to the end of the response.
    assert content["drop"] == [
        {"timeline": "main", "run": f"task-t_run-{n}", "start": 4.0, "end": 24.0} for n in (1, 2)
    ]
    assert [c["check"] for c in content["checked"]] == ["overlap and gap", "picture"]
    assert content["checked"][1]["window_pairs"] > 0
    assert content["omitted"][0]["what"] == "order baseline"


def test_one_order_for_all_subjects_is_said_beside_the_findings(tmp_path: Path) -> None:
    """Two subjects hear six words in one order a run, another in each."""
    orders = {"task-x_run-1": "abcdef", "task-x_run-2": "fcadeb", "task-x_run-3": "ebfacd"}
    for subject in "12":
        for run_name, words in orders.items():
            path = tmp_path / f"source/sub-{subject}/func/sub-{subject}_{run_name}_events.tsv"
            path.parent.mkdir(parents=True, exist_ok=True)
            # Onsets are each subject's own.
            rows = "".join(f"{5 * n + int(subject)}\t2\t{w}\n" for n, w in enumerate(words))
            path.write_text(f"onset\tduration\ttrial_type\n{rows}")
    receipt(tmp_path / "listing.json", tmp_path / "source", simulated=False)
    descriptor = {
        "id": "d",
        "title": "d",
        "licence": "CC0",
        "citation": "d",
        "source": {"kind": "folder", "path": str(tmp_path / "source")},
        "layout": {"kind": "fmriprep"},
        "tr": 1.0,
        "subjects": ["1", "2"],
        "timelines": "own",
        "runs": list(orders),
        "split": {"scheme": "leave-one-run-out"},
        "exchange": {"unit": "item"},
    }
    (tmp_path / "d.yaml").write_text(yaml.safe_dump(descriptor))
    (tmp_path / "config.yaml").write_text("datasets: {d: {subjects: ['1']}}\n")
    common = ["--dataset", "d", "--config", str(tmp_path / "config.yaml")]
    common += ["--datasets", str(tmp_path)]
    tables = ["--inventory", str(tmp_path / "inventory.tsv")]
    tables += ["--splits", str(tmp_path / "splits.tsv")]
    run("inventory", "--listing", str(tmp_path / "listing.json"), *tables, *common)
    run("leakage", *tables, "--output", str(tmp_path / "leakage.tsv"), *common)
    across = read_json(sidecar(tmp_path / "leakage.tsv"), "leakage")[0]["across"]
    assert across["flagged"]
    assert (across["subjects"], across["agreement"], across["identical"]) == (2, 1.0, 1.0)
    assert "no decoder over subjects is safe" in across["note"]
