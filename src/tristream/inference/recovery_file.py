"""The home of the table of what was recovered of a simulation's truth."""

from pathlib import Path

import pandas as pd

from tristream.store import Provenance, read_table, write_table

KIND = "recovery"
ALL = "all"
"""The rows of the mean over subjects, which are what is judged."""
COLUMNS = {
    "subject": "Subject label, or all: the mean over subjects",
    "check": "What is compared with the truth",
    "value": "Estimate",
    "low": "Lower end of the 95 % interval; of the shifted control's best bands: chance",
    "high": "Upper end of the same",
    "threshold": "What is asked for; n/a where the value is only shown",
    "passed": "Whether it is so; n/a where nothing is asked for, or it can't be judged",
}


def write_recovery(path: Path, table: pd.DataFrame, provenance: Provenance) -> None:
    """Write the table; columns as :data:`COLUMNS`."""
    write_table(path, table[list(COLUMNS)], provenance, COLUMNS)


def read_recovery(path: Path) -> tuple[pd.DataFrame, Provenance]:
    """Read what :func:`write_recovery` wrote."""
    return read_table(path, KIND)
