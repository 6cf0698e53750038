"""The two-stream network: what each stream learns, what it can't, and the extractor."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from helpers.features_study import FilmStudy
from helpers.films import make_film
from helpers.moving_textures import DIRECTIONS, FPS, KINDS, clip, write_clips
from tristream.cli import main
from tristream.config.feature_spaces import FeatureSpace
from tristream.errors import UserError
from tristream.features.core import checked_space as spaces
from tristream.features.core.feature_file import open_features
from tristream.features.spaces.two_stream import LAYERS, TwoStreamOptions, two_stream
from tristream.features.spaces.two_stream.clips import read_clip_table
from tristream.features.spaces.two_stream.network import Shape, TwoStream, load, save
from tristream.features.spaces.two_stream.samples import samples
from tristream.features.spaces.two_stream.train import Training, train

SETTINGS: dict[str, Any] = {"fps": FPS, "size": 32, "stack": 4}
QUICK = Training(epochs=30, patience=8, each=3)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fourteen groups of clips, five of them held out: no texture is in two clips."""
    return write_clips(tmp_path_factory.mktemp("clips"), groups=14, test=5)


@pytest.fixture(scope="module")
def trained(table: Path) -> tuple[Path, dict[str, Any]]:
    folder = table.parent / "network"
    return folder, train(table, folder, **SETTINGS, training=QUICK)


def test_each_stream_learns_its_own_and_fusion_both(
    table: Path, trained: tuple[Path, dict[str, Any]]
) -> None:
    """Of tint and direction, on textures that were never seen."""
    folder, report = trained
    accuracy = report["test"]
    print(accuracy)
    assert report["chance"] == 1 / 8
    assert accuracy["fusion"] >= max(accuracy["spatial"], accuracy["temporal"])
    assert accuracy["fusion"] >= 0.9
    assert accuracy["spatial"] < 0.5
    network = load(folder)
    right: dict[str, list[bool]] = {"tint": [], "direction": [], "blind": []}
    for row in read_clip_table(table).query("split == 'test'").to_dict("records"):
        [(_, images, flows)] = samples(Path(row["path"]), network.shape)
        out = network(torch.from_numpy(images), torch.from_numpy(flows))
        tint, direction = row["label"].split("_")
        right["tint"].append(best(network, out["spatial_scores"], 0) == tint)
        right["direction"].append(best(network, out["temporal_scores"], 1) == direction)
        right["blind"].append(best(network, out["spatial_scores"], 1) == direction)
    print({name: np.mean(found) for name, found in right.items()})
    assert np.mean(right["tint"]) >= 0.9
    assert np.mean(right["direction"]) >= 0.9
    assert np.mean(right["blind"]) < 0.5


def test_the_preview_is_the_frame_of_the_spatial_stream(
    table: Path, trained: tuple[Path, dict[str, Any]]
) -> None:
    film = Path(read_clip_table(table).path[0])
    [(times, images, _)] = samples(film, load(trained[0]).shape)
    block = FeatureSpace(
        stream="dorsal", extractor="two_stream", options={"folder": str(trained[0])}
    )
    seen = spaces.check("net", block).preview(film, float(times[2]))
    assert seen is not None
    np.testing.assert_allclose(np.moveaxis(seen.values, 2, 0), images[2], atol=1e-6)


def best(network: TwoStream, scores: torch.Tensor, part: int) -> str:
    """The likeliest tint (0) or direction (1), whatever the other."""
    summed: dict[str, float] = {}
    for label, score in zip(network.shape.classes, scores.sum(dim=0), strict=True):
        name = label.split("_")[part]
        summed[name] = summed.get(name, 0.0) + float(score)
    return max(summed, key=lambda name: summed[name])


def test_shuffled_labels_teach_nothing(table: Path) -> None:
    rows = pd.read_csv(table, sep="\t", dtype=str)
    rng = np.random.default_rng(3)
    train_rows = rows["split"] == "train"
    rows.loc[train_rows, "label"] = rng.permutation(rows.loc[train_rows, "label"])
    shuffled = table.with_name("shuffled.tsv")
    rows.to_csv(shuffled, sep="\t", index=False)
    report = train(shuffled, table.parent / "shuffled", **SETTINGS, training=QUICK)
    # 40 test clips of 8 labels: 12 right by chance happen less than once in 300 times.
    assert max(report["test"].values()) < 0.3


