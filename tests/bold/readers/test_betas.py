"""Responses to single trials: the same from every format, and faults told in one line."""

from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
import pytest
import scipy.io

from helpers import bold_tree as tree
from helpers.betas_study import (
    AFFINE,
    RUNS,
    SHAPE,
    Betas,
    descriptor,
    write_responses,
    write_table,
)
from tristream.bold.run_file import Run
from tristream.config.dataset import Dataset
from tristream.config.events import EventReading
from tristream.errors import UserError
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.stimuli.events import events_of_subject

BETAS = Betas()
TABLE = "sub-1_trials.tsv"


def receipt_of(root: Path) -> Receipt:
    files = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    listed = tuple(FetchedFile(path, None) for path in files)
    return Receipt("d", "1", {}, "", root, "d", "CC0", listed, False)


def write(root: Path, file: str, table: str = TABLE) -> Path:
    write_table(root / table, BETAS)
    write_responses(root / file, BETAS.responses)
    return root


def read(root: Path, file: str, run: str = "run-2", table: str = TABLE, **changes: Any) -> Run:
    dataset = Dataset.model_validate(descriptor(file, table, **changes))
    receipt = receipt_of(root)
    tree.inspect_images(dataset, "1", receipt)
    return tree.prepare(dataset, "1", run, receipt)


def refused(root: Path, file: str, **changes: Any) -> str:
    with pytest.raises(UserError) as told:
        read(root, file, **changes)
    assert "\n" not in str(told.value)
    return str(told.value)


@pytest.mark.parametrize(
    "name", ["nii.gz", "tsv", "csv", "npy", "h5", "mat", "glmsingle_v73.mat"], ids=str
)
@pytest.mark.parametrize("table", [TABLE, "trials.csv"])
def test_every_format_gives_the_same_responses(tmp_path: Path, name: str, table: str) -> None:
    file = f"betas_{name}" if name.endswith("_v73.mat") else f"betas.{name}"
    write(tmp_path, file, table)
    run = read(tmp_path, file, table=table)
    np.testing.assert_allclose(run.bold, BETAS.responses[BETAS.rows(["run-2"])], rtol=1e-6)
    placed = name in ("nii.gz", "h5")
    assert run.shape == (SHAPE if placed else (120, 1, 1))
    assert run.trials is not None
    assert run.trials.estimate == "given"


def test_a_mask_places_flat_responses_in_either_order(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).random(SHAPE) < 0.5
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), AFFINE), tmp_path / "mask.nii.gz")
    write_table(tmp_path / TABLE, BETAS)
    volumes = BETAS.responses.reshape(-1, *SHAPE)
    flat = {
        "C": np.stack([one[mask] for one in volumes]),
        "F": np.stack([one.T[mask.T] for one in volumes]),
    }
    for order, values in flat.items():
        np.save(tmp_path / f"{order}.npy", values)
        layout = {"mask": "mask.nii.gz", "voxel_order": order}
        run = read(tmp_path, f"{order}.npy", layout=layout)
        here = volumes[BETAS.rows(["run-2"])][(slice(None), *run.ijk.T)]
        np.testing.assert_array_equal(run.bold, here)
        assert run.shape == SHAPE
    wrong = read(tmp_path, "F.npy", layout={"mask": "mask.nii.gz", "voxel_order": "C"})
    assert not np.array_equal(wrong.bold, here)
    write_responses(tmp_path / "b.mat", flat["F"])
    assert "write layout.voxel_order: F if" in refused(
        tmp_path, "b.mat", layout={"mask": "mask.nii.gz"}
    )
    np.save(tmp_path / "whole.npy", BETAS.responses)
    assert "has 120 voxels, but" in refused(tmp_path, "whole.npy", layout={"mask": "mask.nii.gz"})


