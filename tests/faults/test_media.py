"""Odd and broken films, sounds and images through `tristream features extract`.

Each gives the right features, or one clear line and no file.
"""

import struct
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
import yaml
from PIL import Image

from helpers.features_study import FilmStudy
from helpers.films import flash_film, make_film
from helpers.odd_films import film
from tristream.cli import main
from tristream.errors import UserError
from tristream.features.core.feature_file import open_features
from tristream.media.media_contents import media_info
from tristream.media.sounds import read_sound

LOW = {"stream": "nuisance", "extractor": "lowlevel", "options": {"fps": 12}}
SOUND = {"stream": "auditory", "extractor": "acoustics", "layers": ["logmel"]}
COLOUR = '''
from tristream.features.core.frames import frame_batches
from tristream.errors import UserError
from tristream.features.core.registry import Block, extractor
from tristream.media.media_contents import media_info


@extractor("mean_colour", media="film", images=True, layers=("rgb",), methods="mean colour")
def mean_colour(path, layers, options, weights, device):
    """Mean of the channels of each picture."""
    for times, images in frame_batches(path, fps=2, length=8, size=(16, 16)):
        yield {"rgb": Block(images.reshape(len(images), -1, 3).mean(1), times)}
'''


def study_of(folder: Path, files: list[Path], kind: str, **features: Any) -> FilmStudy:
    """A study whose stimuli are these files, films, sounds or images."""
    study = FilmStudy(folder, files, features)
    path = folder / "workflow/datasets/films.yaml"
    content = yaml.safe_load(path.read_text())
    for row in content["stimuli"]["table"]:
        row["kind"] = kind
    path.write_text(yaml.safe_dump(content))
    return study


def extract(study: FilmStudy, space: str, layer: str) -> int:
    """Status of the command."""
    command = f"features extract --config {study.folder}/config.yaml --dataset films "
    command += f"--space {space} --receipt {study.receipt} "
    return main([*command.split(), "--output", str(study.output(space, layer))])


