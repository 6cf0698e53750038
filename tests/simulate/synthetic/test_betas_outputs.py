"""`simulate like` of responses to trials: each format is read back as what was simulated."""

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from helpers import bold_tree as tree
from helpers.small_study import commands, run_here
from tristream.align.samples import read_samples
from tristream.bold.run_file import Run, read_run
from tristream.cli import main
from tristream.config.dataset import Dataset
from tristream.errors import UserError
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.simulate.synthetic.settings import ITEM, LABEL, NONE
from tristream.simulate.synthetic.synthetic_truth import SyntheticTruth, read_synthetic_truth
from tristream.simulate.synthetic.write_dataset import Wish, chosen

CEILING = 0.8
WHOLE = {"runs": ["ses-a_run-{1..2}", "ses-b_run-{1..2}"]}
# Trials of a file, its layout, and what the descriptor says.
FORMATS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "image": ({"responses": "sub-{subject}_betas.nii.gz", "trials": "trials.tsv"}, WHOLE),
    # Flat, through a mask as MATLAB does, a file a session; half of the table is of no run.
    "flat": (
        {
            "responses": "{session}.mat",
            "trials": "trials.tsv",
            "mask": "mask.nii.gz",
            "voxel_order": "F",
            "trial_axis": "last",
            "variable": "b",
        },
        {"runs": ["ses-a_run-1", "ses-b_run-1"]},
    ),
    "masked": ({"responses": "{run}.npy", "trials": "trials.csv", "mask": "m.nii"}, WHOLE),
    "table": ({"responses": "betas.tsv", "trials": "trials.tsv"}, WHOLE),
    "named": ({"responses": "betas.h5", "trials": "trials.tsv", "variable": "in/b"}, WHOLE),
}
NAMES = [f"{label}{n}" for label in ("face", "house", "tool") for n in range(3)]


def descriptor(name: str, real: Path) -> dict[str, Any]:
    layout, other = FORMATS[name]
    return {
        "id": name,
        "title": "made up",
        "licence": "CC0",
        "citation": "none",
        "source": {"kind": "folder", "path": str(real)},
        "layout": {"kind": "betas", **layout},
        "subjects": ["01"],
        "events": {"ignore": {"label": ["catch"]}},
        "split": {"scheme": "holdout", "test": ["ses-b_*"]},
        "exchange": {"unit": "item"},
        **other,
    }


def write_real(real: Path, separator: str) -> None:
    """A table of trials in mixed order of runs; a catch trial in each run."""
    real.mkdir(parents=True)
    rng = np.random.default_rng(1)
    rows = [
        (session, run, stimulus, stimulus.rstrip("0123456789"))
        for session in "ab"
        for run in "12"
        for stimulus in rng.permutation([*np.repeat(NAMES, 6), "catch"])
    ]
    text = [separator.join(("session", "run", "stimulus", "label"))] + [
        separator.join(rows[at]) for at in rng.permutation(len(rows))
    ]
    ending = "csv" if separator == "," else "tsv"
    (real / f"trials.{ending}").write_text("\n".join(text) + "\n")


def synthesise(folder: Path, name: str) -> dict[str, Any]:
    """Write the descriptor and the synthetic dataset; return its block of config.yaml."""
    own = folder / "workflow/datasets"
    own.mkdir(parents=True)
    real = folder / "real"
    write_real(real, "," if FORMATS[name][0]["trials"].endswith("csv") else "\t")
    (own / f"{name}.yaml").write_text(yaml.safe_dump(descriptor(name, real)))
    call = ["simulate", "like", "--dataset", name, "--datasets", str(own), "--scale", "6"]
    call += ["--ceiling", str(CEILING), "--output", str(folder / "synthetic")]
    with redirect_stdout(io.StringIO()) as printed:
        assert main(call) == 0
    found: dict[str, Any] = yaml.safe_load(printed.getvalue())["datasets"][name]
    return found


