"""ITK's transform files as functions of points in RAS millimetres.

An ITK transform maps points of the target to points of the source, in LPS coordinates. Conjugation
with diag(−1, −1, 1) makes it a map in RAS, the coordinates of NIfTI.

nitransforms reads the same files, but would be one more dependency; tests hold what is read here
against fMRIPrep, which uses it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from scipy import ndimage

from tristream.errors import UserError
from tristream.store.strange_files import refuse_strange

Array = npt.NDArray[np.float64]

FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
LINEAR = ("AffineTransform", "MatrixOffsetTransformBase")


@dataclass(frozen=True)
class Affine:
    """``matrix`` of shape (4, 4) maps RAS points (mm)."""

    matrix: Array

    def __call__(self, points: Array) -> Array:
        """Map points of shape (n, 3)."""
        return apply_affine(self.matrix, points)


@dataclass(frozen=True)
class Displacement:
    """A displacement field.

    Attributes
    ----------
    field : ndarray of float32, shape (3, x, y, z)
        RAS displacement in mm at each node.
    to_node : ndarray of shape (4, 4)
        From RAS mm to indices of nodes.
    """

    field: npt.NDArray[np.float32]
    to_node: Array

    def __call__(self, points: Array) -> Array:
        """Move points of shape (n, 3); the field is linear between nodes, and zero outside."""
        index = apply_affine(self.to_node, points).T
        moved = [
            ndimage.map_coordinates(part, index, order=1, mode="constant") for part in self.field
        ]
        return points + np.stack(moved, axis=1)


# What h5py and numpy raise on files that are not what they should be.
DAMAGED = (OSError, KeyError, ValueError, TypeError, AttributeError, OverflowError, RuntimeError)
Transform = Affine | Displacement


def read_affines(path: Path) -> Array:
    """Affine transforms of an ITK text file.

    Parameters
    ----------
    path : Path
        ``*_xfm.txt``: one transform (coregistration), or one a volume (head motion).

    Returns
    -------
    ndarray of shape (transforms, 4, 4)
        RAS mm of the target to RAS mm of the source.

    Raises
    ------
    UserError
        If the file is not such a text, or holds a transform that is not linear.
    """
    matrices, parameters = [], np.empty(0)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        for name, _, value in (line.partition(":") for line in lines):
            if name == "Transform" and not value.strip().startswith(LINEAR):
                raise ValueError(f"{value.strip()} is not an affine transform")
            if name == "Parameters":
                parameters = np.array(value.split(), float)
            if name == "FixedParameters":
                matrices.append(affine_of(parameters, np.array(value.split(), float)))
    except (ValueError, OSError) as error:
        raise _unreadable(path, error) from None
    if not matrices:
        raise _unreadable(path, ValueError("it holds no transform"))
    return np.stack(matrices)


def read_composite(path: Path) -> tuple[Transform, ...]:
    """Transforms of an ITK composite (``.h5``), in the order in which they apply to points.

    ITK writes them in the opposite order: the last in the file comes first.

    Raises
    ------
    UserError
        If the file is damaged or holds a transform of another kind.
    """
    steps: list[Transform] = []
    try:
        with h5py.File(path, "r", locking=False) as file:
            refuse_strange(file, path)
            group = file["TransformGroup"]
            for key in sorted(group, key=int):
                kind = group[key]["TransformType"][0].decode()
                if not kind.startswith("CompositeTransform"):
                    steps.append(_step(kind, group[key]))
    except DAMAGED as error:
        raise _unreadable(path, error) from None
    return tuple(reversed(steps))


def map_points(points: Array, steps: Sequence[Transform]) -> Array:
    """Points of shape (n, 3) after all `steps`, one after another."""
    for step in steps:
        points = step(points)
    return points


def _step(kind: str, group: Any) -> Transform:
    if kind.startswith(LINEAR):
        return Affine(affine_of(_values(group, "Parameters"), _values(group, "FixedParameters")))
    if not kind.startswith("DisplacementFieldTransform"):
        raise ValueError(f"{kind} is neither affine nor a displacement field")
    fixed = _values(group, "FixedParameters")
    # Size, origin, spacing, direction of the grid; the field's components vary fastest.
    shape = tuple(int(n) for n in fixed[:3])
    affine = np.eye(4)
    affine[:3, :3] = fixed[9:18].reshape(3, 3) * fixed[6:9]
    affine[:3, 3] = fixed[3:6]
    values = _values(group, "Parameters", "f4").reshape((3, *shape), order="F")
    field: npt.NDArray[np.float32] = np.ascontiguousarray(values, np.float32)
    field *= np.diag(FLIP)[:3, None, None, None].astype(np.float32)
    return Displacement(field, np.linalg.inv(FLIP @ affine).astype(np.float64))


def _values(group: Any, name: str, dtype: str = "f8") -> npt.NDArray[Any]:
    # Older ITK misspells the name.
    key = f"Transform{name}" if f"Transform{name}" in group else f"Tranform{name}"
    return np.asarray(group[key].astype(dtype)[()])


def affine_of(parameters: Array, fixed: Array) -> Array:
    """Twelve parameters of ITK and its centre as a map of RAS mm, of shape (4, 4)."""
    if parameters.size != 12 or fixed.size != 3 or not np.isfinite(parameters).all():
        raise ValueError("an affine transform has 12 finite parameters and 3 fixed ones")
    matrix = np.eye(4)
    matrix[:3, :3] = parameters[:9].reshape(3, 3)
    matrix[:3, 3] = parameters[9:] + fixed - matrix[:3, :3] @ fixed
    return FLIP @ matrix @ FLIP


def _unreadable(path: Path, error: Exception) -> UserError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return UserError(f"{path}: can't be read as an ITK transform ({reason}); fetch it again")
