"""Stand-ins for stimuli that a dataset can't ship, under their real names.

Sounds are excerpts of a film's sound with seeded noise in bands whose loudness wanders; images are
crops of film frames with seeded colours. Clips of one category resemble each other a little. They
hold no real music and no real object, and say so.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from zlib import crc32

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage, signal
from scipy.io import wavfile

from tristream import __version__
from tristream.config.dataset import Dataset
from tristream.config.events import Stimulus
from tristream.errors import UserError
from tristream.media.films import frame_at
from tristream.media.media_contents import media_info
from tristream.media.sounds import Sound, read_sound
from tristream.media.still_images import read_image
from tristream.paths import resolve_inside
from tristream.simulate.bids_text import save_json

Array = npt.NDArray[np.float64]
Latents = dict[str, tuple[Array, Array]]

RATE, SECONDS = 22_050, 30.0
# Bands whose loudness is measured (Hz), and how often (Hz).
BANDS = ((60, 300), (300, 1200), (1200, 4000), (4000, 10_000))
MEASURED = 4.0
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
    """Write stand-ins for the sounds and images that a descriptor's table names.

    Parameters
    ----------
    folder : Path
        Where; files get the table's paths.
    descriptor : Dataset
        Whose stimuli.
    film : Path, optional
        Film with sound, of which excerpts are taken; all is synthesised without it.
    seed : int
        Fixes everything that is random: each file depends on its name and the seed alone.
    only : set of str, optional
        Names of the stimuli to write; all by default.
    lengths : dict of str to float, optional
        Seconds of a sound that events show; none is shorter than `SECONDS`.

    Raises
    ------
    UserError
        If the table has no such stimulus or names a film, or the given film can't be read.
    """
    rows = _rows(descriptor, only)
    folder.mkdir(parents=True, exist_ok=True)
    sounds = [row for row in rows if row.kind == "sound"]
    images = [row for row in rows if row.kind == "image"]
    track = read_sound(film, RATE) if film is not None and sounds else None
    for row in sounds:
        samples = _sound(row, track, seed, max(SECONDS, (lengths or {}).get(row.stimulus, 0.0)))
        path = _made(folder, row)
        wavfile.write(path, RATE, np.rint(samples * 32767).astype(np.int16))
    frames = list(_frames(film, images))
    for row in images:
        _image(row, frames, seed).save(_made(folder, row), format="JPEG", quality=90)
    _say(folder, descriptor, film, seed)


def media_latents(folder: Path, descriptor: Dataset, only: set[str] | None = None) -> Latents:
    """Few measures of each stimulus that a simulated brain can follow.

    Sounds: log energy of the four `BANDS` every quarter of a second; images: mean luminance of
    their quadrants. Each measure has mean 0 and variance 1 over all stimuli that are asked for.

    Parameters
    ----------
    folder : Path
        Where the stimuli lie.
    descriptor, only
        As in :func:`write_media`.

    Returns
    -------
    dict of str to (times, values)
        Of each stimulus: seconds, shape (n,); measures, shape (n, 4). An image has one row, at 0.

    Raises
    ------
    UserError
        If a stimulus is missing or can't be read.
    """
    found: Latents = {}
    for row in _rows(descriptor, only):
        path = resolve_inside(folder, row.path)
        found[row.stimulus] = _loudness(path) if row.kind == "sound" else _luminance(path)
    values = np.concatenate([measures for _, measures in found.values()])
    mean, spread = values.mean(axis=0), values.std(axis=0)
    spread[spread < 1e-9] = np.inf
    return {name: (times, (measures - mean) / spread) for name, (times, measures) in found.items()}


def _rows(descriptor: Dataset, only: set[str] | None) -> list[Stimulus]:
    table = descriptor.stimuli.table
    unknown = sorted((only or set()) - {row.stimulus for row in table})
    rows = [row for row in table if only is None or row.stimulus in only]
    if unknown or not rows:
        raise UserError(
            f"{descriptor.id}: its stimulus table has no {', '.join(unknown[:3]) or 'row'}; "
            "name stimuli of the table"
        )
    films = [row.path for row in rows if row.kind == "film"]
    if films:
        raise UserError(
            f"{descriptor.id}: there is no stand-in for a film ({films[0]}); give the film itself"
        )
    return rows


def _made(folder: Path, row: Stimulus) -> Path:
    path = resolve_inside(folder, row.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _random(seed: int, *names: str) -> np.random.Generator:
    return np.random.default_rng([seed, *(crc32(name.encode()) for name in names)])


def _category(row: Stimulus) -> str:
    return row.label or str(Path(row.path).parent)


def _sound(row: Stimulus, track: Sound | None, seed: int, seconds: float) -> Array:
    """Some seconds of sound, 2 s of it faded in and out, of fixed RMS."""
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
    fade = np.minimum(1, np.minimum(np.arange(count), np.arange(count)[::-1]) / (2 * RATE))
    return np.asarray(np.clip(0.1 * mixed / mixed.std() * fade, -1, 1))


def _wandering(rng: np.random.Generator, count: int) -> Array:
    """Loudness in dB that changes within seconds."""
    steps = rng.standard_normal(round(count / RATE * 2))
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
    tint = _random(seed, _category(row)).uniform(0.7, 1.3, 3) * rng.uniform(0.85, 1.15, 3)
    corners = rng.uniform(0.35, 1.4, (2, 2))
    light = ndimage.zoom(corners, PIXELS / 2, order=1)
    made = np.clip(pixels * tint * light[..., None], 0, 1)
    return Image.fromarray(np.rint(255 * made).astype(np.uint8))


def _loudness(path: Path) -> tuple[Array, Array]:
    try:
        rate, samples = wavfile.read(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: can't be read as sound ({error}); write it again") from None
    window = round(rate / MEASURED)
    count = len(samples) // window
    windows = samples[: count * window].reshape(count, window) / 32768
    power = np.abs(np.fft.rfft(windows * np.hanning(window), axis=1)) ** 2
    hertz = np.fft.rfftfreq(window, 1 / rate)
    energy = [power[:, (hertz >= low) & (hertz < high)].sum(axis=1) for low, high in BANDS]
    return (np.arange(count) + 0.5) / MEASURED, np.log10(np.stack(energy, axis=1) + 1e-3)


def _luminance(path: Path) -> tuple[Array, Array]:
    pixels = read_image(path) @ np.array([0.299, 0.587, 0.114]) / 255
    half = np.array(pixels.shape) // 2
    halves = [pixels[: half[0]], pixels[half[0] :]]
    quadrants = [p.mean() for h in halves for p in (h[:, : half[1]], h[:, half[1] :])]
    return np.zeros(1), np.array([quadrants])


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
    what = f"sounds and images {source}, with seeded noise, tones and colours"
    get = descriptor.stimuli.get or "with the dataset."
    text = README.format(title=descriptor.title, seed=seed, what=what, get=get)
    (folder / "README.md").write_text(text, encoding="utf-8")
