"""Stand-in media: real names, files that differ, measures that a brain can follow, marked."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from helpers import REPOSITORY
from helpers.fetched import fetch_stimuli
from tristream.config.dataset import Dataset
from tristream.config.load import descriptor
from tristream.config.load import load as load_study
from tristream.config.settings.features import FeatureSettings
from tristream.errors import UserError
from tristream.features.core import registry
from tristream.features.core.resources import find_media
from tristream.media.films import frame_at, frames
from tristream.media.media_contents import media_info
from tristream.media.sounds import read_sound
from tristream.simulate.synthetic.latents import media_latents
from tristream.simulate.synthetic.stand_ins import write_media

DATASETS = REPOSITORY / "workflow/datasets"
CLIPS = {"blues_00000", "blues_00002", "rock_00001", "jazz_00003"}


@pytest.fixture(scope="module")
def music() -> Dataset:
    return descriptor("ds003720", [DATASETS], Path("config.yaml"))


@pytest.fixture(scope="module")
def pictures() -> Dataset:
    return descriptor("ds001246", [DATASETS], Path("config.yaml"))


def some(dataset: Dataset) -> set[str]:
    return {row.stimulus for row in dataset.stimuli.table[::120]}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory, music: Dataset, trailer: Path) -> Path:
    folder = tmp_path_factory.mktemp("sounds")
    write_media(folder, music, trailer, 0, CLIPS)
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, pictures: Dataset, trailer: Path) -> Path:
    folder = tmp_path_factory.mktemp("images")
    write_media(folder, pictures, trailer, 0, some(pictures))
    return folder


def test_sounds_have_the_real_names_and_length_and_differ(sounds: Path) -> None:
    files = sorted(p.relative_to(sounds).as_posix() for p in sounds.rglob("*.wav"))
    assert files == [
        "blues/blues.00000.wav",
        "blues/blues.00002.wav",
        "jazz/jazz.00003.wav",
        "rock/rock.00001.wav",
    ]
    read = [wavfile.read(sounds / path) for path in files]
    assert {rate for rate, _ in read} == {22_050}
    assert {samples.shape for _, samples in read} == {(30 * 22_050,)}
    assert np.abs(np.corrcoef([s for _, s in read]) - np.eye(4)).max() < 0.2


def test_images_have_the_real_names_and_differ(images: Path, pictures: Dataset) -> None:
    rows = [row for row in pictures.stimuli.table if row.stimulus in some(pictures)]
    read = [Image.open(images / row.path) for row in rows]
    assert {image.format for image in read} == {"JPEG"}
    flat = np.array([np.asarray(image.resize((16, 16)), float).ravel() for image in read])
    assert np.abs(flat[:, None] - flat).mean(axis=2)[~np.eye(len(flat), dtype=bool)].min() > 5
    path = images / rows[0].path
    assert path.suffix == ".JPEG"
    assert path.stat().st_size < 30_000


@pytest.mark.parametrize("kind", ["music", "pictures"])
def test_measures_are_standard_over_all_stimuli(
    kind: str, request: pytest.FixtureRequest, sounds: Path, images: Path
) -> None:
    dataset = request.getfixturevalue(kind)
    folder, only = (sounds, CLIPS) if kind == "music" else (images, some(dataset))
    found = media_latents(folder, dataset, only)
    assert set(found) == only
    values = np.concatenate([v for _, v in found.values()])
    assert values.shape[1] == 4
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(values.std(axis=0), 1)
    times = next(iter(found.values()))[0]
    expected = (np.arange(120) + 0.5) / 4 if kind == "music" else [0]
    np.testing.assert_allclose(times, expected)


def test_measures_see_a_loud_band_and_a_bright_corner(
    tmp_path: Path, music: Dataset, pictures: Dataset
) -> None:
    (tmp_path / "blues").mkdir()
    at = np.arange(30 * 22_050) / 22_050
    tone = np.where(at < 15, np.sin(2 * np.pi * 150 * at), np.sin(2 * np.pi * 6000 * at))
    wavfile.write(tmp_path / "blues/blues.00000.wav", 22_050, (9000 * tone).astype(np.int16))
    _, values = media_latents(tmp_path, music, {"blues_00000"})["blues_00000"]
    np.testing.assert_array_equal(values[:58, 0] > 0.9, True)
    np.testing.assert_array_equal(values[62:, 3] > 0.9, True)
    rows = pictures.stimuli.table[:4]
    for corner, row in enumerate(rows):
        pixels = np.zeros((40, 40, 3), np.uint8)
        pixels[20 * (corner // 2) :, 20 * (corner % 2) :][:20, :20] = 255
        (tmp_path / row.path).parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / row.path, format="JPEG")
    found = media_latents(tmp_path, pictures, {row.stimulus for row in rows})
    brightest = [int(found[row.stimulus][1].argmax()) for row in rows]
    assert brightest == [0, 1, 2, 3]


def test_same_seed_same_files_and_another_seed_others(
    tmp_path: Path, music: Dataset, pictures: Dataset
) -> None:
    image = pictures.stimuli.table[0]
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        write_media(tmp_path / name, music, None, seed, {"rock_00001"})
        write_media(tmp_path / name, pictures, None, seed, {image.stimulus})
    for path in ("rock/rock.00001.wav", image.path):
        one, again, other = ((tmp_path / n / path).read_bytes() for n in ("one", "again", "other"))
        assert one == again
        assert one != other


def test_folder_says_that_it_is_simulated_and_the_receipt_carries_it(
    tmp_path: Path, sounds: Path
) -> None:
    assert json.loads((sounds / "dataset_description.json").read_text())["Simulated"] is True
    assert "nothing here is the real stimulus" in (sounds / "README.md").read_text()
    config = tmp_path / "config.yaml"
    config.write_text(
        f"""
