"""Images of ds001246, seen and imagined, are identified by the workflow as well as signals allow.

BOLD is simulated on the real events of a few runs, with no signal, a weak one and a strong one; a
simulated brain follows the light of pictures, half as strongly of what it imagines. Other brains
follow layers of features, from one end of a region to the other.
"""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import spearmanr

from helpers.small_study import commands, run_here
from helpers.synthetic_datasets import DESCRIPTORS, begin, synthesise
from tristream.decode.identification_file import read_identification

RUNS = [
    *(f"ses-perceptionTraining01_task-perception_run-{n:02}" for n in range(1, 7)),
    *(f"ses-perceptionTest01_task-perception_run-{n:02}" for n in range(1, 4)),
    *(f"ses-imageryTest01_task-imagery_run-{n:02}" for n in range(1, 5)),
]
SIGNALS = {"none": 0.0, "weak": 0.1, "strong": 0.3}
# Parts of the region that follows items, from the lowest to the highest: each follows a layer.
LAYERS = [f"level{n}" for n in range(6)]
PARTS = ["V1d", "V1v", "V2d", "V2v", "V3d", "V3v"]
ORDERS = {"rising": range(6), "falling": range(5, -1, -1)}
EXTRACTOR = '''\
"""Mean light of the cells of a grid over each picture, and layers that are made from it."""

import numpy as np

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


@extractor(
    "picture_levels",
    media="film",
    images=True,
    layers=tuple(f"level{n}" for n in range(6)),
    names=lambda layer, options, p: [f"unit {n}" for n in range(p)],
    window=lambda layer, options: 0.25,
    methods="six layers of units that are drawn for each picture, each half made by the last",
)
def picture_levels(path, layers, options, weights, device):
    """Units drawn for each picture; each layer turns the one before, and adds to it."""
    from tristream.features.core.frames import frame_batches

    turns = [np.linalg.qr(np.random.default_rng(n).standard_normal((6, 6)))[0] for n in range(6)]
    for times, images in frame_batches(path, fps=4, size=(64, 64), format="gray", length=64):
        own = [np.random.default_rng(int(image.sum())) for image in images.astype(np.int64)]
        value, found = np.zeros((len(images), 6)), {}
        for n, turn in enumerate(turns):
            fresh = np.array([rng.standard_normal(6) for rng in own])
            value = 0.7 * value @ turn + 0.7 * fresh
            found[f"level{n}"] = Block(value, times)
        yield {layer: found[layer] for layer in layers}
'''


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, trailer: Path) -> Path:
    """What the workflow makes of each signal: identification, and a model of the strong one."""
    folder = begin(tmp_path_factory.mktemp("study"))
    options = ["--scale", "3", "--film", str(trailer), "--subjects", "01", "--runs", *RUNS]
    study: dict[str, Any] = {
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
            name: {"stream": "ventral", "extractor": f"picture_{name}", "module": "light.py"}
            for name in ("light", "levels")
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
    levels = [f"results/features/strong/levels/{layer}.h5" for layer in LAYERS]
    wanted += ["results/inference/strong/light/sub-01.h5", *levels]
    run_here(folder, commands(folder, *wanted))
    # The same stimuli, by two brains that have the layers in an order.
    layout = yaml.safe_load((DESCRIPTORS / "ds001246.yaml").read_text())["layout"]
    parts = {name: [f"LH_{name}", f"RH_{name}"] for name in PARTS}
    for name, order in ORDERS.items():
        given = [str(folder / levels[n]) for n in order]
        study["datasets"][name] = synthesise(
            folder,
            name,
            {"id": name, "subjects": ["01"], "layout": {**layout, "regions": parts}},
            [*options, "--ceiling", "0.4", "--features", *given],
            of="ds001246",
        )
    study["identification"]["layers"] = {
        "datasets": list(ORDERS),
        "features": ["levels"],
        "regions": PARTS,
        "permutations": 100,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(study))
    wanted = [f"results/decode/{name}/layers/sub-01_identification.tsv" for name in ORDERS]
    run_here(folder, commands(folder, *wanted))
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


@pytest.mark.parametrize("name", ORDERS)
def test_the_planted_order_of_layers_and_regions_comes_back(results: Path, name: str) -> None:
    """Whichever it is: a brain with the layers upside down shows that they don't make it."""
    table, _ = read_identification(results / f"decode/{name}/layers/sub-01_identification.tsv")
    table = table[table["set"] == "seen"]
    grid = table.pivot(index="region", columns="layer", values="profile").loc[PARTS, LAYERS]
    best, planted = grid.to_numpy().argmax(axis=1), np.array(ORDERS[name])
    assert np.abs(best - planted).max() <= 1, grid
    assert spearmanr(best, planted).statistic >= 0.9, grid


def test_what_is_imagined_is_said_to_be_simulated_so(results: Path) -> None:
    """The truth beside a dataset says how imagined categories are answered, and by what."""
    with h5py.File(results.parent / "archive/strong/truth.h5") as file:
        assert "What is imagined is one of 50 categories" in file.attrs["methods"]
        assert "leading principal components" not in file.attrs["methods"]
    with h5py.File(results.parent / "archive/none/truth.h5") as file:
        assert "There is noise alone" in file.attrs["methods"]
        assert "imagined" not in file.attrs["methods"]
    with h5py.File(results.parent / "archive/falling/truth.h5") as file:
        assert "components of levels/level5, levels/level4, " in file.attrs["methods"]
