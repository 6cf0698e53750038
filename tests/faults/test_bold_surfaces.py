"""Bad BOLD on surfaces is one clear line that names the file, what is wrong and what to do."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydantic import ValidationError

from helpers import bold_tree
from helpers import surface_tree as tree
from helpers.fetched import files_of
from tristream.errors import UserError
from tristream.fetch.contents import run_files
from tristream.simulate.synthetic.write_dataset import Wish, chosen

FIRST, SECOND = tree.RUNS[:2]
HALF = tree.VERTICES[tree.FSAVERAGE5]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Sound outputs, by space; nothing may change them."""
    folder = tmp_path_factory.mktemp("surfaces")
    return {s: tree.write(folder / s, s) for s in (tree.FSAVERAGE5, tree.FSLR)}


def refused(whole: dict[str, Path], tmp_path: Path, space: str, damage: Callable) -> str:
    """Message about a copy in which `damage` changed something."""
    root = tmp_path / "raw"
    for path in whole[space].rglob("*"):
        if path.is_file():
            copy = root / path.relative_to(whole[space])
            copy.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, copy)
    damage(root)
    receipt = bold_tree.receipt_of(root)
    with pytest.raises(UserError) as error:
        bold_tree.prepare(tree.dataset(space), "01", FIRST, receipt)
    message = str(error.value)
    assert "\n" not in message
    if damage not in (flat, some_nan):
        # What needs no data is told when the subject has been fetched.
        with pytest.raises(UserError, match=re.escape(message)):
            bold_tree.inspect_images(tree.dataset(space), "01", receipt)
    return message


def replaced(path: Path) -> Path:
    """The path, free to be written."""
    path.unlink()
    return path


def left(root: Path) -> Path:
    return replaced(tree.path(root, FIRST, tree.FSAVERAGE5))


def right(root: Path) -> Path:
    return replaced(tree.path(root, FIRST, tree.FSAVERAGE5, "R"))


def cifti(root: Path, run: str = FIRST) -> Path:
    return replaced(tree.path(root, run, tree.FSLR))


def fewer_volumes(root: Path) -> None:
    tree.save_gifti(right(root), tree.at_vertices(FIRST, "R", HALF)[:, 1:], "R")


def fewer_vertices(root: Path) -> None:
    tree.save_gifti(left(root), tree.at_vertices(FIRST, "L", HALF)[:2562], "L")


def other_hemisphere(root: Path) -> None:
    tree.save_gifti(left(root), tree.at_vertices(FIRST, "R", HALF), "R")


