"""A synthetic ds000105 on fsaverage5 goes from DataLad to the report; on fsLR the plan is whole.

The workflow's own commands are run, one after the other in this process: that the workflow runs
them itself is no matter of surfaces, and each costs seconds to start.
"""

import io
import shutil
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import yaml

from helpers.methods_facts import lies, study_results
from helpers.small_study import REPO, commands, edit, run_here
from tristream.cli import main
from tristream.simulate.synthetic.settings import LABEL, NONE
from tristream.simulate.synthetic.synthetic_truth import read_synthetic_truth
from tristream.store import open_h5, read_json

DESCRIPTOR = REPO / "workflow/datasets/ds000105.yaml"
RUNS = [f"task-objectviewing_run-0{n}" for n in (1, 2, 3)]


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[str]]]:
    """The study of a synthetic dataset, and the commands that the workflow has for it."""
    folder = tmp_path_factory.mktemp("surface")
    shutil.unpack_archive(REPO / "tests/data/openneuro_events.tar.gz", folder / "real")
    described: dict[str, Any] = yaml.safe_load(DESCRIPTOR.read_text())
    described |= {"runs": RUNS, "subjects": ["1"], "missing": {}}
    described["layout"]["space"] = "fsaverage5"
    own = folder / "workflow/datasets"
    own.mkdir(parents=True)
    (own / "ds000105.yaml").write_text(yaml.safe_dump(described))
    call = ["simulate", "like", "--dataset", "ds000105", "--datasets", str(own)]
    call += ["--output", str(folder / "synthetic"), "--from", str(folder / "real/ds000105")]
    with redirect_stdout(io.StringIO()) as printed:
        assert main(call) == 0
    study = {
        "datasets": yaml.safe_load(printed.getvalue())["datasets"],
        "features": {"conditions": {"stream": "label", "extractor": "labels"}},
        "models": {
            "category": {
                "datasets": ["ds000105"],
                "bands": {"category": ["conditions"]},
                "delays": ["2 TR", "3 TR"],
                "alphas": {"lowest": 0, "highest": 4, "number": 3},
            }
        },
        "inference": {"permutations": 100},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(study))
    return folder, commands(folder)


@pytest.fixture(scope="module")
def folder(planned: tuple[Path, list[list[str]]]) -> Path:
    """The finished study."""
    folder, calls = planned
    run_here(folder, calls)
    return folder


def test_the_truth_is_found_at_its_vertices(folder: Path) -> None:
    brain = read_synthetic_truth(folder / "synthetic/truth.h5", "1").brain
    region, hemisphere = brain.region, brain.grayordinates.structure
    place = {pair: n for n, pair in enumerate(zip(hemisphere, brain.ijk[:, 0], strict=True))}
    with open_h5(folder / "results/encode/ds000105/category/sub-1.h5", "encoding") as (
        file,
        provenance,
    ):
        assert provenance.simulated
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
    assert "the atlas is a volume in MNI space" in page
    index = "".join(p.read_text() for p in (folder / "results/report").glob("*.html"))
    assert "a voxel is a vertex" in index
    assert "the medial wall was left out" in index


def test_on_fslr_the_plan_fetches_the_meshes_and_draws_on_them(planned, tmp_path: Path) -> None:
    """Of the same study, before anything of it is fetched."""
    folder, before = planned
    assert not any("meshes" in call or "--meshes" in call for call in before)
    shutil.copytree(folder / "workflow", tmp_path / "workflow")
    shutil.copyfile(folder / "config.yaml", tmp_path / "config.yaml")
    edit(
        tmp_path / "workflow/datasets/ds000105.yaml",
        lambda c: c["layout"].update(space="fsLR_den-91k"),
    )
    after = commands(tmp_path)
    receipt = "results/fetch/meshes/receipt.json"
    (fetch,) = [call for call in after if call[:2] == ["maps", "meshes"]]
    assert fetch[4:] == ["--output", receipt]
    (draw,) = [call for call in after if call[:2] == ["maps", "draw"]]
    assert draw[draw.index("--meshes") + 1] == receipt
    assert len(after) == len(before) + 1
    assert not any("atlas" in call for call in after)


def test_the_methods_text_is_what_the_files_hold(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = folder if (folder / "config.yaml").is_file() else folder.parent
    monkeypatch.chdir(study)
    assert lies(study_results(study, study / "workflow/datasets")) == []
