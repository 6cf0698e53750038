"""What a rule depends on of a folder that no version pins."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tristream.config.settings.fetch import FetchDatasetSettings, FetchStimuliSettings
from tristream.config.sources import DataladSource, FolderSource
from tristream.fetch.folder_state import dataset_state, stimuli_state, subject_state
from tristream.fetch.sources import FolderOrigin

EVENTS, BOLD = "sub-01/func/sub-01_task-a_events.tsv", "sub-01/func/sub-01_task-a_bold.nii.gz"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (EVENTS, BOLD, EVENTS.replace("01", "02"), "task-a_bold.json", "bold.nii"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("content")
        os.utime(path, ns=(1, 1))
    return tmp_path


def settings(folder: Path, **more: object) -> FetchDatasetSettings:
    keys = {"source": FolderSource(path=str(folder)), "derivatives": None} | more
    return FetchDatasetSettings(
        dataset="d", data="data", preset="", folder="", accept={}, **keys
    )  # fmt: skip


def touch(path: Path) -> None:
    """Other content of the same size."""
    path.write_text("CONTENT")


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        (lambda f: touch(f / EVENTS), (True, True, False)),
        (lambda f: touch(f / BOLD), (False, True, False)),
        (lambda f: touch(f / "bold.nii"), (False, True, True)),
        (lambda f: (f / BOLD).unlink(), (True, True, False)),
        (lambda f: (f / "sub-02/func/new.nii").write_text(""), (True, False, True)),
        (lambda f: (f / "sub-02/func/.hidden").mkdir(), (False, False, False)),
    ],
)
def test_changes_of_a_folder(
    folder: Path, change: Callable[[Path], object], changed: tuple[bool, bool, bool]
) -> None:
    """The dataset's listing, the files of one subject, and those of another."""

    def states() -> list[str]:
        of = settings(folder)
        return [dataset_state(of), subject_state(of, "01"), subject_state(of, "02")]

    before = states()
    assert states() == before
    change(folder)
    assert tuple(a != b for a, b in zip(before, states(), strict=True)) == changed


def test_derivatives_in_a_folder_count_too(folder: Path) -> None:
    derivatives = folder / "made/sub-01"
    derivatives.mkdir(parents=True)
    source = DataladSource(url="https://example.org/d", commit="a" * 40)
    of = settings(folder, source=source, derivatives=FolderSource(path=str(folder / "made")))
    before = subject_state(of, "01")
    (derivatives / "bold.nii.gz").write_text("")
    assert subject_state(of, "01") != before
    assert dataset_state(settings(folder, source=source)) == ""


def test_stimuli_count_by_what_the_table_names(folder: Path) -> None:
    of = FetchStimuliSettings(
        dataset="d", data="data", source=FolderSource(path=str(folder)), paths=["a.wav"],
        missing="error", get="",
    )  # fmt: skip
    before = stimuli_state(of)
    (folder / "b.wav").write_text("")
    assert stimuli_state(of) == before
    (folder / "a.wav").write_text("")
    assert stimuli_state(of) != before


def test_the_listing_of_a_folder_tells_events_of_one_size(folder: Path) -> None:
    def listed() -> dict[str, str]:
        files = FolderOrigin(FolderSource(path=str(folder))).listing().files
        return {file.path: file.checksum for file in files}

    before = listed()
    touch(folder / EVENTS)
    assert {path for path, checksum in listed().items() if before[path] != checksum} == {EVENTS}
    assert before[BOLD] == ""
