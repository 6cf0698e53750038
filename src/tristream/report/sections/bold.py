"""How good a subject's BOLD is, and what it was made from: motion, signal, masks, files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure as Drawing

from tristream.bold.index_file import IndexedRun, read_index
from tristream.bold.run_file import CHUNK, Run, read_run, read_some_voxels, run_provenance
from tristream.maps import brain_figures as slices
from tristream.maps.background import to_ras
from tristream.maps.style import OTHER_COLOURS
from tristream.maps.surface import template_of, whole
from tristream.report.elements import Block, Heading, Section, Table, Text
from tristream.report.report_figures import INK, MARK
from tristream.report.study_results import Results

# Framewise displacement above which nilearn's scrubbing drops a volume (mm).
THRESHOLD = 0.5
# Rows and columns of the carpet: more than a page can show would only fill its table.
MOST_VOXELS = 200
MOST_COLUMNS = 600
# Blocks of voxels that the carpet is taken from, so that no run is read whole.
MOST_CHUNKS = 8
FEW_FILES = 12


@dataclass(frozen=True)
class Carpet:
    """Cleaned BOLD of all runs side by side.

    Attributes
    ----------
    table : DataFrame
        A row a column of the picture: ``run first volumes time fd censored``.
    values : ndarray of shape (columns, voxels)
        z-scores, each the mean of a few neighbouring volumes.
    ijk : ndarray of shape (voxels, 3)
    names : list of str
        Of the voxels, for the table.
    """

    table: pd.DataFrame
    values: npt.NDArray[np.float32]
    ijk: npt.NDArray[np.int32]
    names: list[str]


def section(results: Results, dataset: str, subject: str) -> Section:
    """Table and figures of the runs of one subject."""
    title = "BOLD and its quality"
    listing = results.path("bold_index", dataset=dataset, subject=subject)
    if gone := results.missing("Table of runs", listing):
        return Section("bold", title, gone)
    index = read_index(listing)
    notes = results.read(listing, index.provenance)
    listed = [
        results.path("bold", dataset=dataset, subject=subject, run=run.run) for run in index.runs
    ]
    blocks: list[Block] = [_listing(index.runs)]
    paths = [path for path in listed if not results.missing(f"Run {path.stem}", path)]
    if paths:
        for path in paths:
            results.read(path, run_provenance(path))
        runs = [read_run(path, signal=False) for path in paths]
        where, simulated = f"{dataset}/sub-{subject}", index.provenance.simulated
        if np.isnan(runs[0].tsnr).all():
            why = f"{where}: its rows are responses that were estimated before"
            blocks += results.leave_out("Quality of the BOLD", why)
        else:
            blocks.append(_side_by_side(results, where, runs, simulated))
            blocks += _signal(results, where, runs, simulated)
        blocks += _motion(results, where, runs, paths, simulated)
        blocks += _files(runs)
    return Section("bold", title, [*blocks, *notes])


def short_names(runs: Sequence[str]) -> list[str]:
    """Runs by the values of those entities in which they differ: ``Training 01``."""
    parts = [[entity.rpartition("-")[2] for entity in run.split("_")] for run in runs]
    if len({len(part) for part in parts}) > 1 or len(runs) < 2:
        return [" ".join(part) for part in parts]
    differ = [n for n, values in enumerate(zip(*parts, strict=True)) if len(set(values)) > 1]
    return [" ".join(part[n] for n in differ) for part in parts]


def _listing(runs: Sequence[IndexedRun]) -> Table:
    columns = {
        "run": "run",
        "volumes": "volumes",
        "start_time": "first volume at (s)",
        "tsnr_median": "median tSNR",
        "fd_mean": "mean FD (mm)",
        "censored": "censored volumes",
        "mask_voxels": "voxels",
        "mask_overlap": "overlap of masks",
    }
    rows = tuple(tuple(getattr(run, key) for key in columns) for run in runs)
    caption = (
        "Runs. tSNR: mean over standard deviation in time, median over voxels. FD: framewise "
        "displacement; a dash where no motion estimates exist. Overlap: Dice coefficient of the "
        "run's own mask and the voxels that all runs share; 1 is the same."
    )
    return Table(caption, tuple(columns.values()), rows, folded=len(runs) > FEW_FILES)


def _side_by_side(results: Results, where: str, runs: Sequence[Run], simulated: bool) -> Block:
    table = pd.DataFrame([_quality(run) for run in runs])
    panels = {"tsnr": "tSNR", "fd_mean": "mean FD (mm)", "mask_overlap": "overlap of masks (Dice)"}
    drawn = {key: text for key, text in panels.items() if table[key].notna().any()}
    size = (1.6 + 2.7 * len(drawn), 0.19 * len(runs) + 1.3)
    drawing, grid = plt.subplots(
        1, len(drawn), sharey=True, squeeze=False, figsize=size, layout="constrained"
    )
    place = np.arange(len(runs))
    for number, (key, text) in enumerate(drawn.items()):
        axes = grid[0, number]
        axes.barh(place, table[key], 0.75, color=OTHER_COLOURS[number])
        if key == "tsnr":
            axes.hlines(place, table["tsnr_low"], table["tsnr_high"], color=INK, linewidth=1.0)
        axes.set_xlabel(text)
    grid[0, 0].set_yticks(place, short_names([run.run for run in runs]))
    grid[0, 0].invert_yaxis()
    caption = (
        "A row a run. tSNR: median over voxels of mean over standard deviation in time, before "
        "cleaning; line: the middle half of the voxels. A run that stands apart from the others "
        "deserves a look: at its images, or at how its mask was made."
    )
    columns = {
        "tsnr": "median over voxels",
        "tsnr_low": "quartile",
        "tsnr_high": "quartile",
        "fd_mean": "mm",
        "fd_max": "mm",
        "censored": "volumes that carry no data",
        "mask_overlap": "Dice coefficient of the run's own mask and that of all runs",
    }
    name = f"{where}/runs"
    title = f"Runs side by side, {_who(where)}"
    return results.figure(drawing, name, title, caption, table, simulated, columns, wide=True)


def _quality(run: Run) -> dict[str, object]:
    low, middle, high = np.percentile(run.tsnr, (25, 50, 75)).round(3)
    known = run.fd[np.isfinite(run.fd)]
    return {
        "run": run.run,
        "tsnr": middle,
        "tsnr_low": low,
        "tsnr_high": high,
        "fd_mean": round(float(known.mean()), 4) if len(known) else np.nan,
        "fd_max": round(float(known.max()), 4) if len(known) else np.nan,
        "censored": int(run.censor.sum()),
        "mask_overlap": np.nan if run.mask_overlap is None else round(run.mask_overlap, 4),
    }


def _signal(results: Results, where: str, runs: Sequence[Run], simulated: bool) -> list[Block]:
    """The mean tSNR of all runs, in slices or on the surface."""
    tsnr = np.mean([run.tsnr for run in runs], axis=0)
    full = float(np.percentile(tsnr, 98)) or 1.0
    paint = slices.scale(0, full, "tSNR, mean over runs")
    first = runs[0]
    title = f"Temporal signal-to-noise ratio, {_who(where)}"
    table = pd.DataFrame(first.ijk, columns=list("ijk")).assign(tsnr=tsnr.round(2))
    if (places := first.grayordinates) is not None:
        table.insert(0, "structure", np.array(places.names)[places.structure])
        receipts = [path for _, path in results.existing("meshes")]
        template = template_of(first.space, receipts[0] if receipts else None)
        if template is None:
            what = "Map of the temporal signal-to-noise ratio"
            return [*results.leave_out(what, f"{where}: no map of the study fetched the meshes")]
        textures = whole(first, tsnr, template)
        rgba = {side: paint.rgba(texture) for side, texture in textures.items()}
        drawing = slices.surface(title, "inflated", rgba, template)
    else:
        image = np.zeros((*first.shape, 4), np.float32)
        image[tuple(first.ijk.T)] = paint.rgba(tsnr)
        painted, zooms = to_ras(image, first.affine)
        drawing = slices.volume(title, painted, np.full(painted.shape[:3], np.nan), zooms)
    caption = (
        "Mean of each voxel's signal over its standard deviation about a linear trend, before "
        f"cleaning, mean over runs. The scale ends at {full:.3g} (98th percentile). Dark holes "
        "near sinuses and ears are signal loss; dark rims are motion, or a mask too wide."
    )
    finished = slices.finish(drawing, paint)
    return [results.figure(finished, f"{where}/tsnr", title, caption, table, simulated)]


def _motion(
    results: Results, where: str, runs: Sequence[Run], paths: Sequence[Path], simulated: bool
) -> list[Block]:
    if runs[0].trials:
        why = f"{where}: the rows of its files are trials, not volumes"
        return [*results.leave_out("Carpet plot and head motion over time", why)]
    carpet = read_carpet(runs, paths)
    moved = carpet.table["fd"].notna().any()
    title = f"{'Head motion and carpet' if moved else 'Carpet'}, {_who(where)}"
    drawing = _draw_carpet(carpet, bool(moved))
    each = int(carpet.table["volumes"].max())
    column = "one volume" if each == 1 else f"the mean of up to {each} volumes"
    caption = (
        f"All runs one after the other; a column is {column}. Below: cleaned BOLD of "
        f"{len(carpet.ijk)} voxels (z-scores, black -2, white 2), those that follow the mean over "
        "voxels most at the top. Vertical bands are what the whole brain does at once: motion, "
        "breaths, spikes that cleaning left."
    )
    if moved:
        caption += (
            f" Above: framewise displacement, its largest value in a column; line: {THRESHOLD:g} "
            "mm, where nilearn's scrubbing cuts."
        )
    if carpet.table["censored"].any():
        caption += " Red ticks: censored volumes, which carry no data."
    table = carpet.table.copy()
    shown = pd.DataFrame(carpet.values.round(2), columns=carpet.names)
    table = pd.concat([table, shown], axis=1)
    columns = {
        "first": "first volume of the column, from 0",
        "volumes": "how many volumes",
        "time": "seconds of the run at which the first stands",
        "fd": "largest framewise displacement in mm",
        "censored": "volumes without data",
    }
    figure = results.figure(
        drawing, f"{where}/carpet", title, caption, table, simulated, columns, wide=True
    )
    return [figure]


def read_carpet(runs: Sequence[Run], paths: Sequence[Path]) -> Carpet:
    """Cleaned BOLD of a few voxels of all runs, neighbouring volumes averaged.

    Parameters
    ----------
    runs : list of Run
        Of one subject.
    paths : list of Path
        Their files.
    """
    voxels = _chosen(len(runs[0].ijk))
    each = -(-sum(run.n_volumes for run in runs) // MOST_COLUMNS)
    rows, values = [], []
    for run, path in zip(runs, paths, strict=True):
        signal = read_some_voxels(path, voxels)
        for start in range(0, run.n_volumes, each):
            here = slice(start, min(start + each, run.n_volumes))
            known = run.fd[here][np.isfinite(run.fd[here])]
            rows.append(
                {
                    "run": run.run,
                    "first": start,
                    "volumes": here.stop - start,
                    "time": round(float(run.time[start]), 3),
                    "fd": round(float(known.max()), 4) if len(known) else np.nan,
                    "censored": int(run.censor[here].sum()),
                }
            )
            values.append(signal[here].mean(axis=0))
    carpet = np.stack(values)
    ijk = np.concatenate([runs[0].ijk[one] for one in voxels])
    order = np.argsort(-_follows(carpet), kind="stable")
    every = _names(runs[0])
    names = [name for one in voxels for name in every[one]]
    return Carpet(pd.DataFrame(rows), carpet[:, order], ijk[order], [names[n] for n in order])


def _names(run: Run) -> list[str]:
    """Names of all voxels of a run."""
    names = [f"voxel_{i}_{j}_{k}" for i, j, k in run.ijk]
    if (where := run.grayordinates) is None:
        return names
    on_mesh = where.on_mesh
    return [
        f"{where.names[where.structure[n]].lower()}_{run.ijk[n, 0]}" if on_mesh[n] else name
        for n, name in enumerate(names)
    ]


def _chosen(voxels: int) -> list[slice]:
    """Which voxels are taken, in blocks as a file stores them."""
    starts = np.arange(0, voxels, CHUNK)
    taken = starts[np.unique(np.linspace(0, len(starts) - 1, MOST_CHUNKS).astype(int))]
    each = max(1, -(-sum(min(CHUNK, voxels - s) for s in taken) // MOST_VOXELS))
    return [slice(s, min(s + CHUNK, voxels), each) for s in taken.tolist()]


def _follows(carpet: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Covariance of each voxel with the mean over voxels, over its own deviation."""
    mean = carpet.mean(axis=1)
    size = np.linalg.norm(carpet, axis=0)
    return np.asarray((carpet.T @ mean) / np.where(size > 0, size, 1), np.float64)


