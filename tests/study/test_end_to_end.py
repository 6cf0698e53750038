"""The small study from fetch to report, as a user would run it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from helpers import disk_use
from helpers.methods_facts import lies, study_results
from helpers.small_study import snakemake

pytestmark = pytest.mark.xdist_group("study")


def test_a_second_run_has_nothing_to_do(finished: Path):
    assert "Nothing to be done" in snakemake(finished)


def test_every_measured_file_says_simulated(finished: Path):
    results = finished / "results"
    for stage in ("bold", "encode", "inference"):
        # The atlas is a real one, drawn by nobody's simulation.
        files = [f for f in (results / stage).rglob("*.h5") if f.name != "regions.h5"]
        assert files, stage
        for path in files:
            with h5py.File(path) as file:
                assert bool(file.attrs["simulated"]), path
    assert json.loads((results / "fetch/tiny/sub-01/receipt.json").read_text())["simulated"]
    for page in (results / "report").glob("tiny*.html"):
        assert "simulated BOLD" in page.read_text(), page


def test_too_few_permutations_write_no_p_values(finished: Path):
    with h5py.File(finished / "results/inference/tiny/streams/sub-01.h5") as file:
        assert "p" not in file
        (omission,) = [o for o in json.loads(file.attrs["omitted"]) if "p" in o["what"]]
    assert omission["why"]
    assert omission["why"] in (finished / "results/report/tiny_sub-01.html").read_text()


def test_nothing_temporary_is_left(finished: Path):
    left = [p for p in (finished / "results").rglob("*") if ".part" in p.name]
    assert left == []
    assert list((finished / "results").rglob(".chunks")) == []


def test_disk_was_judged_before_the_run(finished: Path):
    assert disk_use.holds(disk_use.judged(finished), disk_use.used(finished))


def test_exported_maps_are_valid_bids(finished: Path):
    validator = shutil.which("bids-validator-deno", path=str(Path(sys.executable).parent))
    assert validator
    folder = finished / "results/maps/tiny/streams"
    done = subprocess.run(
        [validator, str(folder), "--format", "json"], capture_output=True, text=True, check=False
    )
    said = json.loads(done.stdout)
    errors = [i for i in said["issues"]["issues"] if i["severity"] == "error"]
    assert errors == []


def test_a_model_predicts_a_new_stimulus(finished: Path):
    features = [str(p.relative_to(finished)) for p in (finished / "results/features").rglob("*.h5")]
    call = [sys.executable, "-m", "tristream", "predict", "--output", "predicted.h5"]
    call += ["--encoding", "results/encode/tiny/streams/sub-01.h5", "--features", *features]
    done = subprocess.run(call, cwd=finished, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with h5py.File(finished / "predicted.h5") as file:
        assert file["prediction"].shape[0] >= 50
        assert bool(file.attrs["simulated"])


def test_the_methods_text_is_what_the_files_hold(finished: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(finished)
    assert lies(study_results(finished, finished / "workflow/datasets")) == []
