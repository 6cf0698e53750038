"""A confounds table as fMRIPrep writes it, so that any reader of fMRIPrep outputs takes it."""

import numpy as np
import pandas as pd

from tristream.simulate.noise import AXES, Motion, cosines
from tristream.simulate.preset import Preset

# fMRIPrep's default thresholds of motion outliers.
FD_LIMIT = 0.5  # mm
DVARS_LIMIT = 1.5  # standardised

DESCRIPTIONS = {
    "framewise_displacement": "Sum of absolute changes of the motion parameters (Power 2012), mm",
    "dvars": "Root mean square over voxels of the change from the volume before",
    "std_dvars": "DVARS over its median in the run",
    "global_signal": "Mean of the brain mask",
    "csf": "Simulated mean of cerebrospinal fluid, which the images do not cover",
    "white_matter": "Simulated mean of white matter, which the images do not cover",
}
PATTERNS = {
    "trans_": "Estimated translation (mm)",
    "rot_": "Estimated rotation (radians)",
    "cosine": "Discrete cosine slower than 128 s, zero before the steady state",
    "non_steady_state_outlier": "One volume before the steady state",
    "motion_outlier": f"One volume with FD > {FD_LIMIT} mm or standardised DVARS > {DVARS_LIMIT}",
}


def confounds(
    preset: Preset, bold: np.ndarray, head: Motion, rng: np.random.Generator
) -> pd.DataFrame:
    """Confounds of one run, one row a volume; missing values are NaN.

    Parameters
    ----------
    bold : ndarray of shape (volumes, v)
        The run's voxels.
    head : Motion
        Its head motion.
    rng : numpy Generator
        For the tissues that the images do not cover.
    """
    count = len(bold)
    table: dict[str, np.ndarray] = {}
    whole = bold.mean(axis=1, dtype=float)
    for name in ("csf", "white_matter"):
        walk = rng.standard_normal(count)
        for index in range(1, count):
            walk[index] += 0.5 * walk[index - 1]
        table |= _expanded(name, whole.mean() * (1 + 0.002 * walk))
    table |= _expanded("global_signal", whole)
    change = np.sqrt(np.mean(np.diff(bold, axis=0) ** 2, axis=1, dtype=float))
    dvars = np.concatenate([[np.nan], change])
    table["dvars"] = dvars
    table["std_dvars"] = dvars / np.median(change[preset.dummies :])
    table["framewise_displacement"] = head.displacement
    for axis, values in zip(AXES, head.parameters.T, strict=True):
        table |= _expanded(axis, values)
    slow = np.zeros((count, len(cosines(count - preset.dummies, preset.tr).T)))
    slow[preset.dummies :] = cosines(count - preset.dummies, preset.tr)
    table |= {f"cosine{index:02d}": column for index, column in enumerate(slow.T)}
    table |= _marked("non_steady_state_outlier", np.arange(preset.dummies), count)
    steady = np.arange(count) > preset.dummies
    moved = (head.displacement > FD_LIMIT) | (table["std_dvars"] > DVARS_LIMIT)
    table |= _marked("motion_outlier", np.flatnonzero(steady & moved), count)
    return pd.DataFrame(table)


def describe(table: pd.DataFrame) -> dict[str, dict[str, str]]:
    """The table's sidecar: what each column means."""
    out = {}
    for name in table:
        base = str(name).split("_derivative1")[0].split("_power2")[0]
        text = DESCRIPTIONS.get(base) or next(
            (meaning for start, meaning in PATTERNS.items() if base.startswith(start)), ""
        )
        text += ", its change from the volume before" if "_derivative1" in str(name) else ""
        out[str(name)] = {"Description": text + (", squared" if "_power2" in str(name) else "")}
    return out


def _expanded(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """Values, their temporal derivatives, and the squares of both."""
    change = np.concatenate([[np.nan], np.diff(values)])
    return {
        name: values,
        f"{name}_derivative1": change,
        f"{name}_power2": values**2,
        f"{name}_derivative1_power2": change**2,
    }


def _marked(name: str, volumes: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """One column a volume, 1 there and 0 elsewhere."""
    return {
        f"{name}{index:02d}": np.eye(1, count, volume, dtype=int)[0]
        for index, volume in enumerate(volumes)
    }
