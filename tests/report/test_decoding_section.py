"""The decoding part of a subject's page: how many tests were made, and intervals beside values."""

from dataclasses import replace

import numpy as np
import pytest

from helpers import report_tree
from tristream.decode.decoding_file import Voices, read_decoding, write_decoding
from tristream.report.elements import Figure, Table, Text
from tristream.report.sections.decoding import holm, section
from tristream.report.study_results import Results


@pytest.fixture
def results(tmp_path):
    resolved = report_tree.read_study(report_tree.write_study(tmp_path))
    return Results(resolved, tmp_path / "results/report")


def write(results, name, **changes):
    rng = np.random.default_rng(0)
    report_tree.write_decoding(results.root, "haxby2001_slice", name, "1", rng)
    path = results.path("decoding", dataset="haxby2001_slice", decoder=name, subject="1")
    stored, provenance = read_decoding(path)
    write_decoding(path, replace(stored, **changes), provenance)


def test_holm_is_that_of_the_paper():
    # Of .01, .04, .03 and .005: 4 x .005, 3 x .01, 2 x .03, and no less than these.
    given = np.array([0.01, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(holm(given), [0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.7])).max() == 1


def test_all_decoders_of_a_subject_are_counted(results):
    write(results, "ridge_volumes", p=0.03)
    write(results, "svm_blocks", p=0.005)
    blocks = section(results, "haxby2001_slice", "1").blocks
    (family,) = [b for b in blocks if isinstance(b, Table) and "family-wise p" in b.columns]
    assert "2 decoders of this subject were tested" in family.caption
    assert {row[0]: row[2] for row in family.rows} == {
        "ridge_volumes": pytest.approx(0.03),
        "svm_blocks": pytest.approx(0.01),
    }


def test_a_single_test_is_named_as_one(results):
    write(results, "ridge_volumes", p=0.03)
    write(results, "svm_blocks", p=None)
    blocks = section(results, "haxby2001_slice", "1").blocks
    assert any(isinstance(b, Text) and "One decoder" in str(b) for b in blocks)


def test_intervals_and_recalls_are_shown(results):
    write(results, "ridge_volumes", balanced=0.7, balanced_low=0.61, balanced_high=0.78)
    write(results, "svm_blocks", balanced=0.7, balanced_low=np.nan, balanced_high=np.nan)
    blocks = section(results, "haxby2001_slice", "1").blocks
    text = " ".join(map(str, blocks))
    assert text.count("0.700 (95 % interval 0.610 to 0.780, from 96 units)") == 1
    recalls = [b for b in blocks if isinstance(b, Table) and "recall" in b.columns]
    assert len(recalls) == 2


def test_an_ensemble_has_a_table_of_its_classifiers(results):
    together = Voices(
        ["mean probability", "lda"], *np.array([[0.8, 0.7]] + [[0.1, 0.2]] * 5 + [[0.01, np.nan]])
    )
    write(results, "ridge_volumes", voices=together)
    write(results, "svm_blocks")
    blocks = section(results, "haxby2001_slice", "1").blocks
    (table,) = [b for b in blocks if isinstance(b, Table) and "p of all" in b.columns]
    assert [row[0] for row in table.rows] == ["mean probability", "lda"]
    assert table.rows[0][3] == "0.100 (0.100 to 0.100)"
    assert table.rows[1][5] is None
    ranks = [b for b in blocks if isinstance(b, Table) and "share" in b.columns]
    assert [row[0] for row in ranks[0].rows] == list(range(1, 9))


def test_patterns_are_compared_where_there_are_three_classes(results):
    rng = np.random.default_rng(0)
    write(results, "ridge_volumes", patterns=rng.standard_normal((8, 100)))
    write(results, "svm_blocks")
    blocks = section(results, "haxby2001_slice", "1").blocks
    drawn = [b for b in blocks if isinstance(b, Figure) and "Patterns" in b.title]
    assert len(drawn) == 1
    assert "The patterns of 100 voxels" in drawn[0].caption
