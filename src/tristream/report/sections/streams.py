"""Which stream's features predict which voxels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.encode.encoding_file import read_scores
from tristream.encode.partition.partition_file import read_partition
from tristream.maps.encoding_maps import STREAMS
from tristream.maps.score_maps import best_stream
from tristream.maps.style import colours_of
from tristream.report import report_figures as figures
from tristream.report.elements import Block, Heading, Missing, Section, Table, Text
from tristream.report.sections.maps import figures_of
from tristream.report.sections.tested_variance import tested_variance
from tristream.report.study_results import Results
from tristream.simulate.truth_file import read_truth
from tristream.store import Omission

MIN_R = 0.2
MIN_CEILING = 0.3


@dataclass(frozen=True)
class Split:
    """Split R² of one model and subject.

    Attributes
    ----------
    bands, competing : list of str
        All bands; those of the three streams.
    r, share : (n,), (B, n)
        Test r, split R².
    ijk : (n, 3)
        Voxels.
    """

    bands: list[str]
    competing: list[str]
    r: npt.NDArray
    share: npt.NDArray
    ijk: npt.NDArray
    simulated: bool
    notes: list[Missing]

    @property
    def best(self) -> npt.NDArray[np.int16]:
        """Index + 1 of the best stream of each voxel, 0 for none."""
        return best_stream(self.share, self.bands, self.competing)


def section(results: Results, dataset: str, subject: str) -> Section:
    """Split variance, best streams, and for simulated data the regions behind them."""
    blocks: list[Block] = []
    for name, model in results.models(dataset).items():
        streams = results.streams(model)
        competing = [b for b in model.bands if streams[b] in STREAMS]
        if results.is_plain(model) or len(competing) < 2:
            continue
        path = results.path("encoding", dataset=dataset, model=name, subject=subject)
        if gone := results.missing(f"Encoding model {name}", path):
            blocks += gone
            continue
        split = read_split(results, path, competing)
        blocks += [Heading(f"Model {name}"), _shares(results, dataset, subject, name, split)]
        blocks += [_best_streams(split), *_partition(results, dataset, subject, name)]
        blocks += _regions(results, dataset, subject, name, split)
        blocks += figures_of(results, dataset, name, subject, ("best_stream",))
    if not blocks:
        blocks.append(Text("No encoding model of this dataset has bands of two or more streams."))
    return Section("streams", "Streams", blocks)


def read_split(results: Results, path: Path, competing: list[str]) -> Split:
    """Read the split scores of an encoding."""
    scored, provenance = read_scores(path)
    return Split(
        scored.bands,
        competing,
        scored.scores.r,
        scored.scores.band_r2,
        scored.ijk,
        provenance.simulated,
        results.read(path, provenance),
    )


def _shares(results: Results, dataset: str, subject: str, model: str, split: Split) -> Block:
    good = split.r > MIN_R
    table = pd.DataFrame({"band": split.bands})
    groups = {f"voxels with r > {MIN_R}": good, "all voxels": np.ones_like(good)}
    bars = {}
    for label, chosen in groups.items():
        if chosen.any():
            bars[label] = split.share[:, chosen].mean(axis=1)
            table[f"split R2, {label}"] = bars[label].round(5)
    streams = results.streams(results.models(dataset)[model])
    colours = colours_of(split.bands, streams)
    drawing = figures.bars(
        split.bands, bars, "mean share of test R²", [colours[b] for b in split.bands]
    )
    caption = (
        "Test R² split over the bands by the product measure, mean over voxels: the shares of a "
        "voxel add up to its R². A share below 0 belongs to a band that makes the prediction worse."
    )
    title = f"Split variance, model {model}, sub-{subject}"
    name = f"{dataset}/sub-{subject}/streams_{model}"
    return results.figure(drawing, name, title, caption, table, split.simulated)


def _partition(results: Results, dataset: str, subject: str, model: str) -> list[Block]:
    """Unique and shared variance, where the study asks for it."""
    if model not in results.resolved.study.inference.partition:
        what = f"Unique and shared variance of {model}"
        why = "inference.partition does not name the model: it costs a fit for each set of bands"
        results.omitted.setdefault(Omission(what, why), [])
        return [Missing(what, why)]
    path = results.path("partition", dataset=dataset, model=model, subject=subject)
    if gone := results.missing(f"Unique and shared variance of {model}", path):
        return [*gone]
    stored, provenance = read_partition(path)
    notes = results.read(path, provenance)
    sets, groups, rest = stored.sets, stored.groups, stored.rest
    order = sorted(range(len(sets)), key=lambda place: sets[place].count("+"))
    means = stored.found.means
    value, low, high = (one[:, order] for one in (means.value, means.low, means.high))
    names = [f"{sets[i]} alone" if "+" not in sets[i] else sets[i] for i in order]
    table = pd.DataFrame({"bands": names})
    for number, group in enumerate(groups):
        for key, values in (("mean", value), ("low", low), ("high", high)):
            table[f"{key}, {group}"] = values[number].round(5)
    shown = [number for number in reversed(range(len(groups))) if np.isfinite(value[number]).all()]
    drawing = figures.bars(
        names,
        {groups[number]: value[number] for number in shown},
        "mean test R²",
        intervals={groups[number]: (low[number], high[number]) for number in shown},
    )
    over = f" beyond {', '.join(rest)}, which every model holds" if rest else ""
    caption = (
        f"What each set of bands explains{over}. Alone: what the full model loses without the "
        "band. Several bands: what any of them can explain in place of the others. The bars of a "
        "group add up to what all bands explain together; below 0 a band makes the prediction "
        "worse, or two explain more together than apart."
    )
    if np.isfinite(low).any():
        caption += f" Lines: 95 % intervals over {stored.found.blocks} groups of test data."
    title = f"Unique and shared variance, model {model}, sub-{subject}"
    name = f"{dataset}/sub-{subject}/partition_{model}"
    figure = results.figure(drawing, name, title, caption, table, provenance.simulated)
    return [figure, *notes, *tested_variance(results, dataset, subject, model)]


def _best_streams(split: Split) -> Table:
    good = split.r > MIN_R
    rows = []
    for number, name in enumerate((*split.competing, "none")):
        found = split.best == (number + 1 if name != "none" else 0)
        rows.append((name, int((found & good).sum()), int(found.sum())))
    columns = ("best stream", f"voxels with r > {MIN_R}", "all voxels")
    caption = (
        "Voxels by the stream with the largest share of their test R². All voxels include those "
        "that nothing predicts, whose best stream is chance."
    )
    return Table(caption, columns, tuple(rows))


def _regions(results: Results, dataset: str, subject: str, model: str, split: Split) -> list[Block]:
    """Simulated data: what truly drives each voxel against its best stream."""
    found = results.existing("truth", dataset=dataset)
    if not split.simulated or not found:
        return []
    ((_, path),) = found
    stored = read_truth(path)
    results.read(path, stored.provenance)
    if subject not in stored.subjects:
        return []
    voxels = stored.voxels(subject)
    truth = pd.DataFrame(voxels.ijk, columns=list("ijk"))
    truth["driven by"], truth["ceiling"] = voxels.streams, voxels.ceiling_r
    names = np.array(["none", *split.competing])
    best = pd.DataFrame(split.ijk, columns=list("ijk")).assign(stream=names[split.best])
    both = truth.merge(best, on=list("ijk"))
    both = both[(both["ceiling"] > MIN_CEILING) | ~both["driven by"].map(_is_driven(split))]
    if both.empty:
        return []
    counts = pd.crosstab(both["driven by"], both["stream"])
    counts = counts.reindex(columns=[n for n in (*split.competing, "none") if n in counts])
    share = counts.div(counts.sum(axis=1), axis=0).to_numpy()
    drawing = figures.heatmap(
        share,
        [str(name) for name in counts.index],
        list(counts.columns),
        ("simulated voxels driven by", "best stream of the model", "share of the row"),
        (0, 1),
        counts.to_numpy().astype(str),
    )
    caption = (
        "Rows: what drives a voxel in the simulation; columns: the stream with the largest share "
        "of test R²; numbers: voxels. Driven voxels count where their true ceiling is above "
        f"{MIN_CEILING}. Rows of a single stream belong on their own column; voxels driven by "
        "something that the model is not given, or by noise alone, have no right column."
    )
    title = f"Best stream by what drives the voxel, model {model}, sub-{subject}"
    name = f"{dataset}/sub-{subject}/regions_{model}"
    return [results.figure(drawing, name, title, caption, counts.reset_index(), True)]


def _is_driven(split: Split):
    return lambda streams: any(part in split.competing for part in str(streams).split("+"))
