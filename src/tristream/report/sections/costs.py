"""What each feature space costs: its size, the time and memory that it took, what it waited for."""

from collections.abc import Mapping, Sequence

import numpy as np

from tristream.features.core.feature_file import Cost, StimulusFeatures, open_features
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
    "One row a feature space and dataset, all layers together. Time and CPU: of all passes in "
    "which its layers were computed, as a rule one; if the work of a killed job was continued, of "
    "the rest alone. Peak memory: resident, of the largest pass. Network busy: share of the last "
    "pass in which the network computed and did not wait for decoding or storing; spaces without a "
    "network have none."
)


def sections(results: Results, spaces: Mapping[str, Sequence[Space]]) -> list[Section]:
    """All spaces of all datasets in one table; none without features."""
    rows = [_row(space) for found in spaces.values() for space in found]
    if not rows:
        return []
    blocks: list[Block] = [Table(CAPTION, COLUMNS, tuple(rows))]
    return [Section("costs", "What the feature spaces cost", blocks)]


def _row(space: Space) -> tuple[object, ...]:
    dimensions, most, size = 0, 0, 0
    minutes, busy = float("nan"), float("nan")
    passes: dict[Cost, None] = {}
    for path in space.layers.values():
        size += path.stat().st_size
        with open_features(path) as file:
            if file.about.cost:
                passes[file.about.cost] = None
            dimensions += file.width
            most = max(most, sum(len(values) for values in file.all_values))
            if file.stimuli:
                minutes = sum(_seconds(one) for one in file.stimuli.values()) / 60
            notes = [one.notes for one in file.stimuli.values()] or [file.item_notes]
            shares = [float(one["busy"]) for one in notes if "busy" in one]
            busy = float(np.mean(shares)) if shares else busy
    seconds = sum(one.seconds for one in passes) if passes else np.nan
    cpu = sum(one.cpu_seconds for one in passes) if passes else np.nan
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
        max((one.memory for one in passes), default=np.nan),
        size / 1e6,
        "–" if np.isnan(busy) else f"{busy:.0%}",
    )


def _seconds(shown: StimulusFeatures) -> float:
    """Of media time, from the first sample's window to the last's."""
    times = shown.times
    return float(times[-1] - times[0] + shown.window) if len(times) else 0.0
