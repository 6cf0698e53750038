"""What a network sees or hears at the moment that each sample answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tristream.config.networks import NetworkDesign
from tristream.config.settings.features import StimulusFile
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.stimuli.timelines import Event

Floats = npt.NDArray[np.float32]
HEARD = ("sound", "film")
MEDIA = {"two_stream": ("film", "image"), "lstm": HEARD, "crnn": HEARD, "tcn": HEARD}
"""Network to the kinds of stimuli that it can open."""
LENGTH = 64
"""Images that are read at once."""


@dataclass(frozen=True)
class Moment:
    """A moment of a stimulus.

    Attributes
    ----------
    event : Event
        The presentation.
    at : float
        Seconds after its onset.
    """

    event: Event
    at: float

    @property
    def media(self) -> float:
        """Second of the film or sound."""
        return self.event.media_start + self.at


def read_inputs(
    moments: Sequence[Moment],
    stimuli: Sequence[StimulusFile],
    receipt: Receipt,
    block: NetworkDesign,
) -> tuple[Floats, ...]:
    """What the network takes, one for each sample.

    Parameters
    ----------
    moments : sequence of Moment
    stimuli : sequence of StimulusFile
        The dataset's.
    receipt : Receipt
        Where they lie.
    block : NetworkDesign
        Its `network` and `inputs` are used.

    Returns
    -------
    tuple of ndarray
        ``two_stream``: frames (n, 3, size, size), 0 to 1, and flow (n, 2 stack, size, size) in
        pixels a frame, which of images is zero. Else windows of sound (n, frames, columns), each
        around its moment and of what its presentation let hear alone.

    Raises
    ------
    UserError
        If a stimulus is not there or of a kind that the network can't open.
    """
    files = {row.stimulus: row for row in stimuli}
    paths: dict[str, Path] = {}
    for moment in moments:
        name, kind = moment.event.stimulus, moment.event.kind
        if name in paths:
            continue
        if kind not in MEDIA[block.network] or name not in files:
            takes = " and ".join(f"{one}s" for one in MEDIA[block.network])
            raise UserError(
                f"{receipt.dataset}: {name!r} is a {kind}, and {block.network} takes {takes}; "
                "choose another `network`, or take the dataset out"
            )
        paths[name] = receipt.path(files[name].path)
    if block.network == "two_stream":
        return _frames_and_flow(moments, paths, block)
    return (_windows(moments, paths, block),)


def _windows(moments: Sequence[Moment], paths: Mapping[str, Path], block: NetworkDesign) -> Floats:
    from tristream.genre.networks import NETWORKS
    from tristream.genre.sound_inputs import INPUTS, RATE
    from tristream.media.sounds import read_sound

    function, columns = INPUTS[NETWORKS[block.network].inputs]
    out = np.empty((len(moments), block.inputs.frames, columns), np.float32)
    for name, places in _by_stimulus(moments).items():
        sound = read_sound(paths[name], RATE)
        heard: dict[tuple[float, float, float], Floats] = {}
        for place in places:
            moment = moments[place]
            start, seconds = moment.event.media_start, moment.event.duration
            key = (start, seconds, moment.at)
            if key not in heard:
                part = sound[round(start * RATE) : round((start + seconds) * RATE)]
                heard[key] = function(around(part, moment.at, block.inputs.frames))
            out[place] = heard[key]
    return out


def around(sound: Floats, at: float, frames: int) -> Floats:
    """A window of a sound at 22,050 Hz with its middle at a second, all within the sound.

    A sound that is shorter than a window is followed by silence.
    """
    from tristream.genre.sound_inputs import RATE, window_samples

    size = window_samples(frames)
    start = int(np.clip(round(at * RATE) - size // 2, 0, max(len(sound) - size, 0)))
    part = sound[start : start + size]
    return np.pad(part, (0, size - len(part)))


def _frames_and_flow(
    moments: Sequence[Moment], paths: Mapping[str, Path], block: NetworkDesign
) -> tuple[Floats, Floats]:
    from tristream.features.core.frames import frame_batches

    size = (block.inputs.size, block.inputs.size)
    frames = np.zeros((len(moments), 3, *size), np.float32)
    flow = np.zeros((len(moments), 2 * block.inputs.stack, *size), np.float32)
    by_stimulus = _by_stimulus(moments)
    images = [name for name, own in by_stimulus.items() if moments[own[0]].event.kind == "image"]
    files = tuple(paths[name] for name in images)
    given = frame_batches(files, fps=1.0, length=LENGTH, size=size) if files else ()
    for at, batch in given:
        for place, image in zip(at.round().astype(int), batch, strict=True):
            frames[by_stimulus[images[place]]] = np.moveaxis(image, 2, 0) / np.float32(255)
    for name, own in by_stimulus.items():
        if name not in images:
            times = [moments[place].media for place in own]
            frames[own], flow[own] = _of_film(paths[name], times, block)
    return frames, flow


def _of_film(path: Path, times: Sequence[float], block: NetworkDesign) -> tuple[Any, Any]:
    """The frame and flow nearest to each moment; one batch of the film in memory at a time."""
    from tristream.features.spaces.two_stream.network import Shape
    from tristream.features.spaces.two_stream.samples import samples

    wanted = np.asarray(times)
    shape = Shape((), block.inputs.fps, block.inputs.size, block.inputs.stack, False)
    nearest = np.full(len(wanted), np.inf)
    frames = np.zeros((len(wanted), 3, block.inputs.size, block.inputs.size), np.float32)
    flow = np.zeros(
        (len(wanted), 2 * block.inputs.stack, block.inputs.size, block.inputs.size), np.float32
    )
    for centres, images, flows in samples(path, shape):
        if not len(centres):
            continue
        far = np.abs(centres[:, None] - wanted)
        best, place = far.min(0), far.argmin(0)
        closer = best < nearest
        nearest[closer] = best[closer]
        frames[closer], flow[closer] = images[place[closer]], flows[place[closer]]
    if not np.isfinite(nearest).all():
        raise UserError(
            f"{path}: is shorter than {block.inputs.stack + 1} frames at {block.inputs.fps:g} a "
            "second; lower `inputs.stack`"
        )
    return frames, flow


def _by_stimulus(moments: Sequence[Moment]) -> dict[str, list[int]]:
    """Stimulus to the places of its samples."""
    found: dict[str, list[int]] = {}
    for place, moment in enumerate(moments):
        found.setdefault(moment.event.stimulus, []).append(place)
    return found
