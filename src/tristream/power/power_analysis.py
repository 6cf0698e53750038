"""One power analysis: read a design, simulate and analyse it, sum up what was found."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from tristream.config.settings.power import PowerSettings
from tristream.inference import wording
from tristream.inference.inference_file import MANY
from tristream.phrases import listed
from tristream.power.design import Design, read_design
from tristream.power.detection import LEVEL, Analysis, Grid
from tristream.power.power_file import COLUMNS, KIND, PlannedStudy, write_power
from tristream.store import Omission, Provenance

CONFIDENCE = 0.95


def run_power(settings: PowerSettings, output: Path, code: str = "") -> pd.DataFrame:
    """Analyse one design, and write ``<name>.h5`` and ``<name>.tsv`` beside it.

    Parameters
    ----------
    settings : PowerSettings
        The design and the guesses, and the study's tests.
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
    design = read_design(settings.name, settings.block)
    grid = Analysis(design, settings).run()
    table = summary(grid, [len(group) for group in design.test])
    planned = PlannedStudy(
        name=settings.name,
        **design.facts,
        delays=settings.block.delays_at(design.tr),
        solver=grid.solver,
        n_distinct=min(grid.distinct, MANY),
    )
    provenance = Provenance(
        KIND,
        simulated=True,
        config=settings.key(),
        code=code,
        omitted=_omitted(design, grid),
        methods=methods(planned, grid, settings),
    )
    write_power(output, planned, grid, table, provenance)
    return table


def _omitted(design: Design, grid: Grid) -> tuple[Omission, ...]:
    if not design.labels:
        return (Omission("decoder accuracy", "aligned features have no labels"),)
    if np.isnan(grid.accuracy).any():
        why = "so few training runs don't show all labels of the test runs"
        return (Omission("decoder accuracy at the fewest training runs", why),)
    return ()


def methods(planned: PlannedStudy, grid: Grid, settings: PowerSettings) -> tuple[str, ...]:
    """Sentences about what was simulated and how it was analysed."""
    block = settings.block
    what = (
        "labels with random weights, of which the mean over labels was taken"
        if planned.labels
        else "aligned features with random weights"
    )
    unit = wording.UNITS.get(planned.unit, f"blocks of {block.permuted.seconds:g} s")
    how = (
        "of the prediction within test runs"
        if planned.unit == "time"
        else "within test runs, whose features changed places and were predicted from again"
    )
    wide = " (its null widened for the film's dependence in time)" if grid.widened else ""
    delays = ", ".join(map(str, planned.delays))
    sentences = [
        f"Power was estimated on simulated BOLD of {grid.realisations} subjects.",
        f"In each, {block.driven_voxels} of {block.voxels} voxels followed the {what}, "
        "convolved in steps of 0.1 s with a double-gamma response whose peak was drawn for each "
        "voxel between 4.5 and 7 s, and scaled so that the noise-free signal correlated with one "
        "run of signal and noise by the effect given, over the test volumes that are scored and "
        "after cleaning.",
        "The other voxels were noise, Gaussian and autoregressive of order one "
        f"({block.autocorrelation:g} at a lag of one volume), independent over voxels and runs.",
        *_stand_for(grid, settings),
        "Each run was cleaned (mean, linear trend, cosines slower than 128 s, z-scores by run) and "
        f"analysed by ridge regression on features delayed by {delays} TR, the penalty of each "
        "voxel chosen by leaving one training run out; the correlation of prediction and the mean "
        f"of test repeats was tested by {settings.permutations:,} permutations of {unit} {how}"
        f"{wide}, and by as many more as a voxel needs to pass alone; "
        f"{wording.rate(settings.procedure, settings.fdr, 'the voxels of a subject')}.",
    ]
    if np.isfinite(grid.accuracy).any():
        chance = (
            f"chance is the mean accuracy of {block.permutations:,} label permutations, refitted"
            if np.isfinite(grid.p).any()
            else "chance is the share of the commonest label"
        )
        sentences.append(
            f"A ridge classifier of {grid.driven + grid.silent} voxels, {grid.driven} of them "
            "driven (penalty: the number of voxels), was fitted to trials, the mean "
            f"volume {block.shift:g} s after onset over the trial's duration, z-scored by run, and "
            f"tested on the averaged test runs; {chance}."
        )
    if grid.subjects:
        sizes = listed(grid.subjects)
        sentences.append(
            f"Groups of {sizes} subjects were tested by flipping the signs of the subjects' Fisher "
            "z [@nichols2002]."
        )
    return tuple(sentences)


def _stand_for(grid: Grid, settings: PowerSettings) -> list[str]:
    """How few voxels were simulated, if not all were."""
    block = settings.block
    if grid.driven + grid.silent == block.voxels:
        return []
    return [
        f"Of these, {grid.driven} voxels with signal and {grid.silent} without were simulated. For "
        f"the correction for all {block.voxels:,} voxels the first were counted as often as there "
        "are driven voxels, and p values of all others were drawn as those of a test that keeps "
        "its level; the simulated ones show whether it does."
    ]


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
