"""Images that lie there twice are told before they are read."""

import shutil
from pathlib import Path

from tristream.bold.copied_images import copies_between, images_in_doubt, prints_of
from tristream.bold.image_checks import RunImage


def test_a_run_that_is_a_copy_of_another_is_told(tmp_path: Path) -> None:
    contents = {"run-1": b"a" * 99, "run-2": b"a" * 98 + b"b", "run-3": b"c" * 98}
    for run, content in contents.items():
        (tmp_path / run).write_bytes(content)
    images = {run: RunImage(tmp_path / run, 9, 0.0) for run in contents}
    # Parts of a run have one file.
    images["run-1_part-2"] = images["run-1"]
    assert images_in_doubt("01", images) == []
    shutil.copy(tmp_path / "run-1", tmp_path / "run-3")
    (told,) = images_in_doubt("01", images)
    assert told.startswith("sub-01: the image of run-3 is a copy of that of run-1 ")


def test_an_image_that_lies_there_unpacked_too_is_told(tmp_path: Path) -> None:
    for name in ("bold.nii.gz", "other.nii.gz"):
        (tmp_path / name).write_bytes(name.encode())
    images = {"run-1": RunImage(tmp_path / "bold.nii.gz", 9, 0.0)}
    images["run-2"] = RunImage(tmp_path / "other.nii.gz", 9, 0.0)
    assert images_in_doubt("01", images) == []
    (tmp_path / "bold.nii").write_bytes(b"changed")
    (told,) = images_in_doubt("01", images)
    assert "bold.nii.gz is read, and not the file" in told


def test_two_subjects_with_one_image_are_told(tmp_path: Path) -> None:
    contents = {"01": b"a" * 3_000_000, "02": b"a" * 2_999_999 + b"b", "03": b"a" * 3_000_000}
    prints = {}
    for subject, content in contents.items():
        path = tmp_path / f"sub-{subject}.nii"
        path.write_bytes(content)
        prints[subject] = prints_of({"run-1": RunImage(path, 9, 0.0)})
    (told,) = copies_between(prints)
    assert told.startswith("sub-03 has images of sub-01 (run-1 is run-1 of the other): ")
    # An image of a few bytes has a print, too.
    (tmp_path / "small").write_bytes(b"a")
    assert prints_of({"run-1": RunImage(tmp_path / "small", 9, 0.0)})["run-1"]
