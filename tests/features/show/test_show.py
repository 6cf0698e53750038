"""What went in and what came out: previews are the network's input, numbers have known answers."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from helpers.feature_files import write_features
from helpers.features_study import FilmStudy
from helpers.films import make_film
from tristream.cli import main
from tristream.errors import UserError
from tristream.features.core.registry import get
from tristream.features.show import show_numbers as numbers
from tristream.features.show.gradcam import Attention, attend, why_not
from tristream.features.show.shown_space import find_space, some_rows
from tristream.features.show.traces import traces
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.media.films import frame_at, frames
from tristream.media.librosa_loader import load_librosa
from tristream.media.media_contents import media_info
from tristream.media.sounds import read_sound
from tristream.store import Provenance

FLOW = {"stream": "dorsal", "extractor": "optical_flow", "options": {"size": [48, 28]}}


def counting_film(path: Path, count: int = 96) -> Path:
    """A film of 24 frames a second whose frames are grey and tell their number by their level."""
    images = (
        np.zeros((count, 36, 64), np.uint8) + (40 + np.arange(count, dtype=np.uint8))[:, None, None]
    )
    return make_film(path, images, np.arange(count) / 24)


def test_the_frame_on_screen_is_found_without_decoding_the_film_before(
    tmp_path: Path, trailer: Path
) -> None:
    film = counting_film(tmp_path / "clip.mp4")
    for at in (0.0, 0.02, 1.0, 1.99, 3.99, 99.0):
        shown = min(int(at * 24 + 1e-6), 95)
        assert abs(float(frame_at(film, at, format="gray").mean()) - 40 - shown) < 0.9, at
    for time, image in list(frames(trailer, fps=1, size=(64, 36)))[3:40:17]:
        np.testing.assert_array_equal(frame_at(trailer, time + 0.5, size=(64, 36)), image)


def test_the_preview_of_the_network_is_its_input(trailer: Path) -> None:
    found = get("efficientnet_lite0")
    assert found.preview is not None
    (_, image) = next(islice(frames(trailer, fps=2.0, size=(398, 224)), 9, None))
    seen = found.preview(trailer, found.options(), 4.75, None)
    np.testing.assert_allclose(seen.values, image[:, 87 : 87 + 224] / 127.5 - 1, atol=1e-6)
    assert (seen.start, seen.stop) == (4.75, 4.75)


def test_the_preview_of_musicnn_is_its_window(trailer: Path) -> None:
    found = get("musicnn")
    assert found.preview is not None
    sound = read_sound(trailer, 16_000, 0, 30)
    mel = load_librosa().feature.melspectrogram(
        y=sound, sr=16_000, n_fft=512, hop_length=256, n_mels=96
    )
    seen = found.preview(trailer, found.options(), 12.4, None)
    expected = np.log10(10_000 * mel[:, 688 : 688 + 187] + 1)  # the window from 11 s on
    np.testing.assert_allclose(seen.values, expected, atol=1e-3)
    assert seen.stop - seen.start == pytest.approx(187 * 256 / 16_000)
    assert seen.start <= 12.4 <= seen.stop


@pytest.mark.parametrize(
    ("name", "shape"), [("motion_energy", (72, 128)), ("optical_flow", (90, 160))]
)
def test_previews_of_motion_are_small_grey_pictures(
    trailer: Path, name: str, shape: tuple[int, int]
) -> None:
    found = get(name)
    assert found.preview is not None
    assert found.preview(trailer, found.options(), 20.0, None).values.shape == shape


def test_the_preview_of_acoustics_shows_the_sound_that_is_there(tmp_path: Path) -> None:
    import soundfile

    rate, time = 48_000, np.arange(48_000 * 6) / 48_000
    sound = np.where(time > 3, np.sin(2 * np.pi * 1000 * time), 0) * 0.3
    path = tmp_path / "tone.wav"
    soundfile.write(path, sound, rate)
    found = get("acoustics")
    assert found.preview is not None
    seen = found.preview(path, found.options(), 3.0, None)
    assert (seen.start, seen.stop) == (2.0, pytest.approx(4.0, abs=0.02))
    assert seen.values.shape == (64, 200)
    before, after = np.array_split(seen.values, 2, axis=1)
    assert after[:, 5:].max() > before[:, :-5].max() + 40
    names = found.names("logmel", found.options(), 64)
    loudest = float(names[int(after.mean(axis=1).argmax())].split()[0])
    assert loudest == pytest.approx(1000, rel=0.05)


def write_space(study: FilmStudy, space: str, layer: str, values: np.ndarray) -> Path:
    clip = {"clip": (values, (np.arange(len(values)) + 0.5) * 4 / len(values))}
    return write_features(study.output(space, layer), f"{space}/{layer}", clip, window=1 / 24)


@pytest.fixture
def study(tmp_path: Path) -> FilmStudy:
    film = counting_film(tmp_path / "stimuli/clip.mp4")
    made = FilmStudy(tmp_path, [film], {"flow": FLOW})
    made.receipt = tmp_path / "results/fetch/films/stimuli/receipt.json"
    made.write_receipt()
    return made


def test_numbers_of_a_layer_are_those_that_were_planted(study: FilmStudy) -> None:
    rng = np.random.default_rng(0)
    values = np.zeros((4000, 12))
    values[:, :3] = 2 * rng.standard_normal((4000, 3))
    values[:, 5] = 1e6
    path = write_space(study, "flow", "flow", values)
    found = numbers.summarise(path, some_rows(path, 1000).values)
    assert (found.samples, found.dimensions) == (4000, 12)
    assert found.dead == [f"unit {i}" for i in range(3, 12)]
    assert found.variance == pytest.approx(12, rel=0.05)
    assert found.effective == pytest.approx(3, rel=0.05)
    assert found.for_most == 3
    rows = rng.standard_normal((80, 7)) * np.arange(1, 8)
    z = (rows - rows.mean(0)) / rows.std(0)
    expected = PCA(3).fit_transform(z)
    np.testing.assert_allclose(np.abs(numbers.components(rows, 3)), np.abs(expected), atol=1e-6)


def test_t_sne_keeps_groups_apart_and_refuses_few_points() -> None:
    rng = np.random.default_rng(0)
    which = np.repeat([0, 1, 2], 40)
    rows = rng.standard_normal((120, 20)) + 8 * rng.standard_normal((3, 20))[which]
    points = numbers.embed_points(rows)
    assert points is not None
    distance = np.linalg.norm(points[:, None] - points, axis=2) + np.eye(120) * 1e9
    assert (which[distance.argmin(1)] == which).mean() > 0.99
    np.testing.assert_array_equal(points, numbers.embed_points(rows))
    assert numbers.embed_points(rows[:8]) is None


def test_labels_are_the_first_run_that_shows_a_sample() -> None:
    events = [("clip", 0.0, 2.0, "run-1"), ("clip", 1.0, 3.0, "run-2")]
    labels = numbers.labels_of(np.array([0.5, 1.5, 2.5, 3.5, 1.0]), ["clip"] * 4 + ["x"], events)
    assert labels == ["run-1", "run-1", "run-2", "clip, in no run", "x"]
    images = [("i1", np.nan, np.nan, "face"), ("i2", np.nan, np.nan, "house")]
    unknown = np.full(3, np.nan)
    assert numbers.labels_of(unknown, ["i2", "i1", "cat"], images) == ["house", "face", "cat"]


def test_traces_stand_at_the_times_of_what_happens(study: FilmStudy) -> None:
    """A step at 1 s of 4 s; frames of the strip are those of their times."""
    values = np.outer(np.arange(200) >= 50, np.ones(5)) + 1e-3 * np.eye(200, 5)
    write_space(study, "flow", "flow", values)
    space = find_space(study.resolved(), "films", "flow")
    found = traces(space, "clip")
    trace = found.rows["flow, component 1"]
    jump = int(np.abs(np.diff(trace)).argmax())
    assert found.times[jump : jump + 2].mean() == pytest.approx(1.0, abs=0.03)
    assert found.span == (0.0, pytest.approx(media_info(study.films[0]).duration))
    levels = [float(picture.mean()) for picture in found.pictures]
    assert np.argmax(levels) == len(levels) - 1 == 9
    assert np.all(np.diff(levels) > 5)
    with pytest.raises(UserError, match="has no features of 'other'; it has clip"):
        traces(space, "other")


def test_the_command_draws_and_says_what_it_can_not_draw(
    study: FilmStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    study.extract("flow", "flow")
    config = str(study.folder / "config.yaml")
    assert main(["features", "show", "flow", "--config", config, "--at", "1", "3.5"]) == 0
    said = capsys.readouterr().out
    folder = study.folder / "results/show/films"
    for name in ("input", "traces"):
        assert (folder / f"flow_{name}.png").stat().st_size > 5000
        assert (folder / f"flow_{name}.svg").is_file()
        assert str(folder / f"flow_{name}.png") in said
    assert "flow: 47 samples, 120 dimensions" in said
    assert "no Grad-CAM: Grad-CAM is for networks of convolutions that end in class scores" in said
    cases = [
        (["flow", "--at", "9"], "there is nothing at 9 s"),
        (["flow", "--stimulus", "x"], "has no features of 'x'"),
        (["flows"], "no feature space 'flows'; there is flow"),
        (["flow", "--dataset", "y"], "no dataset 'y'"),
    ]
    for arguments, words in cases:
        assert main(["features", "show", *arguments, "--config", config]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert words in line
    study.output("flow", "flow").unlink()
    assert main(["features", "show", "flow", "--config", config]) == 2
    assert "there are no features of flow for films" in capsys.readouterr().err


def test_grad_cam_looks_at_what_decides_the_class(
    tmp_path: Path, trailer: Path, extractor_weights: object
) -> None:
    """Hiding the bright part of the map costs the class more than hiding as much elsewhere."""
    found = get("efficientnet_lite0")
    study = FilmStudy(tmp_path, [trailer], {"net": {"stream": "ventral", "extractor": found.name}})
    space = find_space(study.resolved(), "films", "net")
    assert "the weights are not there" in why_not(space)
    assert found.weights is not None
    folder = extractor_weights(found.name)  # type: ignore[operator]
    files = tuple(FetchedFile(member, None) for member in found.weights.members)
    source = found.weights.model_dump()
    receipt = Receipt(found.name, None, source, "", folder, "", "", files, False)
    receipt.write(space.weights)
    assert why_not(space) == ""
    assert found.preview is not None
    picture = np.asarray(found.preview(trailer, found.options(), 30.0, None).values)
    (one,) = attend(space, [picture])
    assert isinstance(one, Attention)
    assert one.heat.shape == (224, 224)
    assert one.heat.min() >= 0
    assert one.heat.max() == 1
    assert one.probability > 1 / 1000
    hot = one.heat >= np.quantile(one.heat, 0.75)
    cold = one.heat <= np.quantile(one.heat, 0.25)
    assert _score(folder, picture, hot, one.label) < _score(folder, picture, cold, one.label)


def _score(folder: Path, picture: np.ndarray, hidden: np.ndarray, label: int) -> float:
    import torch

    from tristream.features.spaces.efficientnet_lite0 import load_network

    masked = np.where(hidden[..., None], picture.mean(), picture)
    batch = torch.from_numpy(masked).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        return float(load_network(folder, "cpu")(batch)[0, label])


def test_without_captum_there_is_a_reason(
    study: FilmStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    study.write_config({"net": {"stream": "ventral", "extractor": "efficientnet_lite0"}})
    space = find_space(study.resolved(), "films", "net")
    monkeypatch.setattr("tristream.features.show.gradcam.find_spec", lambda name: None)
    assert why_not(space) == "captum is not installed: pip install 'tristream[networks]'"


def test_the_fit_of_a_derived_space_through_the_command_line(
    study: FilmStudy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`features fit` and `features fuse` as the rules call them, then `features show`."""
    import pandas as pd
    import yaml

    from tristream.store import write_table

    content = yaml.safe_load((study.folder / "config.yaml").read_text())
    content["fusion"] = {
        "both": {"stream": "dorsal", "method": "pca", "parents": ["flow"], "components": 3}
    }
    (study.folder / "config.yaml").write_text(yaml.safe_dump(content))
    parent = write_space(study, "flow", "flow", np.random.default_rng(0).standard_normal((96, 6)))
    event = {"timeline": "main", "run": "run-1", "stimulus": "clip", "kind": "film"}
    event |= {"media_start": 0.0, "duration": 3.0, "item": "clip"}
    write_table(study.folder / "i.tsv", pd.DataFrame([event]), Provenance("inventory", False))
    splits = pd.DataFrame([{"timeline": "main", "run": "run-1", "split": "train"}])
    write_table(study.folder / "s.tsv", splits, Provenance("splits", False))
    monkeypatch.chdir(study.folder)
    shared = ["--config", "config.yaml", "--dataset", "films", "--fused", "both"]
    shared += ["--parents", str(parent)]
    fit = ["fit", *shared, "--inventory", "i.tsv", "--splits", "s.tsv", "--output", "fit.h5"]
    output = study.output("both", "components")
    fuse = ["fuse", *shared, "--fit", "fit.h5", "--output", str(output)]
    for call in (fit, fuse, ["show", "both", "--config", "config.yaml"]):
        assert main(["features", *call]) == 0
    said = capsys.readouterr().out
    assert "components: 96 samples, 3 dimensions" in said
    assert "its extractor has no preview" in said
