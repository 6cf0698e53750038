"""Twins of datasets with minimal derivatives go from DataLad to report, and their truth is found.

Raw BOLD that moved is cloned, undone by its transforms, predicted and decoded. The dataset files
are the real ones, but for fewer runs and subjects and voxels as coarse as the twins'.
"""

import io
import tarfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml
from nibabel.affines import apply_affine

from small_study import REPO, snakemake
from tristream.cli import main
from tristream.simulate.twin.settings import ITEM, LABEL, NONE, region_at

DESCRIPTORS = REPO / "workflow/datasets"
MUSIC, WORDS = "ds003720", "ds003717"
SUBJECTS = {MUSIC: "001", WORDS: "01"}
RUNS = {
    MUSIC: ["task-Training_run-01", "task-Training_run-02", "task-Test_run-01"],
    WORDS: ["task-SESS01", "task-SESS02", "task-SESS03"],
}
# Factor on the twins' voxels, and the edge to which they are resampled (mm).
SCALE, RESOLUTION = 4, 8.0
FIT = {"delays": [2, 3, 4, 5], "alphas": {"lowest": -1, "highest": 5, "number": 7}}
DECODER = {"kind": "ridge", "samples": "blocks", "delay": 5, "permutations": 100}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, trailer: Path) -> Path:
    """Everything that the workflow makes of both twins."""
    folder = tmp_path_factory.mktemp("twins")
    with tarfile.open(REPO / "tests/data/openneuro_events.tar.gz") as archive:
        archive.extractall(folder / "real", filter="data")
    study = {
        "datasets": {
            MUSIC: twin(folder, MUSIC, "--film", str(trailer)),
            WORDS: twin(folder, WORDS),
        },
        "features": {
            "acoustics": {"stream": "auditory", "extractor": "acoustics", "layers": ["logmel"]},
            "conditions": {"stream": "label", "extractor": "labels"},
        },
        "models": {
            "sound": {"datasets": [MUSIC], "bands": {"auditory": ["acoustics"]}, **FIT},
            "words": {"datasets": [WORDS], "bands": {"conditions": ["conditions"]}, **FIT},
        },
        "decoders": {
            "genre": {"datasets": [MUSIC], **DECODER},
            "condition": {"datasets": [WORDS], **DECODER},
        },
        "inference": {"permutations": 100, "regions": False},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(study))
    snakemake(folder)
    return folder / "results"


def twin(folder: Path, name: str, *options: str) -> dict[str, Any]:
    """Write a twin and its descriptor; what config.yaml says of it."""
    call = ["simulate", "like", "--dataset", name, "--datasets", str(DESCRIPTORS)]
    call += ["--output", str(folder / "twin" / name), "--from", str(folder / "real" / name)]
    call += ["--scale", str(SCALE), "--subjects", SUBJECTS[name], "--runs", *RUNS[name], *options]
    (folder / "twin").mkdir(exist_ok=True)
    with redirect_stdout(io.StringIO()) as said:
        assert main(call) == 0
    described = yaml.safe_load((DESCRIPTORS / f"{name}.yaml").read_text())
    described |= {"runs": RUNS[name], "subjects": [SUBJECTS[name]]}
    described["layout"]["resolution"] = RESOLUTION
    own = folder / "workflow/datasets"
    own.mkdir(parents=True, exist_ok=True)
    (own / f"{name}.yaml").write_text(yaml.safe_dump(described))
    for table in DESCRIPTORS.glob(f"{name}_*.tsv"):
        (own / table.name).write_bytes(table.read_bytes())
    choice = yaml.safe_load(said.getvalue())["datasets"][name]
    choice.pop("runs")
    return choice


def scores(results: Path, dataset: str, model: str) -> dict[str, np.ndarray]:
    """Test scores of the voxels of each region of the twin."""
    with h5py.File(results / f"encode/{dataset}/{model}/sub-{SUBJECTS[dataset]}.h5") as file:
        assert file.attrs["simulated"]
        r, worlds = file["scores/r"][()], apply_affine(file["affine"][()], file["ijk"][()])
    region = region_at(worlds)
    return {name: r[region == name] for name in (LABEL, ITEM, NONE)}


def decoded(results: Path, dataset: str, decoder: str) -> tuple[float, float]:
    """Accuracy above chance, and p."""
    with h5py.File(results / f"decode/{dataset}/{decoder}/sub-{SUBJECTS[dataset]}.h5") as file:
        assert file.attrs["simulated"]
        return file.attrs["accuracy"] - file.attrs["chance"], file.attrs["p"]


def test_sounds_are_heard_and_their_genre_is_known(results: Path) -> None:
    r = scores(results, MUSIC, "sound")
    assert np.median(r[ITEM]) > 0.3
    assert abs(np.median(r[NONE])) < 0.05
    # A genre is told in part by its sounds.
    assert np.median(r[LABEL]) < np.median(r[ITEM]) - 0.15
    above, p = decoded(results, MUSIC, "genre")
    assert above > 0.2
    assert p < 0.05


def test_words_in_noise_are_told_apart(results: Path) -> None:
    r = scores(results, WORDS, "words")
    assert np.median(r[LABEL]) > 0.2
    assert abs(np.median(r[NONE])) < 0.05
    above, p = decoded(results, WORDS, "condition")
    assert above > 0.15
    assert p < 0.05


@pytest.mark.parametrize("dataset", [MUSIC, WORDS])
def test_bold_came_through_all_transforms_and_the_report_says_simulated(
    results: Path, dataset: str
) -> None:
    subject = SUBJECTS[dataset]
    with h5py.File(results / f"bold/{dataset}/sub-{subject}/{RUNS[dataset][0]}.h5") as file:
        assert {"head motion", "coregistration", "distortion", "normalisation"} <= set(
            yaml.safe_load(file.attrs["sources"])
        )
    page = (results / f"report/{dataset}_sub-{subject}.html").read_text()
    assert "SIMULATED" in page.upper()
