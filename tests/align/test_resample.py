"""Features at the volumes: where a flash lands, what is averaged away, what stays outside."""

import numpy as np
import pytest

from tristream.align.resample import Piece, resample_items, resample_timed

FLASH = 0.25
FILM = 60.0


def variable_rate() -> np.ndarray:
    """Frame times of a film that changes between 24, 30 and 12 frames a second, with jitter."""
    rng = np.random.default_rng(0)
    steps = np.repeat(rng.choice([1 / 24, 1 / 30, 1 / 12], 200), 8) * rng.uniform(0.9, 1.1, 1600)
    edges = np.concatenate([[0], np.cumsum(steps)])
    return edges[: np.searchsorted(edges, FILM) + 1]


EDGES = {
    "24": np.arange(0, FILM * 24 + 1) / 24,
    "23.976": np.arange(0, int(FILM * 23.976) + 1) * 1001 / 24000,
    "variable": variable_rate(),
    "4 Hz": np.arange(0, FILM * 4 + 1) / 4,
}


def exposed(edges: np.ndarray, start: float, stop: float) -> tuple[np.ndarray, np.ndarray]:
    """Share of each sample's window in which the flash is on, and the windows' centres."""
    overlap = np.minimum(edges[1:], stop) - np.maximum(edges[:-1], start)
    return np.maximum(overlap, 0) / np.diff(edges), (edges[1:] + edges[:-1]) / 2


@pytest.mark.parametrize("rate", EDGES)
@pytest.mark.parametrize("tr", [1.0, 2.0])
@pytest.mark.parametrize("start_time", [0.0, 0.5], ids=["start", "middle"])
def test_flash_keeps_its_time_and_strength(rate: str, tr: float, start_time: float) -> None:
    volumes = (np.arange(int(80 / tr)) + start_time) * tr
    onset, media_start = 9.37, 3.2
    for offset in np.arange(20) / 20 * tr:
        start = 30.0 + offset
        values, times = exposed(EDGES[rate], start, start + FLASH)
        piece = Piece(values[:, None].astype(np.float32), times, onset, 50.0, media_start)
        response = resample_timed(volumes, tr, [piece])[:, 0].astype(float)
        response[(volumes < onset + tr) | (volumes > onset + 50.0 - tr)] = 0  # not in the film
        centre = (volumes * response).sum() / response.sum()
        truth = onset + start + FLASH / 2 - media_start
        assert abs(centre - truth) <= 0.05 * tr
        assert response.sum() * tr == pytest.approx(FLASH, rel=0.12)


def test_start_time_is_respected() -> None:
    values, times = exposed(EDGES["24"], 30.0, 30.25)
    piece = Piece(values[:, None], times, 0.0, FILM, 0.0)
    first = resample_timed(np.arange(60.0), 1.0, [piece])
    middle = resample_timed(np.arange(60.0) + 0.5, 1.0, [piece])
    assert first[30, 0] > middle[30, 0] > 0
    assert np.abs(first - middle).max() > 0.05


@pytest.mark.parametrize("cycles", [0.6, 0.75, 1.0, 1.5])
def test_oscillations_above_nyquist_are_attenuated_as_the_triangle_predicts(cycles: float) -> None:
    tr = 2.0
    times = np.arange(0.0, 400.0, 1 / 24) + 1 / 48
    wave = np.cos(2 * np.pi * cycles / tr * times)
    volumes = np.arange(10.0, 390.0, tr)
    piece = Piece(wave[:, None], times, 0.0, 400.0, 0.0)
    got = resample_timed(volumes, tr, [piece])[:, 0]
    expected = np.sinc(cycles) ** 2 * np.cos(2 * np.pi * cycles / tr * volumes)
    np.testing.assert_allclose(got, expected, atol=5e-3)
    assert np.abs(got).max() < 0.27


