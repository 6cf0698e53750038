"""How long a film or sound truly lasts: its content, not its header, and which of them is wrong."""

import re
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from helpers.odd_films import RATE, clicks, cut, film, sound_file
from tristream.errors import UserError
from tristream.media.films import frames
from tristream.media.media_contents import media_info
from tristream.media.sounds import read_sound, sound

NOISE = np.random.default_rng(0).uniform(-0.3, 0.3, 10 * RATE).astype(np.float32)
FILMS = {
    "film.mkv": {"codec": "libx264"},
    "film.webm": {"codec": "libvpx", "sound_codec": "libopus"},
    "film.flv": {"codec": "flv", "sound_codec": "libmp3lame"},
    "film.mov": {"codec": "libx264", "container_options": {"movflags": "faststart"}},
    "film.avi": {"codec": "mpeg4", "sound_codec": "libmp3lame"},
}


@pytest.mark.parametrize("name", FILMS)
def test_a_film_that_is_cut_off(tmp_path: Path, name: str) -> None:
    options = dict(FILMS[name])
    rate = 44100 if name == "film.flv" else RATE
    path = film(tmp_path / name, 125, NOISE[: 5 * rate], **options)  # type: ignore[arg-type]
    whole = media_info(path).duration
    assert whole == pytest.approx(5 * rate / RATE if rate != RATE else 5, abs=0.5)
    cut(path, 0.45)
    for read in (media_info, lambda p: list(frames(p)), lambda p: list(sound(p, 16000))):
        with pytest.raises(UserError, match=r"cut off.*fetch it again") as caught:
            read(path)
        assert "\n" not in str(caught.value)
    # 45 % of 5 s, but for what stands at the beginning of the file.
    ends = [float(second) for second in re.findall(r"ends at (\d\.\d) s", str(caught.value))]
    assert len(ends) == 2
    assert ends == pytest.approx([2.1, 2.1], abs=0.4)


@pytest.mark.parametrize(
    ("name", "codec"), [("xing.mp3", "libmp3lame"), ("a.flac", "flac"), ("a.wav", "pcm_s16le")]
)
def test_a_sound_that_is_cut_off(tmp_path: Path, name: str, codec: str) -> None:
    path = sound_file(tmp_path / name, NOISE, codec)
    assert media_info(path).duration == pytest.approx(10, abs=0.03)
    cut(path, 0.4)
    with pytest.raises(UserError, match=r"sound ends at 4\.0 s.*fetch it again") as caught:
        media_info(path)
    assert "is cut off" in str(caught.value)


# Formats whose header tells no length: what is missing, their own structure tells.
STREAMED = {
    "a.opus": "libopus",
    "flac.oga": "flac",
    "a.aac": "aac",
    "a.ts": "mp2",
    "a.caf": "pcm_s16le",
    "a.w64": "pcm_s16le",
    "a.wma": "libmp3lame",
    "a.mp3": "libmp3lame",
}