def fails(
    study: FilmStudy, space: str, layer: str, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    """The command ends with status 2, one line that has `words`, and no file."""
    assert extract(study, space, layer) == 2
    lines = [x for x in capsys.readouterr().err.splitlines() if x.startswith("tristream: error")]
    assert len(lines) == 1
    assert words in lines[0]
    assert not study.output(space, layer).exists()


def values(study: FilmStudy, space: str, layer: str, stimulus: str) -> tuple[Any, Any]:
    """Times and values of one stimulus."""
    with open_features(study.output(space, layer)) as file:
        shown = file.stimuli[stimulus]
        return shown.times, shown.values[()]


def noise_film(path: Path, seconds: float = 4.0) -> Path:
    """A film that does not compress to nothing."""
    count = round(seconds * 24)
    images = np.random.default_rng(0).integers(0, 255, (count, 36, 64), dtype=np.uint8)
    return make_film(path, images, np.arange(count) / 24)


def first_seconds(source: Path, path: Path, seconds: float) -> Path:
    """The beginning of a film with its sound, as it is encoded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(source)) as film, av.open(str(path), "w") as container:
        streams = {
            stream.index: container.add_stream_from_template(stream)
            for stream in (film.streams.video[0], film.streams.audio[0])
        }
        for packet in film.demux(*(film.streams[index] for index in streams)):
            if packet.dts is not None and packet.dts * packet.time_base < seconds:
                packet.stream = streams[packet.stream.index]
                container.mux(packet)
    return path


def test_film_of_scrambled_content(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The headers are whole, the pictures are not."""
    film = noise_film(tmp_path / "stimuli/clip.mp4")
    content = bytearray(film.read_bytes())
    middle = slice(len(content) // 8, len(content) * 7 // 8)
    content[middle] = np.random.default_rng(1).bytes(len(content[middle]))
    film.write_bytes(bytes(content))
    study = study_of(tmp_path, [film], "film", low=LOW)
    fails(study, "low", "lowlevel", capsys, "clip.mp4")


def test_film_that_is_cut_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = noise_film(tmp_path / "stimuli/clip.mp4")
    film.write_bytes(film.read_bytes()[:-2000])
    study = study_of(tmp_path, [film], "film", low=LOW)
    fails(study, "low", "lowlevel", capsys, "clip.mp4")


def test_film_without_sound_beside_one_that_has_it(tmp_path: Path, trailer: Path) -> None:
    """Sound features leave it out and say so; loudness has its floor; pictures are there."""
    silent = noise_film(tmp_path / "stimuli/silent.mp4")
    films = [silent, first_seconds(trailer, tmp_path / "stimuli/loud.mp4", 20)]
    study = study_of(tmp_path, films, "film", low=LOW, sound=SOUND)
    assert extract(study, "sound", "logmel") == 0
    with open_features(study.output("sound", "logmel")) as file:
        assert list(file.stimuli) == ["loud"]
        assert [(o.what, o.why) for o in file.provenance.omitted] == [("silent", "it has no sound")]
    assert extract(study, "low", "lowlevel") == 0
    times, found = values(study, "low", "lowlevel", "silent")
    assert len(times) == 48
    assert set(found[:, 2]) == {found[0, 2]}
    assert values(study, "low", "lowlevel", "loud")[1][:, 2].std() > 1


def test_film_without_sound_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = study_of(tmp_path, [noise_film(tmp_path / "stimuli/clip.mp4")], "film", sound=SOUND)
    fails(study, "sound", "logmel", capsys, "acoustics reads sounds, and none of the stimuli")


def test_sound_without_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "stimuli/tone.wav"
    path.parent.mkdir()
    soundfile.write(path, np.zeros(16_000), 16_000)
    study = study_of(tmp_path, [path], "sound", low=LOW)
    fails(study, "low", "lowlevel", capsys, "lowlevel reads films, and none of the stimuli")


def test_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    """Frames 20 ms to 120 ms long: the flash stands where it is on screen, in both films."""
    rng = np.random.default_rng(0)
    regular = np.arange(240) / 24
    variable = np.concatenate([[0.0], np.cumsum(rng.uniform(0.02, 0.12, 140))])
    (tmp_path / "stimuli").mkdir()
    middles = {
        name: flash_film(tmp_path / f"stimuli/{name}.mp4", times, 5.0, (64, 36))
        for name, times in (("regular", regular), ("variable", variable))
    }
    films = [tmp_path / f"stimuli/{name}.mp4" for name in middles]
    study = study_of(tmp_path, films, "film", low={**LOW, "options": {"fps": 48}})
    assert extract(study, "low", "lowlevel") == 0
    for name, middle in middles.items():
        times, found = values(study, "low", "lowlevel", name)
        bright = found[:, 0] > 0.5
        assert bright.any()
        assert times[bright].mean() == pytest.approx(middle, abs=0.02), name
        np.testing.assert_allclose(np.diff(times), 1 / 48)


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000, 96_000])
def test_a_tone_is_the_same_at_any_rate_in_mono_and_stereo(tmp_path: Path, rate: int) -> None:
    time = np.arange(3 * rate) / rate
    tone = 0.2 * np.sin(2 * np.pi * 1000 * time)
    (tmp_path / "stimuli").mkdir()
    sounds = {"mono": tone, "stereo": np.stack([tone, tone], axis=1)}
    paths = []
    for name, sound in sounds.items():
        paths.append(tmp_path / f"stimuli/{name}.wav")
        soundfile.write(paths[-1], sound, rate, subtype="FLOAT")
    study = study_of(tmp_path, paths, "sound", sound=SOUND)
    assert extract(study, "sound", "logmel") == 0
    mono, stereo = (values(study, "sound", "logmel", name) for name in sounds)
    np.testing.assert_allclose(mono[1], stereo[1], atol=1e-3)
    inner = mono[1][5:-5].mean(axis=0)
    with open_features(study.output("sound", "logmel")) as file:
        centre = float(file.names[int(inner.argmax())].split()[0])
    assert centre == pytest.approx(1000, rel=0.05)
    # Full scale is 0 dB; a tone of 0.2 stands 14 dB below it.
    assert inner.max() == pytest.approx(20 * np.log10(0.2), abs=1.5)
    assert len(mono[0]) == 30


