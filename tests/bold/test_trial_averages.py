"""Presentations of one item in several runs, averaged on request and never over the split."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from helpers.continuous_world import write_leakage
from tristream.align.samples import read_samples, write_samples
from tristream.bold.run_file import Run, Trials, write_run
from tristream.config.dataset import Dataset
from tristream.config.decoders import Decoder
from tristream.config.models import EncodingModel
from tristream.config.settings.align import SamplesSettings
from tristream.decode.decoding_samples import read_samples as read_decoded
from tristream.encode.fit_inputs import read_inputs
from tristream.store import Provenance, create_h5, write_strings, write_table

VOXELS = 5
# Runs show the same items in orders of their own; b and f are in training and test runs.
ORDERS = {
    "task-train_run-1": "abcdefg",
    "task-train_run-2": "hijkaml",
    "task-test_run-1": "bfpqrs",
    "task-test_run-2": "srqpfb",
    "task-test_run-3": "pbqfsr",
}
LOST = ("task-test_run-1", 2)


def described(**trials: Any) -> Dataset:
    return Dataset.model_validate(
        {
            "id": "small",
            "title": "small",
            "licence": "CC0",
            "citation": "none",
            "source": {"kind": "folder", "path": "raw"},
            "layout": {"kind": "spm", "bold": "x"},
            "tr": 2.0,
            "subjects": ["01"],
            "runs": list(ORDERS),
            "split": {"scheme": "holdout", "test": ["task-test_*"]},
            "exchange": {"unit": "item"},
            "trials": {"estimate": "mean", **trials},
        }
    )


def rows_of(run: str) -> np.ndarray:
    """BOLD of a run's trials: no two presentations are alike."""
    return np.random.default_rng(list(ORDERS).index(run)).standard_normal(
        (len(ORDERS[run]), VOXELS)
    )


def write_bold(folder: Path) -> list[Path]:
    paths = []
    for run, items in ORDERS.items():
        n = len(items)
        censor = np.array([(run, row) == LOST for row in range(n)])
        written = Run(
            subject="01",
            run=run,
            space="native",
            tr=2.0,
            start_time=1.0,
            time=10.0 * np.arange(n),
            bold=np.where(censor[:, None], 0, rows_of(run)).astype("f4"),
            ijk=np.argwhere(np.ones((VOXELS, 1, 1))).astype("i4"),
            affine=np.eye(4),
            shape=(VOXELS, 1, 1),
            confounds=np.empty((0, 0)),
            confound_names=(),
            projection=np.zeros((n, 0)),
            censor=censor,
            mean=np.ones(VOXELS, "f4"),
            tsnr=np.ones(VOXELS, "f4"),
            fd=np.full(n, np.nan),
            constant=0,
            simulated=False,
            trials=Trials("mean", "training", np.full(n, 3.0), np.ones(n, np.int64)),
            methods=("Made by a test.",),
        )
        paths.append(folder / f"{run}.h5")
        write_run(paths[-1], written, {})
    return paths


@pytest.fixture
def written(tmp_path: Path) -> tuple[list[Path], Path]:
    """Bold files, and the samples of a study whose repeats are averaged within a split."""
    bold = write_bold(tmp_path)
    events = [
        {
            "timeline": "main",
            "run": run,
            "trial": row + 1,
            "onset": 10.0 * row,
            "duration": 3.0,
            "stimulus": item,
            "kind": "label",
            "media_start": np.nan,
            "item": item,
            "label": "early" if item < "g" else "late",
            "unit": f"{run}/{row + 1}",
            "keep": True,
        }
        for run, items in ORDERS.items()
        for row, item in enumerate(items)
    ]
    write_table(tmp_path / "inventory.tsv", pd.DataFrame(events), Provenance("inventory", False))
    split = ["test" if "test" in run else "train" for run in ORDERS]
    runs = {"timeline": "main", "run": list(ORDERS), "split": split, "repeat": None}
    write_table(tmp_path / "splits.tsv", pd.DataFrame(runs), Provenance("splits", False))
    write_leakage(tmp_path, [])
    tables = [tmp_path / f"{name}.tsv" for name in ("inventory", "splits", "leakage")]
    dataset = described(average_repeats="split")
    write_samples(
        SamplesSettings.from_descriptor(dataset, "01"), *tables, bold, tmp_path / "samples.tsv"
    )
    return bold, tmp_path / "samples.tsv"


