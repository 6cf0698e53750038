"""Faulty alignment input: one line that names the file, the run and the numbers."""

from collections.abc import Callable
from pathlib import Path

import h5py
import pandas as pd
import pytest

from helpers.continuous_world import World, write_bold, write_stage_files
from tristream.align.aligned import align_features, check_times
from tristream.align.lagscan import write_lagscan
from tristream.align.samples import read_samples, write_samples
from tristream.config.settings.align import AlignSettings, SamplesSettings
from tristream.errors import UserError
from tristream.store import Provenance, write_table

WORLD = World(voxels=2, shown=65.0)
FIRST = WORLD.names[0]


def prepared(folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> list[Path]:
    write_stage_files(folder, WORLD, change(WORLD.inventory()))
    return write_bold(folder, [WORLD.run(name) for name in WORLD.names])


def features(folder: Path, bold: list[Path], timeline: str = "main") -> Path:
    tables = (folder / "features.h5", folder / "inventory.tsv")
    settings = AlignSettings.from_descriptor(WORLD.dataset(), "01")
    settings = settings.model_copy(update={"timeline": timeline})
    align_features(settings, *tables, bold, folder / "aligned.h5")
    return folder / "aligned.h5"


def samples(folder: Path, bold: list[Path]) -> Path:
    tables = [folder / f"{name}.tsv" for name in ("inventory", "splits", "leakage")]
    write_samples(
        SamplesSettings.from_descriptor(WORLD.dataset(), "01"),
        *tables,
        bold,
        folder / "samples.tsv",
    )
    return folder / "samples.tsv"


INVENTORY: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "longer than the BOLD": (
        lambda t: t.assign(duration=90.0),
        r"task-film_run-01: events last until 97.30 s, but its BOLD ends at 82.00 s \(41 volumes",
    ),
    "a run without BOLD": (
        lambda t: pd.concat([t, t.tail(1).assign(run="task-film_run-09")]),
        r"inventory.tsv: no BOLD was given for task-film_run-09",
    ),
    "BOLD without events": (
        lambda t: t.iloc[1:],
        r"inventory.tsv: holds no event of task-film_run-01",
    ),
    "another timeline": (
        lambda t: t.assign(timeline="other"),
        r"inventory.tsv: holds no event of timeline 'main'",
    ),
}


@pytest.mark.parametrize("name", INVENTORY)
@pytest.mark.parametrize("stage", [features, samples])
def test_inventory_that_does_not_fit(
    name: str, stage: Callable[[Path, list[Path]], Path], tmp_path: Path
) -> None:
    change, message = INVENTORY[name]
    bold = prepared(tmp_path, change)
    with pytest.raises(UserError, match=message) as caught:
        stage(tmp_path, bold)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "aligned.h5").exists()
    assert not (tmp_path / "samples.tsv").exists()


def test_features_that_lack_a_film_or_end_early(tmp_path: Path) -> None:
    bold = prepared(tmp_path, lambda t: t.assign(stimulus="sequel"))
    with pytest.raises(UserError, match=r"features.h5: holds no features of 'sequel', which task"):
        features(tmp_path, bold)
    bold = prepared(tmp_path, lambda t: t.assign(media_start=600.0))
    with pytest.raises(UserError, match=r"shows film until 665.00 s, but its features end at 639"):
        features(tmp_path, bold)


def test_subject_with_other_volume_times(tmp_path: Path) -> None:
    bold = prepared(tmp_path, lambda t: t)
    path = features(tmp_path, bold)
    with pytest.raises(
        UserError, match=r"41 rows from 1.000 s, but sub-01 has 41 volumes from 0.5"
    ):
        check_times(path, [WORLD.run(FIRST, start_time=0.5)])


def test_missing_runs_of_a_subject(tmp_path: Path) -> None:
    bold = prepared(tmp_path, lambda t: t)
    with pytest.raises(UserError, match=r"was given task-film_run-02, .*prepare those that lack"):
        samples(tmp_path, bold[1:])
    with pytest.raises(UserError, match="no run files were given"):
        features(tmp_path, [])


def test_nothing_left_to_test_on(tmp_path: Path) -> None:
    bold = prepared(tmp_path, lambda t: t)
    drop = [{"run": WORLD.names[-1], "start": 0.0, "end": 500.0}]
    table = pd.DataFrame({"check": []}, dtype=object)
    write_table(
        tmp_path / "leakage.tsv",
        table,
        Provenance("leakage", False, methods=("Made by a test.",)),
        drop=drop,
    )
    with pytest.raises(UserError, match="no volume of split 'test' is a sample"):
        samples(tmp_path, bold)


def test_samples_of_other_runs(tmp_path: Path) -> None:
    bold = prepared(tmp_path, lambda t: t)
    table = samples(tmp_path, bold)
    path = features(tmp_path, bold)
    content, provenance = read_samples(table)
    write_table(table, content[content["row"] > 3], provenance)
    with pytest.raises(UserError, match=r"run-01 has 37 rows, its BOLD 41 volumes"):
        write_lagscan([path], bold, table, tmp_path / "lagscan.h5")


def test_damaged_aligned_file_is_refused(tmp_path: Path) -> None:
    path = features(tmp_path, prepared(tmp_path, lambda t: t))
    with h5py.File(path, "a") as file:
        del file.attrs["simulated"]
    with pytest.raises(UserError, match="does not say simulated"):
        check_times(path, [WORLD.run(FIRST)])
