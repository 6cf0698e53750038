"""The auditory and visual localizer: real BOLD with responses where the regions say."""

import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.glm.first_level import FirstLevelModel

from helpers import REPOSITORY
from helpers.bold_tree import bold_settings, prepare, receipt_of
from tristream.bold.prepare import prepare_run
from tristream.bold.run_file import read_runs
from tristream.config.dataset import Dataset
from tristream.config.events import EventReading, ScanTable
from tristream.config.load import descriptor
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.stimuli.events import read_scan_events

DESCRIPTORS = REPOSITORY / "workflow/datasets"
AUDITORY, VISUAL = (1, 2), (4,)


def described(**changes: Any) -> Dataset:
    dataset = descriptor("localizer", [DESCRIPTORS], Path("config.yaml"))
    return Dataset.model_validate({**dataset.model_dump(), **changes})


@pytest.fixture(scope="module")
def receipt(localizer: Path) -> Receipt:
    return receipt_of(localizer.parents[2], "1")


@pytest.fixture(scope="module")
def shown(receipt: Receipt) -> pd.DataFrame:
    """Events as the table lists them: instants of the scan."""
    dataset = described(events={}, runs=["all", "b", "c"])
    reading = EventReading.of(dataset)
    assert isinstance(reading.table, ScanTable)
    table = reading.table.model_copy(update={"volumes": 128})
    events = read_scan_events(receipt.path(table.path), reading, table)["all"]
    return pd.DataFrame(
        {
            "onset": [e.onset for e in events],
            "duration": [e.duration for e in events],
            "trial_type": [e.label for e in events],
        }
    )


def contrasts(receipt: Receipt, events: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Regions of the voxels with t > 8: audio over video, and the other way round."""
    layout = described().layout
    image, labels = (nib.load(receipt.path(p)) for p in (layout.bold, layout.mask))
    inside = np.asarray(labels.dataobj)
    mask = nib.Nifti1Image((inside > 0).astype(np.uint8), labels.affine)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of nilearn: affines, instants
        model = FirstLevelModel(2.4, hrf_model="spm", noise_model="ar1", mask_img=mask)
        t = model.fit(image, events).compute_contrast("audio - video", "t", output_type="stat")
    values = np.asarray(t.dataobj)
    return inside[values > 8], inside[values < -8]


def test_events_of_the_scan(shown: pd.DataFrame) -> None:
    assert shown["trial_type"].value_counts().to_dict() == {"audio": 30, "video": 30, "damier": 20}
    assert (shown["duration"] == 0).all()
    assert shown["onset"].is_monotonic_increasing
    assert shown["onset"].max() < 128 * 2.4


def test_sounds_and_texts_drive_their_own_regions(receipt: Receipt, shown: pd.DataFrame) -> None:
    audio, video = contrasts(receipt, shown)
    assert len(audio) >= 20
    assert len(video) >= 20
    assert np.isin(audio, AUDITORY).mean() >= 0.8
    assert np.isin(video, VISUAL).mean() >= 0.8


def test_events_at_wrong_times_find_nothing(receipt: Receipt, shown: pd.DataFrame) -> None:
    late = shown.assign(onset=shown["onset"] + 37)
    audio, video = contrasts(receipt, late[late["onset"] < 128 * 2.4])
    assert len(audio) == len(video) == 0


def test_the_scan_is_cut_into_runs_of_their_own(receipt: Receipt, tmp_path: Path) -> None:
    dataset = described()
    receipt.write(tmp_path / "receipt.json")
    paths = [tmp_path / f"{run}.h5" for run in dataset.runs]
    for run, path in zip(dataset.runs, paths, strict=True):
        prepare_run(bold_settings(dataset, "1"), run, tmp_path / "receipt.json", path)
    runs = read_runs(paths)
    raw = np.asarray(nib.load(receipt.path(dataset.layout.bold)).dataobj)
    labels = np.asarray(nib.load(receipt.path(dataset.layout.mask)).dataobj)
    for number, run in enumerate(runs):
        assert run.bold.shape == (32, 6443)
        assert run.tr == 2.4
        assert run.time[0] == 0
        assert [o.what for o in run.omitted] == ["TR of the header"]
        # Cleaning is linear: what is left is a scaled residual of the raw part.
        own = raw[tuple(run.ijk[100])][number * 32 : number * 32 + 32].astype(float)
        trend = np.polynomial.Polynomial.fit(np.arange(32), own, 1)(np.arange(32))
        assert np.corrcoef(own - trend, run.bold[:, 100])[0, 1] == pytest.approx(1, abs=1e-6)
        found = labels[tuple(run.ijk[run.regions["auditory"]].T)]
        assert set(found) == {1, 2}
        assert len(found) == np.isin(labels, AUDITORY).sum()


def test_events_go_to_the_part_in_which_they_begin(receipt: Receipt, shown: pd.DataFrame) -> None:
    dataset = described()
    reading = EventReading.of(dataset)
    assert isinstance(reading.table, ScanTable)
    parts = read_scan_events(receipt.path(reading.table.path), reading, reading.table)
    starts = [n * 32 * 2.4 + e.onset for n, run in enumerate(dataset.runs) for e in parts[run]]
    np.testing.assert_allclose(starts, shown["onset"], atol=1e-9)
    assert all(e.onset >= 0 and e.end <= 32 * 2.4 for events in parts.values() for e in events)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"header_tr": None}, r"BOLD\.nii\.gz: the TR is not the same everywhere"),
        ({"header_tr": 2.0}, "header 1 s, header_tr of the descriptor 2 s"),
        ({"volumes": 30}, "has 128 volumes, .* lists 4 runs of 30"),
        ({"regions": {"nowhere": [9]}}, "no voxel of region nowhere"),
    ],
)
def test_a_descriptor_that_does_not_fit(receipt: Receipt, change: dict, said: str) -> None:
    dataset = described(layout={**described().layout.model_dump(), **change})
    with pytest.raises(UserError, match=said):
        prepare(dataset, "1", "part-1", receipt)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('0 "audio" 400.0 0.0 1.', "line 2: an event of 0 s at 400 s is not in a scan of 307.2 s"),
        ('0 "audio" soon 0.0 1.', "onset 'soon' is not a number"),
        ('"audio" 4.0', "is not `scan trial_type onset duration amplitude`"),
    ],
)
def test_faulty_rows(tmp_path: Path, row: str, said: str) -> None:
    path = tmp_path / "events.csv"
    path.write_text(f'0 "audio" 1.0 0.0 1.\n{row}\n')
    reading = EventReading.of(described(events={}))
    assert isinstance(reading.table, ScanTable)
    with pytest.raises(UserError, match=said):
        read_scan_events(path, reading, reading.table)
