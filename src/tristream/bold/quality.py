"""Quality of a run before cleaning, and the index of a subject's runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tristream.bold.cleaning import BLOCK, project_out, projection_basis
from tristream.bold.run_file import Run, read_runs
from tristream.config.dataset import Dataset
from tristream.errors import UserError
from tristream.store import Provenance, write_json

KIND = "bold-index"


def mean_and_tsnr(
    bold: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Temporal mean, and temporal signal-to-noise ratio.

    tSNR is the mean over the standard deviation about a linear trend (n − 1 in the denominator),
    as a slow drift is no noise to an analysis that removes it.

    Parameters
    ----------
    bold : ndarray of shape (volumes, voxels)
        BOLD as fetched.

    Returns
    -------
    mean, tsnr : ndarray of float32, shape (voxels,)
        tSNR is 0 where the voxel does not vary.
    """
    trend = projection_basis(len(bold))
    mean = np.empty(bold.shape[1], np.float32)
    tsnr = np.zeros(bold.shape[1], np.float32)
    for start in range(0, bold.shape[1], BLOCK):
        here = slice(start, start + BLOCK)
        raw = bold[:, here].astype(np.float64)
        mean[here] = level = raw.mean(axis=0)
        deviation = project_out(raw - level, trend).std(axis=0, ddof=1)
        varies = deviation > 1e-9 * np.abs(level)
        tsnr[here][varies] = level[varies] / deviation[varies]
    return mean, tsnr


def write_index(
    dataset: Dataset, subject: str, paths: Sequence[Path], output: Path, code: str = ""
) -> None:
    """Check that a subject's runs fit together, and write their index with quality measures.

    Raises
    ------
    UserError
        If a run of the descriptor is missing, or runs differ in voxels, affine or TR.
    """
    runs = read_runs(paths, signal=False)
    found = {run.run: (path, run) for path, run in zip(paths, runs, strict=True)}
    wanted = dataset.runs_of(subject)
    if sorted(found) != sorted(wanted):
        raise UserError(
            f"{output}: sub-{subject} has runs {', '.join(wanted)}, but was given "
            f"{', '.join(found)}; prepare those that lack, or list them under `missing:`"
        )
    first = runs[0]
    content = {
        "dataset": dataset.id,
        "subject": subject,
        "space": first.space,
        "voxels": len(first.ijk),
        "constant_voxels": first.constant,
        "runs": [_entry(*found[run]) for run in wanted],
        "reference": {
            "space": first.space,
            "shape": first.shape,
            "affine": first.affine,
            "mean": Path(found[wanted[0]][0]).name,
        },
    }
    omitted = tuple(dict.fromkeys(o for run in runs for o in run.omitted))
    config = {"runs": wanted, "tr": dataset.tr}
    simulated = any(run.simulated for run in runs)
    write_json(output, content, Provenance(KIND, simulated, config, code, omitted))


def _entry(path: Path, run: Run) -> dict[str, Any]:
    known = run.fd[np.isfinite(run.fd)]
    return {
        "run": run.run,
        "file": Path(path).name,
        "volumes": run.n_volumes,
        "tr": run.tr,
        "start_time": run.start_time,
        "tsnr_median": round(float(np.median(run.tsnr)), 3),
        "fd_mean": round(float(known.mean()), 4) if len(known) else None,
        "censored": int(run.censor.sum()),
        "mask_voxels": len(run.ijk),
        "mask_overlap": None if run.mask_overlap is None else round(run.mask_overlap, 4),
        "confounds": len(run.confound_names),
        "projected": run.projection.shape[1],
    }
