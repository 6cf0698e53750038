"""The best of an identification comes from regions whose imagined patterns are reliable."""

import numpy as np
import pandas as pd
import pytest

from tristream.report.item_findings import CELL, ItemFinding, marked, unreliable_regions

ROWS = [["net/c5", "V1", 0.55, 0.5, 0.3, 10], ["net/c5", "FFA", 0.9, 0.5, 0.01, 10]]


@pytest.mark.parametrize(
    ("closed", "best", "reliable"),
    [
        ((), "FFA", True),
        (("V1",), "FFA", True),
        (("FFA",), "V1", True),
        (("V1", "FFA"), "FFA", False),
    ],
)
def test_the_best_is_of_reliable_regions_where_there_are_any(closed, best, reliable):
    cells = pd.DataFrame(ROWS, columns=CELL)
    found = ItemFinding("d", "objects", "01", "imagined", cells, closed)
    assert found.best["region"] == best
    assert found.reliable is reliable


def test_values_that_are_not_known_are_never_the_best():
    cells = pd.DataFrame(ROWS, columns=CELL).assign(value=[0.55, np.nan])
    assert ItemFinding("d", "objects", "01", "seen", cells).best["region"] == "V1"


def test_regions_that_failed_are_named_once_and_marked():
    rows = pd.DataFrame({"region": ["V1", "FFA", "V1", "FFA"], "reliable": ["yes", "no"] * 2})
    assert unreliable_regions(rows) == ("FFA",)
    assert [marked(region, ("FFA",)) for region in ("V1", "FFA")] == ["V1", "FFA †"]
    assert unreliable_regions(rows.assign(reliable=None)) == ()
