"""Stand-ins for stimuli that a dataset can't ship, under their real names.

Sounds are excerpts of a film's sound with seeded noise in bands whose loudness wanders; images are
crops of film frames with seeded colours; films are shots with seeded light, and such a sound. Clips
of one category resemble each other a little. They hold no real music and no real object, and say
so.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from zlib import crc32

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage, signal
from scipy.io import wavfile
from tqdm import tqdm

from tristream import __version__
from tristream.config.dataset import Dataset
from tristream.config.events import Stimulus
from tristream.media.films import frame_at
from tristream.media.media_contents import media_info
from tristream.media.sounds import Sound, read_sound
from tristream.paths import resolve_inside
from tristream.simulate.bids_text import save_json
from tristream.simulate.synthetic.latents import BANDS, rows_of
from tristream.simulate.synthetic.stand_in_films import write_film

Array = npt.NDArray[np.float64]

RATE = 22_050
# Of a sound that no event shows to its end, as many collections of clips have it (s).
SECONDS = 30.0
# Share of the film in the mixture; spread of the bands' loudness over time and clips (dB).
EXCERPT, WANDERS, DIFFERS = 0.25, 6.0, 5.0
# At which excerpts are played, relative to the film's.
SPEEDS = (0.7, 1.4)
# Edge of an image in pixels; places of the film from which frames are taken.
PIXELS, PLACES = 160, 12
README = """\
# Stand-ins for the stimuli of {title}

