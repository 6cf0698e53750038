"""What a reader asks of a power analysis: how many runs are enough."""

import math

import numpy as np
import pandas as pd

WANTED = 0.8
# A Wilson interval above this says that a test at .05 calls too many voxels of noise significant.
LEVEL = 0.05


def answers(table: pd.DataFrame, wanted: float = WANTED) -> list[str]:
    """One sentence an effect: training runs for `wanted` power in one subject, test runs as given.

    Parameters
    ----------
    table : DataFrame
        Of a power analysis, columns as :data:`tristream.power.power_file.COLUMNS`.
    wanted : float
        Share of driven voxels to be found.
    """
    one = table[(table["subjects"] == 1) & (table["effect"] > 0)]
    one = one[one["repeats"] == one["repeats"].min()]
    return [
        f"{wanted:.0%} power at a ceiling r of {effect:g}: "
        f"{needed(points['training_runs'].to_numpy(), points['power'].to_numpy(), wanted)}."
        for effect, points in one.groupby("effect")
    ]


def needed(runs: np.ndarray, power: np.ndarray, wanted: float = WANTED) -> str:
    """Training runs at which power, linear between the points tried, stays at `wanted` or more.

    Parameters
    ----------
    runs : ndarray of int
        Rising.
    power : ndarray of float
        At each of them.
    """
    enough = power >= wanted
    if not enough[-1]:
        return f"more than {runs[-1]} training runs (power {power[-1]:.0%} with {runs[-1]})"
    if enough.all():
        return f"{runs[0]} training runs or fewer (power {power[0]:.0%} with {runs[0]})"
    last = int(np.flatnonzero(~enough)[-1])
    share = (wanted - power[last]) / (power[last + 1] - power[last])
    number = math.ceil(runs[last] + share * (runs[last + 1] - runs[last]) - 1e-9)
    return f"{number} training runs (between {power[last]:.0%} with {runs[last]} and " + (
        f"{power[last + 1]:.0%} with {runs[last + 1]})"
    )


def is_liberal(table: pd.DataFrame) -> bool:
    """Whether significantly more than 5 % of the voxels of noise have p at most .05."""
    one = table[(table["subjects"] == 1) & (table["effect"] == 0)]
    return bool((one["uncorrected_low"] > LEVEL).any())
