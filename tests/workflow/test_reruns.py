"""What a change reruns: what depends on it, and nothing else."""

from pathlib import Path

import pytest

from helpers.small_study import edit, planned
from helpers.wide_study import copy_code

pytestmark = pytest.mark.xdist_group("study")
TESTS = {"inference", "group", "tables", "compare", "partition", "partition_test"}
DOWNSTREAM = {"align", "lagscan", "encode", "recovery", "maps", "report"} | TESTS


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A copy of package and workflow that a test may edit."""
    return copy_code(tmp_path / "code")


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def test_unchanged_code_reruns_nothing(study: Path, code: Path):
    assert planned(study, source=code) == {}


def test_a_comment_reruns_nothing(study: Path, code: Path):
    for path in (code / "src/tristream").rglob("*.py"):
        append(path, "\n# a comment\n")
    assert planned(study, source=code) == {}


def test_a_changed_feature_reruns_itself_and_what_depends_on_it(study: Path, code: Path):
    append(code / "src/tristream/features/spaces/gammatone.py", "\nCHANGED = 1\n")
    jobs = planned(study, source=code)
    assert jobs["features"] == 1
    assert set(jobs) <= {"features"} | DOWNSTREAM
    assert jobs["align"] == 1


def test_a_changed_solver_reruns_the_encoder_and_no_feature(study: Path, code: Path):
    (solver, *_) = sorted((code / "src/tristream/encode/solvers").glob("[a-z]*.py"))
    append(solver, "\nCHANGED = 1\n")
    jobs = planned(study, source=code)
    assert jobs["encode"] == 1
    assert set(jobs) <= {"encode", "recovery", "maps", "report"} | TESTS


def test_another_layer_computes_that_layer(study: Path):
    edit(
        study / "config.yaml",
        lambda c: c["features"]["efficientnet"].update(layers=["head", "blocks4"]),
    )
    jobs = planned(study)
    assert jobs["features"] == 1
    assert jobs["align"] == 1
    assert set(jobs) <= {"features"} | DOWNSTREAM


def test_more_permutations_never_refit(study: Path):
    edit(study / "config.yaml", lambda c: c["inference"].update(permutations=50))
    jobs = planned(study)
    # What is recovered of a truth counts rejections by the same permutations.
    assert set(jobs) == {"inference", "group", "tables", "recovery", "maps", "report"}


def test_asking_for_unique_variance_fits_nested_models_alone(study: Path):
    edit(study / "config.yaml", lambda c: c["inference"].update(partition={"streams": []}))
    assert set(planned(study)) == {"partition", "partition_test", "maps", "report"}


def test_another_title_rebuilds_only_the_report(study: Path):
    edit(study / "config.yaml", lambda c: c.update(title="Another"))
    assert set(planned(study)) == {"report"}
