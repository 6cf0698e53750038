"""The standard meshes of surfaces: how many vertices they have, and which of them are cortex."""

from functools import cache

import numpy as np
import numpy.typing as npt

# Vertices of a hemisphere.
FSAVERAGE5_VERTICES, FSLR_VERTICES = 10_242, 32_492
# No cortex is thinner (mm).
THINNEST = 1.0


@cache
def fsaverage5_cortex(hemisphere: str) -> npt.NDArray[np.bool_]:
    """Vertices of a hemisphere off the medial wall, (10242,): where there is a cortex to measure.

    Its thickness, averaged over people, falls from 1.5 mm to nothing within the rim of the wall.
    nilearn's flat map does not serve: it also lacks the cuts that flattening took, one of which
    runs along the calcarine sulcus.
    """
    from nilearn.datasets import fetch_surf_fsaverage
    from nilearn.surface import load_surf_data

    path = fetch_surf_fsaverage("fsaverage5")[f"thick_{hemisphere}"]
    return np.asarray(load_surf_data(path) >= THINNEST)


@cache
def fsaverage5_middle(hemisphere: str) -> npt.NDArray[np.floating]:
    """Half-way between white and pial surface of a hemisphere, (10242, 3) in mm."""
    from nilearn.datasets import fetch_surf_fsaverage
    from nilearn.surface import load_surf_mesh

    paths = fetch_surf_fsaverage("fsaverage5")
    files = [paths[f"{kind}_{hemisphere}"] for kind in ("white", "pial")]
    return np.asarray(np.mean([load_surf_mesh(file).coordinates for file in files], axis=0))
