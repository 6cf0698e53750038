"""Aligned files, and delayed designs made of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.continuous_world import World, write_bold, write_stage_files
from helpers.feature_files import write_features
from tristream.align.aligned import align_features, check_times, read_aligned, read_info
from tristream.align.delays import delay
from tristream.config.settings.align import AlignSettings
from tristream.errors import UserError
from tristream.store import Omission

WORLD = World(voxels=2, shown=65.0)
FIRST = WORLD.names[0]


def labels(folder: Path) -> None:
    """An experiment of labels: its inventory and features."""
    table = WORLD.inventory().assign(kind="label", stimulus="face", item="face", media_start=np.nan)
    table["duration"] = 10.0
    write_stage_files(folder, WORLD, pd.concat([table, table.assign(onset=30.0, item="house")]))
    items = ["face", "house", "shoe"]
    path = folder / "features.h5"
    write_features(path, "categories/identity", items=items, values=np.eye(3), names=items)


def aligned(folder: Path) -> Path:
    bold = write_bold(folder, [WORLD.run(name) for name in WORLD.names])
    tables = (folder / "features.h5", folder / "inventory.tsv")
    align_features(
        AlignSettings.from_descriptor(WORLD.dataset(), "01"),
        *tables,
        bold,
        folder / "aligned.h5",
        "abc",
    )
    return folder / "aligned.h5"


def test_film_features_follow_the_film(tmp_path: Path) -> None:
    write_stage_files(tmp_path, WORLD)
    path = aligned(tmp_path)
    got = read_aligned(path)
    assert list(got) == WORLD.names
    grid = np.arange(len(WORLD.signal)) * 0.1 + 0.05
    for number, name in enumerate(WORLD.names):
        inner = (WORLD.times > WORLD.onset + 2) & (WORLD.times < WORLD.onset + WORLD.shown - 2)
        media = WORLD.times[inner] - WORLD.onset + number * WORLD.shown
        for column in range(5):
            triangle = np.maximum(1 - np.abs(grid[None] - media[:, None]) / WORLD.tr, 0)
            mean = triangle @ WORLD.signal[:, column] / triangle.sum(axis=1)
            np.testing.assert_allclose(got[name][inner, column], mean, atol=0.02)
    info = read_info(path)
    assert (info.space, info.layer, info.tr) == ("drive", "all", 2.0)
    assert info.names == tuple(f"signal{n}" for n in range(5))
    assert info.simulated
    check_times(path, [WORLD.run(FIRST)])


def test_labels_become_boxcars(tmp_path: Path) -> None:
    labels(tmp_path)
    got = read_aligned(aligned(tmp_path))[FIRST]
    np.testing.assert_allclose(got.sum(axis=0) * WORLD.tr, [10, 10, 0], rtol=1e-5)
    assert got[:, 0] @ WORLD.times / got[:, 0].sum() == pytest.approx(WORLD.onset + 5)
    assert set(got[(WORLD.times > 9.5) & (WORLD.times < 15), 0]) == {1.0}
    assert not got[(WORLD.times > 19.5) & (WORLD.times < 28)].any()


@pytest.mark.parametrize("start", [0.0, 1.0])
def test_a_volume_of_a_table_takes_its_own_label_and_no_part_of_the_one_before(
    tmp_path: Path, start: float
) -> None:
    """One event a volume; features that are taken to time mix a volume with those beside it."""
    tr, shown = WORLD.tr, ["face", "house", "shoe", None, "house", "face"]
    first = WORLD.inventory().iloc[:1].assign(kind="label", duration=tr, media_start=np.nan)
    rows = [
        first.assign(run=name, onset=n * tr, stimulus=item, item=item)
        for name in WORLD.names
        for n, item in enumerate(shown)
        if item
    ]
    write_stage_files(tmp_path, WORLD, pd.concat(rows))
    items = ["face", "house", "shoe"]
    write_features(
        tmp_path / "features.h5", "categories/identity", items=items, values=np.eye(3), names=items
    )
    runs = [
        replace(run, start_time=start, time=start + tr * np.arange(run.n_volumes))
        for run in map(WORLD.run, WORLD.names)
    ]
    bold = write_bold(tmp_path, runs)
    settings = AlignSettings.from_descriptor(WORLD.dataset(), "01")
    expected = [np.eye(3)[items.index(item)] if item else np.zeros(3) for item in shown]
    for by_volume in (True, False):
        own = settings.model_copy(update={"by_volume": by_volume})
        tables = (tmp_path / "features.h5", tmp_path / "inventory.tsv")
        align_features(own, *tables, bold, tmp_path / "aligned.h5")
        got = read_aligned(tmp_path / "aligned.h5")[FIRST]
        assert np.array_equal(got[: len(shown)], expected) == by_volume
        assert by_volume == (not got[len(shown) :].any())


def test_a_film_without_sound_leaves_its_runs_empty(tmp_path: Path) -> None:
    write_stage_files(tmp_path, WORLD, WORLD.inventory().assign(stimulus="silent"))
    silent = [Omission("silent", "it has no sound")]
    film = {"film": (np.ones((9, 4)), np.arange(9.0))}
    write_features(tmp_path / "features.h5", "drive/all", film, window=1.0, omitted=silent)
    got = read_aligned(aligned(tmp_path))[FIRST]
    assert got.shape == (WORLD.volumes, 4)
    assert not got.any()
    assert read_info(tmp_path / "aligned.h5").blank == set(WORLD.names)


PICTURES = WORLD.inventory().assign(
    kind="image", stimulus="cat.jpg", item="cat.jpg", media_start=np.nan, duration=10.0
)
LAST = PICTURES["run"] == WORLD.names[-1]
IMAGINED = {"kind": "label", "stimulus": "dog", "item": "dog"}


def pictures(folder: Path, table: pd.DataFrame) -> None:
    """An experiment that shows one image, and features of that."""
    write_stage_files(folder, WORLD, table)
    write_features(folder / "features.h5", "drive/all", items=["cat.jpg"], values=np.ones((1, 4)))


def test_runs_of_labels_alone_are_blank_for_images(tmp_path: Path) -> None:
    """What is imagined has no picture."""
    pictures(tmp_path, pd.concat([PICTURES[~LAST], PICTURES[LAST].assign(**IMAGINED)]))
    path = aligned(tmp_path)
    assert read_info(path).blank == {WORLD.names[-1]}
    got = read_aligned(path)
    assert not got[WORLD.names[-1]].any()
    assert got[FIRST].any()


@pytest.mark.parametrize("kind", ["image", "label"])
def test_a_label_without_features_is_refused(tmp_path: Path, kind: str) -> None:
    """Where the run shows images, too, and where the features are of labels."""
    shown = PICTURES.assign(kind=kind)
    pictures(tmp_path, pd.concat([shown, shown[LAST].assign(onset=30.0, **IMAGINED)]))
    with pytest.raises(UserError, match=r"holds no features of dog, shown in"):
        aligned(tmp_path)


def test_delays_shift_and_never_wrap() -> None:
    x = np.arange(1.0, 7.0)[:, None] * [1, 10]
    got = delay(x, [0, 2, 9])
    np.testing.assert_array_equal(got[:, :2], x)
    np.testing.assert_array_equal(got[:, 2], [0, 0, 1, 2, 3, 4])
    np.testing.assert_array_equal(got[:, 4:], 0)
    led = delay(x, [0, 2], before=np.array([-1.0, 8.0]))
    np.testing.assert_array_equal(led[:3, 2:], [[-1, 8], [-1, 8], [1, 10]])
    with pytest.raises(ValueError, match="future"):
        delay(x, [-1])
