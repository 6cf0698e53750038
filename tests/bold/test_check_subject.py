"""What is told of a subject's images before they are read."""

import shutil
from pathlib import Path

from tristream.bold.check_subject import images_in_doubt
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
