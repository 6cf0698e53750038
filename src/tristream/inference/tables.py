"""Tables of one subject and model, with coordinates: by region, and by cluster."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
from nibabel.affines import apply_affine
from nilearn.reporting import get_clusters_table

from tristream.encode.encoding_file import Encoding, read_encoding
from tristream.errors import UserError
from tristream.space.atlas import NOWHERE, Regions
from tristream.store import Omission, Provenance, open_h5, write_table

Floats = npt.NDArray[np.floating]
FEWEST_VOXELS = 5
WHOLE = "all voxels"
REGION_COLUMNS = {
    "region": "Region of the Harvard-Oxford atlas (probability at least 25 %)",
    "voxels": "Voxels of the mask in it",
    "mean_r": "Mean test correlation",
    "mean_r2": "Mean test R2",
    "significant": "Voxels below the configured false discovery rate; n/a without p values",
    "peak_r": "Largest test correlation",
    "x": "Place of the largest correlation, mm, MNI",
    "y": "mm, MNI",
    "z": "mm, MNI",
}
CLUSTER_COLUMNS = {
    "cluster": "Number of the cluster; with a letter, a further peak of it",
    "x": "Place of the peak, mm",
    "y": "mm",
    "z": "mm",
    "peak_r": "Test correlation at the peak",
    "mm3": "Size of the cluster; n/a for further peaks",
    "voxels": "Voxels of the cluster; n/a for further peaks",
    "region": "Region of the Harvard-Oxford atlas at the peak",
}


@dataclass(frozen=True)
class Outcome:
    """An encoding and what inference says of it; `why` there are no p values, if so."""

    encoding: Encoding
    significant: npt.NDArray[np.bool_] | None
    why: str
    simulated: bool

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
    fitted, said = read_encoding(encoding)
    with open_h5(inference, "inference") as (file, tested):
        significant = file["significant"][()].astype(bool) if "significant" in file else None
    if significant is not None and len(significant) != len(fitted.ijk):
        raise UserError(
            f"{inference}: has {len(significant)} voxels, {encoding} has {len(fitted.ijk)}; "
            "delete the first and run again"
        )
    why = next((o.why for o in tested.omitted if o.what == "significant"), "")
    return Outcome(fitted, significant, why, said.simulated or tested.simulated)


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
    without = "no atlas fits these voxels (they are not in MNI space), or regions: false"
    if tested.encoding.grayordinates is not None:
        without = (
            "the atlas is a volume in MNI space and this BOLD lies on "
            "surfaces; the rows are whole structures"
        )
    missing = () if atlas else (Omission("values by region", without),)
    config = {"bands": tested.encoding.bands}
    said = Provenance("regions-table", tested.simulated, config, code, missing)
    columns = REGION_COLUMNS | {
        f"split_r2_{band}": f"Mean share of test R2 of the band {band} (product measure)"
        for band in tested.encoding.bands
    }
    write_table(region_table, by_region(tested, atlas), said, columns)
    missing = (Omission("clusters", tested.why),) if tested.significant is None else ()
    if tested.encoding.grayordinates is not None:
        why = "they are of voxels that touch by their faces, and this BOLD lies on vertices"
        missing = (Omission("clusters", why),)
    said = Provenance("clusters-table", tested.simulated, config, code, missing)
    write_table(cluster_table, by_cluster(tested, atlas), said, CLUSTER_COLUMNS)


def by_region(tested: Outcome, atlas: Regions | None) -> pd.DataFrame:
    """One row a region that has voxels, the whole mask first; on surfaces one row a structure."""
    scores, xyz = tested.encoding.scores, tested.xyz
    label = atlas.at(xyz) if atlas else np.full(len(xyz), NOWHERE)
    parts = {WHOLE: np.arange(len(xyz))}
    if atlas:
        parts |= {atlas.name(int(one)): np.flatnonzero(label == one) for one in np.unique(label)}
    if (where := tested.encoding.grayordinates) is not None:
        named = {name: np.flatnonzero(where.of(name)) for name in where.names}
        parts |= {name: columns for name, columns in named.items() if len(columns)}
    rows = []
    for name, voxels in parts.items():
        peak = voxels[np.argmax(scores.r[voxels])]
        found = tested.significant
        row = {
            "region": name,
            "voxels": len(voxels),
            "mean_r": scores.r[voxels].mean().round(4),
            "mean_r2": scores.r2[voxels].mean().round(4),
            "significant": None if found is None else int(found[voxels].sum()),
            "peak_r": scores.r[peak].round(4),
            **dict(zip("xyz", xyz[peak].round(1), strict=True)),
        }
        shares = scores.band_r2[:, voxels].mean(1).round(5)
        bands = [f"split_r2_{band}" for band in tested.encoding.bands]
        rows.append(row | dict(zip(bands, shares, strict=True)))
    return pd.DataFrame(rows)


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
    table = get_clusters_table(volume, below, FEWEST_VOXELS)
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
