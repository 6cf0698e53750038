"""Content that a clone has not fetched: one message that says so and what to run, everywhere."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from helpers.subjects_study import RUNS, events, image, not_fetched, write_study
from tristream.bold.files_at_hand import faults
from tristream.bold.image_checks import check_whole
from tristream.bold.nifti import open_image
from tristream.config.load import Resolved, load
from tristream.config.settings.fetch import FetchStimuliSettings
from tristream.config.sources import FolderSource
from tristream.errors import UserError
from tristream.fetch.absent_content import absent_content
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.fetch.stimulus_files import fetch_stimuli
from tristream.stimuli.events import read_bids_events

FORMS = {"link": "annex get", "pointer": "annex get", "lfs": "lfs pull --include"}


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(write_study(tmp_path))
    return tmp_path


def resolved(folder: Path) -> Resolved:
    return load(folder / "config.yaml")


def message(clone: Path, path: Path, form: str) -> str:
    return (
        f"its content is not present: it was not fetched; run `git -C {clone} {FORMS[form]} "
        f"'{path.relative_to(clone).as_posix()}'`"
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "what", ["events", "image", "mask", "sidecar", "raw sidecar", "description"]
)
def test_any_file_of_a_subject(study: Path, what: str, form: str) -> None:
    made = image(study, "02", RUNS[0])
    place = {
        "events": events(study, "02", RUNS[0]),
        "image": made,
        "mask": Path(str(made).replace("preproc_bold", "brain_mask")),
        "sidecar": Path(str(made).replace(".nii.gz", ".json")),
        "raw sidecar": study / "bids/sub-02/func/sub-02_task-a_run-1_bold.json",
        "description": study / "bids/dataset_description.json",
    }[what]
    place.touch()
    not_fetched(place, form)
    clone = next(folder for folder in place.parents if (folder / ".git").exists())
    (told,) = faults(resolved(study), "d")
    assert message(clone, place, form) in told
    assert "\n" not in told


@pytest.mark.parametrize("form", FORMS)
def test_stimuli_and_events_that_no_receipt_lists(tmp_path: Path, form: str) -> None:
    film = tmp_path / "stimuli/film.mp4"
    film.parent.mkdir()
    film.write_bytes(b"film")
    not_fetched(film, form)
    settings = FetchStimuliSettings(
        dataset="d",
        source=FolderSource(path=str(film.parent)),
        paths=["film.mp4"],
        data=str(tmp_path),
        missing="error",
        get="",
    )
    clone = next(folder for folder in film.parents if (folder / ".git").exists())
    with pytest.raises(UserError) as raised:
        fetch_stimuli(settings)
    assert message(clone, film, form) in str(raised.value)
    with pytest.raises(UserError) as raised:
        read_bids_events(film)
    assert message(clone, film, form) in str(raised.value)


def test_a_link_to_nothing_and_files_that_are_here(tmp_path: Path) -> None:
    (tmp_path / "gone.tsv").symlink_to("nowhere.tsv")
    assert absent_content(tmp_path / "gone.tsv").startswith("it is a link to nowhere.tsv, which")
    (tmp_path / "here.tsv").write_text("onset\n")
    (tmp_path / "linked.tsv").symlink_to("here.tsv")
    for name in ("here.tsv", "linked.tsv", "no such file"):
        assert absent_content(tmp_path / name) == ""


def test_others_whose_content_was_not_fetched_stop_no_study(study: Path) -> None:
    """As after `datalad get sub-01` alone."""
    for subject in ("02", "03"):
        for run in RUNS:
            not_fetched(events(study, subject, run))
            not_fetched(image(study, subject, run))
    settings = study / "config.yaml"
    settings.write_text(settings.read_text().replace("d: {}", "d: {subjects: ['01']}"))
    assert list(faults(resolved(study), "d")) == []


def test_what_was_dropped_of_a_clone_of_the_workflow_is_fetched_by_it(tmp_path: Path) -> None:
    (tmp_path / "bold.nii.gz").symlink_to(".git/annex/objects/a/b/c/c")
    files = (FetchedFile("bold.nii.gz", 1, annexed=True),)
    receipt = Receipt("d", "01", {"kind": "datalad"}, "c0de", tmp_path, "", "", files, False)
    with pytest.raises(UserError, match=r"content is not present: .*--forcerun fetch_dataset"):
        receipt.path("bold.nii.gz")


def test_a_folder_of_a_larger_clone(study: Path, tmp_path: Path) -> None:
    """Its files are links into the annex of the clone, above the folder that is named."""
    clone = tmp_path / "clone"
    (study / "bids").rename(clone)
    (study / "bids").symlink_to(clone / "inner")
    (clone / "inner").mkdir()
    for part in sorted(clone.iterdir()):
        if part.name != "inner":
            part.rename(clone / "inner" / part.name)
    key = clone / ".git/annex/objects/a/b/key/key"
    key.parent.mkdir(parents=True)
    place = events(study, "01", RUNS[0])
    place.rename(key)
    place.symlink_to("../../../.git/annex/objects/a/b/key/key")
    assert list(faults(resolved(study), "d")) == []
    place.unlink()
    place.symlink_to("/etc/hostname")
    (told,) = faults(resolved(study), "d")
    assert "leaves the dataset; it is not followed" in told


@pytest.mark.parametrize("trailing", [b"\0" * 512, b"\n", b"#" * 3000])
def test_bytes_behind_a_compressed_image_are_no_part_of_it(tmp_path: Path, trailing: bytes) -> None:
    rng = np.random.default_rng(0)
    data = rng.integers(0, 999, (6, 5, 4, 20)).astype(np.int16)
    path = tmp_path / "bold.nii.gz"
    nib.save(nib.Nifti1Image(data, np.eye(4)), path)
    path.write_bytes(path.read_bytes() + trailing)
    found = open_image(path, 4)
    check_whole(path, found)
    assert np.array_equal(np.asarray(found.dataobj), data)
    assert np.array_equal(np.asarray(found.dataobj[..., 19]), data[..., 19])
    whole = gzip.compress(gzip.decompress(path.read_bytes().removesuffix(trailing))[:-10])
    path.write_bytes(whole + trailing)
    with pytest.raises(UserError, match="truncated or damaged"):
        check_whole(path, open_image(path, 4))


def test_an_image_with_bytes_behind_it_is_read_by_the_workflow(study: Path) -> None:
    place = image(study, "01", RUNS[0])
    before = np.array(open_image(place, 4).dataobj)
    place.write_bytes(place.read_bytes() + b"trailing")
    assert list(faults(resolved(study), "d")) == []
    np.testing.assert_array_equal(np.array(open_image(place, 4).dataobj), before)
