"""A study that has no data yet: from the real events of another one to a page that answers."""

import json
import tarfile
from pathlib import Path

import pandas as pd
import yaml

from helpers.small_study import REPO, planned, snakemake

POWER = {
    "music": {
        "events": [
            f"events/sub-001_task-{run}_events.tsv" for run in ("Training_*", "Test_run-01")
        ],
        "test": ["task-Test_*"],
        "tr": 1.5,
        "label": "genre",
        "effects": [0.1, 0.4],
        "runs": [1, 2],
        "repeats": [1],
        "subjects": [8],
        "voxels": 40,
        "driven": 0.25,
        "realisations": 3,
        "permutations": 50,
    }
}


def design(folder: Path) -> None:
    """The events of three training runs and a test run of ds003720."""
    (folder / "events").mkdir()
    runs = ("Training_run-01", "Training_run-02", "Training_run-03", "Test_run-01")
    with tarfile.open(REPO / "tests/data/openneuro_events.tar.gz") as archive:
        for run in runs:
            name = f"sub-001_task-{run}_events.tsv"
            file = archive.extractfile(f"ds003720/sub-001/func/{name}")
            assert file is not None
            (folder / "events" / name).write_bytes(file.read())
    study = {"title": "To come", "power": POWER, "inference": {"permutations": 200}}
    (folder / "config.yaml").write_text(yaml.safe_dump(study))


def test_a_study_is_planned_from_events_alone(tmp_path: Path) -> None:
    design(tmp_path)
    snakemake(tmp_path)
    results = tmp_path / "results"
    table = pd.read_csv(results / "power/music.tsv", sep="\t", na_values=["n/a"])
    one = table[(table["subjects"] == 1) & (table["training_runs"] == 6)].set_index("effect")
    assert one.loc[0.4, "power"] > 0.9
    assert one.loc[0.4, "accuracy"] > 3 * one.loc[0.4, "chance"]
    assert one.loc[0.0, "power"] <= 0.05
    assert json.loads((results / "power/music.json").read_text())["simulated"] is True
    page = (results / "report/power_music.html").read_text()
    assert "80% power at a ceiling r of 0.4: " in page
    assert "simulated BOLD" in page
    assert 'href="power_music.html"' in (results / "report/index.html").read_text()
    # Every page leads there, its own among them.
    assert 'href="index.html#power"' in page
    assert '<a class="subject" href="power_music.html" aria-current="page">music</a>' in page
    for figure in ("power", "r", "accuracy", "repeats"):
        for ending in ("png", "svg", "tsv"):
            assert (results / f"report/figures/power/music_{figure}.{ending}").is_file()
        svg = (results / f"report/figures/power/music_{figure}.svg").read_text()
        assert "simulated" in svg
    # A longer test run is another design; a title is none.
    with (tmp_path / "events/sub-001_task-Test_run-01_events.tsv").open("a") as file:
        file.write("615\t15\t'jazz'\t1\t0\t15\n")
    assert planned(tmp_path) == {"power": 1, "report": 1}
