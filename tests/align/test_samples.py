"""The sample index: what each volume shows, its exchangeable unit, and whether it is a sample."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.continuous_world import World, write_bold, write_leakage, write_stage_files
from tristream.align.resample import resample_items
from tristream.align.samples import (
    kept_rows,
    read_samples,
    read_shares,
    run_samples,
    time_blocks,
    write_samples,
)
from tristream.bold.run_file import Run
from tristream.config.runs import Exchange
from tristream.config.settings.align import SamplesSettings
from tristream.stimuli.timelines import Event

WORLD = World(voxels=2, shown=65.0)
TABLES = ("inventory", "splits", "leakage")


def blocks(*rows: tuple[float, float, str, str]) -> list[Event]:
    return [Event(a, d, name, "label", name, unit=unit) for a, d, name, unit in rows]


def volumes(count: int, tr: float, start: float = 0.0) -> Run:
    run = WORLD.run(WORLD.names[0])
    return replace(run, time=start + tr * np.arange(count), censor=np.zeros(count, bool), tr=tr)


def test_labels_belong_to_the_volumes_that_start_within_the_event() -> None:
    events = blocks((5.0, 5.0, "face", "r/1"), (10.0, 2.5, "house", "r/2"))
    table = run_samples(volumes(7, 2.5), events, Exchange(unit="block"))
    assert table["item"].fillna("").tolist() == ["", "", "face", "face", "house", "", ""]
    assert table["unit"].fillna("").tolist() == ["", "", "r/1", "r/1", "r/2", "", ""]
    assert table["keep"].tolist() == [False, False, True, True, True, False, False]


def test_rounding_of_onsets_moves_no_label() -> None:
    events = blocks((4.9999, 5.0, "face", "r/1"), (9.9999, 5.0, "house", "r/2"))
    table = run_samples(volumes(6, 2.5), events, Exchange(unit="block"))
    assert table["item"].fillna("").tolist() == ["", "", "face", "face", "house", "house"]


def test_events_that_are_no_samples_and_censored_volumes_are_not_kept() -> None:
    events = [replace(blocks((0.0, 4.0, "carry", "r/1"))[0], keep=False)]
    events += blocks((4.0, 4.0, "clip", "r/2"))
    run = volumes(8, 1.0)
    run.censor[5] = True
    table = run_samples(run, events, Exchange(unit="item"))
    assert table["keep"].tolist() == [False] * 4 + [True, False, True, True]
    assert table["item"].tolist() == ["carry"] * 4 + ["clip"] * 4


def test_a_stimulus_moves_with_all_its_showings_and_a_label_by_the_presentation() -> None:
    labels = blocks((0.0, 2.0, "quiet", "r/1"), (2.0, 2.0, "quiet", "r/2"))
    table = run_samples(volumes(4, 1.0), labels, Exchange(unit="item"))
    assert table["item"].tolist() == ["quiet"] * 4
    assert table["exchange"].tolist() == ["r/1"] * 2 + ["r/2"] * 2
    images = [replace(event, kind="image") for event in labels]
    table = run_samples(volumes(4, 1.0), images, Exchange(unit="item"))
    assert table["exchange"].tolist() == ["quiet"] * 4


def test_shares_are_what_features_were_resampled_with_and_units_are_not() -> None:
    """Brief events last one TR in the index; their features are on while they are shown."""
    events = blocks((1.3, 0.5, "face", "r/1"), (2.6, 0.0, "house", "r/2"), (5.0, 7.0, "cat", "r/3"))
    run, vectors = volumes(9, 2.0, 1.0), np.random.default_rng(0).standard_normal((3, 4))
    onsets, durations = np.array([[e.onset, e.duration] for e in events]).T
    features = resample_items(run.time, run.tr, onsets, durations, vectors)
    table = run_samples(run, events, Exchange(unit="item"))
    assert table["unit"].fillna("").tolist() == ["", "r/2", "r/3", "r/3", "r/3", "r/3", "", "", ""]
    shares = read_shares(table["shares"].fillna("").tolist())
    own = np.stack([shares[event.unit] for event in events], axis=1)
    np.testing.assert_allclose(own @ vectors, features, atol=1e-5)
    by_unit = np.stack([table["unit"] == event.unit for event in events], axis=1)
    assert np.abs(by_unit @ vectors - features).max() > 0.3


def test_volumes_of_a_table_and_blocks_of_time_have_no_shares_of_neighbours() -> None:
    events = blocks((0.0, 2.0, "face", "r/1"), (2.0, 2.0, "house", "r/2"))
    table = run_samples(volumes(3, 2.0), events, Exchange(unit="block"), by_volume=True)
    assert table["shares"].fillna("").tolist() == ["r/1=1", "r/2=1", ""]
    mixed = run_samples(volumes(3, 2.0), events, Exchange(unit="block"))
    assert mixed["shares"].fillna("").tolist() == ["r/1=0.5", "r/1=0.5;r/2=0.5", "r/2=0.5"]
    film = run_samples(volumes(3, 2.0), events, Exchange(unit="time"))
    assert film["shares"].isna().all()


@pytest.mark.parametrize(
    ("seconds", "lengths"), [(100, [20] * 5), (109, [20] * 4 + [29]), (111, [20] * 5 + [11])]
)
def test_time_blocks_of_film(seconds: int, lengths: list[int]) -> None:
    number = time_blocks(7.25 + np.arange(float(seconds)), 20)
    assert np.unique(number, return_counts=True)[1].tolist() == lengths
    assert number[0] == 1


def test_time_blocks_of_all_volumes_go_on_between_events() -> None:
    table = run_samples(
        volumes(20, 2.0),
        blocks((0, 2, "a", "a"), (28, 2, "b", "b")),
        Exchange(unit="time", seconds=20),
        between=True,
    )
    run = WORLD.names[0]
    assert table["unit"].tolist() == [f"{run}/1"] * 10 + [f"{run}/2"] * 10
    assert table["keep"].all()


def test_time_blocks_stay_whole_at_fractional_tr() -> None:
    number = time_blocks(0.7 + 0.8 * np.arange(100), 20)
    assert set(np.unique(number, return_counts=True)[1]) == {25}


def test_short_run_is_one_block() -> None:
    assert time_blocks(np.arange(5.0), 20).tolist() == [1] * 5
    assert time_blocks(np.empty(0), 20).tolist() == []


def test_table_of_a_subject(tmp_path: Path) -> None:
    write_stage_files(tmp_path, WORLD)
    test = WORLD.names[-1]
    drop = [{"run": test, "start": 20.0, "end": 30.0}]
    write_leakage(tmp_path, [*drop, {"run": WORLD.names[0], "start": 0.0, "end": 100.0}])
    bold = write_bold(tmp_path, [WORLD.run(name) for name in WORLD.names])
    tables = [tmp_path / f"{name}.tsv" for name in TABLES]
    settings = SamplesSettings.from_descriptor(WORLD.dataset(), "01")
    write_samples(settings, *tables, bold[::-1], tmp_path / "samples.tsv")
    samples, provenance = read_samples(tmp_path / "samples.tsv")
    assert provenance.simulated
    assert list(dict.fromkeys(samples["run"])) == WORLD.names
    assert samples.groupby("run")["row"].max().tolist() == [WORLD.volumes - 1] * WORLD.runs
    first = samples[samples["run"] == WORLD.names[0]]
    shown = (first["time"] >= WORLD.onset) & (first["time"] < WORLD.onset + WORLD.shown)
    assert first["keep"].tolist() == shown.tolist()
    assert set(first["split"]) == {"train"}
    assert set(first["repeat"]) == {""}
    assert set(first.loc[shown, "item"]) == {"film"}
    assert first.loc[shown, "unit"].unique().tolist() == [
        f"{WORLD.names[0]}/{n}" for n in (1, 2, 3)
    ]
    last = samples[samples["run"] == test]
    dropped = (last["time"] >= 20) & (last["time"] < 30)
    assert set(last["repeat"]) == {"test1"}
    assert not last.loc[dropped, "keep"].any()
    assert last["keep"].sum() == shown.sum() - dropped.sum()
    assert kept_rows(samples, test).tolist() == last.loc[last["keep"], "row"].tolist()