def _draw_carpet(carpet: Carpet, moved: bool) -> Drawing:
    table, columns = carpet.table, len(carpet.table)
    heights = [1.0, 2.6] if moved else [0.18, 2.6]
    drawing, (above, below) = plt.subplots(
        2,
        1,
        sharex=True,
        figsize=(10.5, 1.0 + sum(heights)),
        height_ratios=heights,
        layout="constrained",
    )
    place = np.arange(columns) + 0.5
    top = 1.0
    if moved:
        top = 1.15 * max(THRESHOLD, float(table["fd"].max()))
        above.plot(place, table["fd"], color=INK, linewidth=0.8)
        above.axhline(THRESHOLD, color=MARK, linewidth=0.8)
        above.set(ylabel="FD (mm)", ylim=(0, top))
    else:
        above.axis("off")
        above.set(ylim=(0, top))
    lost = place[table["censored"] > 0]
    above.vlines(lost, 0.92 * top, top, color=MARK, linewidth=1.0)
    extent = (0, columns, len(carpet.ijk), 0)
    picture = carpet.values.T
    below.imshow(
        picture, cmap="gray", vmin=-2, vmax=2, aspect="auto", extent=extent, interpolation="nearest"
    )
    below.set(ylabel=f"{len(carpet.ijk)} voxels", yticks=[])
    starts = np.flatnonzero(table["run"] != table["run"].shift())
    for start in starts[1:]:
        for axes in (above, below):
            axes.axvline(start, color=OTHER_COLOURS[0], linewidth=0.9)
    names = short_names(list(dict.fromkeys(table["run"])))
    middles = (starts + np.append(starts[1:], columns)) / 2
    below.set_xticks(middles, names, rotation=40, ha="right", rotation_mode="anchor")
    below.tick_params(axis="x", length=0)
    return drawing


