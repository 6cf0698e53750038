"""Which voxels a contrast finds, and in which regions they lie."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from nibabel.affines import apply_affine
from scipy import stats

from tristream.contrast.contrast_file import REGIONS, ContrastMap
from tristream.space.atlas import Regions

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Found:
    """Voxels on either side of a contrast.

    Attributes
    ----------
    above, below : ndarray of bool, shape (voxels,)
    threshold : float
        |t| that they pass; infinite where none does.
    rule : str
        How it was chosen, in words.
    methods : tuple of str
        The same for a methods section.
    q : ndarray of shape (voxels,) or None
        Two-sided, where a false discovery rate decided.
    """

    above: Bools
    below: Bools
    threshold: float
    rule: str
    methods: tuple[str, ...] = ()
    q: npt.NDArray[np.floating] | None = None


def found(result: ContrastMap, threshold: float | None, rate: float | None) -> Found:
    """Voxels whose |t| passes a threshold, or whose two-sided q is below a rate.

    Parameters
    ----------
    result : ContrastMap
    threshold : float, optional
        Of t. Without it the false discovery rate decides (Benjamini-Hochberg over all voxels, p
        values of nilearn's model).
    rate : float, optional
        The false discovery rate; needed without a threshold.
    """
    q = None
    if threshold is not None:
        passed, rule = np.abs(result.t) > threshold, f"|t| > {threshold:g}"
        methods = f"Voxels of the contrast count where {rule}, a threshold set beforehand."
    else:
        q = stats.false_discovery_control(2 * stats.norm.sf(np.abs(result.z.astype(float))))
        passed, rule = q < rate, f"two-sided q < {rate:g} (Benjamini-Hochberg)"
        methods = (
            "Voxels of the contrast count at a two-sided false discovery rate of "
            f"{rate:g} over all voxels [@benjamini1995]."
        )
        threshold = float(np.abs(result.t[passed]).min()) if passed.any() else np.inf
    above, below = passed & (result.t > 0), passed & (result.t < 0)
    return Found(above, below, threshold, rule, (methods,), q)


def region_table(result: ContrastMap, chosen: Found, atlas: Path | None = None) -> pd.DataFrame:
    """Counts by region, a row a region that has voxels; all voxels first.

    Columns are `contrast_file.REGIONS`.

    Parameters
    ----------
    result : ContrastMap
    chosen : Found
    atlas : Path, optional
        Regions of MNI space.
    """
    members: dict[str, Bools] = {"all": np.ones(len(result.t), bool)}
    for name, places in result.regions.items():
        members[name] = np.zeros(len(result.t), bool)
        members[name][places] = True
    if (where := result.grayordinates) is not None:
        members |= {name: where.of(name) for name in where.names}
    if atlas is not None:
        members |= Regions.read(atlas).members(apply_affine(result.affine, result.ijk))
    if len(members) > 1:
        others = ~np.logical_or.reduce(
            [inside for name, inside in members.items() if name != "all"]
        )
        members["none of these"] = others
    rows = [
        {
            "region": name,
            "voxels": int(inside.sum()),
            "above": int((chosen.above & inside).sum()),
            "below": int((chosen.below & inside).sum()),
            "highest_t": round(float(result.t[inside].max()), 3),
            "lowest_t": round(float(result.t[inside].min()), 3),
        }
        for name, inside in members.items()
        if inside.any()
    ]
    return pd.DataFrame(rows, columns=list(REGIONS))
