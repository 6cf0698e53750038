"""A twin of ds000105 on fsaverage5 goes from DataLad to the report; on fsLR the plan is whole."""

import io
import tarfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
import pytest
import yaml

from small_study import REPO, edit, planned, snakemake
from tristream.cli import main
from tristream.simulate.twin.settings import LABEL, NONE
from tristream.store import open_h5, read_json, read_strings

DESCRIPTOR = REPO / "workflow/datasets/ds000105.yaml"
RUNS = [f"task-objectviewing_run-0{n}" for n in (1, 2, 3)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of the twin."""
    folder = tmp_path_factory.mktemp("surface")
    with tarfile.open(REPO / "tests/data/openneuro_events.tar.gz") as archive:
        archive.extractall(folder / "real", filter="data")
    described: dict[str, Any] = yaml.safe_load(DESCRIPTOR.read_text())
    described |= {"runs": RUNS, "subjects": ["1"], "missing": {}}
    described["layout"]["space"] = "fsaverage5"
    own = folder / "workflow/datasets"
    own.mkdir(parents=True)
    (own / "ds000105.yaml").write_text(yaml.safe_dump(described))
    call = ["simulate", "like", "--dataset", "ds000105", "--datasets", str(own)]
    call += ["--output", str(folder / "twin"), "--from", str(folder / "real/ds000105")]
    with redirect_stdout(io.StringIO()) as said:
        assert main(call) == 0
    study = {
        "datasets": yaml.safe_load(said.getvalue())["datasets"],
        "features": {"conditions": {"stream": "label", "extractor": "labels"}},
        "models": {
            "category": {
                "datasets": ["ds000105"],
                "bands": {"category": ["conditions"]},
                "delays": [2, 3],
                "alphas": {"lowest": 0, "highest": 4, "number": 3},
            }
        },
        "inference": {"permutations": 100},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(study))
    snakemake(folder)
    return folder


def test_the_truth_is_found_at_its_vertices(folder: Path) -> None:
    with h5py.File(folder / "twin/truth.h5") as file:
        truth = file["subjects/1"]
        region = np.array(read_strings(truth, "region"))
        hemisphere = truth["grayordinates/structure"][()]
        vertex = truth["ijk"][:, 0]
        place = {pair: n for n, pair in enumerate(zip(hemisphere, vertex, strict=True))}
    with open_h5(folder / "results/encode/ds000105/category/sub-1.h5", "encoding") as (file, said):
        assert said.simulated
        r, vertex = file["scores/r"][()], file["ijk"][:, 0]
        structure = file["grayordinates/structure"][()]
    found = region[[place[pair] for pair in zip(structure, vertex, strict=True)]]
    assert np.median(r[found == LABEL]) > 0.15
    assert abs(np.median(r[found == NONE])) < 0.05
    # All but the medial wall of both hemispheres.
    assert 18_000 < len(r) < 2 * 10_242


def test_maps_are_on_the_same_mesh_and_say_simulated(folder: Path) -> None:
    maps = folder / "results/maps/ds000105/category/sub-1"
    content, _ = read_json(maps / "maps.json", "maps")
    assert {m["kind"] for m in content["maps"]} == {"gifti", "inflated", "flat"}
    assert all("simulated BOLD" in m["title"] for m in content["maps"])
    with open_h5(folder / "results/encode/ds000105/category/sub-1.h5", "encoding") as (file, _):
        right = file["grayordinates/structure"][()] == 1
        r, vertex = file["scores/r"][right], file["ijk"][right, 0]
    (path,) = (maps / "func").glob("*hemi-R_space-fsaverage5*stat-r_statmap.shape.gii")
    np.testing.assert_array_equal(nib.load(path).agg_data()[vertex], r)


def test_the_report_shows_them_and_says_what_is_left_out(folder: Path) -> None:
    page = (folder / "results/report/ds000105_sub-1.html").read_text()
    assert "fsaverage5, inflated" in page
    assert "not produced because the atlas is a volume" in page
    index = "".join(p.read_text() for p in (folder / "results/report").glob("*.html"))
    assert "a voxel is a vertex" in index
    assert "the medial wall was left out" in index


def test_on_fslr_the_plan_fetches_the_meshes(folder: Path, tmp_path: Path) -> None:
    before = planned(folder, "--forceall")
    assert "fetch_meshes" not in before
    assert "fetch_regions" not in before
    path = folder / "workflow/datasets/ds000105.yaml"
    whole = path.read_text()
    edit(path, lambda c: c["layout"].update(space="fsLR_den-91k"))
    try:
        after = planned(folder, "--forceall")
    finally:
        path.write_text(whole)
    assert after.pop("fetch_meshes") == 1
    assert after == before
