"""Disk that results take, before there are any."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers.many_subjects import write
from tristream.config.load import load
from tristream.demands.report_size import (
    FRAME,
    LOOKS,
    MODEL_VOXEL,
    OUTCOMES,
    PICTURES,
    SpaceSize,
    dataset_pages,
)
from tristream.demands.results_size import results_bytes, spaces_of
from tristream.features.core.space_size import space_sizes

SUBJECTS, RUNS, VOLUMES = 2, 6, 100


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two subjects, six runs of which the descriptor says the size."""
    folder = write(tmp_path, subjects=SUBJECTS)
    monkeypatch.chdir(folder)
    content = yaml.safe_load(Path("config.yaml").read_text())
    model = next(iter(content["models"].values()))
    content["models"] = {"one": {**model, "select": "best"}}
    content |= {"decoders": {}, "inference": {}}
    Path("config.yaml").write_text(yaml.safe_dump(content))
    describe(size={"volumes": VOLUMES, "voxels": 1000})
    return folder


def describe(**changes: Any) -> None:
    path = Path("workflow/datasets/many.yaml")
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))


def size(images: int = 0) -> int:
    return results_bytes(load("config.yaml"), {"many": images}, {})


def test_bold_models_and_predictions_follow_from_volumes_and_voxels(study: Path) -> None:
    resolved = load("config.yaml")
    about, bands = resolved.datasets["many"], len(resolved.study.models["one"].bands)
    assert about.split.scheme == "holdout"
    test = sum(about.split.is_test(run) for run in about.runs)
    values = RUNS + test * (2 + bands)
    few = size()
    describe(size={"volumes": VOLUMES, "voxels": 3000})
    many = size()
    assert many - few == SUBJECTS * 2000 * (4 * VOLUMES * values + MODEL_VOXEL)
    with Path("config.yaml").open("a") as file:
        file.write("keep_weights: true\n")
    assert size() - many == SUBJECTS * 3000 * 4 * VOLUMES * (RUNS - test)


def test_rows_of_trials_are_those_that_events_show(study: Path) -> None:
    describe(trials={"estimate": "lss"})
    resolved = load("config.yaml")
    runs = dict.fromkeys(resolved.datasets["many"].runs, VOLUMES // 4)
    some = results_bytes(resolved, {}, {}, {"many": {"main": runs}})
    pages = results_bytes(resolved, {}, {}, {"many": {"main": dict.fromkeys(runs, 0)}})
    assert 4 * (some - pages) == pytest.approx(size() - pages)


def test_images_tell_where_nothing_else_does(study: Path) -> None:
    describe(size=None)
    one, two, three = (size(images * 10**9) for images in (1, 2, 3))
    assert three - two == pytest.approx(two - one, rel=0.05)
    assert one > 10**9


def test_features_follow_from_columns_samples_and_stimuli(study: Path) -> None:
    resolved = load("config.yaml")
    assert spaces_of(resolved, "many") == [f"space0{number}" for number in range(6)]
    sizes = space_sizes(resolved)
    # A grid of 4 x 6 cells, five numbers a cell; one frame a second.
    assert sizes["space00"] == SpaceSize("film", False, (120,), 1.0)
    one, ten = (
        results_bytes(resolved, {}, {"space00": SpaceSize("film", False, (120,), rate)})
        for rate in (1, 10)
    )
    # No film is longer than a run.
    assert ten - one == 4 * 120 * 9 * 1.5 * VOLUMES


def test_columns_that_only_a_network_knows_are_not_told(study: Path) -> None:
    content = yaml.safe_load(Path("config.yaml").read_text())
    content["features"]["net"] = {"stream": "ventral", "extractor": "efficientnet_lite0"}
    content["features"]["labels"] = {"stream": "label", "extractor": "labels"}
    content["fusion"] = {
        "few": {
            "stream": "dorsal",
            "method": "pca",
            "parents": ["space01", "net"],
            "components": 7,
        },
        "all": {"stream": "dorsal", "method": "concatenate", "parents": ["space01", "net"]},
    }
    Path("config.yaml").write_text(yaml.safe_dump(content))
    sizes = space_sizes(load("config.yaml"))
    assert sizes["net"].looks
    assert set(sizes["net"].widths) == {0}
    assert sizes["few"].widths == (7,)
    assert sizes["all"].widths == (0,)
    assert sizes["labels"].widths == (0,)


def test_pictures_are_those_of_the_stimuli(study: Path) -> None:
    resolved = load("config.yaml")
    plain = dataset_pages(resolved, "many", [])
    film, sound = (SpaceSize(medium, True, (4,), 1.0, True) for medium in ("film", "sound"))
    label = SpaceSize("label", False, (4,), 1.0)
    drawn = PICTURES["film"] + OUTCOMES["film"] + LOOKS
    assert dataset_pages(resolved, "many", [film, sound, label]) == plain + 2 * drawn
    describe(stimuli={})
    resolved = load("config.yaml")
    assert dataset_pages(resolved, "many", [film, label]) == plain - FRAME
