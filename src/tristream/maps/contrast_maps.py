"""Maps of one contrast of a subject: files, slices or surfaces, and counts of voxels by region."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.config.settings.maps import ContrastMapsSettings
from tristream.contrast.contrast_file import (
    TABLE,
    ContrastMap,
    ContrastTable,
    read_contrast,
    write_contrast_table,
)
from tristream.contrast.contrast_regions import Found, found, region_table
from tristream.maps import brain_figures as figures
from tristream.maps.background import grey_levels, to_ras
from tristream.maps.export import Map, export
from tristream.maps.map_images import write_nifti
from tristream.maps.map_list import KIND, Entry, MapList, write_maps
from tristream.maps.map_tables import write_map_table
from tristream.maps.names import Names, describe_dataset
from tristream.maps.outlines import SENTENCE as OUTLINED
from tristream.maps.outlines import Outlines
from tristream.maps.style import save, style, titled
from tristream.maps.surface import (
    BELOW,
    FSAVERAGE5,
    MIN_COVERAGE,
    NO_MESHES,
    PROJECTED,
    Hemisphere,
    Template,
    reached,
    sampled,
    sides,
    template_of,
    whole,
)
from tristream.maps.transparency import SENTENCE as TRANSPARENT
from tristream.maps.transparency import by_rate, by_size, rate_words, size_words
from tristream.results.written import recorded
from tristream.space.atlas import Regions
from tristream.store import Omission, Provenance

VOXELS = {"i": "voxel index", "j": "voxel index", "k": "voxel index", "t": "t", "z": "z score"}
VERTICES = {
    "hemisphere": "left or right",
    "vertex": "vertex of the hemisphere's mesh",
    "t": "t",
    "z": "z score",
}


def draw_contrast(
    settings: ContrastMapsSettings,
    subject: str,
    contrast: Path,
    output: Path,
    table: Path,
    background: Path | None = None,
    regions: Path | None = None,
    meshes: Path | None = None,
    code: str = "",
) -> None:
    """Write the maps of a contrast beside `output`, its table, then `output` itself.

    Parameters
    ----------
    settings : ContrastMapsSettings
        Which contrast of which dataset; how files are named, which voxels count.
    subject : str
        Its label.
    contrast : Path
        A file of this kind.
    output : Path
        ``…/maps.json``.
    table : Path
        Counts by region.
    background : Path, optional
        A run of the subject: its mean lies under slices of volumes that are not in MNI space.
    regions : Path, optional
        The atlas, for MNI volumes.
    meshes : Path, optional
        Receipt of the meshes of fsLR, on which grayordinates are drawn.
    code : str
        Fingerprint for the provenance.
    """
    result = read_contrast(contrast)
    name = settings.contrast
    chosen = found(result, settings.threshold, settings.fdr)
    shown = _shown(result, chosen, settings)
    given = Provenance(KIND, result.simulated, settings.key(), code, result.omitted)
    title = f"{settings.dataset}: maps of the contrast {name}"
    counted = replace(given, kind=TABLE, omitted=(), methods=chosen.methods)
    by_region = region_table(result, chosen, regions)
    write_contrast_table(table, ContrastTable(by_region, chosen.threshold, chosen.rule, counted))
    place = Names(output.parent, subject, settings.task, name, settings.space)
    methods = [TRANSPARENT]
    with recorded() as written:
        describe_dataset(output.parent.parent, title, result.simulated)
        if result.grayordinates is not None:
            entries, omitted = _on_surface(place, result, shown, background, given, meshes)
            given = replace(given, omitted=given.omitted + omitted)
        else:
            grey = grey_levels(result, place.space, background)
            entries = [
                *_volumes(place, result, given),
                _slices(place, result, shown, grey, given),
            ]
            if projected := _projected(place, result, shown, given, regions):
                entries += projected
                methods += [PROJECTED, *([OUTLINED] if regions else [])]
    listed = MapList(settings.dataset, "contrasts", name, subject, entries)
    write_maps(output, listed, replace(given, methods=tuple(methods)), written)


def _volumes(place: Names, result: ContrastMap, given: Provenance) -> list[Entry]:
    entries = []
    for key, (values, what) in _quantities(place, result).items():
        image = np.full(result.shape, np.nan, np.float32)
        image[tuple(result.ijk.T)] = values
        path = place.volume(key)
        write_nifti(path, image, result.affine, what, given)
        file = path.relative_to(place.folder).as_posix()
        entries.append(Entry(file, titled(what, given.simulated), "NIfTI", "nifti", key))
    return entries


def _quantities(place: Names, result: ContrastMap) -> dict[str, tuple[npt.NDArray, str]]:
    what = f"of the contrast {place.model}"
    return {"t": (result.t, f"t {what}"), "z": (result.z, f"z {what}")}


@dataclass(frozen=True)
class Shown:
    """How t is shown: opacity of each voxel, and what captions say of it and of what counts."""

    opacity: npt.NDArray[np.float32]
    words: str


def _shown(result: ContrastMap, chosen: Found, settings: ContrastMapsSettings) -> Shown:
    passed = chosen.above | chosen.below
    counted = f"{int(passed.sum())} of {len(passed)} voxels have {chosen.rule}."
    if settings.threshold is not None:
        opacity = by_size(result.t, settings.threshold)
        return Shown(opacity, f"{counted} {size_words(settings.threshold)}")
    assert chosen.q is not None
    assert settings.fdr is not None
    opacity = by_rate(chosen.q, passed, settings.fdr)
    return Shown(opacity, f"{counted} {rate_words(settings.fdr, 't')}")


def _on_surface(
    place: Names,
    result: ContrastMap,
    shown: Shown,
    background: Path | None,
    given: Provenance,
    meshes: Path | None,
) -> tuple[list[Entry], tuple[Omission, ...]]:
    where = result.grayordinates
    assert where is not None
    maps: dict[str, Map] = {key: (*one, None) for key, one in _quantities(place, result).items()}
    entries = export(place, result, maps, given)
    if not where.on_mesh.all():
        below = _part(result, ~where.on_mesh)
        seen = replace(shown, opacity=shown.opacity[~where.on_mesh])
        entries.append(_slices(place, below, seen, grey_levels(below, BELOW, background), given))
    template = template_of(place.space, meshes)
    if template is None:
        return entries, (Omission("surface figures", NO_MESHES),)
    vertices = _part(result, where.on_mesh)
    columns = {"hemisphere": sides(vertices), "vertex": vertices.ijk[:, 0]}
    table = place.table("vertices")
    values = pd.DataFrame({**columns, "t": vertices.t.round(4), "z": vertices.z.round(4)})
    write_map_table(table, values, VERTICES, given)
    rows = whole(result, np.stack([result.t, shown.opacity]), template)
    return [*entries, *_surfaces(place, result, shown, rows, given, table, template)], ()


def _projected(
    place: Names, result: ContrastMap, shown: Shown, given: Provenance, regions: Path | None
) -> list[Entry]:
    """MNI volumes on fsaverage5, as those of encoding models; nothing where they reach little."""
    if not (place.space or "").startswith("MNI"):
        return []
    rows = sampled(result, np.stack([result.t, result.z, shown.opacity]))
    if reached({side: row[0] for side, row in rows.items()}) < MIN_COVERAGE:
        return []
    table = place.table("vertices")
    parts = [
        pd.DataFrame({"hemisphere": side, "vertex": np.arange(len(t)), "t": t, "z": z}).round(4)
        for side, (t, z, _) in rows.items()
    ]
    write_map_table(table, pd.concat(parts), VERTICES, given)
    outlines = Outlines.of(Regions.read(regions)) if regions else None
    two = {side: row[[0, 2]] for side, row in rows.items()}
    return _surfaces(place, result, shown, two, given, table, outlines=outlines)


def _surfaces(
    place: Names,
    result: ContrastMap,
    shown: Shown,
    rows: Mapping[Hemisphere, npt.NDArray],
    given: Provenance,
    table: Path,
    template: Template = FSAVERAGE5,
    outlines: Outlines | None = None,
) -> list[Entry]:
    """Figures of rows t and opacity, (2, vertices) a side."""
    paint, title, caption = _painted(place, result, shown, given)
    rgba = {side: figures.faded(paint.rgba(t), opacity) for side, (t, opacity) in rows.items()}
    entries = []
    for kind in ("inflated", "flat"):
        path, over_view = place.figure("t", kind), None
        told = f"{caption} {template.name}, {kind}; darker grey: sulci."
        if outlines is not None and kind == "flat":
            over_view = outlines.drawer({side: np.abs(t) for side, (t, _) in rows.items()})
            told = f"{told} {outlines.words('|t|')}"
        with style():
            figure = figures.surface(title, kind, rgba, template, over_view)
            save(figures.finish(figure, paint), path)
        entries.append(_entry(place, path, title, told, kind, table))
    return entries


def _part(result: ContrastMap, places: npt.NDArray[np.bool_]) -> ContrastMap:
    """Some voxels of a contrast on surfaces."""
    where = result.grayordinates
    return replace(
        result,
        t=result.t[places],
        z=result.z[places],
        ijk=result.ijk[places],
        regions={},
        grayordinates=where and where.take(places),
    )


def _painted(
    place: Names, result: ContrastMap, shown: Shown, given: Provenance
) -> tuple[figures.Paint, str, str]:
    """Colours, title and caption of a figure."""
    full = max(1.0, float(np.ceil(np.percentile(np.abs(result.t), 99.9))))
    caption = (
        f"t of the contrast, {result.dof:.0f} degrees of freedom. Red: the first side is stronger; "
        f"blue: the second, or less than baseline. {shown.words} Grey: not in the mask."
    )
    title = titled(f"Contrast {place.model}, sub-{place.subject}", given.simulated)
    return figures.two_sided(full, "t"), title, caption


def _slices(
    place: Names, result: ContrastMap, shown: Shown, background: npt.NDArray, given: Provenance
) -> Entry:
    paint, title, caption = _painted(place, result, shown, given)
    image = np.zeros((*result.shape, 4), np.float32)
    image[tuple(result.ijk.T)] = figures.faded(paint.rgba(result.t), shown.opacity)
    rgba, zooms = to_ras(image, result.affine)
    path, voxels = place.figure("t", "volume"), place.table("voxels")
    columns = dict(zip("ijk", result.ijk.T, strict=True))
    values = pd.DataFrame({**columns, "t": result.t.round(4), "z": result.z.round(4)})
    write_map_table(voxels, values, VOXELS, given)
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
