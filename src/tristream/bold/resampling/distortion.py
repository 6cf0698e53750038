"""Susceptibility distortion from a field of B-spline coefficients, as SDCFlows writes it.

The field at a point is the sum over coefficient images of cubic B-splines at their knots, in Hz.
Times the total readout time it is the shift in voxels along the phase-encoding axis.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from scipy import ndimage

from tristream.errors import UserError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Distortion:
    """Shift of the raw image's voxels along one axis.

    Attributes
    ----------
    knots : tuple of (ndarray, ndarray)
        Coefficients in Hz, and the affine from knot to RAS mm of the fieldmap, of each level.
    to_fieldmap : ndarray of shape (4, 4)
        From RAS mm of the BOLD reference to RAS mm of the fieldmap: the inverse of what the file
        ``from-boldref_to-auto…`` holds.
    axis : int
        Phase-encoding axis of the raw array.
    readout : float
        Voxels per Hz: the total readout time in seconds, negative where the phase encoding runs
        against the array's axis (``j-``).
    """

    knots: tuple[tuple[Array, Array], ...]
    to_fieldmap: Array
    axis: int
    readout: float

    def hertz(self, points: Array) -> Array:
        """The field at points of shape (n, 3), RAS mm of the BOLD reference."""
        there = apply_affine(self.to_fieldmap, points)
        field = np.zeros(len(points))
        for coefficients, affine in self.knots:
            index = apply_affine(np.linalg.inv(affine), there).T
            # Cubic interpolation without its prefilter is the sum of B-splines itself.
            field += ndimage.map_coordinates(
                coefficients, index, order=3, prefilter=False, mode="grid-constant"
            )
        return field

    def shift(self, points: Array) -> Array:
        """Shift of the raw voxel index along `axis` at points of the BOLD reference."""
        return self.readout * self.hertz(points)


def readout(path: Path, sidecar: Mapping[str, Any], shape: tuple[int, ...]) -> tuple[int, float]:
    """Phase-encoding axis, and total readout time with its sign.

    BIDS gives the polarity relative to the array's own axis, so the sign does not depend on how
    the array lies in space.

    Parameters
    ----------
    path : Path
        The raw image, for messages.
    sidecar : dict
        What its sidecars say.
    shape : tuple of int
        Its shape.

    Returns
    -------
    axis : int
    seconds : float
        ``TotalReadoutTime``, or ``EffectiveEchoSpacing`` × (voxels along the axis − 1).

    Raises
    ------
    UserError
        If the sidecars don't say enough.
    """
    direction = str(sidecar.get("PhaseEncodingDirection", ""))
    if direction.rstrip("-") not in ("i", "j", "k"):
        raise UserError(
            f"{path}: no usable PhaseEncodingDirection in its sidecars ({direction!r}), so the "
            "distortion field can't be applied; fix them, or set layout.distortion: false"
        )
    axis = "ijk".index(direction[0])
    try:
        seconds = float(
            sidecar["TotalReadoutTime"]
            if "TotalReadoutTime" in sidecar
            else sidecar["EffectiveEchoSpacing"] * (shape[axis] - 1)
        )
    except (KeyError, TypeError, ValueError):
        raise UserError(
            f"{path}: its sidecars hold neither TotalReadoutTime nor EffectiveEchoSpacing as "
            "numbers, so the distortion field can't be applied; fix them, or set "
            "layout.distortion: false"
        ) from None
    return axis, -seconds if direction.endswith("-") else seconds
