"""The methods text of the demo's datasets, fact by fact against their files; planted lies fail.

Of the slice every job is run on the real images. Of the film's dataset the cleaning of each run is,
on images with the names of its descriptor, also where a run lacks what the others have. Wherever
else a whole study is run, its text is compared in the same way: beside the tests of the four
synthetic OpenNeuro datasets, of the localizer, of the small study (a film whose test runs are
repeats), of raw images and of surfaces.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from helpers import bold_tree
from helpers.methods_facts import lies, linked, plant, study_results, text_of
from helpers.small_study import REPO, commands, run_here
from tristream.bold.index_file import write_index
from tristream.bold.run_file import write_run
from tristream.config.dataset import Dataset
from tristream.config.load import descriptor

DESCRIPTORS = REPO / "workflow/datasets"
SHIPPED = {path.stem for path in DESCRIPTORS.glob("*.yaml")}
COMPARED = {
    "haxby2001_slice": "tests/report/test_methods_facts.py",
    "bunny": "tests/report/test_methods_facts.py",
    "localizer": "tests/workflow/test_real_scan.py",
    **dict.fromkeys(
        ("ds000105", "ds001246", "ds003717", "ds003720"),
        "tests/workflow/test_synthetic_openneuro.py",
    ),
}


# Of raw images, whose registration takes longer than the tests of all others; their words are those
# of another study of raw images (tests/workflow/test_raw_study.py).
RAW = {"ds002345", "ds004192"}


def test_every_shipped_descriptor_is_compared() -> None:
    assert set(COMPARED) | RAW == SHIPPED
    for name in RAW:
        assert descriptor(name, [DESCRIPTORS], DESCRIPTORS).layout.kind == "raw"
    for name, path in COMPARED.items():
        text = (REPO / path).read_text()
        assert name in text
        assert "lies(study_results(" in text


@pytest.fixture(scope="module")
def slice_study(tmp_path_factory: pytest.TempPathFactory, haxby: Path, cache: Path) -> Path:
    """The demo's study of the slice, finished; with fewer permutations, and one of too few."""
    folder = tmp_path_factory.mktemp("slice")
    demo = yaml.safe_load((REPO / "config.yaml").read_text())
    decoders = {name: {**block, "permutations": 20} for name, block in demo["decoders"].items()}
    decoders["untested"] = {**decoders["ridge_volumes"], "permutations": 0}
    study = {
        "datasets": ["haxby2001_slice"],
        "features": {"categories": demo["features"]["categories"]},
        "models": {"category": demo["models"]["category"]},
        "decoders": decoders,
        "univariate": {"face_house": {**demo["univariate"]["face_house"], "permutations": 1000}},
        "inference": {"permutations": 20, "regions": False},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(study))
    (folder / "data").symlink_to(cache)
    # Pages and pictures take most of the time and hold no sentence of their own.
    run_here(folder, [call for call in commands(folder) if call[0] not in ("report", "maps")])
    return folder


def found_lies(study: Path, patch: pytest.MonkeyPatch) -> list[str]:
    patch.chdir(study)
    return lies(study_results(study, DESCRIPTORS))