def mean_of(item: str, split: str) -> np.ndarray:
    shown = [
        rows_of(run)[row]
        for run, items in ORDERS.items()
        for row, other in enumerate(items)
        if split in run and other == item and (run, row) != LOST
    ]
    return np.mean(shown, axis=0)


def test_each_item_is_one_sample_of_a_split(written: tuple[list[Path], Path]) -> None:
    table, _ = read_samples(written[1])
    kept = table[table["keep"]]
    assert kept[kept["split"] == "train"]["item"].tolist() == list("abcdefghijkml")
    # Item p was lost in the first test run, so it stands where it was met next.
    test = kept[kept["split"] == "test"]
    assert test["item"].tolist() == list("bfqrsp")
    assert test["run"].tolist() == ["task-test_run-1"] * 5 + ["task-test_run-2"]
    assert table["average"].value_counts().to_dict() == {
        "": 12 + 1,  # shown once in training; lost
        "train/a": 2,
        "test/p": 2,
        **{f"test/{item}": 3 for item in "bfqrs"},
    }


def test_decoders_get_averages_that_never_straddle_the_split(
    written: tuple[list[Path], Path],
) -> None:
    decoder = Decoder(datasets=["small"], kind="ridge", samples="volumes", standardize="training")
    found = read_decoded(*written, decoder, "item")
    names = [(item, "train") for item in "abcdefghijkml"] + [(i, "test") for i in "bfqrsp"]
    expected = [mean_of(item, split) for item, split in names]
    np.testing.assert_allclose(found.x, expected, atol=1e-6)
    # Item b was trained on and tested: two samples, each of its own split.
    assert not np.allclose(mean_of("b", "train"), mean_of("b", "test"))
    assert found.runs == [*list(ORDERS)[:4]]


def test_encoders_get_the_same_averages(written: tuple[list[Path], Path], tmp_path: Path) -> None:
    with create_h5(
        tmp_path / "aligned.h5", Provenance("aligned", False, methods=("Made by a test.",))
    ) as file:
        for run, items in ORDERS.items():
            file[f"runs/{run}"] = np.ones((len(items), 2), "f4")
            file[f"times/{run}"] = 10.0 * np.arange(len(items))
        write_strings(file, "names", ["x", "y"])
        file.attrs.update(tr=2.0, stream="label", space="s", layer="l", sampling="item")
    model = EncodingModel(datasets=["small"], bands={"s": ["s"]}, delays=[0])
    inputs = read_inputs(model, [tmp_path / "aligned.h5"], *written)
    # The last test run shows nothing that is not in an average already.
    assert list(inputs.runs) == list(ORDERS)[:4]
    first = inputs.runs["task-test_run-1"]
    assert first.rows.tolist() == [0, 1, 3, 4, 5]
    expected = [mean_of(item, "test") for item in "bfqrs"]
    np.testing.assert_allclose(first.bold(first.rows), expected, atol=1e-6)
    later = inputs.runs["task-train_run-2"]
    np.testing.assert_allclose(
        later.bold(later.rows), np.delete(rows_of("task-train_run-2"), 4, axis=0), atol=1e-6
    )


def test_averages_need_a_split_that_stays() -> None:
    with pytest.raises(ValueError, match="needs `scale: training`"):
        described(average_repeats="split", scale="run")
    folds = {"split": {"scheme": "leave-one-run-out"}}
    content = described(average_repeats="split").model_dump() | folds
    with pytest.raises(ValueError, match="would hold training and test data"):
        Dataset.model_validate(content)
