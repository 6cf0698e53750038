"""Tables of one subject and model, with coordinates: by region, and by cluster."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
from nibabel.affines import apply_affine
from nilearn.reporting import get_clusters_table

from tristream.encode.encoding_file import LeftOut, ScoredVoxels, read_left_out, read_scores
from tristream.encode.jackknife import Interval
from tristream.encode.over_ceiling import Regional, over_regions
from tristream.errors import UserError
from tristream.inference.inference_file import read_inference
from tristream.inference.table_files import (
    BY_CLUSTER,
    BY_REGION,
    CLUSTER_COLUMNS,
    WHOLE,
    write_by_cluster,
    write_by_region,
)
from tristream.space.atlas import NOWHERE, Regions
from tristream.store import Omission, Provenance

Floats = npt.NDArray[np.floating]
FEWEST_VOXELS = 5
PEAKS_APART = 8.0  # mm


@dataclass(frozen=True)
class Outcome:
    """An encoding's scores and their significance; `why` there are no p values, if so.

    Without `left_out` there are no intervals.
    """

    encoding: ScoredVoxels
    significant: npt.NDArray[np.bool_] | None
    why: str
    simulated: bool
    left_out: LeftOut | None = None

    @property
    def xyz(self) -> Floats:
        """Places of the voxels in mm, (voxels, 3); NaN for vertices."""
        places = np.asarray(apply_affine(self.encoding.affine, self.encoding.ijk), np.float64)
        if self.encoding.grayordinates is not None:
            places[self.encoding.grayordinates.on_mesh] = np.nan
        return places


def read_tested(encoding: Path, inference: Path) -> Outcome:
    """Read an encoding and its inference.

    Raises
    ------
    UserError
        If they are not of the same voxels.
    """
    scored, fit = read_scores(encoding)
    tested, provenance = read_inference(inference)
    significant = tested.found.significant if tested.found else None
    if significant is not None and len(significant) != len(scored.ijk):
        raise UserError(
            f"{inference}: has {len(significant)} voxels, {encoding} has {len(scored.ijk)}; "
            "delete the first and run again"
        )
    why = next((o.why for o in provenance.omitted if o.what == "significant"), "")
    simulated = fit.simulated or provenance.simulated
    return Outcome(scored, significant, why, simulated, read_left_out(encoding))


def write_tables(
    encoding: Path,
    inference: Path,
    regions: Path | None,
    region_table: Path,
    cluster_table: Path,
    code: str = "",
) -> None:
    """Write the tables of one subject and model.

    Parameters
    ----------
    encoding, inference : Path
        Files of the subject and model.
    regions : Path or None
        Labels of the atlas; None where voxels are not in MNI space, or no regions are wanted. BOLD
        on surfaces has a row a structure instead, and no clusters.
    region_table, cluster_table : Path
        The TSVs to write; what is not there is named in the sidecars.
    code : str
        Fingerprint for the provenance.
    """
    tested = read_tested(encoding, inference)
    atlas = Regions.read(regions) if regions else None
    rows = by_region(tested, atlas)
    provenance = Provenance(
        BY_REGION,
        tested.simulated,
        code=code,
        omitted=() if atlas else (Omission("values by region", _why_no_region(tested)),),
        methods=REGIONS if atlas else (),
    )
    write_by_region(region_table, rows, tested.encoding.bands, provenance)
    clusters, why = by_cluster(tested, atlas), _why_no_cluster(tested)
    provenance = Provenance(
        BY_CLUSTER,
        tested.simulated,
        code=code,
        omitted=(Omission("clusters", why),) if why else (),
        methods=() if clusters.empty else CLUSTERS,
    )
    write_by_cluster(cluster_table, clusters, provenance)


REGIONS = (
    "Each voxel was assigned to the region of the Harvard-Oxford atlas that is likeliest at its "
    "centre, where the probability reaches 25 % [@desikan2006].",
)
CLUSTERS = (
    f"Significant voxels that touch by their faces were gathered into clusters of at least "
    f"{FEWEST_VOXELS} voxels, with peaks at least {PEAKS_APART:g} mm apart, by nilearn "
    "[@nilearn]; the extent of clusters was not tested.",
)


def _why_no_region(tested: Outcome) -> str:
    if tested.encoding.grayordinates is not None:
        return (
            "the atlas is a volume in MNI space and this BOLD lies on surfaces; the rows are "
            "whole structures"
        )
    return "no atlas fits these voxels (they are not in MNI space), or regions: false"


def _why_no_cluster(tested: Outcome) -> str:
    if tested.encoding.grayordinates is not None:
        return "they are of voxels that touch by their faces, and this BOLD lies on vertices"
    return tested.why if tested.significant is None else ""


def by_region(tested: Outcome, atlas: Regions | None) -> pd.DataFrame:
    """One row a region that has voxels, the whole mask first; on surfaces one row a structure."""
    scores, xyz = tested.encoding.scores, tested.xyz
    parts = {WHOLE: np.ones(len(xyz), bool)}
    if atlas:
        parts |= atlas.members(xyz, outside=True)
    if (where := tested.encoding.grayordinates) is not None:
        parts |= {name: inside for name in where.names if (inside := where.of(name)).any()}
    found = _regional(tested, list(parts.values()))
    rows = []
    for place, (name, inside) in enumerate(parts.items()):
        voxels = np.flatnonzero(inside)
        peak = voxels[np.argmax(scores.r[voxels])]
        passed = tested.significant
        row = {
            "region": name,
            "voxels": len(voxels),
            "mean_r": scores.r[voxels].mean().round(4),
            **_bounds(found, place),
            "mean_r2": scores.r2[voxels].mean().round(4),
            "significant": None if passed is None else int(passed[voxels].sum()),
            "peak_r": scores.r[peak].round(4),
            **dict(zip("xyz", xyz[peak].round(1), strict=True)),
        }
        shares = scores.band_r2[:, voxels].mean(1).round(5)
        bands = [f"split_r2_{band}" for band in tested.encoding.bands]
        rows.append(row | dict(zip(bands, shares, strict=True)))
    return pd.DataFrame(rows)


def _regional(tested: Outcome, parts: list[npt.NDArray[np.bool_]]) -> Regional | None:
    """Intervals of means over regions; None with too few exchange units."""
    if tested.left_out is None:
        return None
    return over_regions(tested.encoding.scores.r, tested.left_out, parts)


def _bounds(found: Regional | None, place: int) -> dict[str, float | None]:
    """The columns of one region's intervals."""
    over = found.over_ceiling if found else None

    def cell(interval: Interval | None, key: str) -> float | None:
        return None if interval is None else round(float(getattr(interval, key)[place]), 4)

    return {
        **{f"r_{key}": cell(found.r if found else None, key) for key in ("low", "high")},
        "over_ceiling": cell(over, "value"),
        **{f"over_ceiling_{key}": cell(over, key) for key in ("low", "high")},
    }


