"""Alignment and samples say what was done with the rows at hand, and nothing else."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.continuous_world import World, write_bold, write_leakage, write_stage_files
from tristream.align.aligned import align_features, open_aligned
from tristream.align.samples import read_samples, sentences, write_samples
from tristream.config.runs import Exchange
from tristream.config.settings.align import AlignSettings, SamplesSettings

WORLD = World(voxels=2, shown=65.0)
TIME = Exchange(unit="time", seconds=20)


def table(
    runs: dict[str, str], repeats: dict[str, str] | None = None, **columns: object
) -> pd.DataFrame:
    """Three samples a run."""
    names = [run for run in runs for _ in range(3)]
    return pd.DataFrame(
        {
            "run": names,
            "split": [runs[run] for run in names],
            "repeat": [(repeats or {}).get(run) for run in names],
            "keep": True,
            "censor": False,
            "exchange": "house.jpg",
            "unit": [f"{run}/1" for run in names],
            "average": None,
            **columns,
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stage_files(tmp_path_factory.mktemp("methods"), WORLD)


def samples_of(folder: Path) -> str:
    bold = write_bold(folder, [WORLD.run(name) for name in WORLD.names])
    tables = [folder / f"{name}.tsv" for name in ("inventory", "splits", "leakage")]
    settings = SamplesSettings.from_descriptor(WORLD.dataset(), "01")
    write_samples(settings, *tables, bold, folder / "samples.tsv")
    return " ".join(read_samples(folder / "samples.tsv")[1].methods)


def test_a_film_at_volumes(folder: Path) -> None:
    bold = write_bold(folder, [WORLD.run(name) for name in WORLD.names])
    chosen = AlignSettings.from_descriptor(WORLD.dataset(), "01")
    output = folder / "aligned.h5"
    align_features(chosen, folder / "features.h5", folder / "inventory.tsv", bold, output)
    with open_aligned(output) as file:
        text = " ".join(file.provenance.methods)
    assert "a triangle that reaches one TR to either side of each volume" in text
    # 65 s of the film are shown in a longer run.
    assert "Outside of each film they take their mean over what the run shows." in text
    for lie in ("label", "image", "trial", "zero"):
        assert lie not in text


def test_samples_of_a_holdout_without_repeats(folder: Path) -> None:
    write_leakage(folder, [])
    text = samples_of(folder)
    number = len(WORLD.names) - 1
    assert f"{number} runs were used for training, and 1 was held out for testing." in text
    assert "Samples are the volumes within events." in text
    assert "time blocks of" in text
    for lie in ("repeat", "average", "leave-one-run-out", "Censored", "audit", "trial"):
        assert lie not in text


def test_samples_that_the_audit_drops(folder: Path) -> None:
    write_leakage(folder, [{"run": WORLD.names[-1], "start": 10.0, "end": 14.0}])
    text = samples_of(folder)
    assert "held-out volumes were left out for what the leakage audit found" in text
    write_leakage(folder, [{"run": WORLD.names[-1], "start": 1e4, "end": 2e4}])
    assert "audit" not in samples_of(folder)


def test_repeats_are_named_where_there_are_some():
    runs = {"a": "train", "b": "train", "c": "test", "d": "test"}
    shared = sentences(table(runs, {"c": "test1", "d": "test1"}), TIME, "volumes", 0)
    assert any("are repeats of each other" in text for text in shared)
    apart = sentences(table(runs, {"c": "test1", "d": "test2"}), TIME, "volumes", 0)
    assert not any("repeat" in text for text in apart)
    assert "2 runs were used for training, and 2 were held out for testing." in apart


def test_leave_one_run_out_is_not_a_holdout():
    text = " ".join(sentences(table(dict.fromkeys("abc", "each")), TIME, "volumes", 0))
    assert "Each of 3 runs was held out in turn (leave-one-run-out)." in text
    assert "training" not in text


def test_averages_are_named_where_rows_have_them():
    runs, item = {"a": "train", "b": "test"}, Exchange(unit="item")
    alone = " ".join(sentences(table(runs), item, "trials", 0))
    assert "Samples are single trials." in alone
    assert "averaged" not in alone
    both = " ".join(sentences(table(runs, average="train/cat"), item, "trials", 0))
    assert "trials of one item were averaged over the training runs, and over the" in both
    assert "single trials" not in both
    within = " ".join(sentences(table(runs), item, "items", 0))
    assert "averaged over their trials of a run" in within


def test_censored_rows_are_named_where_there_are_some():
    runs = {"a": "train", "b": "test"}
    censor = np.array([True] + [False] * 5)
    some = sentences(table(runs, censor=censor, keep=~censor), TIME, "volumes", 0)
    assert "Censored volumes are not samples." in some
    assert "Censored volumes are not samples." not in sentences(table(runs), TIME, "volumes", 0)
