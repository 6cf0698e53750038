"""Four synthetic OpenNeuro datasets go from DataLad to report, and their truth is found.

The workflow's own commands are run, one after the other in this process.

The dataset files are the real ones, but for fewer runs and subjects, and, where raw BOLD that moved
is undone by transforms, for voxels as coarse as the synthetic ones. Seen objects of ds001246 share
no category between training and test, so that a decoder of categories takes the test session, one
run left out at a time.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
import pytest
import yaml
from nibabel.affines import apply_affine

from helpers import disk_use, synthetic_datasets
from helpers.methods_facts import lies, linked, own, plant, study_results
from helpers.small_study import commands, run_here
from tristream.simulate.synthetic.settings import ITEM, LABEL, NONE, region_at

FIT = {
    "delays": ["2 TR", "3 TR", "4 TR", "5 TR"],
    "alphas": {"lowest": -1, "highest": 5, "number": 7},
}
INNOCENT = "Measurements of an experiment"
DECODER = {"kind": "ridge", "samples": "blocks", "delay": 5, "permutations": 100}
# Rows are trials of 50 classes, one of each a run; the penalty is as large as there are voxels.
TRIAL_DECODER = {
    "kind": "ridge",
    "samples": "volumes",
    "standardize": "training",
    "regularization": 2000,
}


@dataclass(frozen=True)
class Choice:
    """Of a dataset: what is simulated, how it is modelled, and which region that predicts."""

    subject: str
    runs: tuple[str, ...]
    band: str
    region: str
    delays: tuple[int, ...] = (2, 3, 4, 5)
    resolution: float | None = None
    scale: int = 3
    of: str = ""
    described: Mapping[str, Any] = field(default_factory=dict)


CHOICES = {
    "ds003720": Choice(
        "001",
        ("task-Training_run-01", "task-Training_run-02", "task-Test_run-01"),
        "sound",
        ITEM,
        resolution=8.0,
        scale=4,
    ),
    "ds003717": Choice(
        "01",
        ("task-SESS01", "task-SESS02", "task-SESS03"),
        "conditions",
        LABEL,
        resolution=8.0,
        scale=4,
    ),
    "ds000105": Choice(
        "1", tuple(f"task-objectviewing_run-0{n}" for n in (1, 2, 3)), "conditions", LABEL
    ),
    "ds001246": Choice(
        "01",
        (
            "ses-perceptionTraining01_task-perception_run-01",
            "ses-perceptionTraining01_task-perception_run-02",
            "ses-perceptionTest01_task-perception_run-01",
        ),
        "pictures",
        ITEM,
        delays=(0,),
    ),
    "ds001246_seen": Choice(
        "01",
        tuple(f"ses-perceptionTest01_task-perception_run-0{n}" for n in (1, 2, 3, 4)),
        "pictures",
        ITEM,
        delays=(0,),
        of="ds001246",
        described={"id": "ds001246_seen", "split": {"scheme": "leave-one-run-out"}},
    ),
}
MINIMAL = [name for name, choice in CHOICES.items() if choice.resolution]
LABELLED = ["ds003720", "ds003717", "ds000105"]
DECODED = {**dict.fromkeys(LABELLED, "label"), "ds001246_seen": "category"}


@pytest.fixture(scope="module")
def results(
    tmp_path_factory: pytest.TempPathFactory, trailer: Path, program: Callable[..., str]
) -> Path:
    """Everything that the workflow makes of the synthetic datasets."""
    folder = synthetic_datasets.begin(tmp_path_factory.mktemp("study"))
    study = {
        "datasets": {
            name: synthesise(folder, name, choice, trailer, program)
            for name, choice in CHOICES.items()
        },
        "features": {
            "sound": {"stream": "auditory", "extractor": "acoustics", "layers": ["logmel"]},
            "conditions": {"stream": "label", "extractor": "labels"},
            "pictures": {"stream": "ventral", "extractor": "saliency"},
        },
        "models": {
            f"model_{name}": {
                "datasets": [name],
                "bands": {choice.band: [choice.band]},
                **FIT,
                "delays": [f"{d} TR" for d in choice.delays],
            }
            for name, choice in CHOICES.items()
        },
        "decoders": {
            "label": {"datasets": LABELLED, **DECODER},
            "category": {"datasets": ["ds001246_seen"], **TRIAL_DECODER},
        },
        "inference": {"permutations": 100, "regions": False},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(study))
    run_here(folder, commands(folder))
    return folder / "results"


def synthesise(
    folder: Path, name: str, choice: Choice, film: Path, program: Callable[..., str]
) -> dict[str, Any]:
    """Write a synthetic dataset and its descriptor; return its block of config.yaml."""
    changes = {"title": INNOCENT, "subjects": [choice.subject], **choice.described}
    options = ["--scale", str(choice.scale), "--film", str(film), "--subjects", choice.subject]
    options += ["--runs", *choice.runs]
    found = synthetic_datasets.synthesise(
        folder, name, changes, options, choice.of, choice.resolution
    )
    found["source"]["commit"] = renamed(folder / "archive" / name / "raw", program)
    return found


def renamed(root: Path, program: Callable[..., str]) -> str:
    """Take the word out of the name that the dataset gives itself; return the commit."""
    path = root / "dataset_description.json"
    description = json.loads(path.read_text())
    path.write_text(json.dumps({**description, "Name": INNOCENT}))
    program(root, "git", "commit", "-qam", "Rename")
    return program(root, "git", "rev-parse", "HEAD")


def test_the_size_of_results_is_known_from_shapes(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of data whose BOLD, models and predictions are most of it."""
    monkeypatch.chdir(results.parent)
    used = disk_use.used(results.parent)
    assert used > 1e8
    assert disk_use.holds(disk_use.judged(results.parent), used)