def check(runs: list[Run], truth: SyntheticTruth) -> None:
    """Runs hold the responses of the truth, trial by trial and voxel by voxel."""
    brain = truth.brain
    assert brain is not None
    for run in runs:
        assert run.simulated
        assert len(run.bold) == len(truth.courses[LABEL][run.run]) == 54  # no catch trial
        np.testing.assert_array_equal(run.ijk, brain.ijk)
        np.testing.assert_allclose(run.affine, brain.affine)
    bold = np.concatenate([run.bold for run in runs])
    for region in (LABEL, ITEM):
        courses = np.concatenate([truth.courses[region][run.run] for run in runs])
        explained = _explained(courses, bold)
        assert np.median(explained[brain.region == region]) == pytest.approx(CEILING, abs=0.08)
        assert np.median(explained[brain.region == NONE]) < 0.3
        assert np.median(_explained(np.roll(courses, 1, axis=0), bold)) < 0.3


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "flat"])
def test_responses_that_are_read_back_are_those_that_were_simulated(
    tmp_path: Path, name: str
) -> None:
    synthesise(tmp_path, name)
    dataset = Dataset.model_validate(descriptor(name, tmp_path / "real"))
    raw = tmp_path / "synthetic/raw"
    files = (p.relative_to(raw) for p in sorted(raw.rglob("*")) if p.is_file())
    listed = tuple(FetchedFile(p.as_posix(), None) for p in files if p.parts[0] != ".git")
    receipt = Receipt(name, "01", {}, "", raw, name, "CC0", listed, True)
    truth = read_synthetic_truth(tmp_path / "synthetic/truth.h5", "01")
    check([tree.prepare(dataset, "01", run, receipt) for run in dataset.runs], truth)


def test_a_study_of_synthetic_responses_runs(tmp_path: Path, program: Callable[..., str]) -> None:
    """Through inventory, BOLD and samples, which stand in the order of the truth."""
    config = {
        "datasets": {"flat": synthesise(tmp_path, "flat")},
        "features": {"conditions": {"stream": "label", "extractor": "labels"}},
        "models": {"m": {"datasets": ["flat"], "bands": {"c": ["conditions"]}}},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    run_here(tmp_path, commands(tmp_path, "results/align/flat/sub-01_samples.tsv"))
    truth = read_synthetic_truth(tmp_path / "synthetic/truth.h5", "01")
    runs = list(truth.courses[LABEL])
    assert runs == FORMATS["flat"][1]["runs"]
    check([read_run(tmp_path / f"results/bold/flat/sub-01/{run}.h5") for run in runs], truth)
    samples, _ = read_samples(tmp_path / "results/align/flat/sub-01_samples.tsv")
    for run in runs:
        shown = samples[samples["run"] == run].sort_values("row")["item"]
        true = np.array(truth.labels)[truth.courses[LABEL][run].argmax(axis=1)]
        assert [item.rstrip("0123456789") for item in shown] == list(true)


def _explained(courses: np.ndarray, bold: np.ndarray) -> np.ndarray:
    """Multiple correlation of each voxel."""
    bold = bold - bold.mean(axis=0)
    fitted = courses @ np.linalg.lstsq(courses, bold, rcond=None)[0]
    return np.asarray(np.sqrt((fitted**2).sum(axis=0) / (bold**2).sum(axis=0)))


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    found = Dataset.model_validate(descriptor("image", tmp_path))
    with pytest.raises(UserError, match="--runs: files of image have trials of several runs"):
        chosen(found, Wish(runs=("ses-a_run-1",)))
    one_a_run = Dataset.model_validate(descriptor("masked", tmp_path))
    assert chosen(one_a_run, Wish(runs=("*_run-1",))).runs == ("ses-a_run-1", "ses-b_run-1")
    layout = {"kind": "betas", "responses": "b.pkl", "trials": "trials.tsv"}
    odd = Dataset.model_validate({**descriptor("image", tmp_path), "layout": layout})
    with pytest.raises(UserError, match=r"b\.pkl: is not of \.nii"):
        chosen(odd, Wish())
