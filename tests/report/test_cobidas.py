"""The checklist: answers are those of files, and what no file has is left to the authors."""

from pathlib import Path

import pytest

from helpers import report_tree
from tristream.bold.index_file import read_index
from tristream.report.cobidas import ITEMS, YOURS, answers, page
from tristream.report.study_results import Results

NOBODY_KNOWS = ("Age, sex", "Ethical approval", "Scanner", "Sequence", "Hypotheses")


@pytest.fixture(scope="module")
def resolved(tmp_path_factory):
    study = report_tree.read_study(report_tree.write_study(tmp_path_factory.mktemp("cobidas")))
    report_tree.write_tree(study)
    return study


def told(resolved, dataset, folder):
    found = answers(Results(resolved, folder / "report"), dataset)
    return {item.text: answer for item, answer in found}


def test_answers_are_the_facts_of_the_files(resolved, tmp_path):
    found = told(resolved, "bunny", tmp_path)
    root = Path(resolved.study.results)
    index = read_index(root / "bold/bunny/sub-01/index.json")
    assert found["Number of subjects"] == "2 with BOLD that was analysed"
    assert found["TR"] == f"{index.runs[0].tr:.3g} s"
    assert found["Space of the analysis"] == index.space
    assert found["Voxels and matrix"] == "8 × 8 × 8 mm, 21 × 25 × 21 voxels, as analysed"
    assert "model streams: correlation, one-sided" in found["Tests and permutations"]
    assert (
        "model streams: false discovery rate 0.05 (Benjamini-Hochberg), tfce"
        in (found["Correction for many tests"])
    )
    assert found["Version of the data"] == f"bunny, version {'4f1c2d3e' * 5}; simulated, no " + (
        "measurement was made"
    )
    assert found["Licence of the data"] == "CC0"
    assert "(Dupré la Tour et al. 2022)" in found["Model and its estimation"]
    assert (
        "leave-one-run-out" in told(resolved, "haxby2001_slice", tmp_path)["Training and test data"]
    )


def test_what_no_file_has_is_yours(resolved, tmp_path):
    for dataset in resolved.datasets:
        found = told(resolved, dataset, tmp_path)
        for start in NOBODY_KNOWS:
            (item,) = [text for text in found if text.startswith(start)]
            assert found[item] == ""
    made = page(Results(resolved, tmp_path / "report"), "")
    rows = [
        row
        for section in made.sections
        for b in section.blocks
        if hasattr(b, "rows")
        for row in b.rows
    ]
    assert len(rows) == len(ITEMS) * len(resolved.datasets)
    assert sum(row[2] == YOURS for row in rows) >= len(NOBODY_KNOWS) * len(resolved.datasets)
    assert all(row[2] for row in rows)


def test_a_configuration_without_files_answers_nothing_of_the_study(tmp_path):
    """The negative control: all is asked for, and nothing was done."""
    study = report_tree.read_study(report_tree.write_study(tmp_path))
    assert study.study.models
    for dataset in study.datasets:
        found = told(study, dataset, tmp_path)
        filled = {text for text, answer in found.items() if answer}
        assert filled <= {"Software and versions", "Code of the analysis"}, filled
