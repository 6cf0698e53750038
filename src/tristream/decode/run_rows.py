"""Rows of the sample index beside the volumes of a run file, and how much later BOLD answers."""

from pathlib import Path

import numpy as np
import pandas as pd

from tristream.bold.run_file import Run
from tristream.config.delays import PEAK, in_volumes
from tristream.errors import UserError


def volumes_later(delay: str | None, run: Run) -> int:
    """A decoder's delay in volumes; estimates of trials allow for the response's lag."""
    default = "0 s" if run.trials else PEAK
    return in_volumes([delay or default], run.tr)[0]


def rows_in_order(part: pd.DataFrame, run: Run, path: Path, samples: Path) -> pd.DataFrame:
    """The rows of a run in the sample index, by volume.

    Raises
    ------
    UserError
        If they are not those of the run file.
    """
    part = part.sort_values("row").reset_index(drop=True)
    if not np.array_equal(part["row"], np.arange(run.n_volumes)):
        raise UserError(
            f"{samples}: has {len(part)} rows for {path}, which has {run.n_volumes} volumes; "
            "run `align samples` again"
        )
    return part
