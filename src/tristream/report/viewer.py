"""The viewer of one subject: maps on slices and surfaces, from disk, and the numbers at a click.

Pages of its own, since their policy lets one more script run: niivue, which lies once beside them.
"""

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from nibabel.affines import apply_affine

from tristream import __version__
from tristream.contrast.contrast_file import ContrastMap, read_contrast
from tristream.encode.encoding_file import ScoredVoxels, read_scores
from tristream.errors import masked
from tristream.inference.inference_file import read_inference
from tristream.inference.table_files import read_by_region
from tristream.maps.encoding_maps import STREAMS, round_up
from tristream.maps.score_maps import best_stream, normalized
from tristream.maps.strips import Brain
from tristream.maps.style import colours_of
from tristream.report.brain_strips import surroundings
from tristream.report.elements import Block, Link, Text, shown
from tristream.report.rendering import asset, environment, hash_of
from tristream.report.sections import contrasts
from tristream.report.study_results import Results
from tristream.report.viewer_data import Group, Overlay, contents
from tristream.report.voxel_details import TOP, details
from tristream.store import atomic_path

FOLDER = "viewer"
NIIVUE = "niivue-0.69.0.js"
LICENCES = "niivue-LICENSES.txt"
ABOUT = {
    "mean_r": "mean r",
    "over_ceiling": "r over ceiling, pooled",
    "significant": "significant voxels",
    "voxels": "voxels",
    "peak_r": "largest r",
}


BAND = "split_r2_"


def offer(results: Results, dataset: str, subject: str) -> list[Block]:
    """Write the viewer of a subject, and return what the subject's page says of it."""
    brain, groups, simulated = _gathered(results, dataset, subject)
    if brain is None:
        return []
    data = contents(brain, groups)
    if data is None:
        what = f"the viewer of {dataset}, sub-{subject}"
        return [*results.leave_out(what, "the meshes that its vertices lie on are not there")]
    write_viewer(results, dataset, subject, data, simulated)
    href = f"{FOLDER}/{dataset}_sub-{subject}.html"
    return [
        Text("Slices and surfaces to turn, with the numbers of any place:", Link("viewer", href))
    ]


def write_viewer(
    results: Results, dataset: str, subject: str, data: dict[str, Any], simulated: bool
) -> None:
    """Write the page, and niivue beside it."""
    title = f"Viewer of {dataset}, sub-{subject}"
    # "<" would end the element that holds it.
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")
    css = asset("report.css") + asset("viewer.css")
    script = asset("viewer.js")
    html = (
        environment()
        .get_template("viewer.html")
        .render(
            title=title,
            study=results.resolved.study.title,
            dataset=dataset,
            subject=subject,
            simulated=simulated,
            data=text,
            left_out=data["left_out"],
            tables=_tables(results, dataset, subject),
            top=TOP,
            measured=(data["surface"] or {}).get("measured", True),
            views=[view for view in ("volume", "surface") if data[view]],
            css=css,
            css_hash=hash_of(css),
            script=script,
            script_hash=hash_of(script),
            # Of a file on disk no hash is checked, and "file:" would let any script run.
            nonce=sha256((text + script).encode()).hexdigest(),
            niivue=NIIVUE,
            licences=LICENCES,
            version=__version__,
        )
    )
    folder = results.folder / FOLDER
    for name in (NIIVUE, LICENCES):
        if not (folder / name).is_file():
            with atomic_path(folder / name) as temporary:
                temporary.write_text(asset(name), encoding="utf-8")
    with atomic_path(folder / f"{dataset}_sub-{subject}.html") as temporary:
        temporary.write_text(masked(html), encoding="utf-8")


def _tables(results: Results, dataset: str, subject: str) -> list[Link]:
    """What is told of single voxels, as tables."""
    paths = {name: _table(results, dataset, name, subject) for name in results.models(dataset)}
    return [
        Link(f"model {name}", f"../{results.link(path)}")
        for name, path in paths.items()
        if path.is_file()
    ]


