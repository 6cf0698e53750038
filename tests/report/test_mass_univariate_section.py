"""A comparison of two labels on a subject's page: its map, and what passes by which correction."""

import numpy as np
import pytest

from helpers import report_tree
from tristream.report.elements import Figure, Table
from tristream.report.sections.mass_univariate import section
from tristream.report.study_results import Results


@pytest.fixture
def results(tmp_path):
    resolved = report_tree.read_study(report_tree.write_study(tmp_path))
    return Results(resolved, tmp_path / "results/report")


def test_the_map_and_the_counts_are_shown(results):
    report_tree.write_comparison(
        results.root, "haxby2001_slice", "face_house", "1", np.random.default_rng(0)
    )
    blocks = section(results, "haxby2001_slice", "1").blocks
    (figure,) = [b for b in blocks if isinstance(b, Figure)]
    assert figure.title == "face over house, sub-1"
    assert "slice 0 (k)" in figure.caption
    assert (results.root / "report" / figure.png).is_file()
    (table,) = [b for b in blocks if isinstance(b, Table)]
    assert table.columns[1:] == ("more for face", "more for house")
    assert len(table.rows) == 3
    assert table.rows[0][1] > table.rows[2][1]


def test_a_comparison_that_was_not_made_is_named(results):
    blocks = section(results, "haxby2001_slice", "1").blocks
    assert "Comparison face_house" in " ".join(map(str, blocks))
