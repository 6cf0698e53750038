"""Regions of a probabilistic atlas, and which of them a voxel lies in.

A voxel belongs to the region that is likeliest at its centre, if that reaches 25 %.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine

from tristream.store import Provenance, create_h5, open_h5, read_strings, write_strings

KIND = "regions"
PROBABILITY = 25
NOWHERE = -1


@dataclass(frozen=True)
class Regions:
    """A volume of labels.

    Attributes
    ----------
    labels : ndarray of int of shape (x, y, z)
        Place of each voxel's region among `names`, -1 where there is none.
    affine : ndarray of shape (4, 4)
        Voxel to mm.
    names : list of str
    """

    labels: npt.NDArray[np.int16]
    affine: npt.NDArray[np.float64]
    names: list[str]

    def write(self, path: Path, code: str = "") -> None:
        """Write the file; `code` is the fingerprint for its provenance."""
        with create_h5(path, Provenance(KIND, simulated=False, code=code)) as file:
            file.create_dataset("labels", data=self.labels, compression="gzip")
            file["affine"] = self.affine
            write_strings(file, "names", self.names)

    @classmethod
    def read(cls, path: Path) -> "Regions":
        """Read what :meth:`write` wrote."""
        with open_h5(path, KIND) as (file, _):
            return cls(file["labels"][()], file["affine"][()], read_strings(file, "names"))

    def at(self, xyz: npt.NDArray[np.floating]) -> npt.NDArray[np.int16]:
        """Label of places in mm, (n, 3) to (n,)."""
        places = np.rint(apply_affine(np.linalg.inv(self.affine), xyz)).astype(int)
        inside = np.all((places >= 0) & (places < self.labels.shape), axis=1)
        found = np.full(len(xyz), NOWHERE, np.int16)
        found[inside] = self.labels[tuple(places[inside].T)]
        return found

    def members(
        self, xyz: npt.NDArray[np.floating], outside: bool = False
    ) -> dict[str, npt.NDArray[np.bool_]]:
        """Which of some places, in mm (n, 3), each region holds; regions without any are left out.

        With `outside`, ``none`` holds those that lie in no region.
        """
        label = self.at(xyz)
        known = np.unique(label if outside else label[label != NOWHERE])
        return {self.name(int(one)): label == one for one in known}

    def name(self, label: int) -> str:
        """Name of a label, ``none`` outside of all regions."""
        return self.names[label] if label >= 0 else "none"


def likeliest(probabilities: npt.NDArray, least: float = PROBABILITY) -> npt.NDArray[np.int16]:
    """The likeliest region of each voxel, -1 where none reaches `least`.

    Parameters
    ----------
    probabilities : ndarray of shape (x, y, z, regions)
    least : float
        In the unit of the probabilities; an atlas's are per cent.
    """
    labels = np.full(probabilities.shape[:3], NOWHERE, np.int16)
    best = np.zeros(probabilities.shape[:3], probabilities.dtype)
    # Region by region: the whole is half a gigabyte, and a maximum over its last axis is slow.
    for label in range(probabilities.shape[3]):
        probability = probabilities[..., label]
        better = probability > best
        labels[better], best[better] = label, probability[better]
    labels[best < least] = NOWHERE
    return labels
