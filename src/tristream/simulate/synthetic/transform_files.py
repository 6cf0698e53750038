"""Transforms and distortion fields as fMRIPrep writes them: ITK's files, B-spline coefficients.

Nothing here reads such a file: what is written is known from formulas, so that a reader can be
checked against it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from scipy.spatial.transform import Rotation

Array = npt.NDArray[np.float64]

# ITK's coordinates run to the left and the back, NIfTI's to the right and the front.
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# A centre of rotation that is not the origin, as registrations leave it (LPS mm).
CENTRE = np.array([3.0, -5.0, 2.0])
# Points of a field that are evaluated at once.
BLOCK = 20_000


@dataclass(frozen=True)
class CoefficientField:
    """A field that is a sum of cubic B-splines, in Hz.

    Attributes
    ----------
    knots : ndarray of shape (i, j, k)
        Coefficients.
    affine : ndarray of shape (4, 4)
        From knot to RAS mm.
    """

    knots: Array
    affine: Array

    def __call__(self, points: Array) -> Array:
        """The field at points of shape (n, 3), B-spline by B-spline."""
        index = apply_affine(np.linalg.inv(self.affine), points)
        out = np.empty(len(index))
        for start in range(0, len(index), BLOCK):
            part = slice(start, start + BLOCK)
            weights = [
                cubic_b_spline(index[part, axis, None] - np.arange(size))
                for axis, size in enumerate(self.knots.shape)
            ]
            last = np.tensordot(weights[2], self.knots, (1, 2))
            order = ["einsum_path", (1, 2), (0, 1)]
            out[part] = np.einsum("ni,nij,nj->n", weights[0], last, weights[1], optimize=order)
        return out

    def write(self, path: Path) -> None:
        """Write the coefficients as SDCFlows does."""
        nib.save(nib.Nifti1Image(self.knots.astype(np.float32), self.affine), path)


def cubic_b_spline(at: Array) -> Array:
    """The cubic B-spline, written out."""
    t = np.abs(at)
    # Products, as numpy's third power takes ten times as long.
    rest = np.clip(2 - t, 0, None)
    return np.where(t < 1, 2 / 3 - t * t * (1 - t / 2), rest * rest * rest / 6)


def rigid(moved: Sequence[float] | Array, degrees: Sequence[float] | Array) -> Array:
    """A rigid transform: rotation, then translation (mm)."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = moved
    return matrix


def write_affines(path: Path, matrices: Sequence[Array] | Array) -> None:
    """Write ITK's text file of affine transforms.

    Parameters
    ----------
    path : Path
        ``*_xfm.txt``.
    matrices : sequence of ndarray, shape (4, 4)
        RAS mm of the target to RAS mm of the source.
    """
    lines = ["#Insight Transform File V1.0"]
    for number, matrix in enumerate(matrices):
        m = LPS @ matrix @ LPS
        moved = m[:3, 3] - CENTRE + m[:3, :3] @ CENTRE
        values = " ".join(f"{v:.12g}" for v in [*m[:3, :3].ravel(), *moved])
        lines += [f"#Transform {number}", "Transform: AffineTransform_double_3_3"]
        lines += [f"Parameters: {values}", "FixedParameters: " + " ".join(map(str, CENTRE))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_composite(
    path: Path,
    linear: Array,
    displacement: Callable[[Array], Array],
    edge: float,
    shape: Sequence[int],
    start: Array,
) -> None:
    """Write ITK's composite of a displacement field and an affine that applies after it.

    The affine stands first in the file: ITK applies the last one first.

    Parameters
    ----------
    path : Path
        ``*_xfm.h5``.
    linear : ndarray of shape (4, 4)
        From displaced target to source, RAS mm.
    displacement : callable
        Points of shape (n, 3), RAS mm, to their displacement in RAS mm.
    edge, shape, start
        Spacing (mm) of the field's nodes, their number, and the first of them (RAS mm).
    """
    nodes = start + edge * np.indices(shape).reshape(3, -1).T
    lps = (displacement(nodes) * [-1, -1, 1]).reshape(*shape, 3)
    m = LPS @ linear @ LPS
    # The first two axes of the grid run backwards in LPS.
    fixed = [*shape, *(start * [-1, -1, 1]), edge, edge, edge, *np.diag([-1, -1, 1]).ravel()]
    parts = [
        ("CompositeTransform", None, None),
        ("AffineTransform", [*m[:3, :3].ravel(), *m[:3, 3]], np.zeros(3)),
        ("DisplacementFieldTransform", np.moveaxis(lps, -1, 0).reshape(-1, order="F"), fixed),
    ]
    with h5py.File(path, "w", track_order=False) as file:
        group = file.create_group("TransformGroup")
        for number, (kind, parameters, rest) in enumerate(parts):
            one = group.create_group(str(number))
            one["TransformType"] = [f"{kind}_double_3_3".encode()]
            if parameters is not None:
                one["TransformParameters"] = np.asarray(parameters, "f8")
                one["TransformFixedParameters"] = np.asarray(rest, "f8")