@pytest.mark.parametrize("name", CHOICES)
def test_encoder_finds_the_truth(results: Path, name: str) -> None:
    choice = CHOICES[name]
    with h5py.File(results / f"encode/{name}/model_{name}/sub-{choice.subject}.h5") as file:
        assert file.attrs["simulated"]
        r, worlds = file["scores/r"][()], apply_affine(file["affine"][()], file["ijk"][()])
    region = region_at(worlds)
    assert np.median(r[region == choice.region]) > 0.15
    assert abs(np.median(r[region == NONE])) < 0.05
    if name == "ds003720":
        # A genre follows only in part from its sounds.
        assert np.median(r[region == LABEL]) < np.median(r[region == ITEM]) - 0.15


@pytest.mark.parametrize("name", DECODED)
def test_decoder_finds_the_truth(results: Path, name: str) -> None:
    subject = f"sub-{CHOICES[name].subject}.h5"
    with h5py.File(results / f"decode/{name}/{DECODED[name]}/{subject}") as file:
        assert file.attrs["simulated"]
        assert file.attrs["accuracy"] > file.attrs["chance"] + 0.15
        assert file.attrs["p"] < 0.05


@pytest.mark.parametrize("name", MINIMAL)
def test_raw_bold_came_through_all_transforms(results: Path, name: str) -> None:
    choice = CHOICES[name]
    with h5py.File(results / f"bold/{name}/sub-{choice.subject}/{choice.runs[0]}.h5") as file:
        used = json.loads(file.attrs["sources"])
    assert {"head motion", "coregistration", "distortion", "normalisation"} <= set(used)


