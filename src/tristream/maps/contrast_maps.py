"""Maps of one contrast of a subject: files, slices or surfaces, and counts of voxels by region."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.config.load import Resolved
from tristream.contrast.contrast_file import ContrastMap as Result
from tristream.contrast.contrast_file import ContrastTable, read_contrast, write_contrast_table
from tristream.contrast.contrast_regions import Found, found, region_table
from tristream.maps import brain_figures as figures
from tristream.maps.background import grey_levels, to_ras
from tristream.maps.export import Map, export
from tristream.maps.map_images import write_nifti
from tristream.maps.names import Entry, Names, describe_dataset, names
from tristream.maps.style import save, style, titled
from tristream.maps.surface import BELOW, NO_MESHES, sides, template_of, whole
from tristream.store import Omission, Provenance, write_json, write_table

VOXELS = {"i": "voxel index", "j": "voxel index", "k": "voxel index", "t": "t", "z": "z score"}
VERTICES = {
    "hemisphere": "left or right",
    "vertex": "vertex of the hemisphere's mesh",
    "t": "t",
    "z": "z score",
}


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
    meshes: Path | None = None,
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
    meshes : Path, optional
        Receipt of the meshes of fsLR, on which grayordinates are drawn.
    """
    result = read_contrast(contrast)
    descriptor, block = resolved.datasets[dataset], resolved.study.contrasts[name]
    chosen = found(result, block.threshold, resolved.study.inference.fdr)
    config = {"contrast": name, "dataset": dataset, "rule": chosen.rule}
    said = Provenance("maps", result.simulated, config, code, result.omitted)
    describe_dataset(output.parent.parent, descriptor, f"contrast {name}", result.simulated)
    counted = replace(said, kind="contrast-table", omitted=(), methods=chosen.methods)
    by_region = region_table(result, chosen, regions)
    write_contrast_table(table, ContrastTable(by_region, chosen.threshold, chosen.rule, counted))
    place = names(output.parent, descriptor, subject, name)
    if result.grayordinates is not None:
        entries, omitted = _on_surface(place, result, chosen, index, said, meshes)
        said = replace(said, omitted=said.omitted + omitted)
    else:
        entries = [
            *_volumes(place, result, said),
            _slices(place, result, chosen, grey_levels(result, index, place.space), said),
        ]
    content = {"dataset": dataset, "contrast": name, "subject": subject}
    write_json(output, {**content, "maps": [asdict(entry) for entry in entries]}, said)


def _volumes(place: Names, result: Result, said: Provenance) -> list[Entry]:
    entries = []
    for key, (values, what) in _quantities(place, result).items():
        image = np.full(result.shape, np.nan, np.float32)
        image[tuple(result.ijk.T)] = values
        path = place.volume(key)
        write_nifti(path, image, result.affine, what, said)
        file = path.relative_to(place.folder).as_posix()
        entries.append(Entry(file, titled(what, said.simulated), "NIfTI", "nifti", key))
    return entries


def _quantities(place: Names, result: Result) -> dict[str, tuple[npt.NDArray, str]]:
    what = f"of the contrast {place.model}"
    return {"t": (result.t, f"t {what}"), "z": (result.z, f"z {what}")}


def _on_surface(
    place: Names,
    result: Result,
    chosen: Found,
    index: Path,
    said: Provenance,
    meshes: Path | None,
) -> tuple[list[Entry], tuple[Omission, ...]]:
    where = result.grayordinates
    assert where is not None
    maps: dict[str, Map] = {key: (*one, None) for key, one in _quantities(place, result).items()}
    entries = export(place, result, maps, said)
    if not where.on_mesh.all():
        below, found_there = _part(result, chosen, ~where.on_mesh)
        grey = grey_levels(below, index, BELOW)
        entries.append(_slices(place, below, found_there, grey, said))
    template = template_of(place.space, meshes)
    if template is None:
        return entries, (Omission("surface figures", NO_MESHES),)
    paint, title, caption = _painted(place, result, chosen, said)
    vertices, _ = _part(result, chosen, where.on_mesh)
    columns = {"hemisphere": sides(vertices), "vertex": vertices.ijk[:, 0]}
    table = place.table("vertices")
    values = pd.DataFrame({**columns, "t": vertices.t.round(4), "z": vertices.z.round(4)})
    write_table(table, values, said, VERTICES)
    passed = np.where(chosen.above | chosen.below, result.t, np.nan)
    rgba = {side: paint.rgba(one) for side, one in whole(result, passed, template).items()}
    for kind in ("inflated", "flat"):
        path, drawn_on = place.figure("t", kind), f"{template.name}, {kind}; darker grey: sulci."
        with style():
            figure = figures.surface(title, kind, rgba, template)
            save(figures.finish(figure, paint), path)
        entries.append(_entry(place, path, title, f"{caption} {drawn_on}", kind, table))
    return entries, ()


def _part(result: Result, chosen: Found, places: npt.NDArray[np.bool_]) -> tuple[Result, Found]:
    """Some voxels of a contrast on surfaces."""
    where = result.grayordinates
    part = replace(
        result,
        t=result.t[places],
        z=result.z[places],
        ijk=result.ijk[places],
        regions={},
        grayordinates=where and where.take(places),
    )
    return part, replace(chosen, above=chosen.above[places], below=chosen.below[places])


def _painted(
    place: Names, result: Result, chosen: Found, said: Provenance
) -> tuple[figures.Paint, str, str]:
    """Colours, title and caption of a figure."""
    full = max(1.0, float(np.ceil(np.percentile(np.abs(result.t), 99.9))))
    passed = chosen.above | chosen.below
    caption = (
        f"t of the contrast, {result.dof:.0f} degrees of freedom, in the {int(passed.sum())} of "
        f"{len(passed)} voxels with {chosen.rule}. Red: the first side is stronger; blue: the "
        "second, or less than baseline. Grey: below the threshold, or not in the mask."
    )
    title = titled(f"Contrast {place.model}, sub-{place.subject}", said.simulated)
    return figures.two_sided(full, "t"), title, caption


def _slices(
    place: Names, result: Result, chosen: Found, background: npt.NDArray, said: Provenance
) -> Entry:
    paint, title, caption = _painted(place, result, chosen, said)
    passed = chosen.above | chosen.below
    image = np.zeros((*result.shape, 4), np.float32)
    image[tuple(result.ijk.T)] = paint.rgba(np.where(passed, result.t, np.nan))
    rgba, zooms = to_ras(image, result.affine)
    path, voxels = place.figure("t", "volume"), place.table("voxels")
    columns = dict(zip("ijk", result.ijk.T, strict=True))
    values = pd.DataFrame({**columns, "t": result.t.round(4), "z": result.z.round(4)})
    write_table(voxels, values, said, VOXELS)
    with style():
        # All slices of the brain: what is not there is a finding as well.
        figure = figures.volume(title, rgba, background, zooms)
        save(figures.finish(figure, paint), path)
    return _entry(place, path, title, caption, "volume", voxels)


def _entry(place: Names, path: Path, title: str, caption: str, kind: str, table: Path) -> Entry:
    file, svg, tsv = (
        one.relative_to(place.folder).as_posix() for one in (path, path.with_suffix(".svg"), table)
    )
    return Entry(file, title, caption, kind, "t", svg, tsv)