def by_cluster(tested: Outcome, atlas: Regions | None) -> pd.DataFrame:
    """Clusters of significant voxels that touch by their faces, and their peaks 8 mm apart."""
    empty = pd.DataFrame(columns=list(CLUSTER_COLUMNS))
    encoding, found = tested.encoding, tested.significant
    if found is None or not found.any() or encoding.grayordinates is not None:
        return empty
    image = np.zeros(tuple(int(n) for n in encoding.shape), np.float32)
    image[tuple(encoding.ijk[found].T)] = encoding.scores.r[found]
    least = float(encoding.scores.r[found].min())
    volume = nib.Nifti1Image(image, encoding.affine)
    # nilearn takes what is above the threshold, and the least significant voxel is.
    below = float(np.nextafter(np.float32(least), np.float32(-1)))
    table = get_clusters_table(volume, below, FEWEST_VOXELS, min_distance=PEAKS_APART)
    if table.empty:
        return empty
    size = abs(np.linalg.det(encoding.affine[:3, :3]))
    mm3 = pd.to_numeric(table["Cluster Size (mm3)"], errors="coerce")
    out = pd.DataFrame(
        {
            "cluster": table["Cluster ID"].astype(str),
            **{axis: table[axis.upper()].astype(float).round(1) for axis in "xyz"},
            "peak_r": table["Peak Stat"].astype(float).round(4),
            "mm3": mm3,
            "voxels": (mm3 / size).round(),
        }
    )
    places = out[list("xyz")].to_numpy()
    labels = atlas.at(places) if atlas else np.full(len(out), NOWHERE)
    out["region"] = [atlas.name(int(one)) if atlas else None for one in labels]
    return out