def _table(results: Results, dataset: str, model: str, subject: str) -> Path:
    return results.folder / "figures" / dataset / f"sub-{subject}" / f"voxels_{model}.tsv"


def _gathered(
    results: Results, dataset: str, subject: str
) -> tuple[Brain | None, list[Group], bool]:
    """Where the subject's values lie, all groups of values there, and whether any is simulated.

    What lies elsewhere than the first one, a contrast of other runs, is not taken in.
    """
    brain: Brain | None = None
    groups: list[Group] = []
    simulated = False
    for group, places, own in _groups(results, dataset, subject):
        if brain is None:
            i, j, k = (int(n) for n in places.shape)
            around = surroundings(results, dataset, subject)
            brain = Brain(places.ijk, places.affine, (i, j, k), places.grayordinates, *around)
        if np.array_equal(places.ijk, brain.ijk):
            groups.append(group)
            simulated = simulated or own
    return brain, groups, simulated


def _groups(
    results: Results, dataset: str, subject: str
) -> Iterator[tuple[Group, ScoredVoxels | ContrastMap, bool]]:
    """Models, those of interest first, and contrasts, as far as their files are there."""
    models = results.models(dataset)
    for name in sorted(models, key=lambda name: results.is_plain(models[name])):
        where = {"dataset": dataset, "model": name, "subject": subject}
        path = results.path("encoding", **where)
        if path.is_file():
            scored, provenance = read_scores(path)
            results.read(path, provenance)
            yield _of_model(results, scored, **where), scored, provenance.simulated
    for name in contrasts.names(results, dataset):
        path = results.path("contrast", dataset=dataset, contrast=name, subject=subject)
        if path.is_file():
            found = read_contrast(path)
            results.read(path, found.provenance)
            full = float(np.nanpercentile(np.abs(found.t), 99)) or 1.0
            effect = "mean effect, in standard deviations of each run"
            overlays = [
                Overlay("t", f"t of contrast {name}", found.t, "two-sided", round(full, 1)),
                Overlay("effect", effect, found.effect, "two-sided", _most(found.effect)),
                Overlay("z", f"z of contrast {name}", found.z),
            ]
            yield Group(f"contrast {name}", overlays), found, found.simulated


def _of_model(
    results: Results, scored: ScoredVoxels, dataset: str, model: str, subject: str
) -> Group:
    where = {"dataset": dataset, "model": model, "subject": subject}
    block = results.models(dataset)[model]
    path = results.path("inference", **where)
    tested = read_inference(path)[0] if path.is_file() else None
    found = tested.found if tested else None
    test = ""
    overlays = _accuracy(scored)
    if not results.is_plain(block):
        overlays[1:1] = _streams(results.streams(block), scored)
        overlays += _bands(scored)
    if tested is not None and found is not None:
        test = f"{tested.statistic}; {tested.null}; false discovery rate {tested.fdr:g}"
        overlays += [
            Overlay("q", "false discovery rate of the voxel", found.q, precise=True),
            Overlay("p, family-wise", "corrected for all voxels", found.p_fwe, precise=True),
        ]
    table = results.path("region_table", **where)
    told = {} if results.is_plain(block) else _details(results, scored, **where)
    return Group(
        f"model {model}",
        overlays,
        found.significant if found else None,
        test,
        _regions(table, scored) if table.is_file() else [],
        {band: ", ".join(spaces) for band, spaces in block.bands.items()},
        told,
    )


def _details(
    results: Results, scored: ScoredVoxels, dataset: str, model: str, subject: str
) -> dict[str, Any]:
    """Responses and top stimuli of the voxels that are predicted best, also as a table."""
    found = details(results, dataset, model, subject)
    if found.responses or found.stimuli:
        path = _table(results, dataset, model, subject).with_suffix("")
        name = path.relative_to(results.folder / "figures").as_posix()
        results.table(name, found.table(scored.ijk), results.simulated(dataset))
    streams = results.streams(results.models(dataset)[model])
    told = found.packed(colours_of(found.bands, streams))
    if found.stimuli is not None:
        told["lag"] = found.stimuli.lag
    return told


