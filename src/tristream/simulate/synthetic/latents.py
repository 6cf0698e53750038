"""Few measures of each stimulus that a simulated brain can follow."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tristream.config.dataset import Dataset
from tristream.config.events import Stimulus
from tristream.errors import UserError
from tristream.media.films import frames
from tristream.media.sounds import sound
from tristream.media.still_images import read_image
from tristream.paths import resolve_inside
from tristream.stimuli.timelines import Event

Array = npt.NDArray[np.float64]
Latents = dict[str, tuple[Array, Array]]

# Bands whose loudness is measured (Hz), how often (Hz), and at which rate they are heard (Hz).
BANDS = ((60, 300), (300, 1200), (1200, 4000), (4000, 10_000))
MEASURED, HEARD = 4, 22_000
# Edge of a film's pictures when their light is measured (pixels).
SMALL = 16
# How strong the answer to what is imagined is, relative to what is seen.
IMAGERY = 0.5


def media_latents(folder: Path, descriptor: Dataset, only: set[str] | None = None) -> Latents:
    """Few measures of each stimulus.

    Sounds: log energy of the four `BANDS` every quarter of a second; films: luminance of their
    quadrants as often; images: the same of one picture. Each measure has mean 0 and variance 1 over
    all stimuli of a kind that are asked for.

    Parameters
    ----------
    folder : Path
        Where the stimuli lie.
    descriptor : Dataset
        Whose stimuli.
    only : set of str, optional
        Names of the stimuli; all by default.

    Returns
    -------
    dict of str to (times, values)
        Of each stimulus: seconds, shape (n,); measures, shape (n, 4). An image has one row, at 0.

    Raises
    ------
    UserError
        If a stimulus is missing or can't be read.
    """
    measure = {"sound": _loudness, "film": _light_of_film, "image": _light_of_image}
    rows, found = rows_of(descriptor, only), Latents()
    for kind in dict.fromkeys(row.kind for row in rows):
        own = {
            row.stimulus: measure[kind](resolve_inside(folder, row.path))
            for row in rows
            if row.kind == kind
        }
        values = np.concatenate([measures for _, measures in own.values()])
        mean, spread = values.mean(axis=0), values.std(axis=0)
        spread[spread < 1e-9] = np.inf
        found |= {name: (times, (some - mean) / spread) for name, (times, some) in own.items()}
    return found


def imagined_latents(
    latents: Latents, table: Sequence[Stimulus], events: Iterable[Event]
) -> Latents:
    """What events stand for that name a category alone, as those of imagery do.

    Parameters
    ----------
    latents : dict of str to (times, values)
        Of the stimuli that are shown.
    table : sequence of Stimulus
        Tells their categories.
    events : iterable of Event

    Returns
    -------
    dict of str to (times, values)
        Of each such category of which stimuli are shown: the mean of their measures, `IMAGERY`
        times as strong, shape (1, 4), at 0.
    """
    means: dict[str, list[Array]] = {}
    for row in table:
        if row.label and row.stimulus in latents:
            means.setdefault(row.label, []).append(latents[row.stimulus][1].mean(axis=0))
    named = {event.stimulus for event in events if event.kind == "label" and event.keep}
    return {
        name: (np.zeros(1), IMAGERY * np.mean(means[name], axis=0, keepdims=True))
        for name in sorted(named & means.keys())
    }


def rows_of(descriptor: Dataset, only: set[str] | None) -> list[Stimulus]:
    """Rows of the stimulus table, all or those of some names.

    Raises
    ------
    UserError
        If it has no such row, or none.
    """
    table = descriptor.stimuli.table
    unknown = sorted((only or set()) - {row.stimulus for row in table})
    rows = [row for row in table if only is None or row.stimulus in only]
    if unknown or not rows:
        raise UserError(
            f"{descriptor.id}: its stimulus table has no {', '.join(unknown[:3]) or 'row'}; "
            "name stimuli of the table"
        )
    return rows


def _loudness(path: Path) -> tuple[Array, Array]:
    window = HEARD // MEASURED
    hertz = np.fft.rfftfreq(window, 1 / HEARD)
    bands = np.array([(hertz >= low) & (hertz < high) for low, high in BANDS], float)
    energy = []
    for windows in _windows(sound(path, HEARD), window):
        power = np.abs(np.fft.rfft(windows * np.hanning(window), axis=1)) ** 2
        energy.append(np.log10(power @ bands.T + 1e-3))
    values = np.concatenate(energy) if energy else np.zeros((0, len(BANDS)))
    if not len(values):
        raise UserError(f"{path}: is shorter than {1 / MEASURED:g} s; give a sound with content")
    return _middles(len(values)), values


def _windows(chunks: Iterable[npt.NDArray[np.float32]], window: int) -> Iterator[Array]:
    """Chunks of a sound as whole windows, (n, window); what is left at the end is dropped."""
    rest = np.zeros(0, np.float32)
    for chunk in chunks:
        rest = np.concatenate([rest, chunk])
        whole = len(rest) // window * window
        if whole:
            yield rest[:whole].reshape(-1, window).astype(np.float64)
            rest = rest[whole:]


def _light_of_film(path: Path) -> tuple[Array, Array]:
    shown = frames(path, size=(SMALL, SMALL), format="gray", fps=MEASURED)
    values = np.array([_quadrants(picture / 255) for _, picture in shown])
    return _middles(len(values)), values


def _light_of_image(path: Path) -> tuple[Array, Array]:
    grey = read_image(path) @ np.array([0.299, 0.587, 0.114]) / 255
    return np.zeros(1), np.array([_quadrants(grey)])


def _quadrants(picture: npt.NDArray) -> list[float]:
    """Mean of the four quadrants of a picture, (height, width), row by row."""
    half = np.array(picture.shape) // 2
    halves = [picture[: half[0]], picture[half[0] :]]
    return [float(p.mean()) for h in halves for p in (h[:, : half[1]], h[:, half[1] :])]


def _middles(count: int) -> Array:
    return (np.arange(count) + 0.5) / MEASURED