def test_a_file_a_run_and_z_scores_where_they_are_asked_for(tmp_path: Path) -> None:
    write_table(tmp_path / TABLE, BETAS)
    for run in RUNS:
        np.save(tmp_path / f"{run}.npy", BETAS.responses[BETAS.rows([run])])
    plain = read(tmp_path, "{run}.npy", run="run-3")
    np.testing.assert_array_equal(plain.bold, BETAS.responses[BETAS.rows(["run-3"])])
    trials = {"estimate": "given", "scale": "run"}
    scaled = read(tmp_path, "{run}.npy", run="run-3", trials=trials)
    np.testing.assert_allclose(scaled.bold.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.bold.std(axis=0, ddof=1), 1, atol=1e-5)
    assert "z-scored over the trials" in scaled.methods[-1]


def test_a_table_a_run_needs_no_column_of_runs(tmp_path: Path) -> None:
    write_table(tmp_path / TABLE, BETAS)
    header, *rows = (tmp_path / TABLE).read_text().splitlines()
    for run in RUNS:
        np.save(tmp_path / f"{run}.npy", BETAS.responses[BETAS.rows([run])])
        own = [row for row in rows if row.startswith(f"{run[4:]}\t")]
        lines = [line.partition("\t")[2] for line in (header, *own)]
        (tmp_path / f"{run}_trials.tsv").write_text("\n".join(lines) + "\n")
    for run in RUNS[1:3]:
        found = read(tmp_path, "{run}.npy", run, table="{run}_trials.tsv")
        np.testing.assert_array_equal(found.bold, BETAS.responses[BETAS.rows([run])])


def test_trials_of_runs_that_are_not_listed_are_told(tmp_path: Path) -> None:
    write(tmp_path, "b.npy")
    changes = {"runs": RUNS[1:5], "split": {"scheme": "holdout", "test": RUNS[4:5]}}
    run = read(tmp_path, "b.npy", **changes)
    np.testing.assert_array_equal(run.bold, BETAS.responses[BETAS.rows(["run-2"])])
    assert "72 rows" in run.omitted[0].why


def test_test_items_within_every_run(tmp_path: Path) -> None:
    write(tmp_path, "b.npy")
    changes = {
        "parts": {"items": {"repeat": ["2"]}, "gap": 0},
        "split": {"scheme": "holdout", "test": ["*_part-test"]},
    }
    halves = [read(tmp_path, "b.npy", f"run-1_part-{p}", **changes) for p in ("train", "test")]
    both = np.concatenate([half.bold for half in halves])
    own = BETAS.responses[BETAS.rows(["run-1"])]
    assert len(both) == len(own)
    np.testing.assert_array_equal(np.sort(both, axis=0), np.sort(own, axis=0))


def test_faults_are_one_line(tmp_path: Path) -> None:
    write(tmp_path, "b.npy")
    np.save(tmp_path / "short.npy", BETAS.responses[:-1])
    told = refused(tmp_path, "short.npy")
    assert "239×120, but the table of trials has 240 rows" in told

    torn, outside = BETAS.responses.copy(), BETAS.responses.copy()
    torn[5, 7] = np.nan
    np.save(tmp_path / "torn.npy", torn)
    assert "1 voxels of 120 are NaN or infinite in some trials" in refused(tmp_path, "torn.npy")
    run = read(tmp_path, "torn.npy", layout={"drop_nan": True})
    assert run.bold.shape[1] == 119
    assert "1 voxels are NaN" in run.omitted[0].why
    outside[:, 7], outside[:, 8] = np.nan, 0
    np.save(tmp_path / "outside.npy", outside)
    assert read(tmp_path, "outside.npy").constant == 2

    lines = (tmp_path / TABLE).read_text().splitlines()
    one = [line for line in lines if line.startswith(("run", "1\t"))]
    (tmp_path / "one.tsv").write_text("\n".join(one) + "\n")
    assert "has no trial of run-2; its column run has 1: fix `runs`" in refused(
        tmp_path, "b.npy", table="one.tsv"
    )
    (tmp_path / "strange.tsv").write_text("\n".join([*lines[:-1], "6\tcat.png\tdark\t1"]))
    dataset = Dataset.model_validate(descriptor("b.npy", "strange.tsv"))
    with pytest.raises(UserError, match=r"row 240: stimulus 'cat\.png' is not in the stimulus tab"):
        events_of_subject(EventReading.of(dataset), "1", receipt_of(tmp_path))