def test_a_clip_that_lasts_no_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A film file with a picture stream and no picture, a sound of no samples, an empty file."""
    folder = tmp_path / "stimuli"
    folder.mkdir()
    with av.open(str(folder / "none.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 36, "yuv420p"
        container.start_encoding()
    soundfile.write(folder / "none.wav", np.zeros(0), 16_000)
    (folder / "empty.mp4").touch()
    for name, kind, space, layer in (
        ("none.mp4", "film", "low", "lowlevel"),
        ("none.wav", "sound", "sound", "logmel"),
        ("empty.mp4", "film", "low", "lowlevel"),
    ):
        study = study_of(tmp_path, [folder / name], kind, low=LOW, sound=SOUND)
        fails(study, space, layer, capsys, name)


def write_images(folder: Path) -> dict[str, tuple[int, int, int]]:
    """One image of each odd kind, and the colour that it shows."""
    folder.mkdir()
    size = (40, 30)
    Image.new("RGB", size, (200, 100, 50)).save(folder / "plain.png")
    Image.new("RGBA", size, (200, 100, 50, 0)).save(folder / "clear.png")
    Image.new("RGBA", size, (200, 100, 50, 255)).save(folder / "opaque.png")
    Image.fromarray(np.full((30, 40), 51_400, np.uint16)).save(folder / "deep.png")
    Image.new("CMYK", size, (0, 127, 255, 0)).save(folder / "press.tif")
    Image.new("RGB", size, (200, 100, 50)).quantize(4).save(folder / "palette.png")
    Image.new("L", size, 77).save(folder / "grey.png")
    return {
        "plain": (200, 100, 50),
        "clear": (128, 128, 128),
        "opaque": (200, 100, 50),
        "deep": (200, 200, 200),
        "press": (255, 128, 0),
        "palette": (200, 100, 50),
        "grey": (77, 77, 77),
    }


def image_study(folder: Path) -> tuple[FilmStudy, dict[str, tuple[int, int, int]]]:
    expected = write_images(folder / "stimuli")
    (folder / "colour.py").write_text(COLOUR)
    block = {"stream": "ventral", "extractor": "mean_colour", "module": str(folder / "colour.py")}
    files = {path.stem: path for path in (folder / "stimuli").iterdir()}
    return study_of(folder, [files[name] for name in expected], "image", colour=block), expected


def test_images_with_alpha_of_16_bits_and_of_cmyk(tmp_path: Path) -> None:
    study, expected = image_study(tmp_path)
    assert extract(study, "colour", "rgb") == 0
    with open_features(study.output("colour", "rgb")) as file:
        assert file.about.sampling == "item"
        assert file.items == list(expected)
        for name, row in zip(expected, file.item_values[()], strict=True):
            np.testing.assert_allclose(row, expected[name], atol=1.5, err_msg=name)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:60]), "can't be read as an image"),
        (lambda path: path.write_text("no image"), "can't be read as an image"),
        (
            lambda path: Image.fromarray(np.ones((4, 4), np.float32)).save(path, format="TIFF"),
            "floating-point pixels",
        ),
    ],
)
def test_damaged_and_unknown_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Any, words: str
) -> None:
    study, _ = image_study(tmp_path)
    damage(tmp_path / "stimuli/plain.png")
    study.write_receipt()
    fails(study, "colour", "rgb", capsys, words)


def test_a_clock_that_jumps_by_days_is_not_followed(tmp_path: Path) -> None:
    """Nobody holds a picture for so long: its features would take 60 GB."""
    film, jumped = tmp_path / "film.mkv", tmp_path / "jumped.mkv"
    call = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=s=64x64:r=25:d=4"]
    subprocess.run([*call, "-c:v", "libx264", "-bf", "0", film], check=True)
    shift = "setts=ts='if(gte(N,50),TS+1000000000,TS)'"
    subprocess.run(["ffmpeg", "-v", "error", "-i", film, "-c", "copy", "-bsf:v", shift, jumped])
    assert media_info(film).duration == pytest.approx(4)
    with pytest.raises(UserError, match=r"of its picture jump from 2\.0 to 1000002\.0 s"):
        media_info(jumped)


def ffmpeg(*words: object) -> None:
    subprocess.run(["ffmpeg", "-y", "-v", "error", *map(str, words)], check=True)


def retimed(path: Path, times: str, seconds: float = 4, kind: str = "v") -> Path:
    """A film of 25 pictures a second, or a sound, whose packets have other times and lengths."""
    source = path.with_name(f"source{path.suffix}")
    given = f"testsrc=s=16x16:r=25:d={seconds}" if kind == "v" else f"sine=d={seconds}"
    codec = ("-c:v", "ffv1") if kind == "v" else ("-c:a", "flac")
    ffmpeg("-f", "lavfi", "-i", given, *codec, source)
    ffmpeg("-i", source, "-c", "copy", f"-bsf:{kind}", f"setts={times}", path)
    return path


def refused(path: Path, words: str) -> None:
    """Its length is told in one line, and its sound is not held in memory."""
    for read in (media_info, lambda one: read_sound(one, 22_050)):
        with pytest.raises(UserError, match=words) as caught:
            read(path)
        assert "\n" not in str(caught.value)
        assert path.name in str(caught.value)


def test_a_last_picture_of_days_is_not_held(tmp_path: Path) -> None:
    """In its packet, or in the header alone; so is one in the middle, and a packet of sound."""
    last = "duration='if(eq(N,99),1000000000,DURATION)'"
    refused(retimed(tmp_path / "last.mkv", last), r"header says 1000004\.0 s, .* ends at 4\.0 s")
    refused(
        film(tmp_path / "last.mp4", 26, last_for=5000.0, stream_options={"bf": "0"}),
        r"of its picture jump from 1\.0 to 5001\.0 s",
    )
    middle = "ts='if(gte(N,50),TS+5000000,TS)':duration='if(eq(N,49),5000040,DURATION)'"
    refused(retimed(tmp_path / "middle.mkv", middle), r"of its picture jump from 2\.0 to 5002")
    heard = "ts='if(gte(N,20),TS+5000000,TS)'"
    refused(retimed(tmp_path / "a.mka", heard, kind="a"), r"of its sound jump from")


@pytest.mark.parametrize(("name", "kind"), [("f.mkv", "v"), ("f.mov", "v"), ("s.mka", "a")])
def test_pauses_that_add_up_to_days_are_not_followed(tmp_path: Path, name: str, kind: str) -> None:
    """Each is shorter than an hour."""
    path = retimed(tmp_path / name, "ts='TS*20000'", kind=kind)
    refused(path, r"lasts [678]\d{4}\.\d s, of which [678]\d{4}\.\d s are pauses or pictures that")


def test_slides_that_stay_for_minutes_are_shown(tmp_path: Path) -> None:
    """Without a sound for an hour and a half, and for as long as somebody talks about them."""
    times = [Fraction(k * 900) for k in range(6)]
    silent = film(tmp_path / "silent.mkv", 6, times=times, last_for=900, stream_options={"bf": "0"})
    assert media_info(silent).duration == pytest.approx(5400, abs=1)
    talk = tmp_path / "talk.mkv"
    sources = ("-f", "lavfi", "-i", "testsrc=s=16x16:r=1/1800:d=12600")
    sources += ("-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono:d=12600")
    ffmpeg(*sources, "-c:v", "ffv1", "-c:a", "flac", talk)
    info = media_info(talk)
    assert info.duration == pytest.approx(12600, abs=1)
    assert info.picture.recorded == pytest.approx(70)


def test_more_than_a_day_is_refused_unless_it_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = retimed(tmp_path / "long.mkv", "ts='TS*251'", seconds=360)
    refused(path, r"lasts 25\.1 hours, and 24 is the most; .* variable TRISTREAM_LONGEST_FILE to")
    for word in ("long", "-1", "nan", "0"):
        monkeypatch.setenv("TRISTREAM_LONGEST_FILE", word)
        with pytest.raises(UserError, match=f"FILE is '{word}'; give a number of hours"):
            media_info(path)
    monkeypatch.setenv("TRISTREAM_LONGEST_FILE", "25.5")
    assert media_info(path).duration == pytest.approx(360 * 251, abs=20)


def wave(path: Path, rate: int, channels: int) -> Path:
    """A sound of 16 bits that is written by hand."""
    content = bytes(range(256)) * 800
    size = 2 * channels
    about = struct.pack("<HHIIHH", 1, channels, rate, rate * size % 2**32, size % 2**16, 16)
    chunks = b"WAVEfmt " + struct.pack("<I", len(about)) + about
    chunks += b"data" + struct.pack("<I", len(content)) + content
    path.write_bytes(b"RIFF" + struct.pack("<I", len(chunks)) + chunks)
    return path


@pytest.mark.parametrize("rate", [1, 8, 999, 1_000_001, 2**31 - 1])
def test_a_rate_at_which_no_sound_is_recorded(tmp_path: Path, rate: int) -> None:
    """At one sample a second a few KB would last a day."""
    refused(wave(tmp_path / "a.wav", rate, 1), f"states {rate} samples a second, and 1000 to 10000")


def test_rates_of_telephones_and_hydrophones_are_read(tmp_path: Path) -> None:
    for rate in (1000, 4000, 8000, 384_000, 1_000_000):
        path = wave(tmp_path / f"{rate}.wav", rate, 1)
        assert media_info(path).duration == pytest.approx(102_400 / rate, abs=1e-6)


@pytest.mark.parametrize("channels", [600, 1000])
def test_channels_that_cannot_be_read(tmp_path: Path, channels: int) -> None:
    refused(wave(tmp_path / "a.wav", 44_100, channels), "a number of channels that can't be read")
