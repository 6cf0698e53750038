"""What identifications and similarity analyses found: a value for every layer and region."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tristream.decode.identification_file import read_identification
from tristream.report.study_results import Results
from tristream.rsa.similarity_table import ALL, read_similarity

CELL = ["layer", "region", "value", "chance", "p", "items"]
UNRELIABLE = "†"
DECODERS = {"banded": "banded ridge", "better": "better of both"}
"""What decoders are called on a page, where not as in the tables."""


@dataclass(frozen=True)
class ItemFinding:
    """One analysis of one subject, or of all.

    Attributes
    ----------
    dataset, name, subject : str
        Of what; the subject is :data:`~tristream.rsa.similarity_table.ALL` for a mean over all.
    kind : str
        ``seen`` or ``imagined`` items; empty for similarity.
    cells : DataFrame
        A row a layer and region: `layer`, `region`, `value`, `chance` (mean under exchanged
        items), `p` (against the largest of all rows in each permutation), `items`.
    closed : tuple of str
        Regions where imagined patterns are not shown to be reliable over runs.
    """

    dataset: str
    name: str
    subject: str
    kind: str
    cells: pd.DataFrame
    closed: tuple[str, ...] = ()

    @property
    def reliable(self) -> bool:
        """False where imagined patterns do not repeat over runs in any region."""
        return not self.cells["region"].isin(self.closed).all()

    @property
    def best(self) -> pd.Series:
        """The row with the largest value; its p is corrected for being chosen.

        Of the regions where imagined patterns are reliable, if there are any: what is identified
        elsewhere is not evidence of imagery.
        """
        cells = self.cells[~self.cells["region"].isin(self.closed)] if self.reliable else self.cells
        values = cells["value"].to_numpy(float)
        return cells.iloc[int(np.argmax(np.nan_to_num(values, nan=-np.inf)))]


def identified(results: Results) -> list[ItemFinding]:
    """All identifications that have files, seen items before imagined ones."""
    out = []
    for one, path in results.existing("identification"):
        rows = read_identification(path)[0]
        for kind, own in rows.groupby("set", sort=False):
            out.append(
                ItemFinding(
                    one["dataset"],
                    one["identification"],
                    one["subject"],
                    str(kind),
                    _cells(own, own["pairwise"], own["pairwise_chance"], "pairwise_p_corrected"),
                    unreliable_regions(own),
                )
            )
    return out


def unreliable_regions(rows: pd.DataFrame) -> tuple[str, ...]:
    """Regions of an identification whose imagined patterns are not reliable; none of seen items.

    Parameters
    ----------
    rows : DataFrame
        Columns `region` and `reliable`, as of :mod:`tristream.decode.identification_file`.
    """
    return tuple(rows.loc[rows["reliable"] == "no", "region"].unique())


def marked(region: str, closed: Collection[str]) -> str:
    """Name of a region as it is shown, with `UNRELIABLE` where its imagined patterns are not."""
    return f"{region} {UNRELIABLE}" if region in closed else region


def alike(results: Results) -> list[ItemFinding]:
    """All similarity analyses that have files, of every subject and of all."""
    out = []
    for one, path in results.existing("rsa"):
        out += _analysis(one["dataset"], one["rsa"], path)
    return out


def _analysis(dataset: str, name: str, path: Path) -> list[ItemFinding]:
    rows = read_similarity(path)[0]
    rows = rows[np.isfinite(rows["similarity"].astype(float))].assign(decoder="")
    return [
        ItemFinding(
            *(dataset, name, str(subject), ""),
            _cells(own, own["similarity"], own["chance"], "p_corrected"),
        )
        for subject, own in rows.groupby("subject", sort=False)
    ]


def _cells(rows: pd.DataFrame, value: pd.Series, chance: pd.Series, p: str) -> pd.DataFrame:
    cells = rows.assign(layer=layer_names(rows), value=value, chance=chance, p=rows[p])[CELL]
    return cells.reset_index(drop=True)


def layer_names(rows: pd.DataFrame) -> pd.Series:
    """Name of the layer of each row, with that of its decoder where there are several."""
    name = rows["space"] + "/" + rows["layer"]
    if rows["decoder"].nunique() < 2:
        return name
    return name + ", " + rows["decoder"].replace(DECODERS)


def of_all(found: Sequence[ItemFinding]) -> list[ItemFinding]:
    """The mean over all subjects where there is one, else every subject."""
    together = [one for one in found if one.subject == ALL]
    return together or [*found]
