"""What each feature space costs: its size, the time and memory that it took, what it waited for."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tristream.features.core.feature_file import StimulusFeatures, open_features
from tristream.features.show.shown_space import Space
from tristream.report.elements import Block, Link, Section, Table
from tristream.report.sections.features import page_of
from tristream.report.study_results import Results

COLUMNS = (
    *("space", "dataset", "layers", "dimensions", "samples", "stimuli (min)"),
    *("time (s)", "CPU (s)", "CPU (s) a minute", "peak memory (MB)", "on disk (MB)"),
    "network busy",
)
CAPTION = (
    "One row a feature space and dataset, all layers together. Time: that of the longest job of a "
    "layer, which as a rule computes them all in one pass; CPU: that of all its jobs, as Snakemake "
    "measured them, with start-up, and if the work of a killed job was gone on with, of the rest "
    "alone. Peak memory: resident, of the largest job. Network busy: share of the last pass in "
    "which the network computed and did not wait for decoding or storing; spaces without a network "
    "have none."
)


def sections(results: Results, spaces: Mapping[str, Sequence[Space]]) -> list[Section]:
    """All spaces of all datasets in one table; none without features."""
    rows = [_row(results, space) for found in spaces.values() for space in found]
    if not rows:
        return []
    blocks: list[Block] = [Table(CAPTION, COLUMNS, tuple(rows))]
    return [Section("costs", "What the feature spaces cost", blocks)]


def _row(results: Results, space: Space) -> tuple[object, ...]:
    dimensions, most, size = 0, 0, 0
    minutes, busy = float("nan"), float("nan")
    for path in space.layers.values():
        size += path.stat().st_size
        with open_features(path) as file:
            dimensions += file.width
            most = max(most, sum(len(values) for values in file.all_values))
            if file.stimuli:
                minutes = sum(_seconds(one) for one in file.stimuli.values()) / 60
            notes = [one.notes for one in file.stimuli.values()] or [file.item_notes]
            shares = [float(one["busy"]) for one in notes if "busy" in one]
            busy = float(np.mean(shares)) if shares else busy
    jobs = _jobs(results, space)
    seconds, cpu = float(jobs["s"].max()), float(jobs["cpu_time"].sum(min_count=1))
    return (
        Link(space.name, page_of(space.name)),
        space.dataset,
        len(space.layers),
        dimensions,
        most,
        minutes,
        seconds,
        cpu,
        cpu / minutes,
        float(jobs["max_rss"].max()),
        size / 1e6,
        "–" if np.isnan(busy) else f"{busy:.0%}",
    )


def _seconds(shown: StimulusFeatures) -> float:
    """Of media time, from the first sample's window to the last's."""
    times = shown.times
    return float(times[-1] - times[0] + shown.window) if len(times) else 0.0


def _jobs(results: Results, space: Space) -> pd.DataFrame:
    """Snakemake's benchmark of each layer's job; no row where a stage was run by hand."""
    files = [
        path
        for one, path in results.benchmarks()
        if one.place == "features" and (one["dataset"], one["space"]) == (space.dataset, space.name)
    ]
    empty = pd.DataFrame({name: pd.Series(dtype=float) for name in ("s", "max_rss", "cpu_time")})
    return pd.concat([empty, *map(_read, files)]) if files else empty


def _read(path: Path) -> pd.DataFrame:
    found = pd.read_csv(path, sep="\t", na_values=["-", "NA"]).tail(1)
    return found[["s", "max_rss", "cpu_time"]].astype(float)
