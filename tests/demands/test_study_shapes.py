"""Sizes of BOLD, before files are here."""

import json
from pathlib import Path

import pytest
import yaml

from helpers.many_subjects import write
from tristream.config.load import load
from tristream.demands.study_shapes import VOLUMES, VOXELS, Shapes


@pytest.mark.parametrize(
    ("layout", "voxels"),
    [
        ({"kind": "fmriprep"}, 228_750),
        ({"kind": "fmriprep", "space": "fsaverage5"}, 20_484),
        ({"kind": "fmriprep", "space": "T1w"}, VOXELS),
        ({"kind": "fmriprep_minimal", "resolution": 3.0}, 67_778),
    ],
)
def test_voxels_follow_from_space_and_resolution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: dict, voxels: int
):
    monkeypatch.chdir(write(tmp_path, subjects=2))
    path = tmp_path / "workflow/datasets/many.yaml"
    described = yaml.safe_load(path.read_text())
    del described["size"]
    path.write_text(yaml.safe_dump(described | {"layout": layout}))
    shape = Shapes(load("config.yaml")).of("many", "002")
    assert (shape.voxels, shape.longest, shape.rows) == (voxels, VOLUMES, 6 * VOLUMES)
    assert not shape.exact


def test_images_that_are_listed_tell_how_many_voxels_there_are_at_the_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(write(tmp_path, subjects=2))
    path = tmp_path / "workflow/datasets/many.yaml"
    described = yaml.safe_load(path.read_text()) | {"size": {"volumes": 100}}
    path.write_text(yaml.safe_dump(described))
    receipt = tmp_path / "results/fetch/many/sub-001/receipt.json"
    receipt.parent.mkdir(parents=True)
    files = [
        {"path": "sub-001_desc-preproc_bold.nii.gz", "size": 1_200_000},
        {"path": "sub-001_T1w.nii.gz", "size": 90_000_000},
    ]
    receipt.write_text(json.dumps({"files": files}))
    shapes = Shapes(load("config.yaml"))
    assert shapes.of("many", "001").voxels == 10_000
    assert shapes.of("many", "002").voxels == 228_750
    assert shapes.largest(["many"]).voxels == 228_750
    run = tmp_path / "results/bold/many/sub-002/task-film_run-1.h5"
    run.parent.mkdir(parents=True)
    run.write_bytes(bytes(3_500_000))
    assert Shapes(load("config.yaml")).of("many", "002").voxels == 10_000
