"""Folders of responses to single trials, in every format: a descriptor that reads them."""

from pathlib import Path

import numpy as np
import pytest

from helpers.betas_study import RUNS, Betas, write_responses, write_table
from helpers.bold_tree import inspect_images, receipt_of
from tristream.config.dataset import Dataset
from tristream.config.layouts import BetasLayout
from tristream.config.load import descriptor
from tristream.describe.descriptor_file import Written, describe
from tristream.errors import UserError


@pytest.fixture(scope="module")
def betas() -> Betas:
    return Betas()


def read(written: Written) -> Dataset:
    return descriptor(written.path.stem, [written.path.parent], written.path, questions=False)


@pytest.mark.parametrize("ending", ["nii.gz", "tsv", "csv", "h5", "npy", "mat", "v73.mat"])
def test_every_format_is_known(ending: str, betas: Betas, tmp_path: Path) -> None:
    root = tmp_path / "mine"
    root.mkdir()
    name = f"sub-1_betas{'_' if ending == 'v73.mat' else '.'}{ending}"
    write_responses(root / name, betas.responses)
    write_table(root / f"sub-1_trials.{'csv' if ending == 'csv' else 'tsv'}", betas)
    written = describe(str(root), tmp_path / "out")
    found = read(written)
    assert isinstance(found.layout, BetasLayout)
    assert found.layout.responses == name.replace("sub-1", "sub-{subject}")
    assert found.subjects == ["1"]
    assert found.runs == RUNS
    assert found.size is not None
    assert (found.size.volumes, found.size.voxels) == (48, 120)
    assert found.split.scheme == "leave-one-run-out"
    assert (found.events.stimulus, found.events.label) == ("{stimulus}", "label")
    assert any("which runs test? 36 items" in question for question in written.questions)
    # The layout's own reader finds each trial of each run.
    images = inspect_images(found, "1", receipt_of(root, "1"))
    assert [image.volumes for image in images.values()] == [48] * 4 + [24] * 2


def test_other_names_of_columns_and_files_of_runs(betas: Betas, tmp_path: Path) -> None:
    root = tmp_path / "mine"
    for subject in ("a", "b"):
        (root / f"sub-{subject}").mkdir(parents=True)
        for run in RUNS:
            own = betas.rows([run])
            stem = root / f"sub-{subject}/sub-{subject}_ses-01_{run}"
            np.save(f"{stem}_betas.npy", betas.responses[own])
            rows = [f"{1}\t{run[4:]}\t{betas.trials[n][1]}\tx\n" for n in own]
            text = "Session\tRun\tImage\tconcept\n" + "".join(rows)
            Path(f"{stem}_trials.tsv").write_text(text)
    found = read(describe(str(root), tmp_path / "out"))
    assert isinstance(found.layout, BetasLayout)
    assert found.layout.responses == "sub-{subject}/sub-{subject}_{run}_betas.npy"
    assert found.subjects == ["a", "b"]
    assert found.runs == [f"ses-01_{run}" for run in RUNS]
    assert (found.layout.session, found.layout.run) == ("Session", "Run")
    assert (found.events.stimulus, found.events.label) == ("{Image}", "concept")
    images = inspect_images(found, "b", receipt_of(root, "b"))
    assert [image.volumes for image in images.values()] == [48] * 4 + [24] * 2


def test_what_a_table_does_not_say_is_asked(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    root.mkdir()
    np.save(root / "betas.npy", np.zeros((20, 20)))
    (root / "trials.tsv").write_text("what\n" + "face\n" * 20)
    written = describe(str(root), tmp_path / "out")
    asked = " ".join(written.questions)
    for words in (
        "which axis",
        "what is the subject called",
        "which runs are there",
        "which trials test",
    ):
        assert words in asked
    assert read(written).subjects == ["01"]


def test_arrays_without_a_table_of_their_length_are_no_betas(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    root.mkdir()
    np.save(root / "betas.npy", np.zeros((20, 30)))
    (root / "trials.tsv").write_text("what\n" + "face\n" * 19)
    (root / "ragged.tsv").write_text("a\tb\n1\n")
    with pytest.raises(UserError, match=r"holds no BOLD under BIDS names .*as many rows"):
        describe(str(root), tmp_path / "out")