@pytest.mark.parametrize("name", CHOICES)
def test_that_it_is_simulated_cannot_be_lost(results: Path, name: str) -> None:
    """Its address, its own name and the descriptor's title say nothing; every figure and map do."""
    described = (results.parent / f"workflow/datasets/{name}.yaml").read_text()
    receipt = json.loads((results / f"fetch/{name}/dataset.json").read_text())
    for text in (described, receipt["name"], receipt["source"]["url"]):
        assert "simulat" not in text.lower()
    assert INNOCENT in described
    for page in (f"{name}.html", f"{name}_sub-{CHOICES[name].subject}.html"):
        text = (results / "report" / page).read_text()
        assert 'class="banner"' in text
        captions = re.findall("<figcaption><b>(.*?)</b>", text)
        assert captions
        assert all("simulated" in caption for caption in captions), captions
    figures = [*(results / f"report/figures/{name}").rglob("*.svg")]
    figures += (results / f"maps/{name}").rglob("*.svg")
    assert len(figures) > 5
    for figure in figures:
        assert "simulated" in figure.read_text().replace("\n", " "), figure
        if "maps" not in figure.relative_to(results).parts:
            assert json.loads(figure.with_suffix(".json").read_text())["simulated"], figure
    maps = [*(results / f"maps/{name}").rglob("*.nii.gz")]
    assert maps
    for path in maps:
        header = nib.load(path).header
        assert header["descrip"].item().startswith(b"simulated BOLD"), path
        assert json.loads(Path(f"{str(path)[:-7]}.json").read_text())["Simulated"]
    for path in (results / f"maps/{name}").rglob("*.gii"):
        assert nib.load(path).meta["Simulated"] == "true"
    described_maps = (results / f"maps/{name}/model_{name}/dataset_description.json").read_text()
    assert json.loads(described_maps)["Simulated"]


def found_lies(study: Path, patch: pytest.MonkeyPatch) -> list[str]:
    patch.chdir(study)
    return lies(study_results(study, study / "workflow/datasets"))


