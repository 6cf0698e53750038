"""Disk that results take, before there are any."""

from pathlib import Path

import pytest
import yaml

from helpers.many_subjects import write
from tristream.config.load import load
from tristream.demands.results_size import EACH, REPORT, results_bytes


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two subjects, six runs of which the descriptor says the size."""
    folder = write(tmp_path, subjects=2)
    monkeypatch.chdir(folder)
    content = yaml.safe_load(Path("config.yaml").read_text())
    model = next(iter(content["models"].values()))
    content["models"] = {"one": {**model, "select": "best"}}
    content |= {"decoders": {}, "inference": {}}
    Path("config.yaml").write_text(yaml.safe_dump(content))
    described = yaml.safe_load(Path("workflow/datasets/many.yaml").read_text())
    described["size"] = {"volumes": 100, "voxels": 1000}
    Path("workflow/datasets/many.yaml").write_text(yaml.safe_dump(described))
    return folder


def test_bold_models_and_predictions_follow_from_volumes_and_voxels(study: Path) -> None:
    resolved = load("config.yaml")
    about, bands = resolved.datasets["many"], len(resolved.study.models["one"].bands)
    assert about.split.scheme == "holdout"
    test = sum(about.split.is_test(run) for run in about.runs)
    values = 6 + (6 - test) + test * (2 + bands)
    expected = REPORT + 2 * EACH + 2 * 4 * 100 * 1000 * values
    assert results_bytes(resolved, {}) == expected


def test_images_tell_where_nothing_else_does(study: Path) -> None:
    path = Path("workflow/datasets/many.yaml")
    described = yaml.safe_load(path.read_text())
    del described["size"]
    path.write_text(yaml.safe_dump(described))
    resolved = load("config.yaml")
    small, large = (results_bytes(resolved, {"many": size}) for size in (10**9, 2 * 10**9))
    fixed = REPORT + 2 * EACH
    assert large - fixed == pytest.approx(2 * (small - fixed))
    assert small > 10**9 + fixed
