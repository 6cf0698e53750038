"""Arrays of numbers in the formats in which responses to trials are kept, read a part at a time.

Nothing that could run code when it is read is read: no pickles, no MATLAB objects.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.io

from tristream.bold.image_checks import check_whole
from tristream.bold.nifti import DAMAGED, damaged, open_image
from tristream.errors import UserError
from tristream.fetch.absent_content import absent_content

Slices = tuple[slice, ...]
# What arrays of responses are called if nobody says it; the first two by GLMsingle.
USUAL = ("betasmd", "modelmd", "betas")
ENDINGS = (".nii", ".nii.gz", ".tsv", ".csv", ".h5", ".hdf5", ".mat", ".npy")
SAVE_AS_HDF5 = (
    "in Python: r = numpy.load(FILE, allow_pickle=True).item(); "
    "h5py.File('betas.h5', 'w')['betasmd'] = r['betasmd']"
)


@dataclass(frozen=True)
class StoredArray:
    """An array in a file.

    Attributes
    ----------
    path : Path
    name : str
        Of the array in the file; empty in formats of one array.
    shape : tuple of int
    read : callable
        A part of it, by one slice an axis.
    image : Nifti1Image, optional
        Where the file is one.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    read: Callable[[Slices], npt.NDArray[Any]]
    image: nib.Nifti1Image | None = None


@contextmanager
def open_array(path: Path, variable: str | None = None) -> Iterator[StoredArray]:
    """Open an array, as long as the context lasts.

    Parameters
    ----------
    path : Path
        NIfTI, TSV, CSV, HDF5, ``.mat`` (version 5 or 7.3) or ``.npy``, as its ending says.
    variable : str, optional
        Which array of HDF5 or ``.mat``; by default one of `USUAL`, or the only one of numbers.

    Raises
    ------
    UserError
        A file that is absent, damaged, of another kind or pickled; an array that can't be chosen.
    """
    if why := absent_content(path):
        raise UserError(f"{path}: its content is not present: {why}")
    name = path.name.lower()
    try:
        if name.endswith((".nii", ".nii.gz")):
            yield _nifti(path)
        elif name.endswith((".tsv", ".csv")):
            yield _text(path)
        elif name.endswith(".npy"):
            yield _numpy(path)
        elif name.endswith((".h5", ".hdf5", ".mat")) and h5py.is_hdf5(path):
            with h5py.File(path, "r", locking=False) as file:
                yield _hdf5(path, file, variable, name.endswith(".mat"))
        elif name.endswith(".mat"):
            yield _matlab(path, variable)
        else:
            raise UserError(f"{path}: is not of {', '.join(ENDINGS)}")
    except DAMAGED as error:
        raise damaged(path, error) from None


def _nifti(path: Path) -> StoredArray:
    image = open_image(path, 4)
    check_whole(path, image)
    return StoredArray(path, "", image.shape, lambda part: image.dataobj[part], image)


def _text(path: Path) -> StoredArray:
    """A table of numbers, with or without a header."""
    separator = "," if path.name.lower().endswith(".csv") else "\t"
    first = path.read_text(encoding="utf-8-sig").split("\n", 1)[0].split(separator)
    header = None if all(map(_is_number, first)) else 0
    table = pd.read_csv(path, sep=separator, header=header, encoding="utf-8-sig")
    words = [str(name) for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    if words:
        raise UserError(
            f"{path}: column {words[0]!r} is not numbers; responses and what is known of the "
            "trials stand in two tables"
        )
    values = table.to_numpy(np.float64)
    return StoredArray(path, "", values.shape, lambda part: values[part])


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip("\"' \r") or "nan")
    except ValueError:
        return False
    return True


def _numpy(path: Path) -> StoredArray:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        if "object" not in str(error).lower() and "pickle" not in str(error).lower():
            raise
        raise UserError(
            f"{path}: is a Python pickle (as GLMsingle writes .npy), which is not read, as it "
            f"could run code; save the array alone, {SAVE_AS_HDF5}"
        ) from None
    if not isinstance(values, np.ndarray):
        raise UserError(f"{path}: is an archive of arrays (.npz); save the array alone as .npy")
    _check_numbers(path, values)
    return StoredArray(path, "", values.shape, lambda part: np.asarray(values[part]))


def _check_numbers(path: Path, values: npt.NDArray[Any]) -> None:
    if values.dtype.kind not in "iuf":
        raise UserError(
            f"{path}: holds {values.dtype}, where a response is one real number; give magnitudes, "
            "or save the array as float32"
        )


def _hdf5(path: Path, file: h5py.File, variable: str | None, matlab: bool) -> StoredArray:
    found: dict[str, h5py.Dataset] = {}

    def collect(name: str, one: object) -> None:
        numbers = isinstance(one, h5py.Dataset) and one.dtype.kind in "fiu" and one.ndim > 1
        if numbers and not name.startswith("#"):
            found[name] = one

    file.visititems(collect)
    name = _chosen(path, {key: one.shape for key, one in found.items()}, variable)
    data = found[name]
    if not matlab:
        return StoredArray(path, name, data.shape, lambda part: data[part])
    # MATLAB writes the last axis first.
    return StoredArray(path, name, data.shape[::-1], lambda part: data[part[::-1]].T)


def _matlab(path: Path, variable: str | None) -> StoredArray:
    listed = scipy.io.whosmat(path)
    numbers = ("double", "single", "int8", "int16", "int32", "uint8", "uint16", "uint32")
    shapes = {name: shape for name, shape, kind in listed if kind in numbers}
    name = _chosen(path, shapes, variable)
    values = scipy.io.loadmat(path, variable_names=[name])[name]
    _check_numbers(path, values)
    return StoredArray(path, name, values.shape, lambda part: values[part])


def _chosen(path: Path, shapes: Mapping[str, tuple[int, ...]], variable: str | None) -> str:
    there = ", ".join(f"{name} {'×'.join(map(str, s))}" for name, s in list(shapes.items())[:8])
    if variable is not None:
        if variable.strip("/") not in shapes:
            raise UserError(
                f"{path}: has no array of numbers {variable!r} (it has {there or 'none'}); fix "
                "layout.variable"
            )
        return variable.strip("/")
    usual = [name for name in USUAL if name in shapes]
    if usual or len(shapes) == 1:
        return next(iter([*usual, *shapes]))
    raise UserError(
        f"{path}: which array holds the responses? It has {there or 'none of numbers'}; name it by "
        "layout.variable"
    )