def test_the_methods_text_is_what_the_files_hold(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of both pipelines of fMRIPrep and of SPM, of runs and of trials, of holdout and of folds."""
    assert found_lies(results.parent, monkeypatch) == []


SENTENCES = {
    "a confound": ("bold/ds003720/sub-001/*.h5", "rot_x, ", "csf, rot_x, "),
    "a confound of one run": ("bold/ds000105/sub-1/*run-01.h5", "rot_x, ", "csf, rot_x, "),
    "no filter": ("bold/ds000105/sub-1/*.h5", ", cosines of a high-pass filter", ""),
    "its period": ("bold/ds001246/sub-01/*.h5", "filter of 128 s", "filter of 128 s, csf"),
    "space": ("bold/ds003717/sub-01/*.h5", "MNI152NLin2009cAsym", "T1w"),
    "voxels": ("bold/ds003717/sub-01/*.h5", "Simulated raw BOLD was resampled", "BOLD was"),
    "reader": ("bold/ds001246/sub-01/*.h5", "the names of SPM's", "fMRIPrep's names and"),
    "distortion": ("bold/ds003720/sub-001/*.h5", "the distortion field, ", ""),
    "scaled by the run": (
        "bold/ds001246/sub-01/*.h5",
        "is in percent of each voxel's mean signal in its run",
        "was z-scored within each run",
    ),
    "trials scaled": (
        "bold/ds001246/sub-01/*.h5",
        "Responses were left in percent of each voxel's mean signal, to be scaled by the mean and "
        "variance of training trials",
        "Responses were z-scored over the trials of each run",
    ),
    "number of trials": ("bold/ds001246/sub-01/*.h5", "50 trials", "55 trials"),
    "estimator": (
        "bold/ds001246_seen/sub-01/*.h5",
        "is the mean of the uncensored volumes",
        "was estimated by a general linear model (least squares, separate)",
    ),
    "repeats": (
        "bold/ds001246/sub-01/*.h5",
        "Responses were left",
        "Presentations of one item were averaged within a run. Responses were left",
    ),
    "picture and sound": (
        "stimuli/ds001246/leakage.tsv",
        "by the checksum of its file",
        "in picture (coarse patterns) and in sound (the fine structure)",
    ),
    "findings": (
        "stimuli/ds001246_seen/leakage.tsv",
        "596 findings (364 shown in training, too and 232 alike in picture) were kept.",
        "No test stimulus was found in training.",
    ),
    "known leaks": ("stimuli/ds001246/leakage.tsv", "Known of the dataset", "Not known"),
    "samples": ("align/ds001246/sub-01_samples.tsv", "single trials", "the volumes within events"),
    "common order": (
        "align/ds001246_seen/sub-01_samples.tsv",
        "Samples are",
        "Test runs that show the same stimuli at the same times are repeats of each other. Those",
    ),
    "scheme of samples": (
        "align/ds003717/sub-01_samples.tsv",
        "Each of 3 runs was held out in turn (leave-one-run-out).",
        "2 runs were used for training, and 1 was held out for testing.",
    ),
    "columns": ("features/ds001246/pictures/cells.h5", "24 columns", "25 columns"),
    "scheme": (
        "encode/ds001246/model_ds001246/sub-01.h5",
        "Models were fitted to 2 training runs and tested on 1 held-out run",
        "Each of the 3 runs was held out once (nested leave-one-run-out)",
    ),
    "a ceiling": (
        "encode/ds001246_seen/model_ds001246_seen/sub-01.h5",
        "Predictions were scored",
        "The noise ceiling was that of R = 4 repeats [@sahani2003; @hsu2004]. They were scored",
    ),
    "delays": ("encode/ds003720/model_ds003720/sub-001.h5", "3, 4.5, 6", "1.5, 3, 4.5, 6"),
    "permutations": ("inference/ds003720/model_ds003720/sub-001.h5", "(100 re", "(1,000 re"),
    "moved": (
        "inference/ds000105/model_ds000105/sub-1.h5",
        "whole blocks of one label",
        "whole items (each with all its showings)",
    ),
    "subjects": ("inference/ds001246/model_ds001246/group.h5", "Of 1 subject,", "Of 8 subjects,"),
    "group test": (
        "inference/ds001246/model_ds001246/group.h5",
        "was estimated from the count",
        "was tested by flipping the signs of the subjects' Fisher z",
    ),
    "scheme of a decoder": (
        "decode/ds003720/label/sub-001.h5",
        "The decoder was fitted to 2 training runs and tested on 1 held-out run",
        "Each of the 3 runs was held out once, the decoder fitted to the others",
    ),
    "scaling of a decoder": (
        "decode/ds001246_seen/category/sub-01.h5",
        "Voxels were scaled by their mean and standard deviation over the training samples",
        "Voxels were taken as scaled in their own run",
    ),
}


@pytest.mark.parametrize("lie", SENTENCES)
def test_a_planted_lie_is_found(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    study = linked(results.parent, tmp_path)
    pattern, *change = SENTENCES[lie]
    paths = [*(study / "results").glob(pattern)]
    assert paths
    for path in paths:
        plant(path, *change)
    dataset = pattern.split("/")[1]
    found = found_lies(study, monkeypatch)
    assert found
    assert all(dataset in one for one in found)


FACTS = {
    "scaled by the run": ("bold/ds001246/sub-01/*.h5", "standardized", "run"),
    "measured": ("bold/ds003717/sub-01/*.h5", "simulated", False),
    "space": ("bold/ds000105/sub-1/*.h5", "space", "T1w"),
    "holdout": ("encode/ds000105/model_ds000105/sub-1.h5", "scheme", "holdout"),
    "procedure": ("inference/ds000105/model_ds000105/sub-1.h5", "procedure", "by"),
    "scheme": ("decode/ds001246_seen/category/sub-01.h5", "scheme", "holdout"),
}


@pytest.mark.parametrize("fact", FACTS)
def test_a_changed_fact_makes_the_text_wrong(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fact: str
) -> None:
    study = linked(results.parent, tmp_path)
    pattern, name, value = FACTS[fact]
    for path in (study / "results").glob(pattern):
        with h5py.File(own(path), "r+") as file:
            assert file.attrs[name] != value
            file.attrs[name] = value
    assert found_lies(study, monkeypatch)
