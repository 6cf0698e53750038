"""The difficulty of the demo's simulation is pinned: a change of it is a change of the preset."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from helpers.small_simulation import write_features
from tristream.simulate.haemodynamics import hrf, peaks, responses, volume_times
from tristream.simulate.preset import Preset, load_preset
from tristream.simulate.signals import Signals, signals
from tristream.simulate.subject import Subject, simulate_subject
from tristream.simulate.voxels import Voxels, voxels


@dataclass(frozen=True)
class World:
    preset: Preset
    brain: Voxels
    drive: Signals
    subject: Subject

    def region(self, name: str) -> np.ndarray:
        return np.flatnonzero(self.brain.region == name)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, atlas: Path) -> World:
    preset = load_preset("bunny")
    drive = signals(preset, write_features(tmp_path_factory.mktemp("features"), preset, 596.5))
    brain = voxels(preset, atlas)
    return World(preset, brain, drive, simulate_subject(preset, brain, drive, 0, "01"))


def left_over(values: np.ndarray, regressors: np.ndarray) -> np.ndarray:
    design = np.column_stack([np.ones(len(values)), regressors])
    return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]


def averaged(world: World, part: str) -> np.ndarray:
    """Mean over test runs of a part, without what any analysis takes out."""
    kept = []
    for run in world.preset.test_runs:
        parts = world.subject.runs[run.run]
        n = len(parts.signal) - world.preset.dummies
        clock = np.arange(n) + 0.5
        slow = [np.cos(np.pi * k * clock / n) for k in range(1, int(2 * n / 128) + 1)]
        motion = parts.head.parameters[-n:]
        kept.append(left_over(getattr(parts, part)[-n:], np.column_stack([clock, *slow, motion])))
    return np.mean(kept, axis=0)


def test_ceilings_are_spread_and_are_what_the_data_give(world: World):
    signal, noise = averaged(world, "signal"), averaged(world, "noise")
    driven = world.brain.region != "middle_frontal"
    found = [np.corrcoef(s, s + e)[0, 1] for s, e in zip(signal.T, noise.T, strict=True) if s.any()]
    assert len(found) == driven.sum()
    np.testing.assert_allclose(found, world.subject.ceiling[driven], atol=1e-3)
    low, middle, high = np.percentile(found, [5, 50, 95])
    assert 0.35 <= middle <= 0.45
    assert 0.05 <= low <= 0.2
    assert 0.65 <= high <= 0.85
    assert (world.subject.ceiling[~driven] == 0).all()


def test_a_fifth_to_two_fifths_of_the_signal_is_not_linear_in_the_features(world: World):
    preset = world.preset
    modelled = np.flatnonzero(
        [
            bool(preset.regions[r].streams) and "unmodelled" not in preset.regions[r].streams
            for r in world.brain.region
        ]
    )
    assert (world.subject.share[modelled] >= 0.2).all()
    assert (world.subject.share[modelled] <= 0.4).all()
    assert (world.subject.share[world.region("precuneus")] > 0.5).all()
    runs = {run.media_start: run for run in reversed(preset.runs)}.values()
    for voxel in modelled[::300]:
        peak = world.subject.hrf_peak[[voxel]]
        fitted = [
            responses(preset, r, world.drive.times, world.drive.fitted, peak)[0] for r in runs
        ]
        kept = [slice(preset.dummies, None)] * len(fitted)
        signal = [
            world.subject.runs[r.run].signal[k, voxel] for r, k in zip(runs, kept, strict=True)
        ]
        course = np.concatenate(signal)
        design = np.concatenate([f[k] for f, k in zip(fitted, kept, strict=True)])
        share = left_over(course, design).var() / course.var()
        assert share == pytest.approx(world.subject.share[voxel], abs=0.01)


def test_noise_is_autocorrelated_and_smooth(world: World):
    noise = np.concatenate([p.noise / p.noise.std(axis=0) for p in world.subject.runs.values()])
    starts = np.cumsum([0, *(len(p.noise) for p in world.subject.runs.values())])
    within = np.setdiff1d(np.arange(len(noise) - 1), starts[1:] - 1)
    lagged = np.mean(noise[within] * noise[within + 1], axis=0)
    assert 0.45 < np.median(lagged) < 0.55
    assert np.corrcoef(lagged, world.subject.rho)[0, 1] > 0.7
    assert 0.4 <= world.subject.rho.min() < 0.41
    assert 0.59 < world.subject.rho.max() <= 0.6
    image = world.brain.image(noise.T.astype(np.float32))
    inside = world.brain.mask.astype(bool)
    both = inside[1:] & inside[:-1]
    r = np.mean(image[1:][both] * image[:-1][both])
    fwhm = world.preset.voxel * np.sqrt(-2 * np.log(2) / np.log(r))
    assert 5 < fwhm < 7


def test_regions_follow_their_streams(world: World):
    preset = world.preset
    run = preset.test_runs[0]
    signal = world.subject.runs[run.run].signal
    for name, region in preset.regions.items():
        for voxel in world.region(name)[::100]:
            course = signal[:, voxel]
            if not region.streams:
                assert not course.any()
                continue
            peak = world.subject.hrf_peak[[voxel]]
            readouts = {
                stream: responses(
                    preset, run, world.drive.times, world.drive.readout(stream), peak
                )[0]
                for stream in world.drive.linear
            }
            own = np.hstack([readouts[stream] for stream in region.streams])
            assert left_over(course, own).var() < 1e-3 * course.var(), (name, region.streams)
            for stream in region.streams:
                rest = np.hstack([readouts[s] for s in readouts if s != stream])
                assert left_over(course, rest).var() > 0.1 * course.var(), (name, stream)


def test_signals_of_streams_are_their_own(world: World):
    spans = [(run.media_start, run.media_start + run.duration) for run in world.preset.runs]
    shown = np.any([(world.drive.times >= a) & (world.drive.times < b) for a, b in spans], axis=0)
    modelled = [name for name in world.drive.linear if world.preset.streams[name].fitted]
    for name in modelled:
        for other in set(modelled) - {name}:
            one, two = world.drive.linear[name][shown], world.drive.linear[other][shown]
            assert np.abs(one.T @ two / len(one)).max() < 0.2, (name, other)
    free = world.drive.linear["unmodelled"][shown]
    assert np.abs(world.drive.fitted[shown].T @ free / len(free)).max() < 0.02


def test_drifts_motion_and_spikes_are_there(world: World):
    parts = list(world.subject.runs.values())
    deviation = np.concatenate([p.noise for p in parts]).std(axis=0)
    drift = np.concatenate([p.drift for p in parts]).std(axis=0) / deviation
    assert 0.7 < np.median(drift) < 1.3
    assert sum(len(p.head.spikes) for p in parts) >= 3
    for p in parts:
        for spike in p.head.spikes:
            assert p.head.displacement[spike] > 0.5
            assert p.moved[spike].std() > 2 * np.median(p.moved.std(axis=1))


def test_volumes_stand_where_start_time_says(world: World):
    preset = world.preset
    assert preset.start_time == preset.tr / 2
    assert preset.film.onset > 0
    assert preset.film.onset % preset.tr != 0
    run = preset.runs[1]
    assert len(preset.onsets(run)) == run.shows == 2
    pulse = np.zeros((len(world.drive.times), 1))
    pulse[np.isclose(world.drive.times, run.media_start + 20)] = 1
    found = responses(preset, run, world.drive.times, pulse, np.array([6.0]))[0, :, 0]
    response = hrf(6.0)
    clock = 0.1 * np.arange(len(response))
    expected = np.zeros(len(found))
    for onset in preset.onsets(run):
        since = volume_times(preset, run) - (onset + 20)
        expected += 0.1 * np.interp(since, clock, response, left=0, right=0)
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_responses_peak_where_they_should(world: World):
    low, high = peaks(world.preset)[[0, -1]]
    assert (low, high) == (4.5, 7.0)
    for peak in (low, 6.0, high):
        assert 0.1 * hrf(peak).argmax() == pytest.approx(peak, abs=0.15)
    assert np.unique(world.subject.hrf_peak).size > 20