def test_runs_of_two_sessions_are_not_mixed(tmp_path: Path) -> None:
    write(tmp_path, "b.npy")
    lines = (tmp_path / TABLE).read_text().splitlines()
    numbers = [int(line.split("\t")[0]) - 1 for line in lines[1:]]
    rows = [f"{n // 3 + 1}\t{n % 3 + 1}.0\tdark" for n in numbers]
    (tmp_path / "sessions.tsv").write_text("\n".join(["session\trun\tlabel", *rows]))
    runs = [f"ses-{s:02d}_run-{r}" for s in (1, 2) for r in (1, 2, 3)]
    changes = {"stimuli": {}, "table": "sessions.tsv"}
    split = {"scheme": "leave-one-run-out"}
    run = read(tmp_path, "b.npy", "ses-02_run-1", runs=runs, split=split, **changes)
    np.testing.assert_array_equal(run.bold, BETAS.responses[BETAS.rows(["run-4"])])
    told = refused(tmp_path, "b.npy", runs=RUNS[:3], split=split, **changes)
    assert "session 1, run 1.0 and session 2, run 1.0 would both be run-1" in told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"exchange": {"unit": "time"}}, "betas have no times"),
        ({"trials": {"estimate": "lss"}}, "betas are estimates"),
        ({"trims": {"start": 1}}, "no volumes to leave out"),
        ({"parts": {"items": {"repeat": ["1"]}}}, "write `gap: 0`"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], told: str) -> None:
    if "parts" in changes:
        changes = {**changes, "split": {"scheme": "holdout", "test": ["*_part-test"]}}
    with pytest.raises(ValueError, match=told):
        Dataset.model_validate(descriptor("b.npy", TABLE, **changes))
    with pytest.raises(ValueError, match="given is for"):
        tree.fmriprep_dataset(trials={"estimate": "given"})


def test_axes_that_are_alike_are_asked_about(tmp_path: Path) -> None:
    write_table(tmp_path / TABLE, BETAS)
    square = np.random.default_rng(0).standard_normal((240, 240))
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["betas"] = square
    assert "layout.trial_axis" in refused(tmp_path, "b.h5")
    run = read(tmp_path, "b.h5", layout={"trial_axis": "last"})
    np.testing.assert_allclose(run.bold, square.T[BETAS.rows(["run-2"])], rtol=1e-6)


def test_arrays_that_are_not_real_numbers(tmp_path: Path) -> None:
    """Of complex numbers the real part alone would be read."""
    write_table(tmp_path / TABLE, BETAS)
    for kind in ("complex64", "bool", "str"):
        np.save(tmp_path / "b.npy", BETAS.responses.astype(kind))
        assert "b.npy: holds " in refused(tmp_path, "b.npy")
    with (tmp_path / "b.npy").open("wb") as file:
        np.savez(file, betas=BETAS.responses)
    assert "is an archive of arrays" in refused(tmp_path, "b.npy")
    scipy.io.savemat(tmp_path / "b.mat", {"betas": BETAS.responses.astype("complex64")})
    assert "b.mat: holds complex" in refused(tmp_path, "b.mat")


def test_betas_have_no_onsets_to_shift() -> None:
    """Rows are found by their order: shifted, they would be those of other trials."""
    with pytest.raises(ValueError, match=r"events\.onset_shift: betas have no times"):
        Dataset.model_validate(descriptor("b.npy", TABLE, events={"onset_shift": 2.0}))