datasets:
  ds003720: {{stimuli: "{sounds}", missing_stimuli: drop, subjects: ["001"]}}
features:
  acoustics: {{stream: auditory, extractor: acoustics}}
models:
  one: {{datasets: [ds003720], bands: {{auditory: [acoustics]}}}}
"""
    )
    resolved = load_study(config, DATASETS)
    receipt = fetch_stimuli(resolved, "ds003720")
    settings = FeatureSettings.of(resolved, dataset="ds003720", space="acoustics")
    assert receipt.simulated
    assert len(receipt.files) == 4
    read, omitted = find_media(registry.get("acoustics"), "ds003720", settings.stimuli, receipt)
    assert {medium.stimulus for medium in read} == CLIPS
    assert len(omitted) == 540 - 4


def test_a_sound_is_as_long_as_events_show_it(tmp_path: Path, music: Dataset) -> None:
    """A story lasts minutes, a word a second; what no event tells has the 30 s of its kind."""
    name, other, third = sorted(CLIPS)[:3]
    shown = {name: 47.3, other: 1.2}
    write_media(tmp_path, music, None, 1, {name, other, third}, shown)
    path = {row.stimulus: row.path for row in music.stimuli.table}
    found = media_latents(tmp_path, music, {name, other, third})
    for stimulus, seconds in {**shown, third: 30.0}.items():
        assert len(wavfile.read(tmp_path / path[stimulus])[1]) == round(seconds * 22_050)
        times, values = found[stimulus]
        assert times[-1] == pytest.approx(seconds - 0.25, abs=0.25)
        assert values.shape == (len(times), 4)


FILMS = ("mp4", "mkv", "avi", "mov", "WMV")


@pytest.fixture
def films(music: Dataset) -> Dataset:
    """A table of films in many containers."""
    table = [{"stimulus": end, "kind": "film", "path": f"films/a b.{end}"} for end in FILMS]
    content = music.model_dump(mode="json") | {"stimuli": {"get": "nowhere", "table": table}}
    return Dataset.model_validate(content)


def test_films_play_as_long_as_they_should_and_differ(tmp_path: Path, films: Dataset) -> None:
    """By what ffprobe counts, too; every container, by the end of its name."""
    lengths = dict(zip(FILMS, (3.0, 10.03, 0.5, 61.7, 4.0), strict=True))
    write_media(tmp_path, films, None, 0, None, lengths)
    latents = media_latents(tmp_path, films)
    for end, seconds in lengths.items():
        path = tmp_path / f"films/a b.{end}"
        info = media_info(path)
        # As many frames as are begun, and two frames of the sound codec, which AVI does not trim.
        assert seconds - 0.01 <= info.duration < seconds + 0.15
        assert info.facts["format"]
        assert (info.fps, info.width, info.height, info.has_audio) == (25, 256, 144, True)
        assert not info.notes
        shown = [image for _, image in frames(path, size=(32, 18), format="gray", fps=5)]
        assert len(shown) == round(info.duration * 5)
        assert np.std([image.mean() for image in shown]) > 1
        times, values = latents[end]
        assert len(times) == pytest.approx(seconds * 4, abs=1)
        assert np.isfinite(values).all()
        if end == "mov":
            command = ["ffprobe", "-v", "error", "-count_packets", "-show_entries"]
            command += ["stream=nb_read_packets", "-select_streams", "v", "-of", "csv=p=0"]
            if shutil.which("ffprobe"):
                done = subprocess.run([*command, str(path)], capture_output=True, check=True)
                assert int(done.stdout) == np.ceil(seconds * 25)
        heard = read_sound(path, 16_000)
        assert np.sqrt(np.mean(heard**2)) > 0.01
    every = np.concatenate([values for _, values in latents.values()])
    np.testing.assert_allclose(every.std(axis=0), 1)


@pytest.mark.parametrize("name", ["song.mp3", "song.ogg", "song.flac", "song"])
def test_a_sound_plays_whatever_its_name(tmp_path: Path, music: Dataset, name: str) -> None:
    """Its content is a WAV, which readers know by its first bytes."""
    table = [{"stimulus": "song", "kind": "sound", "path": name}]
    content = music.model_dump(mode="json") | {"stimuli": {"get": "nowhere", "table": table}}
    write_media(tmp_path, Dataset.model_validate(content), None, 0, None, {"song": 2.5})
    assert media_info(tmp_path / name).duration == pytest.approx(2.5, abs=1e-3)
    assert len(read_sound(tmp_path / name, 8000)) == 20_000


def test_films_have_the_shape_and_rate_of_the_film_that_is_given(
    tmp_path: Path, films: Dataset, trailer: Path
) -> None:
    """Longer than it: it begins again."""
    write_media(tmp_path, films, trailer, 0, {"mp4"}, {"mp4": 60.0})
    model, made = media_info(trailer), media_info(tmp_path / "films/a b.mp4")
    assert made.duration == pytest.approx(60, abs=0.1)
    assert made.fps == pytest.approx(model.fps, abs=1e-3)
    assert made.width / made.height == pytest.approx(model.width / model.height, rel=0.01)
    assert made.width <= 480
    one = frame_at(trailer, 20.0, size=(64, 36), format="gray").astype(float)
    other = frame_at(tmp_path / "films/a b.mp4", 20.0, size=(64, 36), format="gray")
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.6


def test_a_film_of_one_seed_is_one_film(tmp_path: Path, films: Dataset) -> None:
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        write_media(tmp_path / name, films, None, seed, {"mkv"}, {"mkv": 2.0})
    pictures = {
        name: np.array([p for _, p in frames(tmp_path / name / "films/a b.mkv", format="gray")])
        for name in ("one", "again", "other")
    }
    np.testing.assert_array_equal(pictures["one"], pictures["again"])
    assert np.abs(pictures["one"].astype(int) - pictures["other"]).mean() > 5


def test_unknown_stimulus_and_missing_file(tmp_path: Path, music: Dataset) -> None:
    with pytest.raises(UserError, match="its stimulus table has no polka_00001"):
        write_media(tmp_path, music, None, 0, {"polka_00001"})
    with pytest.raises(UserError, match=r"blues\.00000\.wav: no such file"):
        media_latents(tmp_path, music, {"blues_00000"})
    brief = np.zeros(2000, np.int16)
    (tmp_path / "blues").mkdir()
    wavfile.write(tmp_path / "blues/blues.00000.wav", 22_050, brief)
    with pytest.raises(UserError, match=r"blues\.00000\.wav: is shorter than 0\.25 s"):
        media_latents(tmp_path, music, {"blues_00000"})
