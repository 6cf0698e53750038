"""Images of ds001246, seen and imagined, are identified by the workflow as well as signals allow.

BOLD is simulated on the real events of a few runs, with no signal, a weak one and a strong one; a
simulated brain follows the light of pictures, half as strongly of what it imagines.
"""

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

from helpers.small_study import commands, run_here
from helpers.synthetic_datasets import begin, synthesise
from tristream.decode.identification_file import read_identification

RUNS = [
    *(f"ses-perceptionTraining01_task-perception_run-{n:02}" for n in range(1, 7)),
    *(f"ses-perceptionTest01_task-perception_run-{n:02}" for n in range(1, 4)),
    *(f"ses-imageryTest01_task-imagery_run-{n:02}" for n in range(1, 5)),
]
SIGNALS = {"none": 0.0, "weak": 0.1, "strong": 0.3}
EXTRACTOR = '''\
"""Mean light of the cells of a grid over each picture."""

from tristream.features.core.registry import Block, extractor


@extractor(
    "picture_light",
    media="film",
    images=True,
    layers=("grid",),
    names=lambda layer, options, p: [f"cell {n}" for n in range(p)],
    window=lambda layer, options: 0.25,
    methods="mean light of each cell of a 4 x 4 grid over the picture",
)
def picture_light(path, layers, options, weights, device):
    """Mean light of each cell of a 4 x 4 grid over the picture."""
    from tristream.features.core.frames import frame_batches

    for times, images in frame_batches(path, fps=4, size=(64, 64), format="gray", length=64):
        cells = images.reshape(len(images), 4, 16, 4, 16).mean((2, 4)) / 255
        yield {"grid": Block(cells.reshape(len(images), 16), times)}
'''


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, trailer: Path) -> Path:
    """What the workflow makes of each signal: identification, and a model of the strong one."""
    folder = begin(tmp_path_factory.mktemp("study"))
    options = ["--scale", "3", "--film", str(trailer), "--subjects", "01", "--runs", *RUNS]
    study = {
        "datasets": {
            name: synthesise(
                folder,
                name,
                {"id": name, "subjects": ["01"]},
                [*options, "--ceiling", str(signal)],
                of="ds001246",
            )
            for name, signal in SIGNALS.items()
        },
        "features": {
            "light": {"stream": "ventral", "extractor": "picture_light", "module": "light.py"}
        },
        "identification": {
            "objects": {
                "datasets": list(SIGNALS),
                "features": ["light"],
                "imagined": ["ses-imagery*"],
                "permutations": 999,
            }
        },
        "models": {
            "light": {
                "datasets": ["strong"],
                "bands": {"light": ["light"]},
                "delays": [0],
                "alphas": {"lowest": -1, "highest": 5, "number": 7},
            }
        },
        "inference": {"permutations": 100, "regions": False},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(study))
    (folder / "light.py").write_text(EXTRACTOR)
    wanted = [f"results/decode/{name}/objects/sub-01_identification.tsv" for name in SIGNALS]
    run_here(folder, commands(folder, *wanted, "results/inference/strong/light/sub-01.h5"))
    return folder / "results"


def rows(results: Path, kind: str) -> pd.DataFrame:
    """Identification of the items that are `seen` or `imagined`, by signal."""
    found = {}
    for name in SIGNALS:
        table, provenance = read_identification(
            results / f"decode/{name}/objects/sub-01_identification.tsv"
        )
        assert provenance.simulated
        found[name] = table[table["set"] == kind].iloc[0]
    return pd.DataFrame(found)


@pytest.mark.parametrize("kind", ["seen", "imagined"])
def test_identification_rises_with_the_signal_and_is_at_chance_without(
    results: Path, kind: str
) -> None:
    found = rows(results, kind)
    none = found["none"]
    assert none["pairwise_low"] <= none["pairwise"] <= none["pairwise_high"]
    assert none["pairwise_chance"] == pytest.approx(0.5, abs=0.02)
    assert (np.diff(found.loc["pairwise"].astype(float)) > 0).all()
    assert found.loc["pairwise_p", "strong"] < 0.01


def test_what_is_seen_is_identified_better_than_what_is_imagined(results: Path) -> None:
    seen, imagined = (rows(results, kind).loc["pairwise"] for kind in ("seen", "imagined"))
    assert (seen > imagined)[["weak", "strong"]].all()
    assert seen["strong"] > 0.75


def test_an_encoder_is_not_tested_on_what_was_imagined(results: Path) -> None:
    """There are no pictures to have features of; what is left out is named."""
    with h5py.File(results / "encode/strong/light/sub-01.h5") as file:
        omitted = {one["what"] for one in json.loads(file.attrs["omitted"])}
        tested = {run for test in file["test"].values() for run in test["whole"]}
        trained = set(file["model/runs"])
    assert omitted >= {f"run {name}" for name in RUNS if "imagery" in name}
    assert tested == {name for name in RUNS if "perceptionTest" in name}
    assert trained == {name for name in RUNS if "Training" in name}
    with h5py.File(results / "inference/strong/light/sub-01.h5") as file:
        assert (file["p"][()] <= 0.05).mean() > 0.1


def test_what_is_imagined_is_said_to_be_simulated_so(results: Path) -> None:
    """The truth beside a dataset says how imagined categories are answered."""
    with h5py.File(results.parent / "archive/strong/truth.h5") as file:
        assert "What is imagined is one of 50 categories" in file.attrs["methods"]