def cut_off(root: Path) -> None:
    content = tree.path(root, FIRST, tree.FSAVERAGE5).read_bytes()
    left(root).write_bytes(content[: len(content) // 2])


def no_series(root: Path) -> None:
    nib.save(nib.GiftiImage(), left(root))


def flat(root: Path) -> None:
    for run in tree.RUNS:
        for hemisphere in "LR":
            path = replaced(tree.path(root, run, tree.FSAVERAGE5, hemisphere))
            tree.save_gifti(path, np.ones((HALF, tree.VOLUMES)), hemisphere)


def some_nan(root: Path) -> None:
    bold = tree.at_vertices(FIRST, "L", HALF)
    bold[100, 30] = np.nan
    tree.save_gifti(left(root), bold, "L")


def other_table(root: Path) -> None:
    path = bold_tree.confounds_path(root, FIRST)
    text = path.read_text().splitlines()
    replaced(path).write_text("\n".join(text[:-1]) + "\n")


GIFTI = {
    "volumes": (fewer_volumes, "hemi-R", ("59 volumes", "has 60", "fetch both again")),
    "vertices": (fewer_vertices, "hemi-L", ("2,562 vertices", "10,242", "layout.space")),
    "swapped": (other_hemisphere, "hemi-L", ("CortexRight", "mixed up")),
    "truncated": (cut_off, "hemi-L", ("truncated or damaged", "fetch it again")),
    "empty": (no_series, "hemi-L", ("no series of volumes",)),
    "constant": (flat, "hemi-L", ("no grayordinate", "varies")),
    "nan": (some_nan, "hemi-L", ("1 of 9 grayordinates", "NaN")),
    "confounds": (other_table, "confounds", ("59 rows", "60 volumes")),
    "missing": (right, "hemi-R", ("fetch again",)),
}


@pytest.mark.parametrize("fault", GIFTI)
def test_bad_gifti(whole, tmp_path, fault):
    damage, named, words = GIFTI[fault]
    message = refused(whole, tmp_path, tree.FSAVERAGE5, damage)
    assert named in message
    assert all(word in message for word in words), message


def other_tr(root: Path) -> None:
    tree.save_cifti(cifti(root), FIRST, tr=2.0)


def left_alone(root: Path) -> None:
    tree.save_cifti(cifti(root), FIRST, structures="L")


def other_places(root: Path) -> None:
    path = tree.path(root, SECOND, tree.FSLR)
    image = nib.load(path)
    time, models = (image.header.get_axis(n) for n in (0, 1))
    bold = image.get_fdata()[:, 1:]
    nib.save(nib.Cifti2Image(bold, (time, models[1:])), cifti(root, SECOND))


def one_map(root: Path) -> None:
    image = nib.load(tree.path(root, FIRST, tree.FSLR))
    axes = (nib.cifti2.ScalarAxis(["one"]), image.header.get_axis(1))
    nib.save(nib.Cifti2Image(image.get_fdata()[:1], axes), cifti(root))


def a_volume(root: Path) -> None:
    nib.save(nib.Nifti1Image(np.ones((3, 3, 3, 5), np.float32), np.eye(4)), cifti(root))


def cut_short(root: Path) -> None:
    content = tree.path(root, FIRST, tree.FSLR).read_bytes()
    cifti(root).write_bytes(content[:-600])


CIFTI = {
    "tr": (other_tr, ("TR is not the same", "header 2 s", "sidecar 1.5 s")),
    "hemisphere": (left_alone, ("CORTEX_RIGHT has 0 vertices", "32,492")),
    "places": (other_places, ("grayordinates differ", "run-01")),
    "dscalar": (one_map, ("not a dense series",)),
    "volume": (a_volume, ("Nifti1Image, not CIFTI",)),
    "truncated": (cut_short, ("truncated or damaged",)),
}


@pytest.mark.parametrize("fault", CIFTI)
def test_bad_cifti(whole, tmp_path, fault):
    damage, words = CIFTI[fault]
    message = refused(whole, tmp_path, tree.FSLR, damage)
    assert "dtseries.nii: " in message
    assert all(word in message for word in words), message


def test_fetch_names_the_hemisphere_that_is_not_there():
    dataset = tree.dataset(tree.FSAVERAGE5)
    listed = set()
    for run in tree.RUNS:
        files = run_files(dataset.layout, "01", run)
        listed |= {files.bold, files.right, files.confounds, files.events}
    lost = run_files(dataset.layout, "01", SECOND).right
    with pytest.raises(UserError, match=r"hemi-R_space-fsaverage5_bold\.func\.gii"):
        files_of(dataset, "01", listed - {lost})


@pytest.mark.parametrize("space", ["fsaverage6", "fsnative", "fsLR", "fsLR_den-170k"])
def test_surfaces_that_are_not_read_are_refused_in_the_descriptor(space):
    with pytest.raises(ValidationError, match="fsaverage5 and fsLR_den-91k can be read"):
        tree.dataset(space)


@pytest.mark.parametrize("space", [tree.FSAVERAGE5, tree.FSLR])
def test_a_mesh_is_not_scaled(space):
    with pytest.raises(UserError, match=f"--scale 2: the mesh {space} has one size"):
        chosen(tree.dataset(space), Wish(scale=2))
