"""Decoding across subjects on the page of a dataset, and what leads the report of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers import report_tree
from tristream.config.decoders import Decoder
from tristream.decode.decoding_file import LeftOut, read_decoding, write_decoding
from tristream.report import headline
from tristream.report.elements import Figure, Table
from tristream.report.findings import find
from tristream.report.sections import overview
from tristream.report.sections.across_subjects import names, section
from tristream.report.study_results import Results

DATASET, SUBJECTS = "haxby2001_slice", ["1", "2", "3"]
ACCURACY = np.array([0.6, 0.5, 0.14])


@pytest.fixture
def results(tmp_path: Path) -> Results:
    resolved = report_tree.read_study(report_tree.write_study(tmp_path))
    resolved.subjects[DATASET][:] = SUBJECTS
    block = {"datasets": [DATASET], "kind": "ridge", "samples": "blocks", "across_subjects": True}
    resolved.study.decoders["shared"] = Decoder(**block)
    found = Results(resolved, tmp_path / "results/report")
    rng = np.random.default_rng(0)
    report_tree.write_decoding(found.root, DATASET, "shared", "1", rng)
    one, provenance = read_decoding(
        found.path("decoding", dataset=DATASET, decoder="shared", subject="1")
    )
    each = LeftOut(
        names=SUBJECTS,
        accuracy=ACCURACY,
        chance=np.full(3, 0.125),
        balanced=ACCURACY,
        balanced_low=np.array([0.5, 0.4, np.nan]),
        balanced_high=np.array([0.7, 0.6, np.nan]),
        p=np.array([0.005, 0.005, 0.4]),
        p_any=np.array([0.005, 0.01, 0.7]),
        null=rng.uniform(0.1, 0.15, (200, 3)),
    )
    joined = replace(one, subject="", scheme="leave-one-subject-out", subjects=each)
    path = found.path("across_subjects", dataset=DATASET, decoder="shared")
    write_decoding(path, joined, provenance)
    return found


def test_left_out_subjects_have_a_figure_a_table_and_all_of_a_decoder(results: Results) -> None:
    assert names(results, DATASET) == ["shared"]
    blocks = section(results, DATASET).blocks
    figures = [one for one in blocks if isinstance(one, Figure)]
    assert figures[0].title == "Left-out subjects, shared"
    assert "interval of balanced accuracy" in figures[0].caption
    table = pd.read_csv(results.root / "report" / figures[0].tsv, sep="\t")
    np.testing.assert_allclose(table["accuracy"], ACCURACY)
    np.testing.assert_allclose(table["chance"], 0.125)
    assert "Confusion matrix, shared, across subjects" in [one.title for one in figures]
    assert "Accuracy against its null, shared, across subjects" in [one.title for one in figures]
    (rows,) = [b.rows for b in blocks if isinstance(b, Table) and b.columns[0] == "subject"]
    assert rows[0][1:] == (0.6, 0.125, "0.600 (0.500 to 0.700)", 0.005, 0.005)
    assert rows[2][3] == "0.140"


def test_the_report_leads_with_each_left_out_subject(results: Results) -> None:
    findings = find(results)
    across = [one for one in findings.decoders if one.decoder == "shared across subjects"]
    assert [one.subject for one in across] == SUBJECTS
    assert [one.accuracy for one in across] == ACCURACY.tolist()
    assert all(one.null is not None and 0.1 < one.null[0] < one.null[1] < 0.15 for one in across)
    (sentence,) = headline.of_study(results, findings).sentences
    assert "decoders shared and shared across subjects name" in sentence
    _, table = overview.decoders(results, findings)
    assert isinstance(table, Table)
    assert [row[0] for row in table.rows].count("shared across subjects") == 3


def test_it_is_declared_once_a_decoder(results: Results) -> None:
    declared = [one for one in results.inputs if one.place == "across_subjects"]
    assert [one["decoder"] for one in declared] == ["shared"]


def test_what_is_not_there_is_said(results: Results) -> None:
    results.path("across_subjects", dataset=DATASET, decoder="shared").unlink()
    blocks = section(results, DATASET).blocks
    assert not [one for one in blocks if isinstance(one, Figure)]
    assert find(results).decoders[-1].decoder == "shared"
