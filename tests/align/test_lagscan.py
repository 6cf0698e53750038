"""The lag scan finds the haemodynamic lag, and mistakes in timing move or destroy its peak."""

import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from helpers.continuous_world import World, write_bold, write_stage_files
from tristream.align.aligned import align_features
from tristream.align.lagscan import LAGS, ScanRun, peak_lag, scan, write_lagscan
from tristream.align.samples import write_samples
from tristream.bold.run_file import Run
from tristream.config.settings.align import AlignSettings, SamplesSettings
from tristream.store import provenance_of

WORLD = World()
# The double gamma's peak is at 5 s; its undershoot pulls the best single lag a little.
HAEMODYNAMIC = 5.0


def scanned(
    folder: Path, runs: list[Run], onset: float | None = None, world: World = WORLD
) -> tuple[float, float]:
    """Peak of the lag scan and its height, through the stage's files."""
    write_stage_files(folder, world, world.inventory(onset))
    bold = write_bold(folder, runs)
    dataset = world.dataset()
    tables = [folder / f"{name}.tsv" for name in ("inventory", "splits", "leakage")]
    samples, aligned = folder / "samples.tsv", folder / "aligned.h5"
    align_features(
        AlignSettings.from_descriptor(dataset, "01"),
        folder / "features.h5",
        tables[0],
        bold,
        aligned,
    )
    write_samples(SamplesSettings.from_descriptor(dataset, "01"), *tables, bold, samples)
    write_lagscan([aligned], bold, samples, folder / "lagscan.h5")
    with h5py.File(folder / "lagscan.h5") as file:
        r = file["r"][0]
        assert file["peak"][0] == peak_lag(LAGS, r)
    assert provenance_of(folder / "lagscan.h5", "lagscan").simulated
    return peak_lag(LAGS, r), r.max()


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> tuple[float, float]:
    return scanned(tmp_path_factory.mktemp("truth"), [WORLD.run(n) for n in WORLD.names])


def test_peak_stands_at_the_haemodynamic_lag(truth: tuple[float, float]) -> None:
    assert truth[0] == pytest.approx(HAEMODYNAMIC, abs=0.4)
    assert truth[1] > 0.4


def test_peak_does_not_depend_on_tr_and_start_time(tmp_path: Path) -> None:
    world = World(tr=1.25, start_time=0.0, rate=4.0)
    lag, _ = scanned(tmp_path, [world.run(n) for n in world.names], world=world)
    assert lag == pytest.approx(HAEMODYNAMIC, abs=0.4)


def test_onset_one_tr_late_moves_the_peak_by_one_tr(
    truth: tuple[float, float], tmp_path: Path
) -> None:
    onset = WORLD.onset + WORLD.tr
    lag, _ = scanned(tmp_path, [WORLD.run(name) for name in WORLD.names], onset)
    assert lag - truth[0] == pytest.approx(-WORLD.tr, abs=0.35)


def test_ignored_start_time_moves_the_peak_by_it(
    truth: tuple[float, float], tmp_path: Path
) -> None:
    lag, _ = scanned(tmp_path, [WORLD.run(name, start_time=0.0) for name in WORLD.names])
    assert lag - truth[0] == pytest.approx(-WORLD.start_time, abs=0.35)


def test_swapped_runs_destroy_the_prediction(truth: tuple[float, float], tmp_path: Path) -> None:
    sources = [*WORLD.names[1:], WORLD.names[0]]
    runs = [WORLD.run(n, source=s) for n, s in zip(WORLD.names, sources, strict=True)]
    _, height = scanned(tmp_path, runs)
    assert height < 0.35 * truth[1]


def test_voxels_are_chosen_on_training_runs_alone() -> None:
    rng = np.random.default_rng(0)
    features = {n: rng.normal(size=(200, 3)) for n in ("a", "b")}
    nothing = np.zeros((200, 1))
    runs = {
        name: ScanRun(
            np.arange(200.0),
            rng.normal(size=(200, 3000)).astype(np.float32),
            nothing,
            np.arange(200),
            name == "a",
        )
        for name in features
    }
    assert np.abs(scan(features, runs)).max() < 0.02


def test_peak_is_refined_between_lags() -> None:
    lags = np.arange(0, 10, 0.5)
    assert peak_lag(lags, 1 - (lags - 4.62) ** 2) == pytest.approx(4.62)
    assert peak_lag(lags, lags) == lags[-1]


def test_scan_of_a_subject_takes_seconds() -> None:
    rng = np.random.default_rng(0)
    names = [f"run{n}" for n in range(6)]
    runs = {
        name: ScanRun(
            np.arange(100.0),
            rng.normal(size=(100, 4000)).astype(np.float32),
            np.linalg.qr(rng.normal(size=(100, 10)))[0],
            np.arange(10, 95),
            name != "run5",
        )
        for name in names
    }
    features = {name: rng.normal(size=(100, 2000)).astype(np.float32) for name in names}
    start = time.process_time()
    scan(features, runs)
    assert time.process_time() - start < 6
