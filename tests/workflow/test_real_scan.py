"""The localizer goes from its archive to predicted BOLD and to a contrast of its conditions."""

import json
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml

from helpers.methods_facts import lies, study_results
from helpers.small_study import REPO, snakemake
from tristream.cli import main
from tristream.config.load import load
from tristream.hashing import hash_text
from tristream.report.build import build

CONTRAST = {
    "datasets": ["localizer"],
    "plus": ["audio"],
    "minus": ["video"],
    "duration": 0,
    "threshold": 8,
}
TABLE = "results/contrast/localizer/sounds/sub-1_regions.tsv"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, localizer: Path, cache: Path) -> Path:
    """Folder in which an encoding model and a contrast were made."""
    folder = tmp_path_factory.mktemp("localizer")
    config = {
        "datasets": ["localizer"],
        "features": {"conditions": {"stream": "label", "extractor": "labels"}},
        "models": {
            "conditions": {
                "datasets": ["localizer"],
                "bands": {"conditions": ["conditions"]},
                "delays": ["1 TR", "2 TR", "3 TR", "4 TR"],
                "alphas": {"lowest": -1, "highest": 3, "number": 5},
            }
        },
        "contrasts": {"sounds": CONTRAST},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "data").symlink_to(cache)
    snakemake(folder, "results/encode/localizer/conditions/sub-1.h5", TABLE)
    return folder


@pytest.fixture(scope="module")
def labels(localizer: Path) -> np.ndarray:
    """The mask's labels: 1 and 2 auditory, 4 visual."""
    return np.asarray(nib.load(localizer / "real_data_vol_4_regions_mask.nii.gz").dataobj)


def test_the_workflow_predicts_hearing_and_reading(study: Path, labels: np.ndarray) -> None:
    with h5py.File(study / "results/encode/localizer/conditions/sub-1.h5") as file:
        r, ijk = file["scores/r"][()], file["ijk"][()]
    region = labels[tuple(ijk.T)]
    best = np.argsort(-r)[:100]
    assert np.isin(region[best], (1, 2, 4)).mean() > 0.8
    assert r[best].mean() > 0.5


def test_sounds_and_texts_are_found_in_their_own_regions(study: Path, labels: np.ndarray) -> None:
    maps = study / "results/maps/localizer/sounds/sub-1/func"
    (path,) = maps.glob("*_stat-t_statmap.nii.gz")
    t = np.nan_to_num(np.asarray(nib.load(path).dataobj))
    heard, read = labels[t > 8], labels[t < -8]
    assert min(len(heard), len(read)) >= 20
    assert np.isin(heard, (1, 2)).mean() >= 0.8
    assert (read == 4).mean() >= 0.8
    table = pd.read_csv(study / TABLE, sep="\t").set_index("region")
    assert table.loc["all", ["above", "below"]].tolist() == [len(heard), len(read)]
    assert table.loc["auditory", "above"] == np.isin(heard, (1, 2)).sum()
    assert table.loc["visual", "below"] == (read == 4).sum()
    assert set(table.index) == {"all", "auditory", "visual", "none of these"}


def test_events_at_wrong_times_find_nothing(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole scan's events 37 s later, dealt out to its parts again."""
    monkeypatch.chdir(study)
    events = pd.read_csv("results/stimuli/localizer/inventory.tsv", sep="\t")
    part = events["run"].str.removeprefix("part-").astype(int) - 1
    onset = events["onset"] + 32 * 2.4 * part + 37
    late = events.assign(run=(onset // (32 * 2.4) + 1).astype(int), onset=onset % (32 * 2.4))
    late = late[late["run"] <= 4].assign(run=lambda table: "part-" + table["run"].astype(str))
    late["duration"] = np.minimum(late["duration"], 32 * 2.4 - late["onset"])
    text = late.to_csv(sep="\t", index=False, na_rep="n/a")
    (tmp_path / "inventory.tsv").write_text(text)
    side = json.loads(Path("results/stimuli/localizer/inventory.json").read_text())
    side |= {"rows": len(late), "sha256": hash_text(text)}
    del side["checksum"]
    (tmp_path / "inventory.json").write_text(json.dumps(side))
    call = ["contrast", "fit", "--dataset", "localizer", "--contrast", "sounds", "--subject", "1"]
    call += ["--datasets", str(REPO / "workflow/datasets")]
    call += ["--inventory", str(tmp_path / "inventory.tsv"), "--output", str(tmp_path / "t.h5")]
    bold = [f"results/bold/localizer/sub-1/part-{n}.h5" for n in (1, 2, 3, 4)]
    assert main([*call, "--bold", *bold]) == 0
    with h5py.File(tmp_path / "t.h5") as file:
        assert np.abs(file["t"][()]).max() < 8


def test_labels_that_nobody_was_shown_are_named(
    study: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(study)
    config = yaml.safe_load(Path("config.yaml").read_text())
    config["contrasts"] = {"sounds": {**CONTRAST, "plus": ["speech"]}}
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(config))
    call = ["contrast", "fit", "--dataset", "localizer", "--contrast", "sounds", "--subject", "1"]
    call += [
        "--config",
        str(tmp_path / "other.yaml"),
        "--datasets",
        str(REPO / "workflow/datasets"),
    ]
    call += ["--inventory", "results/stimuli/localizer/inventory.tsv"]
    call += ["--bold", "results/bold/localizer/sub-1/part-1.h5", "--output", str(tmp_path / "t.h5")]
    assert main(call) == 2
    assert not (tmp_path / "t.h5").exists()
    assert "no BOLD was given for part-2, part-3, part-4" in capsys.readouterr().err
    call[call.index("results/bold/localizer/sub-1/part-1.h5") :] = [
        *(f"results/bold/localizer/sub-1/part-{n}.h5" for n in (1, 2, 3, 4)),
        *("--output", str(tmp_path / "t.h5")),
    ]
    assert main(call) == 2
    said = capsys.readouterr().err
    assert "shows all of speech, video; it shows audio, damier, video" in said


def test_the_report_shows_the_contrast(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study)
    build(load("config.yaml", REPO / "workflow/datasets"), study / "results/report/index.html")
    page = (study / "results/report/localizer_sub-1.html").read_text()
    assert "Contrast sounds: audio over video" in page
    assert "Voxels with |t| &gt; 8" in page
    assert "audio 30, damier 20, video 30" in page
    assert page.count("stat-t_volume.png") >= 1
    assert "simulated" not in page.lower()


def test_the_methods_text_is_what_the_files_hold(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(study)
    assert lies(study_results(study, REPO / "workflow/datasets")) == []
