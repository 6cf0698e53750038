"""Networks learn kinds of drums from real recordings; resumed trainings end as whole ones do."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tristream.cli import main
from tristream.config.feature_spaces import FeatureSpace
from tristream.errors import UserError
from tristream.features.core import checked_space as spaces
from tristream.features.core.registry import Used
from tristream.features.spaces.genre_network import GenreNetworkOptions, genre_network
from tristream.genre.description import LAYERS, Shape, read_description
from tristream.genre.network_folder import load_network, read_tables
from tristream.genre.train_network import train_genre_network
from tristream.genre.training import Training, cosine
from tristream.genre.windows import sound_windows
from tristream.media.sounds import read_sound
from tristream.store import provenance_at

QUICK = Training(epochs=12, patience=8, rate=3e-3, batch=16)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def trained(drums: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A CRNN of windows of 0.4 s."""
    folder = tmp_path_factory.mktemp("crnn") / "net"
    return folder, train_drums(drums, folder, "crnn")


def train_drums(drums: Path, folder: Path, network: str) -> dict[str, Any]:
    return train_genre_network(
        drums,
        folder,
        network,
        frames=16,
        training=QUICK,
        leave_out_faults=True,
        device="cpu",
        progress=False,
    )


def test_crnn_names_held_out_recordings(trained: tuple[Path, dict[str, Any]]) -> None:
    _, report = trained
    print(report)
    assert report["tracks"]["test"] >= 15
    assert report["accuracy"] >= report["chance"] + 0.25
    assert report["p"] < 0.005


@pytest.mark.parametrize("network", ["lstm", "tcn"])
def test_other_networks_do_too(drums: Path, tmp_path: Path, network: str) -> None:
    report = train_drums(drums, tmp_path / network, network)
    print(report)
    assert report["p"] < 0.01


def test_shuffled_genres_teach_nothing(drums: Path, tmp_path: Path) -> None:
    files = sorted(drums.glob("*/*"))
    kinds = [path.parent.name for path in files]
    random.Random(5).shuffle(kinds)
    for path, kind in zip(files, kinds, strict=True):
        target = tmp_path / "shuffled" / kind / f"{path.parent.name}_{path.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    report = train_drums(tmp_path / "shuffled", tmp_path / "net", "crnn")
    print(report)
    assert report["p"] > 0.05


def test_folder_tells_what_was_done(trained: tuple[Path, dict[str, Any]]) -> None:
    folder, report = trained
    assert not (folder / "checkpoint.safetensors").exists()
    assert sorted(path.suffix for path in folder.iterdir()).count(".tsv") == 4
    tables = read_tables(folder)
    test = tables["tracks"].query("split == 'test'")
    assert (test["genre"] == test["predicted"]).mean() == pytest.approx(report["accuracy"])
    confusion = tables["confusion"].set_index("genre")
    assert np.trace(confusion.to_numpy()) == round(report["accuracy"] * len(test))
    assert list(confusion.sum(axis=1)) == list(test["genre"].value_counts().sort_index())
    assert len(tables["curve"]) == report["epochs"]
    best = tables["curve"]["validation_loss"].argmin() + 1
    assert best == report["best_epoch"]
    assert len(tables["embedding"]) == len(test)
    left = report["left_out"]
    assert sum(why.startswith("is a copy of") for why in left.values()) == 3
    said = " ".join(provenance_at(folder / "tracks.tsv", "genre-network").methods)
    assert f"{report['tracks']['test']} were held out" in said
    assert "mixup [@zhang2018]" in said
    description = read_description(folder)
    held_out = set(test["sha256"])
    assert description.trained_on.isdisjoint(held_out)
    assert len(description.trained_on) == len(tables["tracks"]) - len(test)


