"""The lag scan: how long after the stimulus the BOLD follows."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tristream.align.lagscan import read_lagscan
from tristream.config.delays import in_volumes
from tristream.maps.style import STREAM_COLOURS
from tristream.report import report_figures as figures
from tristream.report.elements import Caution, Section, Table
from tristream.report.study_results import Results
from tristream.report.thresholds import PEAK

# A peak below this correlation may be anywhere.
FOLLOWED = 0.05


def section(results: Results, dataset: str, subject: str) -> Section:
    """Lag curves of each feature space with their peaks."""
    title = "Alignment"
    if not results.expects("lagscan", dataset=dataset, subject=subject):
        why = f"{dataset} sub-{subject}: rows of its BOLD are trials, which have no lag"
        return Section("alignment", title, results.leave_out("Lag scan", why))
    path = results.path("lagscan", dataset=dataset, subject=subject)
    if gone := results.missing("Lag scan", path):
        return Section("alignment", title, gone)
    scan = read_lagscan(path)
    notes, lags = results.read(path, scan.provenance), scan.lags
    layers = zip(scan.layers, scan.r, strict=True)
    rows = {layer: row for layer, row in layers if np.isfinite(row).any()}
    if not rows:
        return Section("alignment", title, notes)
    at = dict(zip(scan.layers, map(float, scan.peak), strict=True))
    peaks = tuple((layer, at[layer], float(np.nanmax(row))) for layer, row in rows.items())
    drawn = best_layers(rows)
    drawing = figures.curves(
        lags,
        drawn,
        ("lag of the BOLD behind the stimulus (s)", "correlation r"),
        _colours(results, list(drawn)),
        PEAK,
    )
    table = pd.DataFrame({"lag": lags, **{s: v.round(5) for s, v in rows.items()}})
    caption = (
        "Each line: held-out correlation of a feature space (its best layer) with the BOLD at a "
        "lag, median over the voxels that follow it best; dot: its peak. A haemodynamic response "
        f"peaks {PEAK[0]:g} to "
        f"{PEAK[1]:g} s after the stimulus (grey). A peak elsewhere means wrong onsets, a wrong "
        "start time, or features that do not drive the BOLD."
    )
    if _are_labels(results, list(drawn)):
        caption += (
            " Labels that come with the volumes may already be shifted by the response's delay, "
            "and long blocks make the peak broad."
        )
    name = f"{dataset}/sub-{subject}/lagscan"
    columns = {"lag": "seconds"}
    heading = f"Lag scan, sub-{subject}"
    figure = results.figure(
        drawing, name, heading, caption, table, scan.provenance.simulated, columns
    )
    listing = Table("Peak of each layer.", ("layer", "lag (s)", "r"), peaks, folded=len(peaks) > 8)
    missed = [Caution(text) for text in missed_peaks(results, dataset, drawn, at)]
    return Section("alignment", title, [figure, *missed, listing, *notes])


def missed_peaks(
    results: Results, dataset: str, best: Mapping[str, np.ndarray], peaks: Mapping[str, float]
) -> list[str]:
    """Encoding models whose delays do not reach the peak of a feature space that they use.

    Parameters
    ----------
    results : Results
    dataset : str
    best : dict of layer to ndarray
        The best layer of each space, with its correlations.
    peaks : dict of layer to float
        Seconds.
    """
    found = []
    tr = results.resolved.datasets[dataset].tr
    for name, model in results.resolved.study.models.items():
        if dataset not in model.datasets or model.hrf != "fir" or model.control != "none":
            continue
        used = {layer.split("/")[0] for layers in model.bands.values() for layer in layers}
        delays = [tr * volumes for volumes in in_volumes(model.delays, tr)]
        for layer, row in best.items():
            outside = not delays[0] - tr / 2 <= peaks[layer] <= delays[-1] + tr / 2
            if layer.split("/")[0] in used and outside and np.nanmax(row) > FOLLOWED:
                found.append(
                    f"The delays of model {name} reach from {delays[0]:g} to {delays[-1]:g} s, but "
                    f"the BOLD follows {layer} best at {peaks[layer]:.1f} s; give it other "
                    "`delays`, or find out whether the onsets are right."
                )
    return found


def _are_labels(results: Results, layers: list[str]) -> bool:
    return all(results.stream(layer) == "label" for layer in layers)


def best_layers(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The layer of each space whose peak is the highest."""
    best: dict[str, str] = {}
    for name, row in rows.items():
        space = name.split("/")[0]
        if space not in best or np.nanmax(row) > np.nanmax(rows[best[space]]):
            best[space] = name
    return {name: rows[name] for name in best.values()}


def _colours(results: Results, spaces: list[str]) -> dict[str, str]:
    return {space: STREAM_COLOURS[results.stream(space)] for space in spaces}