**Simulated: nothing here is the real stimulus of that name.** These files were written by
`tristream simulate` (seed {seed}) so that an analysis can be tried without the real media:
{what}. The real ones: {get}
"""


def write_media(
    folder: Path,
    descriptor: Dataset,
    film: Path | None,
    seed: int,
    only: set[str] | None = None,
    lengths: Mapping[str, float] | None = None,
) -> None:
    """Write stand-ins for the films, sounds and images that a descriptor's table names.

    Parameters
    ----------
    folder : Path
        Where; files get the table's paths.
    descriptor : Dataset
        Whose stimuli.
    film : Path, optional
        Film with sound, of which excerpts are taken; all is synthesised without it. Stand-ins for
        films have its rate, and its shape.
    seed : int
        Fixes everything that is random: each file depends on its name and the seed alone.
    only : set of str, optional
        Names of the stimuli to write; all by default.
    lengths : dict of str to float, optional
        Seconds of films and sounds; `SECONDS` where it does not say.

    Raises
    ------
    UserError
        If the table has no such stimulus, or the given film can't be read.
    """
    rows = rows_of(descriptor, only)
    folder.mkdir(parents=True, exist_ok=True)
    heard = [row for row in rows if row.kind != "image"]
    images = [row for row in rows if row.kind == "image"]
    track = None
    if film is not None and heard and media_info(film).has_audio:
        track = read_sound(film, RATE)
    for row in tqdm(heard, desc="stand-ins", unit="file", mininterval=5, delay=5):
        samples = _sound(row, track, seed, (lengths or {}).get(row.stimulus, SECONDS))
        path = _made(folder, row)
        if row.kind == "sound":
            wavfile.write(path, RATE, np.rint(samples * 32767).astype(np.int16))
        else:
            rng = _random(seed, row.stimulus, "picture")
            write_film(path, samples.astype(np.float32), RATE, film, rng, _tint(row, seed))
    frames = list(_frames(film, images))
    for row in images:
        _image(row, frames, seed).save(_made(folder, row), format="JPEG", quality=90)
    _say(folder, descriptor, film, seed)


def _made(folder: Path, row: Stimulus) -> Path:
    path = resolve_inside(folder, row.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _random(seed: int, *names: str) -> np.random.Generator:
    return np.random.default_rng([seed, *(crc32(name.encode()) for name in names)])


def _category(row: Stimulus) -> str:
    return row.label or str(Path(row.path).parent)


def _tint(row: Stimulus, seed: int) -> Array:
    """Factors of red, green and blue that the pictures of a category share."""
    return _random(seed, _category(row)).uniform(0.7, 1.3, 3)


def _sound(row: Stimulus, track: Sound | None, seed: int, seconds: float) -> Array:
    """Some seconds of sound, faded in and out within 2 s at most, of fixed RMS."""
    rng = _random(seed, row.stimulus)
    kind = _random(seed, _category(row)).normal(0, DIFFERS, len(BANDS))
    count = round(seconds * RATE)
    mixed = np.zeros(count)
    for (low, high), level in zip(BANDS, kind + rng.normal(0, DIFFERS, len(BANDS)), strict=True):
        filter_ = signal.butter(3, (low, high), "bandpass", fs=RATE, output="sos")
        noise = signal.sosfilt(filter_, rng.standard_normal(count))
        tone = np.sin(2 * np.pi * rng.uniform(low, high) * np.arange(count) / RATE)
        part = noise / noise.std() + tone
        mixed += part * 10 ** ((level + _wandering(rng, count)) / 20)
    mixed /= mixed.std()
    if track is not None:
        mixed = (1 - EXCERPT) * mixed + EXCERPT * _excerpt(track, count, rng)
    ramp = min(2 * RATE, count / 4)
    fade = np.minimum(1, np.minimum(np.arange(count), np.arange(count)[::-1]) / ramp)
    return np.asarray(np.clip(0.1 * mixed / mixed.std() * fade, -1, 1))


def _wandering(rng: np.random.Generator, count: int) -> Array:
    """Loudness in dB that changes within seconds."""
    # Of a brief sound they follow each other faster: one step alone has no spread.
    steps = rng.standard_normal(max(round(count / RATE * 2), 8))
    smooth = ndimage.gaussian_filter1d(steps, 1.0, mode="wrap")
    at = np.linspace(0, len(steps) - 1, count)
    return np.asarray(WANDERS * np.interp(at, np.arange(len(steps)), smooth / smooth.std()))


def _excerpt(track: Sound, count: int, rng: np.random.Generator) -> Array:
    """A place of the film at a speed of its own, so that clips that overlap there still differ."""
    at = rng.uniform(0, len(track)) + np.arange(count) * rng.uniform(*SPEEDS)
    before = at.astype(np.int64)
    left = track.take(before, mode="wrap").astype(float)
    taken = left + (at - before) * (track.take(before + 1, mode="wrap") - left)
    spread = taken.std()
    return np.asarray(taken / spread if spread > 0 else taken)


def _frames(film: Path | None, images: list[Stimulus]) -> Iterator[Image.Image]:
    if film is None or not images:
        return
    duration = media_info(film).duration
    for at in np.linspace(0.05, 0.95, PLACES) * duration:
        yield Image.fromarray(frame_at(film, float(at), size=(480, 270)))


def _image(row: Stimulus, frames: list[Image.Image], seed: int) -> Image.Image:
    """A crop of a frame, or a smooth pattern, with colours and light of its own."""
    rng = _random(seed, row.stimulus)
    if frames:
        frame = frames[rng.integers(len(frames))]
        edge = int(frame.height * rng.uniform(0.5, 1.0))
        left = int(rng.integers(0, frame.width - edge + 1))
        top = int(rng.integers(0, frame.height - edge + 1))
        crop = frame.crop((left, top, left + edge, top + edge)).resize((PIXELS, PIXELS))
        pixels = np.asarray(crop, float) / 255
    else:
        coarse = rng.uniform(0, 1, (6, 6, 3))
        pixels = ndimage.zoom(coarse, (PIXELS / 6, PIXELS / 6, 1), order=1)
    tint = _tint(row, seed) * rng.uniform(0.85, 1.15, 3)
    corners = rng.uniform(0.35, 1.4, (2, 2))
    light = ndimage.zoom(corners, PIXELS / 2, order=1)
    made = np.clip(pixels * tint * light[..., None], 0, 1)
    return Image.fromarray(np.rint(255 * made).astype(np.uint8))


def _say(folder: Path, descriptor: Dataset, film: Path | None, seed: int) -> None:
    source = f"made from {film.name}" if film is not None else "synthesised"
    stated = {
        "Name": f"Stand-ins for the stimuli of {descriptor.title}",
        "BIDSVersion": "1.10.0",
        "DatasetType": "raw",
        "Simulated": True,
        "License": "n/a" if film is not None else "CC0",
        "GeneratedBy": [
            {
                "Name": "tristream simulate",
                "Version": __version__,
                "Description": f"Stand-ins, {source}; nothing here is the real stimulus.",
            }
        ],
    }
    save_json(folder / "dataset_description.json", stated)
    what = f"films, sounds and images {source}, with seeded noise, tones and colours"
    get = descriptor.stimuli.get or "with the dataset."
    text = README.format(title=descriptor.title, seed=seed, what=what, get=get)
    (folder / "README.md").write_text(text, encoding="utf-8")
