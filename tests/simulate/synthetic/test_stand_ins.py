"""Stand-in media: real names, files that differ, measures that a brain can follow, marked."""

import json
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
    """A story lasts minutes; a clip keeps the 30 s of its kind, and its content."""
    name, other = sorted(CLIPS)[:2]
    write_media(tmp_path / "a", music, None, 1, {name, other}, {name: 47.3, other: 15.0})
    write_media(tmp_path / "b", music, None, 1, {other})
    path = {row.stimulus: row.path for row in music.stimuli.table}
    assert len(wavfile.read(tmp_path / "a" / path[name])[1]) == round(47.3 * 22_050)
    assert (tmp_path / "a" / path[other]).read_bytes() == (
        tmp_path / "b" / path[other]
    ).read_bytes()
    times, _ = media_latents(tmp_path / "a", music, {name, other})[name]
    assert times[-1] > 46


def test_unknown_stimulus_film_and_missing_file(tmp_path: Path, music: Dataset) -> None:
    with pytest.raises(UserError, match="its stimulus table has no polka_00001"):
        write_media(tmp_path, music, None, 0, {"polka_00001"})
    bunny = descriptor("bunny", [DATASETS], Path("config.yaml"))
    with pytest.raises(UserError, match="no stand-in for a film"):
        write_media(tmp_path, bunny, None, 0)
    with pytest.raises(UserError, match=r"blues\.00000\.wav: can't be read as sound"):
        media_latents(tmp_path, music, {"blues_00000"})