def _files(runs: Sequence[Run]) -> list[Block]:
    """Files and transforms by part; those that all runs share stand once."""
    pipelines = dict.fromkeys(run.sources.get("pipeline", "") for run in runs)
    blocks: list[Block] = [Heading("Files and transforms")]
    blocks += [Text(f"Pipeline: {pipeline}.") for pipeline in pipelines if pipeline]
    rows: list[tuple[str, str, str]] = []
    for part in dict.fromkeys(part for run in runs for part in run.sources if part != "pipeline"):
        used = {run.run: run.sources.get(part, "") for run in runs}
        if len(set(used.values())) == 1:
            rows.append((part, "all", used[runs[0].run]))
        else:
            rows += [(part, run, file or "none") for run, file in used.items()]
    counts = sorted(len(run.confound_names) for run in runs)
    what = ", ".join(runs[0].confound_names) or "nothing"
    if len({run.confound_names for run in runs}) > 1:
        what = f"{counts[0]} to {counts[-1]} confounds, which differ between runs"
    blocks.append(Text(f"Projected out besides mean and linear trend: {what}."))
    if rows:
        caption = "What each run was made from, below the dataset's folder."
        folded = len(rows) > FEW_FILES
        blocks.append(Table(caption, ("part", "run", "file"), tuple(rows), folded=folded))
    return blocks


def _who(where: str) -> str:
    return where.replace("/", " ")