@pytest.mark.parametrize("rate", EDGES)
def test_lines_are_reproduced_exactly_from_irregular_samples(rate: str) -> None:
    _, times = exposed(EDGES[rate], 0, 0)
    values = np.stack([np.full_like(times, 7.0), 3.0 - 0.5 * times], axis=1)
    volumes = np.arange(5.0, 55.0, 1.5)
    got = resample_timed(volumes, 1.5, [Piece(values, times, 0.0, FILM, 0.0)])
    np.testing.assert_allclose(got[:, 0], 7.0, rtol=1e-6)
    np.testing.assert_allclose(got[:, 1], 3.0 - 0.5 * volumes, rtol=1e-5, atol=1e-5)


def test_agrees_with_numerical_integration() -> None:
    rng = np.random.default_rng(1)
    times = np.sort(rng.uniform(0, 30, 80))
    values = rng.normal(size=(80, 2))
    volumes = np.arange(0.0, 40.0, 1.3)
    onset, media_start, duration, tr = 4.2, 3.0, 20.0, 1.3
    got = resample_timed(volumes, tr, [Piece(values, times, onset, duration, media_start)])
    grid = np.arange(-20.0, 70.0, 1e-3) + 5e-4
    on = (grid >= onset) & (grid < onset + duration)
    for column in range(2):
        curve = np.interp(grid - onset + media_start, times, values[:, column])
        curve = np.where(on, curve, curve[on].mean())
        triangle = np.maximum(1 - np.abs(grid[None] - volumes[:, None]) / tr, 0) / tr
        np.testing.assert_allclose(got[:, column], triangle @ curve * 1e-3, atol=2e-3)


def test_slow_features_are_interpolated_linearly() -> None:
    times = np.arange(0.5, 60.0, 3.0)
    values = np.zeros((20, 1))
    values[10] = 1.0
    volumes = np.arange(0.0, 60.0, 0.5)
    got = resample_timed(volumes, 0.5, [Piece(values, times, 0.0, 60.0, 0.0)])[:, 0]
    np.testing.assert_allclose(got, np.interp(volumes, times, values[:, 0]), atol=0.06)


def test_outside_of_the_film_stands_its_mean_over_what_was_shown() -> None:
    times = np.arange(0.0, 60.0, 0.25) + 0.125
    values = np.where(times < 20, -30.0, -10.0)[:, None]
    pieces = [Piece(values, times, 10.0, 10.0, 10.0), Piece(values, times, 30.0, 10.0, 30.0)]
    got = resample_timed(np.arange(60.0), 1.0, pieces)[:, 0]
    np.testing.assert_allclose(got[[0, 8, 25, 50]], -20.0, atol=0.05)
    np.testing.assert_allclose(got[12:18], -30.0, atol=1e-4)
    np.testing.assert_allclose(got[32:38], -10.0, atol=1e-4)


def test_an_event_shorter_than_the_sampling_has_the_value_of_its_moment() -> None:
    times = np.array([0.0, 10.0, 20.0])
    values = np.array([[0.0], [10.0], [20.0]])
    got = resample_timed(np.arange(5.0), 1.0, [Piece(values, times, 1.0, 2.0, 4.0)])[:, 0]
    np.testing.assert_allclose(got[2], 5.0, atol=1e-6)


def test_items_are_boxcars_that_keep_area_and_centre() -> None:
    volumes = np.arange(0.0, 60.0, 2.0)
    for onset in 20 + np.arange(20) / 10:
        got = resample_items(volumes, 2.0, np.array([onset]), np.array([7.3]), np.eye(1))[:, 0]
        assert got.sum() * 2.0 == pytest.approx(7.3, rel=1e-5)
        assert (volumes * got).sum() / got.sum() == pytest.approx(onset + 3.65, abs=1e-3)
    assert got[0] == 0
    assert got.max() == pytest.approx(1.0)


def test_brief_items_count_as_one_tr() -> None:
    got = resample_items(np.arange(10.0), 1.0, np.array([4.25]), np.zeros(1), np.eye(1))[:, 0]
    np.testing.assert_allclose(got[[3, 4, 5, 6]], [0, 0.75, 0.25, 0], atol=1e-6)
