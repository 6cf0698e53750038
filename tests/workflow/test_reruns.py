"""What a change reruns: what depends on it, and nothing else."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers.wide_study import copy_code, reruns

pytestmark = pytest.mark.xdist_group("study")
TESTS = {"inference", "group", "tables", "compare", "partition"}
DOWNSTREAM = {"align", "lagscan", "encode", "recovery", "maps", "report"} | TESTS


def appended(text: str, *paths: Path) -> dict[Path, str]:
    assert paths
    return {path: path.read_text() + text for path in paths}


@pytest.fixture(scope="module")
def jobs(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, int]]:
    """Jobs of the finished small study that a dry run would do after each change."""
    code = copy_code(tmp_path_factory.mktemp("code"))
    study = tmp_path_factory.mktemp("reruns") / "study"
    shutil.copytree(finished, study, symlinks=True)
    package, config = code / "src/tristream", study / "config.yaml"

    def edited(change: Callable[[dict[str, Any]], None]) -> dict[Path, str]:
        content = yaml.safe_load(config.read_text())
        change(content)
        return {config: yaml.safe_dump(content, sort_keys=False)}

    layers = ["head", "blocks4"]
    changes = {
        "nothing": {},
        "comments": appended("\n# a comment\n", *package.rglob("*.py")),
        "feature": appended("\nCHANGED = 1\n", package / "features/spaces/gammatone.py"),
        "solver": appended(
            "\nCHANGED = 1\n", sorted((package / "encode/solvers").glob("[a-z]*.py"))[0]
        ),
        "layer": edited(lambda c: c["features"]["efficientnet"].update(layers=layers)),
        "permutations": edited(lambda c: c["inference"].update(permutations=50)),
        "partition": edited(lambda c: c["inference"].update(partition={"streams": []})),
        "title": edited(lambda c: c.update(title="Another")),
    }
    found = reruns(study, code, [*changes.values()])
    return dict(zip(changes, found, strict=True))


def test_unchanged_code_reruns_nothing(jobs):
    assert jobs["nothing"] == {}


def test_a_comment_reruns_nothing(jobs):
    assert jobs["comments"] == {}


def test_a_changed_feature_reruns_itself_and_what_depends_on_it(jobs):
    found = jobs["feature"]
    assert found["features"] == 1
    assert set(found) <= {"features"} | DOWNSTREAM
    assert found["align"] == 1


def test_a_changed_solver_reruns_the_encoder_and_no_feature(jobs):
    found = jobs["solver"]
    assert found["encode"] == 1
    assert set(found) <= {"encode", "recovery", "maps", "report"} | TESTS


def test_another_layer_computes_that_layer(jobs):
    found = jobs["layer"]
    assert found["features"] == 1
    assert found["align"] == 1
    assert set(found) <= {"features"} | DOWNSTREAM


def test_more_permutations_never_refit(jobs):
    # What is recovered of a truth counts rejections by the same permutations.
    wanted = {"inference", "group", "tables", "recovery", "maps", "report"}
    assert set(jobs["permutations"]) == wanted


def test_asking_for_unique_variance_fits_nested_models_alone(jobs):
    assert set(jobs["partition"]) == {"partition", "partition_test", "maps", "report"}


def test_another_title_rebuilds_only_the_report(jobs):
    assert set(jobs["title"]) == {"report"}
