"""Twins of datasets with minimal derivatives go from DataLad to report, and their truth is found.

Raw BOLD that moved is cloned, undone by its transforms, predicted and decoded. The dataset files
are the real ones, but for fewer runs and subjects and voxels as coarse as the twin's.
"""

import tarfile
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
SCALE, RESOLUTION = 4, 8.0
ALPHAS = {"lowest": -1, "highest": 5, "number": 7}
INFERENCE = {"permutations": 100, "regions": False}


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """The real events of a few subjects."""
    with tarfile.open(REPO / "tests/data/openneuro_events.tar.gz") as archive:
        archive.extractall(tmp_path / "real", filter="data")
    return tmp_path / "real"


def write_study(
    folder: Path,
    real: Path,
    subject: str,
    runs: list[str],
    analysis: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...] = (),
) -> None:
    """A twin in ``twin/``, and a study of it in the folder."""
    name = real.name
    call = ["simulate", "like", "--dataset", name, "--datasets", str(DESCRIPTORS)]
    call += ["--output", str(folder / "twin"), "--from", str(real), "--scale", str(SCALE)]
    assert main([*call, "--subjects", subject, "--runs", *runs, *options]) == 0
    choice = yaml.safe_load(capsys.readouterr().out)["datasets"][name]
    choice.pop("runs", None)
    described = yaml.safe_load((DESCRIPTORS / f"{name}.yaml").read_text())
    described |= {"runs": runs, "subjects": [subject]}
    described["layout"]["resolution"] = RESOLUTION
    own = folder / "workflow/datasets"
    own.mkdir(parents=True)
    (own / f"{name}.yaml").write_text(yaml.safe_dump(described))
    for table in DESCRIPTORS.glob(f"{name}_*.tsv"):
        (own / table.name).write_bytes(table.read_bytes())
    study = {"datasets": {name: choice}, "inference": INFERENCE, **analysis}
    (folder / "config.yaml").write_text(yaml.safe_dump(study))


def scores(path: Path) -> dict[str, np.ndarray]:
    """Test scores of the voxels of each region of the twin."""
    with h5py.File(path) as file:
        assert file.attrs["simulated"]
        r, worlds = file["scores/r"][()], apply_affine(file["affine"][()], file["ijk"][()])
    region = region_at(worlds)
    return {name: r[region == name] for name in (LABEL, ITEM, NONE)}


def decoded(path: Path) -> tuple[float, float, float]:
    """Accuracy, chance, p."""
    with h5py.File(path) as file:
        return tuple(float(file.attrs[key]) for key in ("accuracy", "chance", "p"))


def test_music_is_heard_and_its_genre_known(
    tmp_path: Path, real: Path, trailer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    analysis = {
        "features": {
            "acoustics": {"stream": "auditory", "extractor": "acoustics", "layers": ["logmel"]}
        },
        "models": {
            "sound": {
                "datasets": ["ds003720"],
                "bands": {"auditory": ["acoustics"]},
                "delays": [2, 3, 4, 5],
                "alphas": ALPHAS,
            }
        },
        "decoders": {
            "genre": {
                "datasets": ["ds003720"],
                "kind": "ridge",
                "samples": "blocks",
                "delay": 5,
                "permutations": 100,
            }
        },
    }
    runs = ["task-Training_run-01", "task-Training_run-02", "task-Test_run-01"]
    film = ("--film", str(trailer))
    write_study(tmp_path, real / "ds003720", "001", runs, analysis, capsys, film)
    snakemake(tmp_path)
    r = scores(tmp_path / "results/encode/ds003720/sound/sub-001.h5")
    assert np.median(r[ITEM]) > 0.3
    assert abs(np.median(r[NONE])) < 0.05
    assert np.median(r[LABEL]) < np.median(r[ITEM]) - 0.15
    accuracy, chance, p = decoded(tmp_path / "results/decode/ds003720/genre/sub-001.h5")
    assert accuracy > chance + 0.2
    assert p < 0.05
    check_report(tmp_path, "ds003720", "001")


def test_words_in_noise_are_told_apart(
    tmp_path: Path, real: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    analysis = {
        "features": {"conditions": {"stream": "label", "extractor": "labels"}},
        "models": {
            "conditions": {
                "datasets": ["ds003717"],
                "bands": {"conditions": ["conditions"]},
                "delays": [1, 2, 3, 4],
                "alphas": ALPHAS,
            }
        },
        "decoders": {
            "condition": {
                "datasets": ["ds003717"],
                "kind": "ridge",
                "samples": "blocks",
                "delay": 5,
                "permutations": 100,
            }
        },
    }
    runs = ["task-SESS01", "task-SESS02", "task-SESS03"]
    write_study(tmp_path, real / "ds003717", "01", runs, analysis, capsys)
    snakemake(tmp_path)
    r = scores(tmp_path / "results/encode/ds003717/conditions/sub-01.h5")
    assert np.median(r[LABEL]) > 0.2
    assert abs(np.median(r[NONE])) < 0.05
    accuracy, chance, p = decoded(tmp_path / "results/decode/ds003717/condition/sub-01.h5")
    assert accuracy > chance + 0.15
    assert p < 0.05
    check_report(tmp_path, "ds003717", "01")


def check_report(folder: Path, dataset: str, subject: str) -> None:
    page = (folder / f"results/report/{dataset}_sub-{subject}.html").read_text()
    assert "SIMULATED" in page.upper()
