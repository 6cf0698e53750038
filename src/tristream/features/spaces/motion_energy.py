"""Motion energy of a film: a pyramid of spatio-temporal Gabor filters (Nishimoto et al. 2011).

Equal to ``project_stimulus`` of pymoten's default pyramid (Nunez-Elizalde et al.), and quicker:
a filter is the product of a complex Gabor in space and one in time, and few of either are
distinct. Filters of opposite directions share their spatial Gabor (one is the complex conjugate
of the other). Gabors of one place are applied together, by one matrix product, to the part of the
picture that they cover; each of their responses is then convolved once with each temporal
frequency. The film is read once, in segments that overlap by the temporal filter's width.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import ceil, floor, log, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydantic import Field

from tristream.config.base import Section
from tristream.features.core.registry import Block, Preview, extractor

if TYPE_CHECKING:
    import torch

# Constants of pymoten's default pyramid.
DIRECTIONS = (0, 45, 90, 135, 180, 225, 270, 315)
CYCLES_PER_ENVELOPE = 0.6
MAX_ENVELOPE = 0.3
SPACING = 3.5
TEMPORAL_CYCLES_PER_ENVELOPE = 10.0
SECONDS = 2 / 3
MASK_LIMIT = 0.001
LOG_OFFSET = 1e-5
# Output frames a chunk.
LENGTH = 240
# Frames that go through the spatial filters together: cut-outs of as many stay in the CPU's cache.
TOGETHER = 96


class MotionEnergyOptions(Section):
    """Options of the motion energy pyramid."""

    fps: int = Field(default=24, ge=6, description="film frames per second that are filtered")
    size: tuple[int, int] = Field(default=(128, 72), description="width, height in pixels")
    spatial_frequencies: list[float] = Field(
        default=[0, 2, 4, 8, 16], min_length=1, description="cycles per picture height"
    )
    temporal_frequencies: list[float] = Field(
        default=[0, 2, 4], min_length=1, description="cycles per second"
    )

    @property
    def width(self) -> int:
        """Frames that a filter covers."""
        return int(self.fps * SECONDS)


class Gabor(NamedTuple):
    """A spatial filter: centre and envelope (s.d.) in picture heights, direction in degrees."""

    x: float
    y: float
    direction: int
    frequency: float
    envelope: float


class MotionFilter(NamedTuple):
    """A filter of the pyramid: a spatial Gabor and a temporal frequency in Hz."""

    gabor: Gabor
    temporal_frequency: float

    @property
    def preferred(self) -> int:
        """Direction of motion that drives it, degrees: 0 is rightwards, 90 upwards.

        pymoten's direction is that of the filter's own movie; it is convolved with the film, so
        motion the other way drives it.
        """
        return (self.gabor.direction + 180) % 360

    @property
    def name(self) -> str:
        """Place and size in picture heights, frequencies, preferred direction of motion."""
        g = self.gabor
        place = f"x{g.x:.3f}_y{g.y:.3f}_size{g.envelope:.3f}"
        return f"{place}_sf{g.frequency:g}_tf{self.temporal_frequency:g}_dir{self.preferred}"


def pyramid(options: MotionEnergyOptions) -> list[MotionFilter]:
    """The filters in pymoten's order: they tile the picture at each spatial frequency.

    Zero temporal frequency has no direction of motion: only directions below 180 degrees. Zero
    spatial frequency has none at all: one filter a place of each other frequency.
    """
    aspect = options.size[0] / options.size[1]
    out = []
    frequencies = [f for f in options.spatial_frequencies if f != 0]
    for frequency, direction in product(frequencies, DIRECTIONS):
        envelope = min(CYCLES_PER_ENVELOPE / frequency, MAX_ENVELOPE)
        xs, ys = _centres(aspect, envelope), _centres(1.0, envelope)
        for x, y, temporal in product(xs, ys, options.temporal_frequencies):
            if temporal == 0 and direction >= 180:
                continue
            gabor = Gabor(x, y, direction, frequency, envelope)
            out.append(MotionFilter(gabor, temporal))
            if direction == 0 and 0 in options.spatial_frequencies:
                out.append(MotionFilter(gabor._replace(frequency=0.0), temporal))
    return out


def _centres(extent: float, envelope: float) -> np.ndarray:
    """Places along one side of the picture, around its middle."""
    step = SPACING * envelope
    count = max(floor((extent - step) / step / 2), 0)
    return step * np.arange(-count, count + 1) + extent / 2


def _preview(path: Path, options: MotionEnergyOptions, at: float, folder: Path | None) -> Preview:
    """One of the frames that are filtered."""
    import torch

    from tristream.features.core.frames import still

    level = luminance(torch.from_numpy(still(path, at, size=options.size))[None])[0].numpy()
    return Preview(level, at, at, f"{options.size[0]} x {options.size[1]} pixels, CIE L*")


@extractor(
    "motion_energy",
    media="film",
    layers=("energy",),
    options=MotionEnergyOptions,
    names=lambda layer, options, p: [one.name for one in pyramid(options)],
    window=lambda layer, options: options.width / options.fps,
    preview=_preview,
    methods=(
        "log energy of a pyramid of spatio-temporal Gabor filters on luminance [@nishimoto2011]"
    ),
    can_skip=True,
    uses_gpu=True,
    stream="dorsal",
)
def motion_energy(
    path: Path,
    layers: tuple[str, ...],
    options: MotionEnergyOptions,
    weights: Path | None,
    device: str,
    skip: int = 0,
) -> Iterator[dict[str, Block]]:
    """Log energy of spatio-temporal Gabor filters on luminance (CIE L*), as pymoten's.

    log(amplitude + 1e-5) of each quadrature pair at each film frame. The film is taken to fill
    `size`; the default, 128 x 72, has square pixels for 16:9. Before and after the film there is
    black, as in pymoten. A sample's time is the centre of the temporal filter, which in pymoten
    stands half a frame (odd width) or a frame (even width) before the frame that names it.
    """
    bank = Bank(options, device)
    shift = (options.width / 2 - ceil(options.width / 2) + 1) / options.fps
    for times, segment in _segments(path, options, device, skip):
        yield {"energy": Block(bank.project(segment).cpu().numpy(), times - shift)}


def luminance(images: "torch.Tensor") -> "torch.Tensor":
    """CIE L* (0 to 100) of sRGB images, (n, height, width, 3) uint8 -> (n, height, width) float32.

    With pymoten's constants (its ``imagearray2luminance``).
    """
    import torch

    level = np.arange(256) / 255
    linear = np.where(level < 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    y = torch.zeros(images.shape[:3], device=images.device)
    for channel, share in enumerate((0.212671, 0.715160, 0.072169)):
        table = torch.as_tensor((share * linear).astype(np.float32), device=images.device)
        y += table.index_select(0, images[..., channel].flatten().int()).view_as(y)
    f = torch.where(y < 0.008856, 7.787 * y + 4 / 29, y.pow(1 / 3))
    return 116 * f - 16


def _segments(
    path: Path, options: MotionEnergyOptions, device: str, skip: int
) -> Iterator[tuple[np.ndarray, "torch.Tensor"]]:
    """Cut a film into segments whose filter responses are whole.

    Yields
    ------
    times : ndarray (n,)
        Centres of the frames that the responses belong to.
    frames : Tensor (n + filter width - 1, height, width)
        Luminance of these frames and of those around them; black beyond the film.
    """
    import torch

    from tristream.features.core.frames import frame_batches

    def black(count: int) -> torch.Tensor:
        return torch.zeros(count, options.size[1], options.size[0], device=device)

    after = ceil(options.width / 2) - 1
    times, images = np.zeros(0), black(options.width - 1 - after)
    batches = frame_batches(path, fps=options.fps, size=options.size, length=LENGTH)
    for index, (batch_times, batch) in enumerate(batches):
        times = np.concatenate([times, batch_times])
        images = torch.cat([images, luminance(torch.as_tensor(batch, device=device))])
        ready = len(images) - (options.width - 1)
        if ready > 0:
            if index >= skip:
                yield times[:ready], images
            times, images = times[ready:], images[ready:]
    if len(times):
        yield times, torch.cat([images, black(after)])


@dataclass(frozen=True)
class Place:
    """The spatial filters of one place, on the part of the picture that they cover.

    Attributes
    ----------
    rows, columns : slice
        That part.
    weights : Tensor (2 m, pixels)
        Real (cosine), then imaginary (sine) parts of m Gabors.
    """

    rows: slice
    columns: slice
    weights: "torch.Tensor"


class Bank:
    """The pyramid as tensors on a device.

    Parameters
    ----------
    options : MotionEnergyOptions
        The pyramid.
    device : str
        ``cpu`` or ``cuda``.
    """

    def __init__(self, options: MotionEnergyOptions, device: str) -> None:
        import torch

        self.options = options
        self.device = device
        self.filters = pyramid(options)
        groups: dict[tuple[float, float, float], dict[Gabor, None]] = {}
        for gabor, _ in self.filters:
            key = (gabor.x, gabor.y, gabor.envelope)
            groups.setdefault(key, {})[_below_180(gabor)] = None
        self.places = [self._place(list(group)) for group in groups.values()]
        # Places one above the other, by the columns that they cover, with their first output row.
        self.strips: dict[tuple[int, int], list[tuple[int, Place]]] = {}
        row = 0
        for place in self.places:
            columns = (place.columns.start, place.columns.stop)
            self.strips.setdefault(columns, []).append((row, place))
            row += len(place.weights) // 2
        self.temporal = torch.as_tensor(_temporal(options), device=device)
        gabors = [gabor for group in groups.values() for gabor in group]
        self.wanted = torch.as_tensor(self._wanted(gabors), device=device)

    def _place(self, gabors: list[Gabor]) -> Place:
        """Distinct Gabors of one place and envelope, masked as pymoten does."""
        import torch

        width, height = self.options.size
        one = gabors[0]
        # Beyond this distance |sine| + |cosine| is below the mask's limit.
        reach = one.envelope * sqrt(2 * log(sqrt(2) / MASK_LIMIT))
        x = np.linspace(0, width / height, width) - one.x
        y = np.linspace(0, 1, height) - one.y
        rows, columns = _extent(np.abs(y) <= reach), _extent(np.abs(x) <= reach)
        x, y = x[None, columns], y[None, rows]
        angle = np.deg2rad([[gabor.direction] for gabor in gabors])
        turns = 2j * np.pi * np.array([[gabor.frequency] for gabor in gabors])
        across = np.exp(-(x**2) / (2 * one.envelope**2) - turns * np.cos(angle) * x)
        down = np.exp(-(y**2) / (2 * one.envelope**2) + turns * np.sin(angle) * y)
        filters = down[:, :, None] * across[:, None, :]
        filters[np.abs(filters.real) + np.abs(filters.imag) <= MASK_LIMIT] = 0
        flat = filters.reshape(len(gabors), -1)
        weights = np.concatenate([flat.real, flat.imag]).astype(np.float32)
        return Place(rows, columns, torch.as_tensor(weights, device=self.device))

    def _wanted(self, gabors: list[Gabor]) -> np.ndarray:
        """Where each filter stands among the energies (motion, Gabor, temporal frequency)."""
        frequencies = self.options.temporal_frequencies
        place = {gabor: i for i, gabor in enumerate(gabors)}
        which = [
            (int(gabor.direction >= 180), place[_below_180(gabor)], frequencies.index(frequency))
            for gabor, frequency in self.filters
        ]
        return np.ravel_multi_index(tuple(np.array(which).T), (2, len(gabors), len(frequencies)))

    def project(self, frames: "torch.Tensor") -> "torch.Tensor":
        """Log energy of all filters.

        Parameters
        ----------
        frames : Tensor (n + width - 1, height, width)
            Luminance, float32.

        Returns
        -------
        Tensor (n, filters)
        """
        import torch

        with torch.inference_mode():
            responses = self._spatial(frames)
            energy = self._energy(responses)
            amplitude = energy.index_select(0, self.wanted).sqrt_()
            return amplitude.add_(LOG_OFFSET).log_().T.contiguous()

    def _spatial(self, frames: "torch.Tensor") -> "torch.Tensor":
        """Responses (2, Gabors, frames): real, then imaginary parts."""
        import torch

        count = sum(len(place.weights) // 2 for place in self.places)
        out = torch.empty(2, count, len(frames), device=self.device)
        together = TOGETHER if self.device == "cpu" else len(frames)
        for first in range(0, len(frames), together):
            part = frames[first : first + together]
            for columns, places in self.strips.items():
                # Cut once; the rows of a place are then a view.
                strip = part[:, :, slice(*columns)].contiguous()
                for row, place in places:
                    product = place.weights @ strip[:, place.rows].flatten(1).T
                    target = out[:, row : row + len(place.weights) // 2]
                    target[..., first : first + len(part)] = product.unflatten(0, (2, -1))
        return out

    def _energy(self, responses: "torch.Tensor") -> "torch.Tensor":
        """Energies (2 * Gabors * frequencies, n): motion along the Gabors' directions, then back.

        With a spatial response r + i s and a temporal Gabor c + i d, motion back is driven by
        (r + i s)(c - i d), and motion along by (r + i s)(c + i d).
        """
        import torch
        from torch.nn.functional import conv1d

        count = self.temporal.shape[0] // 2
        with torch.backends.cudnn.flags(allow_tf32=False):
            moving = conv1d(responses.flatten(0, 1)[:, None], self.temporal[:, None])
        (rc, rd), (sc, sd) = moving.unflatten(1, (2, count)).unflatten(0, (2, -1)).movedim(2, 1)
        along = (rc - sd).square_().add_((sc + rd).square_())
        back = (rc + sd).square_().add_((sc - rd).square_())
        return torch.stack([along, back]).flatten(0, 2)


def _temporal(options: MotionEnergyOptions) -> np.ndarray:
    """Temporal Gabors, (2 frequencies, width): cosine parts, then sine parts.

    Reversed, so that a correlation with successive frames is a convolution.
    """
    width = options.width
    phase = np.arange(width) / width - 0.5
    out = []
    for frequency in options.temporal_frequencies:
        envelope = (
            min(TEMPORAL_CYCLES_PER_ENVELOPE / frequency, MAX_ENVELOPE)
            if frequency
            else MAX_ENVELOPE
        )
        turns = 2 * np.pi * frequency * width / options.fps * phase
        out.append(np.exp(-(phase**2) / (2 * envelope**2) + 1j * turns)[::-1])
    gabors = np.stack(out)
    return np.concatenate([gabors.real, gabors.imag]).astype(np.float32)


def _below_180(gabor: Gabor) -> Gabor:
    """The Gabor of the opposite direction is the complex conjugate of this one."""
    return gabor._replace(direction=gabor.direction % 180)


def _extent(used: np.ndarray) -> slice:
    """From the first to the last true element."""
    places = np.flatnonzero(used)
    return slice(int(places[0]), int(places[-1]) + 1)