@pytest.mark.parametrize("name", [*STREAMED, "vorbis.ogg"])
@pytest.mark.parametrize("share", [0.4, 0.9003])
def test_a_streamed_sound_that_is_cut_off(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    if name == "vorbis.ogg":
        soundfile.write(path, NOISE, RATE, format="OGG", subtype="VORBIS")
    else:
        sound_file(path, NOISE, STREAMED[name], **{"write_xing": "0"} if name == "a.mp3" else {})
    assert media_info(path).duration == pytest.approx(10, abs=0.06)
    assert media_info(path).notes == ()
    cut(path, share)
    for read in (media_info, lambda p: list(sound(p, 16000))):
        with pytest.raises(UserError, match=r"is cut off: \d+ bytes are missing") as caught:
            read(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["film.ts", "film.m2ts"])
def test_a_transport_stream_that_is_cut_off(tmp_path: Path, name: str) -> None:
    options = {"mpegts_m2ts_mode": "1"} if name == "film.m2ts" else {}
    path = film(tmp_path / name, 125, NOISE[: 5 * RATE], container_options=options)
    assert media_info(path).duration == pytest.approx(5, abs=0.1)
    path.write_bytes(path.read_bytes()[: 192 * 188 + 100])
    with pytest.raises(UserError, match=r"is cut off: (88|92) bytes are missing"):
        media_info(path)


@pytest.mark.parametrize(
    ("name", "codec", "sound"), [("a.mpg", "mpeg2video", "mp2"), ("a.wmv", "wmv2", "libmp3lame")]
)
def test_a_film_of_packs_or_objects_that_is_cut_off(
    tmp_path: Path, name: str, codec: str, sound: str
) -> None:
    path = film(tmp_path / name, 125, NOISE[: 5 * RATE], codec=codec, sound_codec=sound)
    assert media_info(path).duration == pytest.approx(5, abs=0.15)
    assert media_info(path).notes == ()
    cut(path, 0.4503)
    with pytest.raises(UserError, match=r"is cut off: \d+ bytes are missing"):
        media_info(path)


@pytest.mark.parametrize("name", ["a.m4a", "a.mov", "closed.mp4"])
def test_a_recording_without_its_index(tmp_path: Path, name: str) -> None:
    """The index is written last: a cut takes it, and a recorder that lost power never wrote it."""
    if name == "a.m4a":
        path = sound_file(tmp_path / name, NOISE, "aac")
    else:
        path = film(tmp_path / name, 125)
    content = path.read_bytes()
    at = content.index(b"mdat") - 4
    lost = content[:at] + bytes(4) + content[at + 4 : content.index(b"moov") - 4]
    for left in (content[: len(content) // 2], lost):
        path.write_bytes(left)
        with pytest.raises(UserError, match=r"is cut off, or .* never closed.*fetch it again") as e:
            media_info(path)
        assert "\n" not in str(e.value)


@pytest.mark.parametrize("kind", ["h264", "hevc", "m4v", "mjpeg"])
def test_a_stream_without_a_container_is_refused_in_a_line(tmp_path: Path, kind: str) -> None:
    """It has no times. Its first bytes, read as a box's length, say 2^63 bytes and more."""
    path = tmp_path / f"film.{kind}"
    lines = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=1", "-f", kind]
    codec = {"h264": ["libx264"], "hevc": ["libx265", "-x265-params", "log-level=none"]}
    coded = codec.get(kind, ["mpeg4" if kind == "m4v" else "mjpeg"])
    subprocess.run(["ffmpeg", "-v", "error", *lines, "-c:v", *coded, path], check=True)
    with pytest.raises(UserError, match=r"can't be read as a film or sound .*re-encode it"):
        media_info(path)


def test_a_sound_cut_between_frames_is_shorter_than_its_header_says(tmp_path: Path) -> None:
    path = sound_file(tmp_path / "a.mp3", NOISE, "libmp3lame")
    content = path.read_bytes()
    frame = content[:4]
    starts = [
        m.start() for m in re.finditer(re.escape(content[content.rindex(frame[:2]) :][:2]), content)
    ]
    path.write_bytes(content[: starts[len(starts) // 2]])
    with pytest.raises(UserError, match="cut off"):
        media_info(path)


def test_cuts_between_packets_leave_the_length_of_what_is_left(tmp_path: Path) -> None:
    """Nothing is missing of any packet: the length is that of the content, as it is heard."""
    adts = sound_file(tmp_path / "a.aac", NOISE, "aac")
    content, ends = adts.read_bytes(), [0]
    while ends[-1] < len(content):
        head = content[ends[-1] : ends[-1] + 7]
        ends.append(ends[-1] + ((head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5))
    adts.write_bytes(content[: ends[200]])
    stream = sound_file(tmp_path / "a.ts", NOISE, "mp2")
    stream.write_bytes(stream.read_bytes()[: 188 * 700])
    opus = sound_file(tmp_path / "a.opus", NOISE, "libopus")
    pages = [m.start() for m in re.finditer(b"OggS", opus.read_bytes())]
    opus.write_bytes(opus.read_bytes()[: pages[-2]])
    for path in (adts, stream, opus):
        info = media_info(path)
        heard = sum(len(chunk) for chunk in sound(path, 16000)) / 16000
        assert 2 < info.duration < 9.9
        assert heard == pytest.approx(info.duration, abs=0.06)
    assert media_info(adts).duration == pytest.approx(200 * 1024 / RATE, abs=0.03)
    assert "is it cut off?" in media_info(opus).notes[0]


def test_sounds_whose_header_tells_no_length(tmp_path: Path) -> None:
    quiet = NOISE.copy()
    quiet[: 4 * RATE] *= 1e-3  # whose bit rate does not hold for the rest
    vbr = sound_file(tmp_path / "vbr.mp3", quiet, "libmp3lame", write_xing="0")
    adts = sound_file(tmp_path / "sound.aac", quiet, "aac")
    for path in (vbr, adts):
        assert media_info(path).duration == pytest.approx(10, abs=0.06)
        assert len(read_sound(path, 16000)) == pytest.approx(160000, abs=1000)


def test_joined_sounds_last_as_long_as_their_parts(tmp_path: Path) -> None:
    path = sound_file(tmp_path / "a.mp3", NOISE[: 3 * RATE], "libmp3lame")
    path.write_bytes(path.read_bytes() * 2)
    info = media_info(path)
    assert info.duration == pytest.approx(6, abs=0.15)
    assert info.notes[0].startswith("its header says 3.0 s, but its sound ends at 6.")


def test_a_last_frame_that_is_held(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", 26, last_for=7.0, stream_options={"bf": "0"})
    info = media_info(path)
    assert info.duration == pytest.approx(8, abs=0.01)
    shown = list(frames(path, fps=5))
    assert len(shown) == 40
    assert (shown[-1][1] == shown[-20][1]).all()


def test_a_film_without_a_duration(tmp_path: Path) -> None:
    """As browsers write them: neither the length of the segment nor of the film is known."""
    options = {"live": "1"}
    path = film(
        tmp_path / "film.webm", 75, codec="libvpx", container_options=options, stream_options={}
    )
    assert media_info(path).duration == pytest.approx(3, abs=0.05)
    assert len(list(frames(path))) == 75


def test_a_file_that_was_never_filled(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mov", 125, container_options={"movflags": "faststart"})
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(whole[:half] + bytes(len(whole) - half))
    with pytest.raises(UserError, match=r"only zeros from second .* of its picture"):
        media_info(path)


def test_a_film_whose_first_times_were_negative(tmp_path: Path) -> None:
    source = film(tmp_path / "film.mp4", 75, stream_options={"bf": "0"})
    path = tmp_path / "film.mkv"
    for option, shift in (("disabled", "-1"), ("make_zero", "-1")):
        command = ["ffmpeg", "-v", "error", "-y", "-i", source, "-c", "copy"]
        moved = ["-output_ts_offset", shift, "-avoid_negative_ts", option]
        subprocess.run([*command, *moved, path], check=True)
        if option == "disabled":
            with pytest.raises(UserError, match=r"the first 25 packets of its picture have no ti"):
                media_info(path)
    assert media_info(path).duration == pytest.approx(3, abs=0.01)


def test_a_wave_file_from_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, NOISE, RATE)
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff" * 4
    path.write_bytes(bytes(content))
    assert media_info(path).duration == pytest.approx(10)


def test_picture_and_sound_that_end_apart(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mkv", 125, clicks(2.0))
    assert any("its picture ends at 5.0 s, its sound at 2.0 s" in n for n in media_info(path).notes)


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="ffmpeg is not installed")
@pytest.mark.parametrize("name", FILMS)
def test_lengths_are_those_of_ffprobe(tmp_path: Path, name: str) -> None:
    path = film(tmp_path / name, 50, **{k: v for k, v in FILMS[name].items() if "sound" not in k})  # type: ignore[arg-type]
    command = ["ffprobe", "-v", "error", "-count_packets", "-show_entries"]
    command += ["stream=nb_read_packets", "-of", "csv=p=0", str(path)]
    packets = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert len(list(frames(path))) == packets == 50
    assert media_info(path).duration == pytest.approx(Fraction(50, 25), abs=0.05)


def test_a_rate_that_the_header_states_and_pictures_do_not_keep(tmp_path: Path) -> None:
    """Matroska states the rate of the film that every third picture was taken from."""
    path = tmp_path / "screen.mkv"
    call = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=6"]
    call += ["-vf", r"select=not(mod(n\,3))", "-vsync", "vfr", "-c:v", "ffv1", str(path)]
    subprocess.run(call, check=True)
    info = media_info(path)
    assert len(list(frames(path))) == 50
    assert info.fps == pytest.approx(25 / 3, rel=1e-3)
    assert "8.333 fps" in info.facts["picture"]


def test_a_cover_image_is_no_track(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / "cover.png")
    film(tmp_path / "film.mp4")
    inputs = ["-i", str(tmp_path / "cover.png"), "-i", str(tmp_path / "film.mp4")]
    maps = ["-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "attached_pic"]
    out = tmp_path / "covered.mp4"
    subprocess.run(["ffmpeg", "-v", "error", *inputs, *maps, str(out)], check=True)
    info, plain = media_info(out), media_info(tmp_path / "film.mp4")
    assert (info.width, info.height) == (plain.width, plain.height)
    assert info.notes == plain.notes
    assert info.facts["tracks"].startswith("1 picture")
