"""Motion energy of a film: a pyramid of spatio-temporal Gabor filters (Nishimoto et al. 2011).

Equal to ``project_stimulus`` of pymoten's default pyramid (Nunez-Elizalde et al.), and quicker:
a filter is the product of a complex Gabor in space and one in time, and few of either are
distinct. Filters of opposite directions share their spatial Gabor (one is the complex conjugate
of the other), Gabors of one place are applied together to the part of the picture that they
cover, and the film is read once, in stretches that overlap by the temporal filter's width.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import ceil, floor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydantic import Field

from tristream.config.base import Section
from tristream.features.registry import Block, extractor

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


@extractor(
    "motion_energy",
    media="film",
    layers=("energy",),
    options=MotionEnergyOptions,
    names=lambda layer, options, p: [one.name for one in pyramid(options)],
    window=lambda layer, options: options.width / options.fps,
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
    import torch

    bank = Bank(options, device)
    shift = (options.width / 2 - ceil(options.width / 2) + 1) / options.fps
    for times, stretch in _stretches(path, options, skip):
        log_energy = bank.project(torch.as_tensor(stretch, device=device))
        yield {"energy": Block(log_energy.cpu().numpy(), times - shift)}


def luminance(images: np.ndarray) -> np.ndarray:
    """CIE L* (0 to 100) of sRGB images, (n, height, width, 3) uint8 -> (n, height, width) float32.

    With pymoten's constants (its ``imagearray2luminance``).
    """
    level = np.arange(256) / 255
    linear = np.where(level < 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    red, green, blue = np.moveaxis(linear[images], -1, 0)
    y = 0.212671 * red + 0.715160 * green + 0.072169 * blue
    f = np.where(y < 0.008856, 7.787 * y + 4 / 29, np.cbrt(y))
    return (116 * f - 16).astype(np.float32)


def _stretches(
    path: Path, options: MotionEnergyOptions, skip: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut a film into stretches whose filter responses are whole.

    Yields
    ------
    times : ndarray (n,)
        Centres of the frames that the responses belong to.
    frames : ndarray (n + filter width - 1, height, width)
        Luminance of these frames and of those around them; black beyond the film.
    """
    from tristream.features.frames import frame_batches

    after = ceil(options.width / 2) - 1
    before = options.width - 1 - after
    shape = (options.size[1], options.size[0])
    times, images = np.zeros(0), np.zeros((before, *shape), np.float32)
    batches = frame_batches(path, fps=options.fps, size=options.size, length=LENGTH)
    for index, (batch_times, batch) in enumerate(batches):
        times = np.concatenate([times, batch_times])
        images = np.concatenate([images, luminance(batch)])
        ready = len(images) - (options.width - 1)
        if ready > 0:
            if index >= skip:
                yield times[:ready], images
            times, images = times[ready:], images[ready:]
    if len(times):
        yield times, np.concatenate([images, np.zeros((after, *shape), np.float32)])


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
    """The pyramid as tensors on a device."""

    def __init__(self, options: MotionEnergyOptions, device: str) -> None:
        self.options = options
        self.device = device
        self.filters = pyramid(options)

    @cached_property
    def places(self) -> list[tuple[list[Gabor], Place]]:
        """Distinct spatial Gabors of directions below 180 degrees, by place and envelope."""
        groups: dict[tuple[float, float, float], dict[Gabor, None]] = {}
        for gabor, _ in self.filters:
            key = (gabor.x, gabor.y, gabor.envelope)
            groups.setdefault(key, {})[_below_180(gabor)] = None
        return [(list(group), self._place(list(group))) for group in groups.values()]

    def _place(self, gabors: list[Gabor]) -> Place:
        import torch

        filters = np.stack([_gabor(gabor, self.options.size) for gabor in gabors])
        covered = np.abs(filters.real) + np.abs(filters.imag) > MASK_LIMIT
        filters = filters * covered
        rows = _extent(covered.any(axis=(0, 2)))
        columns = _extent(covered.any(axis=(0, 1)))
        cut = filters[:, rows, columns].reshape(len(gabors), -1)
        weights = np.concatenate([cut.real, cut.imag]).astype(np.float32)
        return Place(rows, columns, torch.as_tensor(weights, device=self.device))

    @cached_property
    def temporal(self) -> "torch.Tensor":
        """Temporal Gabors, (width, 2 frequencies): cosine parts, then sine parts.

        Reversed, so that a product with successive frames is a convolution.
        """
        import torch

        width = self.options.width
        phase = np.arange(width) / width - 0.5
        out = []
        for frequency in self.options.temporal_frequencies:
            envelope = (
                min(TEMPORAL_CYCLES_PER_ENVELOPE / frequency, MAX_ENVELOPE)
                if frequency
                else MAX_ENVELOPE
            )
            turns = 2 * np.pi * frequency * width / self.options.fps * phase
            out.append(np.exp(-(phase**2) / (2 * envelope**2) + 1j * turns)[::-1])
        gabors = np.stack(out, axis=1)
        weights = np.concatenate([gabors.real, gabors.imag], axis=1).astype(np.float32)
        return torch.as_tensor(weights, device=self.device)

    @cached_property
    def columns(self) -> dict[tuple[Gabor, int, bool], list[int]]:
        """Output columns of a spatial Gabor, temporal frequency (index) and reversed motion."""
        index = {f: i for i, f in enumerate(self.options.temporal_frequencies)}
        out: dict[tuple[Gabor, int, bool], list[int]] = {}
        for column, (gabor, frequency) in enumerate(self.filters):
            key = (_below_180(gabor), index[frequency], gabor.direction >= 180)
            out.setdefault(key, []).append(column)
        return out

    def project(self, frames: "torch.Tensor") -> "torch.Tensor":
        """Log energy of all filters.

        Parameters
        ----------
        frames : Tensor (n + width - 1, height, width)
            Luminance.

        Returns
        -------
        Tensor (n, filters)
        """
        import torch

        width = self.options.width
        n = len(frames) - width + 1
        out = torch.empty(len(self.filters), n, device=self.device)
        pixels = frames.permute(1, 2, 0).contiguous()
        count = len(self.options.temporal_frequencies)
        with torch.inference_mode():
            for gabors, place in self.places:
                part = pixels[place.rows, place.columns].reshape(-1, len(frames))
                response = place.weights @ part
                # (2 m, n, 2 frequencies): each response convolved with each temporal part.
                moving = response.unfold(1, width, 1) @ self.temporal
                real, imaginary = moving[: len(gabors)], moving[len(gabors) :]
                for turned in (False, True):
                    sign = -1.0 if turned else 1.0
                    a = real[..., :count] - sign * imaginary[..., count:]
                    b = imaginary[..., :count] + sign * real[..., count:]
                    energy = torch.log(torch.sqrt(a**2 + b**2) + LOG_OFFSET)
                    self._place_columns(out, energy, gabors, turned)
        return out.T

    def _place_columns(
        self, out: "torch.Tensor", energy: "torch.Tensor", gabors: list[Gabor], turned: bool
    ) -> None:
        for i, gabor in enumerate(gabors):
            for k in range(energy.shape[2]):
                for column in self.columns.get((gabor, k, turned), []):
                    out[column] = energy[i, :, k]


def _below_180(gabor: Gabor) -> Gabor:
    """The Gabor of the opposite direction is the complex conjugate of this one."""
    return gabor._replace(direction=gabor.direction % 180)


def _gabor(gabor: Gabor, size: tuple[int, int]) -> np.ndarray:
    """Complex Gabor on the picture's grid, (height, width)."""
    x = np.linspace(0, size[0] / size[1], size[0])[None, :] - gabor.x
    y = np.linspace(0, 1, size[1])[:, None] - gabor.y
    angle = np.deg2rad(gabor.direction)
    turns = gabor.frequency * (-np.cos(angle) * x + np.sin(angle) * y)
    return np.exp(-(x**2 + y**2) / (2 * gabor.envelope**2) + 2j * np.pi * turns)


def _extent(used: np.ndarray) -> slice:
    """From the first to the last true element."""
    places = np.flatnonzero(used)
    return slice(int(places[0]), int(places[-1]) + 1)
