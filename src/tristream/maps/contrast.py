"""Maps of one contrast of a subject: NIfTI, slices, and the counts of voxels by region."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.config.load import Resolved
from tristream.glm.contrast import Result, read_contrast
from tristream.inference.contrasts import COLUMNS, Found, found, region_table
from tristream.maps import figures
from tristream.maps.background import grey_levels, to_ras
from tristream.maps.draw import Entry
from tristream.maps.images import write_nifti
from tristream.maps.names import Names, describe_dataset, names
from tristream.maps.style import save, style, titled
from tristream.store import Provenance, write_json, write_table

VOXELS = {"i": "voxel index", "j": "voxel index", "k": "voxel index", "t": "t", "z": "z score"}


def draw_contrast(
    resolved: Resolved,
    dataset: str,
    name: str,
    subject: str,
    contrast: Path,
    index: Path,
    output: Path,
    table: Path,
    regions: Path | None = None,
    code: str = "",
) -> None:
    """Write the maps of a contrast beside `output`, its table, then `output` itself.

    Parameters
    ----------
    resolved : Resolved
        The study.
    dataset, name, subject : str
        What to draw.
    contrast, index : Path
        Files of the kinds ``contrast`` and ``bold-index``.
    output : Path
        ``…/maps.json``.
    table : Path
        Counts by region.
    regions : Path, optional
        The atlas, for MNI volumes.
    code : str
        Fingerprint for the provenance.
    """
    result = read_contrast(contrast)
    descriptor, block = resolved.datasets[dataset], resolved.study.contrasts[name]
    chosen = found(result, block.threshold, resolved.study.inference.fdr)
    config = {"contrast": name, "dataset": dataset, "rule": chosen.rule}
    said = Provenance("maps", result.simulated, config, code, result.omitted)
    describe_dataset(output.parent.parent, descriptor, f"contrast {name}", result.simulated)
    counted = Provenance("contrast-table", result.simulated, config, code)
    by_region = region_table(result, chosen, regions)
    write_table(table, by_region, counted, COLUMNS, threshold=chosen.threshold, rule=chosen.rule)
    place = names(output.parent, descriptor, subject, name)
    entries = [
        *_volumes(place, result, said),
        _slices(place, result, chosen, grey_levels(result, index, place.space), said),
    ]
    content = {"dataset": dataset, "contrast": name, "subject": subject}
    write_json(output, {**content, "maps": [asdict(entry) for entry in entries]}, said)


def _volumes(place: Names, result: Result, said: Provenance) -> list[Entry]:
    entries = []
    for key, values in (("t", result.t), ("z", result.z)):
        image = np.full(result.shape, np.nan, np.float32)
        image[tuple(result.ijk.T)] = values
        what = f"{key} of the contrast {place.model}"
        path = place.volume(key)
        write_nifti(path, image, result.affine, what, said)
        file = path.relative_to(place.folder).as_posix()
        entries.append(Entry(file, titled(what, said.simulated), "NIfTI", "nifti", key))
    return entries


def _slices(
    place: Names, result: Result, chosen: Found, background: npt.NDArray, said: Provenance
) -> Entry:
    full = max(1.0, float(np.ceil(np.percentile(np.abs(result.t), 99.9))))
    paint = figures.two_sided(full, "t")
    passed = chosen.above | chosen.below
    image = np.zeros((*result.shape, 4), np.float32)
    image[tuple(result.ijk.T)] = paint.rgba(np.where(passed, result.t, np.nan))
    rgba, zooms = to_ras(image, result.affine)
    title = titled(f"Contrast {place.model}, sub-{place.subject}", said.simulated)
    caption = (
        f"t of the contrast, {result.dof:.0f} degrees of freedom, in the {int(passed.sum())} of "
        f"{len(passed)} voxels with {chosen.rule}. Red: the first side is stronger; blue: the "
        "second, or less than baseline. Grey: below the threshold, or not in the mask."
    )
    path, voxels = place.figure("t", "volume"), place.table("voxels")
    columns = dict(zip("ijk", result.ijk.T, strict=True))
    values = pd.DataFrame({**columns, "t": result.t.round(4), "z": result.z.round(4)})
    write_table(voxels, values, said, VOXELS)
    with style():
        # All slices of the brain: what is not there is a finding as well.
        figure = figures.volume(title, rgba, background, zooms)
        save(figures.finish(figure, paint), path)
    file, svg, tsv = (
        path.relative_to(place.folder).as_posix()
        for path in (path, path.with_suffix(".svg"), voxels)
    )
    return Entry(file, title, caption, "volume", "t", svg, tsv)