def test_the_text_of_the_slice_is_what_its_files_hold(
    slice_study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found_lies(slice_study, monkeypatch) == []
    text = text_of(study_results(slice_study, DESCRIPTORS))
    assert "no confounds were" in text["Data: haxby2001_slice"]
    assert "ceiling" not in text["Encoding: haxby2001_slice"]
    assert "simulated" not in " ".join(text.values()).lower()


SENTENCES = {
    "confounds": (
        "bold/haxby2001_slice/sub-1/run-*.h5",
        "The mean and a linear trend were projected out of each run; no confounds were",
        "The mean, a linear trend and confounds (trans_x) were projected out of each run",
    ),
    "confounds of one run": (
        "bold/haxby2001_slice/sub-1/run-03.h5",
        "The mean and a linear trend were projected out of each run; no confounds were",
        "The mean, a linear trend and confounds (trans_x) were projected out of each run",
    ),
    "simulated": ("bold/haxby2001_slice/sub-1/run-*.h5", "One image", "One simulated image"),
    "leakage": (
        "stimuli/haxby2001_slice/leakage.tsv",
        "Whether labels follow from time was tested",
        "Each test image was compared with the training images by name. Time was tested",
    ),
    "scheme": ("encode/haxby2001_slice/category/sub-1.h5", "Each of the 12", "Each of the 10"),
    "samples of a decoder": (
        "decode/haxby2001_slice/svm_blocks/sub-1.h5",
        "the mean of the volumes of each block",
        "single volumes",
    ),
    "voxels of a decoder": (
        "decode/haxby2001_slice/classifiers/sub-1.h5",
        "In each fit the 100 of",
        "In each fit the 50 of",
    ),
    "searchlight": (
        "decode/haxby2001_slice/ridge_blocks/sub-1_searchlight.h5",
        "around each of 530 voxels",
        "around each of 400 voxels",
    ),
    "permutations of a searchlight": (
        "decode/haxby2001_slice/ridge_blocks/sub-1_searchlight.h5",
        "under each of 20 permutations",
        "under each of 1,000 permutations",
    ),
    "comparison": (
        "decode/haxby2001_slice/face_house/sub-1_univariate.h5",
        "permutations of all 24 means",
        "permutations of all 12 means",
    ),
    "p value": (
        "decode/haxby2001_slice/untested/sub-1.h5",
        "Decoding accuracy has no p value",
        "Accuracies were compared with those under 1,000 random permutations",
    ),
    "group": ("inference/haxby2001_slice/category/group.h5", "Of 1 subject,", "Of 9 subjects,"),
}


@pytest.mark.parametrize("lie", SENTENCES)
def test_a_planted_lie_is_found(
    slice_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    study = linked(slice_study, tmp_path)
    pattern, *change = SENTENCES[lie]
    paths = [*(study / "results").glob(pattern)]
    assert paths
    for path in paths:
        plant(path, *change)
    assert found_lies(study, monkeypatch)


def without_cosines(table: pd.DataFrame) -> pd.DataFrame:
    return table.filter(regex="^(?!cosine)")


def unsteady(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(non_steady_state_outlier00=np.eye(len(table))[6])


# How the first run's table differs, which confounds are asked for, what the text has and lacks.
Change = Callable[[pd.DataFrame], pd.DataFrame]
CASES: dict[str, tuple[Change | None, list[str] | None, str, str]] = {
    "as shipped": (None, None, "cosines of a high-pass filter)", " of 2 runs"),
    "no filter in one run": (without_cosines, None, "(1 of 2 runs of sub-01: task-tr", "no conf"),
    "no filter asked for": (None, ["motion"], "trans_z) were projected", "cosine"),
    "no confounds": (None, [], "no confounds were", "trans_x"),
    "a volume censored": (
        unsteady,
        None,
        "the steady state: each got a regressor of its own (1 of 2",
        "no conf",
    ),
}


def film_study(folder: Path, case: str) -> Path:
    """The film's dataset with two of its runs cleaned; `case` says how."""
    change, confounds, *_ = CASES[case]
    shipped: Dataset = descriptor("bunny", [DESCRIPTORS], Path("config.yaml"))
    runs = [shipped.runs[0], shipped.runs[-1]]
    content = shipped.model_dump() | {"runs": runs, "subjects": ["01"]}
    if confounds is not None:
        content["layout"]["confounds"] = confounds
    dataset = Dataset.model_validate({**content, "tr": bold_tree.TR})
    tree = folder / "tree"
    (tree / bold_tree.FUNC).mkdir(parents=True)
    rng = np.random.default_rng(0)
    paths = []
    for number, run in enumerate(runs):
        shape = (*bold_tree.SHAPE, bold_tree.VOLUMES)
        bold_tree.save(bold_tree.image_path(tree, run), 1000 + 10 * rng.standard_normal(shape))
        bold_tree.save_mask(tree, run, np.ones(bold_tree.SHAPE))
        bold_tree.write_sidecar(tree, run, {"RepetitionTime": bold_tree.TR, "StartTime": 0.7})
        table = bold_tree.confounds(rng)
        if change and number == 0:
            table = change(table)
        table.to_csv(bold_tree.confounds_path(tree, run), sep="\t", index=False, na_rep="n/a")
    receipt = bold_tree.receipt_of(tree, simulated=True)
    home = folder / "results/bold/bunny/sub-01"
    for run in runs:
        paths.append(home / f"{run}.h5")
        write_run(paths[-1], bold_tree.prepare(dataset, "01", run, receipt), {})
    write_index(bold_tree.index_settings(dataset), paths, home / "index.json")
    config = {"datasets": {"bunny": {"subjects": ["01"]}}, "features": {}, "models": {}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.mark.parametrize("case", CASES)
def test_the_text_of_the_film_is_what_its_runs_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    study = film_study(tmp_path, case)
    assert found_lies(study, monkeypatch) == []
    text = text_of(study_results(study, DESCRIPTORS))["Data: bunny"]
    *_, there, lacking = CASES[case]
    assert there in text
    assert lacking not in text
    assert "the first 4 volumes" in text
