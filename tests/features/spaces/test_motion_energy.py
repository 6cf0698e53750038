"""Motion energy equals pymoten's, however the film is cut, and sees motion for what it is."""

from pathlib import Path

import moten
import numpy as np
import pytest
import torch
from moten.colorspace import rgb2lab

from tristream.features.spaces import motion_energy as module
from tristream.features.spaces.motion_energy import (
    Bank,
    MotionEnergyOptions,
    luminance,
    motion_energy,
    pyramid,
)
from tristream.media.films import frames

SMALL = MotionEnergyOptions(size=(48, 27), spatial_frequencies=[0, 2, 4, 8])


def reference_pyramid(options: MotionEnergyOptions) -> moten.pyramids.MotionEnergyPyramid:
    return moten.get_default_pyramid(
        vhsize=(options.size[1], options.size[0]),
        fps=options.fps,
        spatial_frequencies=options.spatial_frequencies,
        temporal_frequencies=options.temporal_frequencies,
    )


def project(frames: np.ndarray, options: MotionEnergyOptions) -> np.ndarray:
    """All frames at once, black around them."""
    after = -(-options.width // 2) - 1
    padded = np.pad(frames, ((options.width - 1 - after, after), (0, 0), (0, 0)))
    return Bank(options, "cpu").project(torch.as_tensor(padded.astype(np.float32))).numpy()


def film_luminance(path: Path, options: MotionEnergyOptions, count: int) -> np.ndarray:
    """First frames of a film, as pymoten makes luminance of them."""
    source = frames(path, fps=options.fps, size=options.size)
    return np.stack([rgb2lab(next(source)[1] / 255.0)[..., 0] for _ in range(count)])


def assert_parity(ours: np.ndarray, reference: np.ndarray, names: list[str]) -> None:
    """Worst channel: relative error of the energy < 1e-3, correlation > 0.9999; none is dead."""
    dead = [name for name, sd in zip(names, reference.std(axis=0), strict=True) if sd == 0]
    assert not dead
    error = np.abs(np.exp(ours) - np.exp(reference)).max(axis=0) / np.exp(reference).max(axis=0)
    assert error.max() < 1e-3, names[int(error.argmax())]
    a, b = (x - x.mean(axis=0) for x in (ours.astype(float), reference))
    r = (a * b).sum(axis=0) / np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    assert r.min() > 0.9999, names[int(r.argmin())]


@pytest.mark.parametrize(
    "options",
    [
        MotionEnergyOptions(),
        SMALL,
        MotionEnergyOptions(fps=15, size=(50, 40), temporal_frequencies=[0, 1, 3]),
        MotionEnergyOptions(fps=12, size=(24, 32), spatial_frequencies=[2, 4]),
    ],
)
def test_the_filters_are_those_of_pymoten(options: MotionEnergyOptions) -> None:
    ours = [
        (g.x, g.y, g.direction, g.frequency, g.envelope, temporal)
        for g, temporal in pyramid(options)
    ]
    theirs = [
        (f.centerh, f.centerv, f.direction, f.spatial_freq, f.spatial_env, f.temporal_freq)
        for f in reference_pyramid(options).filters
    ]
    np.testing.assert_allclose(ours, theirs)
    names = motion_energy.names("energy", options, len(ours))
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("change", [{}, {"fps": 15}, {"spatial_frequencies": [0.0, 1.0, 2.0]}])
def test_parity_on_noise(change: dict[str, object]) -> None:
    """Even and odd temporal widths; frequencies so low that filters coincide."""
    options = SMALL.model_copy(update=change)
    noise = np.random.default_rng(0).uniform(0, 100, (40, 27, 48))
    noise[20:30] = noise[19]  # nothing moves for a while
    noise[34:] = 0
    reference = reference_pyramid(options).project_stimulus(noise)
    names = motion_energy.names("energy", options, reference.shape[1])
    assert_parity(project(noise, options), reference, names)


def test_parity_on_a_real_film(trailer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the file, in stretches of seven frames."""
    count = 45
    images = film_luminance(trailer, SMALL, count)
    reference = reference_pyramid(SMALL).project_stimulus(images)[: count - SMALL.width]
    monkeypatch.setattr(module, "LENGTH", 7)
    blocks = motion_energy(trailer, ("energy",), SMALL, None, "cpu")
    parts = [next(blocks)["energy"].values for _ in range(7)]
    ours = np.concatenate(parts)[: len(reference)]
    names = motion_energy.names("energy", SMALL, reference.shape[1])
    assert_parity(ours, reference, names)


def test_luminance_is_that_of_pymoten() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 9, 16, 3), dtype=np.uint8)
    images[0, 0] = [[0, 0, 0]] * 8 + [[255, 255, 255]] * 8
    reference = np.stack([rgb2lab(image / 255.0)[..., 0] for image in images])
    np.testing.assert_allclose(luminance(torch.as_tensor(images)), reference, atol=1e-4)


@pytest.mark.parametrize("direction", [0, 45, 90, 180, 270, 315])
@pytest.mark.parametrize(("spatial", "temporal"), [(2.0, 2.0), (4.0, 4.0), (8.0, 2.0)])
def test_a_drifting_grating_peaks_in_its_channel(
    direction: int, spatial: float, temporal: float
) -> None:
    width, height = SMALL.size
    x = np.linspace(0, width / height, width)[None, None, :]
    y = np.linspace(0, 1, height)[None, :, None]
    time = np.arange(48)[:, None, None] / SMALL.fps
    angle = np.deg2rad(direction)
    # Directions as on the unit circle: 90 degrees is up, against the rows.
    along = np.cos(angle) * x - np.sin(angle) * y
    grating = 50 * np.cos(2 * np.pi * (spatial * along - temporal * time))
    energy = np.exp(project(grating, SMALL)[20:30]).mean(axis=0)
    filters = pyramid(SMALL)
    # Energy of a matching filter grows with its area.
    area = np.array([one.gabor.envelope**2 for one in filters])
    best = filters[int(np.argmax(energy / area))]
    assert best.preferred == direction
    assert best.gabor.frequency == spatial
    assert best.temporal_frequency == temporal
    assert best.name.endswith(f"_sf{spatial:g}_tf{temporal:g}_dir{direction}")
    against = next(
        i
        for i, one in enumerate(filters)
        if one.preferred == (direction + 180) % 360
        and one.gabor._replace(direction=0) == best.gabor._replace(direction=0)
        and one.temporal_frequency == temporal
    )
    assert energy[against] < energy[filters.index(best)] / 5