def _accuracy(scored: ScoredVoxels) -> list[Overlay]:
    """Accuracy, its interval, and what noise allows."""
    scores, ceiling = scored.scores, scored.ceiling
    full = round_up(float(np.nanpercentile(scores.r, 99)))
    out = [Overlay("r", "test r", scores.r, "sequential", full)]
    if ceiling is not None:
        over = normalized(scores.r, ceiling)
        what = "r over its noise ceiling, where that carries a division"
        out.append(Overlay("ceiling", "noise ceiling of r", ceiling.r, "sequential", 1.0))
        out.append(Overlay("r / ceiling", what, over, "sequential", 1.0))
    out.append(Overlay("R²", "test R²", scores.r2, "sequential", _most(scores.r2)))
    if scores.low is not None and scores.high is not None:
        out.append(Overlay("r, low", "lower end of the 95 % interval of r", scores.low))
        out.append(Overlay("r, high", "upper end of the 95 % interval of r", scores.high))
    return out


def _streams(streams: Mapping[str, str], scored: ScoredVoxels) -> list[Overlay]:
    """Which stream has the largest share; nothing where none compete."""
    competing = [band for band in scored.bands if streams.get(band) in STREAMS]
    if len(competing) < 2:
        return []
    chosen = colours_of(scored.bands, streams)
    values = best_stream(scored.scores.band_r2, scored.bands, competing)
    what = "stream with the largest share of test R²"
    colours = {band: chosen[band] for band in competing}
    return [Overlay("winning stream", what, values, "labels", labels=colours)]


def _bands(scored: ScoredVoxels) -> list[Overlay]:
    """Shares of R² and chosen weights of the bands, and what else was chosen."""
    out = []
    if len(scored.bands) > 1:
        most = _most(scored.scores.band_r2)
        for band, share in zip(scored.bands, scored.scores.band_r2, strict=True):
            what = f"share of test R² of band {band} (product measure)"
            out.append(Overlay(f"R² of {band}", what, share, "sequential", most))
        for band, weight in zip(scored.bands, scored.gamma, strict=True):
            what = f"weight of band {band} among the bands, as chosen on training data"
            out.append(Overlay(f"weight of {band}", what, weight, "sequential", 1.0))
    out.append(Overlay("cross-validated R²", "best R² on training data", scored.cv))
    return [one for one in out if np.isfinite(one.values).any()]


def _most(values: npt.NDArray) -> float:
    """Where a scale ends: the 99th percentile, to two digits."""
    found = float(np.nanpercentile(np.abs(values), 99)) if np.isfinite(values).any() else 0.0
    return float(f"{found:.2g}") or 1.0


def _regions(path: Path, scored: ScoredVoxels) -> list[dict[str, Any]]:
    """Regions of a table, each with its numbers and the place of its largest r."""
    table = read_by_region(path)[0]
    out = []
    for _, row in table.iterrows():
        rows = [(name, shown(row[key])) for key, name in ABOUT.items() if key in row]
        rows += [
            (f"mean R² of {key.removeprefix(BAND)}", shown(row[key]))
            for key in map(str, table.columns)
            if key.startswith(BAND)
        ]
        out.append({"name": str(row["region"]), "place": _peak(row, scored), "rows": rows})
    return out


def _peak(row: pd.Series, scored: ScoredVoxels) -> int:
    """Which of the places a row of the table calls its peak; of structures, the largest r."""
    at, where = row[list("xyz")].to_numpy(float), scored.grayordinates
    if np.isfinite(at).all():
        away = ((apply_affine(scored.affine, scored.ijk) - at) ** 2).sum(axis=1)
        # Indices of a vertex are none of a volume.
        return int((away if where is None else np.where(where.on_mesh, np.inf, away)).argmin())
    r = np.nan_to_num(scored.scores.r, nan=-np.inf)
    if where is not None and row["region"] in where.names:
        r = np.where(where.of(str(row["region"])), r, -np.inf)
    return int(r.argmax())