def test_training_again_gives_the_same(table: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(table, sep="\t", dtype=str)
    rows["path"] = [str(table.parent / name) for name in rows["path"]]
    few = tmp_path / "few.tsv"
    rows[rows["group"].isin(["0", "1", "13"])].to_csv(few, sep="\t", index=False)
    files = []
    for name in ("a", "b"):
        train(few, tmp_path / name, **SETTINGS, training=Training(epochs=2, each=2))
        files.append((tmp_path / name / "model.safetensors").read_bytes())
    assert files[0] == files[1]


def test_flow_is_that_of_the_clip(tmp_path: Path) -> None:
    """A texture that moves 1.5 of 64 pixels a frame, seen at half the size."""
    rng = np.random.default_rng(5)
    for subtract, around in ((False, 0.0), (True, -0.3)):
        shape = Shape(("a", "b"), FPS, 32, 4, subtract)
        for name, (x, y) in DIRECTIONS.items():
            film = clip(tmp_path / f"{name}_{subtract}.mp4", "rust", name, rng)
            [(times, images, flows)] = samples(film, shape)
            np.testing.assert_allclose(times, (np.arange(5) + 2.5) / FPS)
            assert images.shape == (5, 3, 32, 32)
            assert flows.shape == (5, 8, 32, 32)
            middle = flows[:, :, 12:20, 12:20].mean(axis=(0, 2, 3))
            wanted = 0.75 * np.repeat([x, y], 4)
            moved = np.flatnonzero(wanted)
            np.testing.assert_allclose(
                middle[moved], wanted[moved] * (1 + around), rtol=0.35, atol=0.1
            )
            still = np.flatnonzero(wanted == 0)
            np.testing.assert_allclose(middle[still], 0, atol=0.2)


def test_extractor_gives_the_network_s_layers(
    trained: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, _ = trained
    rng = np.random.default_rng(6)
    images = rng.integers(0, 256, (150, 48, 64, 3)).astype(np.uint8)
    film = make_film(tmp_path / "films/noise.mp4", images, np.arange(150) / FPS)
    options = TwoStreamOptions(folder=str(folder))
    chunks = list(two_stream(film, LAYERS, options, folder, "cpu"))
    times = np.concatenate([chunk["fusion"].times for chunk in chunks])
    np.testing.assert_allclose(times, (np.arange(146) + 2.5) / FPS)
    again = list(two_stream(film, ("temporal",), options, folder, "cpu", skip=1))
    assert len(again) == len(chunks) - 1
    for ours, theirs in zip(again, chunks[1:], strict=True):
        np.testing.assert_allclose(ours["temporal"].values, theirs["temporal"].values, atol=1e-5)
    scores = np.mean([chunks[0][f"{s}_scores"].values for s in ("spatial", "temporal")], axis=0)
    np.testing.assert_allclose(chunks[0]["fusion"].values, scores, atol=1e-6)

    space = {"stream": "dorsal", "extractor": "two_stream", "options": {"folder": str(folder)}}
    study = FilmStudy(tmp_path, [film], {"own": space})
    with open_features(study.extract("own", "fusion")) as file:
        assert file.names == [
            f"fusion_{kind}_{way}" for kind in sorted(KINDS) for way in sorted(DIRECTIONS)
        ]
        assert file.stimuli["noise"].window == pytest.approx(5 / FPS)
        assert any("model.safetensors" in one["file"] for one in file.about.weights)


def test_command_line_trains(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    rows = pd.read_csv(table, sep="\t", dtype=str)
    rows["path"] = [str(table.parent / name) for name in rows["path"]]
    few = tmp_path / "few.tsv"
    rows[rows["group"].isin(["0", "1", "13"])].to_csv(few, sep="\t", index=False)
    command = ["features", "train-two-stream", "--clips", str(few), "--fps", "12", "--size", "32"]
    command += ["--stack", "4", "--epochs", "1", "--folder", str(tmp_path / "net")]
    assert main(command) == 0
    assert "of the test clips (chance 0.125)" in capsys.readouterr().out
    said = json.loads((tmp_path / "net/config.json").read_text())
    assert said["model_type"] == "two_stream"
    assert set(said["training"]["test"]) == {"spatial", "temporal", "fusion"}


def _without(column: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda rows: rows.drop(columns=column)


FAULTS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "no group": (_without("group"), "has no column group"),
    "empty": (lambda r: r.assign(label=[None, *r["label"][1:]]), "has empty cells"),
    "split": (lambda r: r.assign(split="dev"), "split 'dev'; it is train or test"),
    "torn": (lambda r: r.assign(group="0"), "group '0' is in train and in test"),
    "one label": (lambda r: r.assign(label="x"), "two labels and two groups"),
    "unseen": (
        lambda r: r.assign(label=r["label"].where(r["split"] == "train", "new")),
        "label 'new' is in no training clip",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_tables_that_are_refused(table: Path, tmp_path: Path, fault: str) -> None:
    change, said = FAULTS[fault]
    bad = tmp_path / "bad.tsv"
    change(pd.read_csv(table, sep="\t", dtype=str)).to_csv(bad, sep="\t", index=False)
    with pytest.raises(UserError, match=said):
        read_clip_table(bad)


def test_clips_that_are_too_short_and_folders_without_a_network(
    table: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="has no 21 frames at 12 a second"):
        train(table, tmp_path, fps=FPS, size=32, stack=20)
    with pytest.raises(UserError, match="describes no two-stream network"):
        load(tmp_path)
    shape = Shape(("a", "b"), FPS, 32, 4, True)
    save(TwoStream(shape), tmp_path, {})
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match="not the network's weights"):
        load(tmp_path)
