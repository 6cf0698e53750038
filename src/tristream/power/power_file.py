"""The files of a power analysis: every realisation in HDF5, means and intervals in a table."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from tristream.config.inference import Inference
from tristream.config.power import Power
from tristream.power.design import read_design
from tristream.power.detection import FOUND, LEVEL, Analysis, Grid
from tristream.store import Omission, Provenance, create_h5, write_table

KIND = "power"
CONFIDENCE = 0.95
COLUMNS = {
    "subjects": "1: one subject; else subjects of a group test by sign flips",
    "effect": "Ceiling r of a driven voxel in one run; 0 is the control",
    "training_runs": "Runs that the models are fitted to",
    "repeats": "How many times as often as planned each test run is shown and averaged",
    "ceiling": "Ceiling r of the averaged test run",
    "r": "Mean test correlation of driven voxels",
    "r_low": "Lower end of its 95 % interval over realisations",
    "r_high": "Upper end",
    "power": "Share of driven voxels that is significant after FDR",
    "power_low": "Lower end of its 95 % interval over realisations",
    "power_high": "Upper end",
    "false_positives": "Share of voxels without signal that is significant after FDR",
    "false_low": "Lower end of its 95 % interval (Wilson)",
    "false_high": "Upper end",
    "false_uncorrected": "Share of voxels without signal with p at most .05, uncorrected",
    "uncorrected_low": "Lower end of its 95 % interval (Wilson)",
    "uncorrected_high": "Upper end",
    "false_discoveries": "Share of the significant voxels without signal, mean over realisations",
    "accuracy": "Share of test trials whose label a ridge classifier names",
    "accuracy_low": "Lower end of its 95 % interval over realisations",
    "accuracy_high": "Upper end",
    "chance": "The same under permuted labels",
    "decoder_power": "Share of realisations in which the accuracy has p at most .05",
}


def run_power(
    name: str, block: Power, inference: Inference, output: Path, code: str = ""
) -> pd.DataFrame:
    """Analyse one design, and write ``<name>.h5`` and ``<name>.tsv`` beside it.

    Parameters
    ----------
    name : str
        Of the block in ``power:``.
    block : Power
        The design and the guesses.
    inference : Inference
        The study's tests.
    output : Path
        The HDF5 file to write.
    code : str
        Fingerprint for the provenance.

    Returns
    -------
    DataFrame
        Rows of the table, columns as `COLUMNS`.

    Raises
    ------
    UserError
        If the design can't be read, or can't be tested.
    """
    design = read_design(name, block)
    grid = Analysis(design, block, inference).run()
    table = summary(grid, [len(group) for group in design.test])
    omitted = []
    if not design.labels:
        omitted.append(Omission("decoder accuracy", "aligned features have no labels"))
    elif np.isnan(grid.accuracy).any():
        why = "so few training runs don't show all labels of the test runs"
        omitted.append(Omission("decoder accuracy at the fewest training runs", why))
    config = {
        "power": block.model_dump(mode="json"),
        "inference": inference.model_dump(
            mode="json", include={"permutations", "fdr", "procedure", "seed"}
        ),
    }
    provenance = Provenance(KIND, True, config, code, tuple(omitted))
    said = {
        **design.said,
        "delays": block.delays_at(design.tr),
        "solver": grid.solver,
        "n_distinct": min(grid.distinct, 10**15),
    }
    with create_h5(output, provenance) as file:
        for key, value in {"name": name, **said}.items():
            file.attrs[key] = json.dumps(value) if isinstance(value, list) else value
        for key in ("effects", "runs", "repeats", "subjects"):
            file[key] = getattr(grid, key)
        for key in FOUND:
            file[key] = getattr(grid, key)
        file["group/power"], file["group/false"] = grid.group_power, grid.group_false
    write_table(output.with_suffix(".tsv"), table, provenance, COLUMNS, name=name, **said)
    return table


def summary(grid: Grid, shows: list[int]) -> pd.DataFrame:
    """Means over realisations with their intervals, a row a point of the grid.

    Parameters
    ----------
    grid : Grid
    shows : list of int
        How many runs of each test group are averaged.
    """
    rows = []
    for point in np.ndindex(grid.r.shape[:3]):
        effect = grid.effects[point[0]]
        runs, repeats = grid.runs[point[1]], grid.repeats[point[2]]
        where = {"effect": effect, "training_runs": runs, "repeats": repeats}
        ceiling = float(np.mean([averaged_ceiling(effect, n * repeats) for n in shows]))
        rows.append(
            {"subjects": 1, **where, "ceiling": ceiling}
            | interval("r", "r", grid.r[point])
            | interval("power", "power", grid.power[point], 0, 1)
            | wilson("false_positives", "false", grid.false[point], grid.silent)
            | wilson("false_uncorrected", "uncorrected", grid.false_p[point], grid.silent)
            | {"false_discoveries": _mean(grid.discoveries[point])}
            | interval("accuracy", "accuracy", grid.accuracy[point], 0, 1)
            | {"chance": _mean(grid.chance[point]), "decoder_power": _reached(grid.p[point])}
        )
        for index, subjects in enumerate(grid.subjects):
            rows.append(
                {"subjects": subjects, **where, "ceiling": ceiling}
                | interval("power", "power", grid.group_power[point][index], 0, 1)
                | wilson("false_positives", "false", grid.group_false[point][index], grid.silent)
            )
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values(["subjects", *where], kind="stable").round(5).reset_index(drop=True)


def averaged_ceiling(r: float, shows: int) -> float:
    """Ceiling r of the mean of `shows` runs, from that of one.

    With signal variance r² and noise variance 1 - r², averaging divides the second (Spearman 1910).
    """
    return math.sqrt(shows * r**2 / (1 + (shows - 1) * r**2))


def interval(
    name: str,
    ends: str,
    values: npt.NDArray[np.floating],
    least: float = -1.0,
    most: float = 1.0,
) -> dict[str, Any]:
    """Mean over realisations and its 95 % interval (Student's t)."""
    mean = _mean(values)
    half = float(
        stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)
        * np.std(values, ddof=1)
        / np.sqrt(len(values))
    )
    low, high = max(least, mean - half), min(most, mean + half)
    if math.isnan(mean):
        low = high = mean
    return {name: mean, f"{ends}_low": low, f"{ends}_high": high}


def wilson(name: str, ends: str, shares: npt.NDArray[np.floating], voxels: int) -> dict[str, Any]:
    """Share of the voxels of all realisations, and its 95 % interval (Wilson 1927)."""
    total = voxels * len(shares)
    found = stats.binomtest(round(float(shares.sum() * voxels)), total)
    ci = found.proportion_ci(CONFIDENCE, method="wilson")
    return {name: float(found.statistic), f"{ends}_low": ci.low, f"{ends}_high": ci.high}


def _mean(values: npt.NDArray[np.floating]) -> float:
    return float(values.mean())


def _reached(p: npt.NDArray[np.floating]) -> float:
    return float("nan") if np.isnan(p).any() else float((p <= LEVEL).mean())
