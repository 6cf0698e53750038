"""A whole study with a network of brain and label: jobs, page, methods text; planted lies fail."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from helpers import small_bids as bids
from helpers import sounds
from helpers.methods_facts import lies, linked, plant, study_results, text_of
from helpers.network_study import DESIGN
from helpers.small_study import commands, run_here
from tristream.networks.regimes_file import read_regimes

pytestmark = pytest.mark.xdist_group("network_study")
RUNS, CLIPS, CLIP, APART = 5, 8, 6.0, 9.0
LABELS = ("bright", "dull")


def write_music(root: Path) -> None:
    """Runs of bright and dull clips, each heard once; voxels answer which it was."""
    bids.write_dataset(root, "Bright and dull")
    rng = np.random.default_rng(0)
    for run in range(1, RUNS + 1):
        events = []
        for number, label in enumerate(rng.permutation(list(LABELS) * (CLIPS // 2)).tolist()):
            name = f"clip{run}_{number}.wav"
            tone = np.sin(2 * np.pi * (3000 if label == "bright" else 300) * sounds.seconds(CLIP))
            noise = rng.standard_normal(len(tone))
            sounds.write(root / "stimuli" / name, 0.3 * tone + 0.02 * noise)
            onset = 3 + APART * number
            events.append(
                {"onset": onset, "duration": CLIP, "trial_type": label, "stim_file": name}
            )
        course = bids.shown_course(events, list(LABELS), 3 + APART * CLIPS + 6)
        bids.write_run(root, f"task-music_run-{run}", course, events)


def described(root: Path) -> dict[str, Any]:
    """What its descriptor says beyond that of any small dataset."""
    clips = sorted((root / "stimuli").glob("*.wav"))
    table = [
        {"stimulus": path.stem, "kind": "sound", "path": f"stimuli/{path.name}", "match": path.name}
        for path in clips
    ]
    return {
        "runs": [f"task-music_run-{run}" for run in range(1, RUNS + 1)],
        "stimuli": {"source": {"kind": "dataset"}, "table": table},
        "events": {"stimulus": "{stim_file}", "label": "trial_type"},
        "split": {"scheme": "holdout", "test": [f"task-music_run-{RUNS}"]},
        "exchange": {"unit": "item"},
    }


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished."""
    folder = tmp_path_factory.mktemp("network_study")
    write_music(folder / "bids")
    bids.write_descriptor(folder, "music", folder / "bids", **described(folder / "bids"))
    block = {**DESIGN, "datasets": ["music"], "delay": f"{bids.LAG} s"}
    content = {"datasets": ["music"], "features": {}, "models": {}, "networks": {"genre": block}}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    run_here(folder, commands(folder))
    return folder


def test_what_was_heard_is_named_and_voxels_are_predicted(study: Path) -> None:
    found, provenance = read_regimes(study / "results/decode/music/genre/sub-01_regimes.h5")
    assert provenance.simulated
    assert found.test == [f"task-music_run-{RUNS}"]
    assert found.classes == list(LABELS)
    assert found.summary.loc["frozen", "label"] > 0.8
    assert found.null["high"].max() < 1
    assert found.summary["brain"].min() > 0.3


def test_the_report_shows_regimes_layers_and_evidence(study: Path) -> None:
    page = (study / "results/report/music_sub-01.html").read_text()
    assert "Networks trained on brain and label" in page
    for words in ("Regimes, genre", "Layers before and after training", "Grad-CAM of"):
        assert words in page
    assert len(list((study / "results/report/figures/music/sub-01").glob("gradcam_genre_*.svg")))


def test_the_text_is_what_the_file_holds(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study)
    results = study_results(study, study / "workflow/datasets")
    assert lies(results) == []
    assert (
        "Network genre was a temporal convolutional network" in text_of(results)["Decoding: music"]
    )


@pytest.mark.parametrize(
    ("true", "lie"),
    [
        ("a temporal convolutional network", "a recurrent network (LSTM)"),
        ("name 2 labels", "name 10 labels"),
        ("the 8 voxels", "the 500 voxels"),
        ("of 4 runs were learned from", "of 5 runs were learned from"),
        ("Each of 2 seeds", "Each of 5 seeds"),
        ("joint (readout and network learned together, the readout from zero)", "and no more"),
        ("measured by 200 permutations", "measured by 1,000 permutations"),
    ],
)
def test_a_planted_lie_is_found(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, true: str, lie: str
) -> None:
    copy = linked(study, tmp_path)
    plant(copy / "results/decode/music/genre/sub-01_regimes.h5", true, lie)
    monkeypatch.chdir(copy)
    assert lies(study_results(copy, copy / "workflow/datasets"))
