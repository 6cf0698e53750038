"""Labels and ranges without quotes are one line with the cure."""

from pathlib import Path

import pytest
import yaml

from helpers import REPOSITORY
from tristream.config.load import descriptor, load
from tristream.config.load.yaml_slips import check_slips
from tristream.errors import UserError

SLICE = (REPOSITORY / "workflow/datasets/haxby2001_slice.yaml").read_text()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("subjects: [01, 02]", "subjects: YAML reads 1 where a label is meant.*quote labels"),
        ("subjects: {01..03}", r"subjects: \{01\.\.03\} without quotes is a map"),
        ("subjects: [{01..03}]", r'write \["\{01\.\.03\}"\]'),
        ("missing: {5: [run-01]}", 'missing: YAML reads the label 5 as a number; quote it: "05"'),
        ("timelines: {a: [01]}", "timelines.a: YAML reads 1"),
    ],
)
def test_slips_are_told_with_the_cure(line, words, tmp_path):
    kept = [one for one in SLICE.splitlines() if not one.startswith(line.split(":")[0])]
    file = tmp_path / "haxby2001_slice.yaml"
    file.write_text("\n".join([*kept, line]))
    with pytest.raises(UserError, match=words) as caught:
        descriptor("haxby2001_slice", [tmp_path], file)
    assert len(str(caught.value).splitlines()) == 1


def test_a_choice_of_subjects_in_a_study_is_told_too(tmp_path):
    (tmp_path / "config.yaml").write_text("datasets: {haxby2001_slice: {subjects: [01]}}")
    with pytest.raises(UserError, match=r"datasets\.haxby2001_slice\.subjects: YAML reads 1"):
        load(tmp_path / "config.yaml", REPOSITORY / "workflow/datasets")


def test_numbers_of_subjects_and_runs_of_a_power_analysis_are_numbers(tmp_path):
    block = {"events": ["x.tsv"], "tr": 2.0, "test": ["*run-5"], "runs": [1, 2], "subjects": [8]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"power": {"music": block}}))
    found = load(tmp_path / "config.yaml", REPOSITORY / "workflow/datasets").study
    assert found.power["music"].subjects == [8]


def test_a_model_of_the_demo_that_was_left_in_is_told(tmp_path):
    content = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    content["datasets"] = {"haxby2001_slice": {}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=r"no dataset 'bunny' above.*delete the block"):
        load(tmp_path / "config.yaml", REPOSITORY / "workflow/datasets")


def test_what_ships_has_none():
    for file in (REPOSITORY / "workflow/datasets").glob("*.yaml"):
        check_slips(yaml.safe_load(file.read_text()), file)
    check_slips(yaml.safe_load((REPOSITORY / "config.yaml").read_text()), Path("config.yaml"))
