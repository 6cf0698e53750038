"""Maps of one subject and model: export images, draw figures, list everything in ``maps.json``."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from tristream.config.settings.maps import MapsSettings
from tristream.maps import brain_figures as figures
from tristream.maps.background import grey_levels, to_ras
from tristream.maps.export import Map, export
from tristream.maps.map_images import write_gifti, write_nifti
from tristream.maps.map_list import KIND, Entry, MapList, write_maps
from tristream.maps.map_tables import write_map_table
from tristream.maps.names import Names, describe_dataset
from tristream.maps.outlines import SENTENCE as OUTLINED
from tristream.maps.outlines import Outlines
from tristream.maps.score_maps import MIN_CEILING, Scores, Voxels, best_stream, read
from tristream.maps.style import colours_of, save, style, titled
from tristream.maps.surface import (
    BELOW,
    FSAVERAGE5,
    HEMISPHERES,
    MIN_COVERAGE,
    NO_MESHES,
    PROJECTED,
    Hemisphere,
    Template,
    at_vertices,
    coverage,
    project,
    sampled,
    sides,
    template_of,
    whole,
)
from tristream.maps.transparency import SENTENCE as TRANSPARENT
from tristream.maps.transparency import rate_words
from tristream.maps.variance_maps import variance_maps
from tristream.results.written import recorded
from tristream.space.atlas import Regions
from tristream.store import Omission, Provenance

STREAMS = ("ventral", "dorsal", "auditory")
BEST = "stream with the largest share of test R2"
NORMALIZED = (
    "Test r was divided by its noise ceiling only where the ceiling is above "
    f"{MIN_CEILING} and its lower bound above 0; the ratio was not clipped."
)
CORRECTED = {
    "p_fwe": "family-wise p of the voxel",
    "p_cluster_mass": "family-wise p of the voxel's cluster by its mass",
    "p_tfce": "family-wise p by threshold-free cluster enhancement",
}
COLUMNS = {
    "i": "voxel index",
    "j": "voxel index",
    "k": "voxel index",
    "x": "mm",
    "y": "mm",
    "z": "mm",
    "hemisphere": "left or right",
    "vertex": "vertex of the hemisphere's mesh",
    "r": "correlation of predicted and measured BOLD in the test data",
    "r2": "test R2",
    "rLow": "lower end of the 95 % interval of r",
    "ceiling": "noise ceiling of r",
    "normalized": f"r / ceiling, where the ceiling is above {MIN_CEILING} and its lower bound > 0",
    "best_stream": "stream band with the largest share of R2",
    "q": "false discovery rate at which the voxel becomes significant",
    "significant": "1 where q is below the configured rate",
}


@dataclass
class Job:
    """What the drawing functions share.

    Attributes
    ----------
    streams : dict
        Band to the stream of its first feature space.
    competing : tuple of str
        Bands that compete for the best stream: empty for controls and models without streams.
    plain : bool
        Only the accuracy is wanted: negative controls, and models of the simulator's own signals.
    """

    voxels: Voxels
    names: Names
    provenance: Provenance
    streams: dict[str, str]
    competing: tuple[str, ...]
    plain: bool
    entries: list[Entry] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)

    def relative(self, path: Path) -> str:
        """`path` as ``maps.json`` writes it."""
        return path.relative_to(self.names.folder).as_posix()


def draw(
    settings: MapsSettings,
    subject: str,
    encoding: Path,
    inference: Path,
    output: Path,
    background: Path | None = None,
    meshes: Path | None = None,
    regions: Path | None = None,
    partition: tuple[Path, Path] | None = None,
    code: str = "",
) -> None:
    """Write all maps of a subject and model beside `output`, then `output` itself.

    Parameters
    ----------
    settings : MapsSettings
        Which model of which dataset; how files are named, what competes.
    subject : str
        Its label.
    encoding, inference : Path
        Files of these kinds.
    output : Path
        ``…/maps.json``; its folder is the subject's, the one above the derivative dataset.
    background : Path, optional
        A run of the subject: its mean lies under slices of volumes that are not in MNI space.
    meshes : Path, optional
        Receipt of the meshes of fsLR, on which grayordinates are drawn.
    regions : Path, optional
        The atlas, for MNI volumes: borders of its regions are drawn on flat maps.
    partition : tuple of Path, optional
        The model's unique and shared variance, and the file of their tests.
    code : str
        Fingerprint for the provenance.
    """
    voxels = read(encoding, inference)
    if partition is not None:
        voxels = replace(voxels, variance=variance_maps(*partition, voxels.ijk))
    model, streams = settings.model, settings.streams
    plain = settings.control != "none" or "truth" in streams.values()
    competing = tuple(b for b in voxels.scores.bands if streams.get(b) in STREAMS)
    job = Job(
        voxels,
        Names(output.parent, subject, settings.task, model, settings.space),
        Provenance(KIND, voxels.simulated, settings.key(), code),
        streams,
        competing if len(competing) > 1 and not plain else (),
        plain,
    )
    title = f"{settings.dataset}: maps of the encoding model {model}"
    if voxels.opacity is not None:
        job.methods.append(TRANSPARENT)
    omitted = list(voxels.omitted)
    with style(), recorded() as written:
        describe_dataset(output.parent.parent, title, voxels.simulated)
        if voxels.grayordinates is not None:
            omitted += _on_surface(job, background, meshes)
        else:
            _volumes(job)
            _volume_figures(job, grey_levels(voxels, job.names.space, background))
            omitted += _surfaces(job, regions) if job.competing else []
        if not job.competing:
            what = "stream maps" if voxels.grayordinates else "surface and stream maps"
            omitted.append(Omission(f"{what} of {model}", _why_plain(job, settings)))
    listed = MapList(settings.dataset, "models", model, subject, job.entries)
    provenance = replace(
        job.provenance, omitted=tuple(omitted), methods=tuple(dict.fromkeys(job.methods))
    )
    write_maps(output, listed, provenance, written)


def _why_plain(job: Job, settings: MapsSettings) -> str:
    if job.plain:
        control = settings.control != "none"
        role = "a negative control" if control else "given the simulator's signals"
        return f"the model is {role}; only its accuracy is drawn"
    return f"fewer than two of its bands belong to a stream ({', '.join(STREAMS)})"


def _quantities(job: Job, scores: Scores) -> dict[str, tuple[npt.NDArray, str]]:
    """Every map that is written: name to values and meaning."""
    out: dict[str, tuple[npt.NDArray, str]] = {"r": (scores.r, "test correlation r")}
    if job.plain:
        return out
    out["r2"] = (scores.r2, "test R2")
    for band, share in zip(scores.bands, scores.band_r2, strict=True):
        if len(scores.bands) == 1:
            break
        out[f"{band}R2"] = (share, f"share of test R2 of band {band} (product measure)")
    if scores.low is not None:
        out["rLow"] = (scores.low, "lower end of the 95 % interval of test r")
    if scores.ceiling is not None:
        out["ceiling"] = (scores.ceiling, "noise ceiling of r")
    if scores.normalized is not None:
        out["normalized"] = (scores.normalized, f"r / ceiling where the ceiling > {MIN_CEILING}")
        job.methods.append(NORMALIZED)
    return out


def _written(job: Job) -> dict[str, tuple[npt.NDArray, str]]:
    """Maps of numbers that are exported."""
    written = _quantities(job, job.voxels.scores)
    if job.voxels.q is not None:
        written["q"] = (job.voxels.q, "false discovery rate q")
    for name, p in job.voxels.corrected.items():
        written[name] = (p, CORRECTED[name])
    return {**written, **job.voxels.variance}


def _labelled(job: Job) -> dict[str, tuple[npt.NDArray, dict[int, str]]]:
    """Maps of labels that are exported: name to labels and their meaning."""
    out: dict[str, tuple[npt.NDArray, dict[int, str]]] = {}
    scores, significant = job.voxels.scores, job.voxels.significant
    if significant is not None:
        meaning = {0: "not significant", 1: "significant"}
        out["significant"] = (significant.astype(np.uint8), meaning)
    if job.competing:
        labels = best_stream(scores.band_r2, scores.bands, job.competing)
        out["best_stream"] = (labels, dict(enumerate(("none", *job.competing))))
    return out


def _listed(labels: dict[int, str]) -> str:
    return ", ".join(f"{number} {label}" for number, label in labels.items())


def _volumes(job: Job) -> None:
    voxels = job.voxels
    for name, (values, what) in _written(job).items():
        path = job.names.volume(name)
        image = voxels.volume(values.astype(np.float32))
        write_nifti(path, image, voxels.affine, what, job.provenance)
        title = titled(what, voxels.simulated)
        job.entries.append(Entry(job.relative(path), title, "NIfTI", "nifti", name))
    for name, (values, labels) in _labelled(job).items():
        path = job.names.volume(name, "dseg")
        what = f"{name}: {_listed(labels)}"
        image = voxels.volume(values, fill=0)
        write_nifti(path, image, voxels.affine, what, job.provenance, labels)
        title = titled(what, voxels.simulated)
        job.entries.append(Entry(job.relative(path), title, "NIfTI", "nifti", name))


def _paints(job: Job, scores: Scores) -> dict[str, tuple[figures.Paint, npt.NDArray, str, str]]:
    """Figures to draw: name to paint, values, title and caption."""
    model = job.names.model
    full = round_up(float(np.nanpercentile(job.voxels.scores.r, 99)))
    grey = "Grey: not in the mask."
    out = {
        "r": (
            figures.scale(0, full, "test r"),
            scores.r,
            f"Accuracy of model {model}, test r",
            f"Correlation of predicted and measured BOLD in data that were not used for fitting. "
            f"The scale ends at {full:.2g} (99th percentile of the voxels); values below 0 have "
            f"its lowest colour. {grey}",
        )
    }
    normalized, of_all = scores.normalized, job.voxels.scores.normalized
    # One hemisphere alone may have none.
    usable = of_all is not None and bool(np.isfinite(of_all).any())
    if not job.plain and normalized is not None and usable:
        out["normalized"] = (
            figures.scale(0, 1, "r / ceiling r"),
            normalized,
            f"Accuracy of model {model} over the noise ceiling",
            "Test r divided by the highest r that the noise of the test data allows; 1 is the "
            f"ceiling. Only where the ceiling is above {MIN_CEILING} and its lower bound above 0. "
            "The values are not clipped, the colours are. Noise that raises a ceiling makes the "
            "ratio too small and the voxel more likely to be shown: values pooled over regions, "
            "in the table by region, have no such bias. Grey: no usable ceiling, or not in the "
            "mask.",
        )
    if job.competing:
        chosen = colours_of(scores.bands, job.streams)
        labels = best_stream(scores.band_r2, scores.bands, job.competing)
        out["best_stream"] = (
            figures.labelled({band: chosen[band] for band in job.competing}, full),
            np.stack([labels, scores.r]),
            f"Winning stream of model {model}",
            "Colour: the stream with the largest share of test R2 (product measure). Opacity: "
            f"test r, invisible at 0 and full at {full:.2g}. No colour: no stream has a share "
            "above 0. The nuisance band takes part in the fit and does not compete here.",
        )
    return out


def round_up(value: float) -> float:
    """The end of a scale: the next twentieth, a tenth at least."""
    return max(0.1, float(np.ceil(value * 20) / 20)) if np.isfinite(value) else 0.1


def _volume_figures(job: Job, background: npt.NDArray) -> None:
    voxels = job.voxels
    table = job.names.table("voxels")
    columns = dict(zip("ijk", voxels.ijk.T, strict=True))
    columns |= dict(zip("xyz", voxels.xyz.T, strict=True))
    write_map_table(table, _table(job, columns, voxels.scores), COLUMNS, job.provenance)
    for name, (paint, values, title, caption) in _paints(job, voxels.scores).items():
        colours = figures.faded(paint.rgba(values), voxels.opacity)
        image = np.zeros((*voxels.shape, 4), np.float32)
        image[tuple(voxels.ijk.T)] = colours
        rgba, zooms = to_ras(image, voxels.affine)
        title = titled(f"{title}, sub-{job.names.subject}", voxels.simulated)
        caption = f"{caption} {_faded_words(voxels)}".strip()
        if job.names.space:
            caption = f"{caption} Axial slices from below; the brain's left is on the left."
        figure = figures.volume(title, rgba, background, zooms)
        _save(job, figures.finish(figure, paint), name, "volume", title, caption, table)


def _faded_words(voxels: Voxels) -> str:
    return "" if voxels.opacity is None else rate_words(voxels.rate)


def _surfaces(job: Job, regions: Path | None) -> list[Omission]:
    space = job.names.space or "the subject's own grid"
    if not space.startswith("MNI"):
        return [Omission("surface maps", f"the volumes are in {space}, not in MNI space")]
    surfaces = project(job.voxels)
    share = coverage(surfaces)
    if share < MIN_COVERAGE:
        why = f"the volumes cover {share:.0%} of the cortex, under {MIN_COVERAGE:.0%}"
        return [Omission("surface maps", why)]
    for side, scores in surfaces.items():
        labels = best_stream(scores.band_r2, scores.bands, job.competing)
        derived = {
            **_quantities(job, scores),
            "best_stream": (labels, "stream with the largest share of test R2"),
        }
        for name, (values, what) in derived.items():
            path = job.names.surface(name, side)
            write_gifti(path, values, what, side, job.voxels.simulated)
            title = titled(f"{what}, {side} hemisphere", job.voxels.simulated)
            job.entries.append(Entry(job.relative(path), title, "GIfTI", "gifti", name))
    table = job.names.table("vertices")
    parts = []
    for side, scores in surfaces.items():
        vertices = np.arange(len(scores.r))
        columns = {"hemisphere": np.full(len(vertices), side), "vertex": vertices}
        parts.append(_table(job, columns, scores))
    write_map_table(table, pd.concat(parts), COLUMNS, job.provenance)
    job.methods.append(PROJECTED)
    shown = None
    if job.voxels.opacity is not None:
        rows = sampled(job.voxels, job.voxels.opacity[None])
        shown = {side: row[0] for side, row in rows.items()}
    outlines = Outlines.of(Regions.read(regions)) if regions else None
    if outlines:
        job.methods.append(OUTLINED)
    _surface_figures(job, surfaces, shown, table, outlines=outlines)
    return []


def _on_surface(job: Job, background: Path | None, meshes: Path | None) -> list[Omission]:
    """Maps of BOLD that was measured on surfaces: files, tables, both hemispheres, and slices."""
    where = job.voxels.grayordinates
    assert where is not None
    exported: dict[str, Map] = {name: (*one, None) for name, one in _written(job).items()}
    for name, (values, labels) in _labelled(job).items():
        exported[name] = (values, f"{name}: {_listed(labels)}", labels)
    job.entries += export(job.names, job.voxels, exported, job.provenance)
    cortex = replace(job, voxels=job.voxels.part(where.on_mesh))
    table = job.names.table("vertices")
    columns = {"hemisphere": sides(cortex.voxels), "vertex": cortex.voxels.ijk[:, 0]}
    numbers = _table(cortex, columns, cortex.voxels.scores)
    write_map_table(table, numbers, COLUMNS, job.provenance)
    if not where.on_mesh.all():
        below = replace(job, voxels=job.voxels.part(~where.on_mesh))
        _volume_figures(below, grey_levels(below.voxels, BELOW, background))
    template = template_of(job.names.space, meshes)
    if template is None:
        return [Omission("surface figures", NO_MESHES)]
    shown = None if job.voxels.opacity is None else whole(job.voxels, job.voxels.opacity, template)
    _surface_figures(job, at_vertices(job.voxels, template), shown, table, template)
    return []


def _surface_figures(
    job: Job,
    surfaces: Mapping[Hemisphere, Scores],
    shown: Mapping[Hemisphere, npt.NDArray] | None,
    table: Path,
    template: Template = FSAVERAGE5,
    outlines: Outlines | None = None,
) -> None:
    paints = {side: _paints(job, scores) for side, scores in surfaces.items()}
    over_view = None
    if outlines is not None:
        over_view = outlines.drawer({side: scores.r for side, scores in surfaces.items()})
    for kind in ("inflated", "flat"):
        outlined = over_view if kind == "flat" else None
        for name, (paint, _, title, caption) in paints["left"].items():
            rgba = {
                side: figures.faded(
                    paint.rgba(paints[side][name][1]), shown[side] if shown else None
                )
                for side in HEMISPHERES
            }
            title = titled(f"{title}, sub-{job.names.subject}", job.voxels.simulated)
            told = [caption, _faded_words(job.voxels)]
            told += [outlines.words()] if outlines and outlined else []
            told.append(f"{template.name}, {kind}; darker grey: sulci.")
            figure = figures.surface(title, kind, rgba, template, outlined)
            words = " ".join(filter(None, told))
            _save(job, figures.finish(figure, paint), name, kind, title, words, table)


def _table(job: Job, columns: dict[str, npt.NDArray], scores: Scores) -> pd.DataFrame:
    table = pd.DataFrame(
        {k: np.round(v, 2) if v.dtype.kind == "f" else v for k, v in columns.items()}
    )
    for name, (values, _) in _quantities(job, scores).items():
        table[name] = np.round(values.astype(float), 4)
    if job.competing:
        labels = np.array(["none", *job.competing])
        table["best_stream"] = labels[best_stream(scores.band_r2, scores.bands, job.competing)]
    if scores is job.voxels.scores and job.voxels.q is not None:
        table["q"] = np.round(job.voxels.q.astype(float), 5)
        table["significant"] = np.asarray(job.voxels.significant, dtype=int)
    return table


def _save(
    job: Job, figure: Figure, name: str, kind: str, title: str, caption: str, table: Path
) -> None:
    path = job.names.figure(name, kind)
    save(figure, path)
    job.entries.append(
        Entry(
            file=job.relative(path),
            title=title,
            caption=caption,
            kind=kind,
            quantity=name,
            svg=job.relative(path.with_suffix(".svg")),
            tsv=job.relative(table),
        )
    )