def test_killed_training_goes_on_and_ends_as_if_it_had_not_been(
    drums: Path, tmp_path: Path
) -> None:
    few = tmp_path / "few"
    for kind in ("hihat", "tabla"):
        (few / kind).mkdir(parents=True)
        for path in sorted((drums / kind).iterdir())[:6]:
            shutil.copy(path, few / kind)
    how: dict[str, Any] = {
        "network": "crnn",
        "frames": 8,
        "training": Training(epochs=4, batch=4, seed=3),
        "device": "cpu",
        "progress": False,
    }

    def kill(epoch: int) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    whole = train_genre_network(few, tmp_path / "whole", **how)
    with pytest.raises(KeyboardInterrupt):
        train_genre_network(few, tmp_path / "killed", **how, after_epoch=kill)
    other = {**how, "training": Training(epochs=5, batch=4, seed=3)}
    with pytest.raises(UserError, match="of a training with other settings"):
        train_genre_network(few, tmp_path / "killed", **other)
    # Read ahead by a process of its own, too.
    resumed = train_genre_network(few, tmp_path / "killed", **how, workers=1)
    assert resumed == whole
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "killed")]
    assert files[0] == files[1]
    with pytest.raises(UserError, match="holds a trained network"):
        train_genre_network(few, tmp_path / "whole", **how)
    checkpoint = tmp_path / "bad/checkpoint.safetensors"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"nothing")
    with pytest.raises(UserError, match="delete it to begin anew"):
        train_genre_network(few, tmp_path / "bad", **how)


def test_rate_falls_as_torch_s_cosine() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=0.1)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=7)
    for epoch in range(1, 8):
        assert cosine(0.1, epoch, 7) == pytest.approx(theirs.get_last_lr()[0])
        optimiser.step()
        theirs.step()


def test_layers_are_those_of_training(
    trained: tuple[Path, dict[str, Any]], trailer: Path, tmp_path: Path
) -> None:
    """A feature space gives the network's layers, at the middle of each window."""
    folder, _ = trained
    block = FeatureSpace(
        stream="auditory", extractor="genre_network", options={"folder": str(folder)}
    )
    space = spaces.check("own", block)
    assert space.layers == ("last",)
    options = GenreNetworkOptions(folder=str(folder), step=0.25)
    layers = (*LAYERS["crnn"], "scores")
    chunks = list(genre_network(trailer, layers, options, folder, "cpu"))
    assert len(chunks) > 2
    network, shape = load_network(folder)
    assert shape == Shape("crnn", ("hihat", "kick", "snare", "tabla"), 16)
    sound = read_sound(trailer, 22_050, 0, 4)
    heard = sound_windows(sound, shape, 0.25)
    with torch.no_grad():
        out = network(torch.from_numpy(heard))
    for layer in LAYERS["crnn"]:
        np.testing.assert_allclose(
            chunks[0][layer].values[: len(heard)], out[layer].numpy(), atol=1e-5
        )
    np.testing.assert_allclose(chunks[0]["scores"].values.sum(1), 1, atol=1e-5)
    half = (15 * 512 + 2048) / 22_050 / 2
    np.testing.assert_allclose(chunks[0]["last"].times[:3], half + np.arange(3) / 4, atol=1e-4)
    notes: dict[str, Any] = {}
    next(genre_network(trailer, ("last",), options, folder, "cpu", notes=notes))
    phrase = space.extractor.phrase(Used(options, notes=notes))
    assert "four convolutions and two gated recurrent layers [@choi2017]" in phrase
    assert f"{trained[1]['accuracy']:.0%} of" in phrase
    (later, *_) = list(genre_network(trailer, ("last",), options, folder, "cpu", skip=1))
    np.testing.assert_array_equal(later["last"].values, chunks[1]["last"].values)
    seen = space.preview(trailer, half + 0.1)
    assert seen is not None
    np.testing.assert_allclose(seen.values.T, heard[0], atol=1e-4)


def test_command_line_trains_and_draws(
    drums: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    kept = sorted((drums / "tabla").iterdir())[0]
    command = ["genre", "train", str(drums), "--network", "tcn", "--output", str(tmp_path / "net")]
    command += ["--frames", "8", "--epochs", "1", "--leave-out-faults", "--device", "cpu"]
    command += ["--workers", "0", "--keep-out", str(kept)]
    assert main(command) == 0
    assert "tracks left out" in capsys.readouterr().out
    assert (tmp_path / "net/training.png").stat().st_size > 10_000
    said = json.loads((tmp_path / "net/config.json").read_text())
    assert list(said["kept_out"].values()) == [kept.name]
    assert said["training"]["left_out"][f"tabla/{kept.name}"].startswith("kept out: is the file")


def test_folders_without_a_network_are_refused(
    trained: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="describes no genre network"):
        load_network(tmp_path)
    shutil.copytree(trained[0], tmp_path / "net")
    (tmp_path / "net/model.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match="not the network's weights"):
        load_network(tmp_path / "net")
