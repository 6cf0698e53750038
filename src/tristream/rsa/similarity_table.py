"""The home of the `rsa` table: agreement of layers and regions, with null and noise ceiling."""

from pathlib import Path

import pandas as pd

from tristream.store import Provenance, read_table, write_table

KIND = "rsa"
ALL = "all"
"""In place of a subject: the mean over subjects."""
COLUMNS = {
    "subject": "Subject, or `all`: mean over subjects, on the items that all have met",
    "space": "Feature space",
    "layer": "Its layer",
    "region": "Region whose patterns were compared",
    "items": "Items",
    "similarity": "Agreement of the distances between items in features and in patterns",
    "chance": "Its mean when items change places; n/a: none can",
    "low": "2.5th percentile when items change places",
    "high": "97.5th percentile when items change places",
    "p": "(1 + permutations at least as large) / (1 + permutations); n/a: too few rearrangements",
    "p_corrected": "p against the largest of all layers and regions in each permutation",
    "ceiling_low": "Lower bound of the noise ceiling: from halves of a subject's runs; for `all`, "
    "agreement of each subject with the mean of the others",
    "ceiling_high": "Upper bound: what true distances would reach with those of all runs; for "
    "`all`, agreement of each subject with the mean of all",
}


def write_similarity(path: Path, rows: pd.DataFrame, provenance: Provenance) -> None:
    """Write the table; columns as `COLUMNS`."""
    write_table(path, rows[list(COLUMNS)], provenance, COLUMNS)


def read_similarity(path: Path) -> tuple[pd.DataFrame, Provenance]:
    """Read what :func:`write_similarity` wrote.

    Raises
    ------
    UserError
        If it is missing, damaged or of another kind.
    """
    return read_table(path, KIND)
