"""What a study would download, known before it is: datasets, weights, atlas and meshes."""

import json
from pathlib import Path
from typing import Any

import pytest

from helpers.tiny_dataset import ANNEXED, Program, make_dataset, study
from tristream.cli import main
from tristream.cli.plan import members
from tristream.config.load import Resolved, resolve
from tristream.config.sources import ArchiveSource
from tristream.fetch.plan import plan_study
from tristream.fetch.weights import hub_folder
from tristream.space.harvard_oxford import HARVARD_OXFORD
from tristream.space.mesh_faces import FSLR_MESHES

MODELS = {"one": {"datasets": ["volumes", "meshed"], "bands": {"sounds": ["acoustics"]}}}


def planned(folder: Path, **changes: Any) -> Resolved:
    """A study of a dataset in MNI space and one on fsLR, read in place."""
    descriptors = folder / "descriptors"
    descriptors.mkdir(exist_ok=True)
    for name, space in (("volumes", "MNI152NLin2009cAsym_res-2"), ("meshed", "fsLR_den-91k")):
        described = {
            "id": name,
            "title": name,
            "licence": "CC0",
            "citation": "none",
            "source": {"kind": "folder", "path": str(folder)},
            "layout": {"kind": "fmriprep", "space": space},
            "tr": 1.0,
            "subjects": ["01"],
            "runs": ["task-film_run-1", "task-film_run-2"],
            "split": {"scheme": "holdout", "test": ["*run-2"]},
            "exchange": {"unit": "time"},
        }
        (descriptors / f"{name}.yaml").write_text(json.dumps(described))
    content = {
        "datasets": ["volumes", "meshed"],
        "features": {"acoustics": {"stream": "auditory", "extractor": "acoustics"}},
        "models": MODELS,
        "data": str(folder / "data"),
    }
    return resolve({**content, **changes}, folder / "config.yaml", [descriptors])


def there(source: ArchiveSource, data: Path, size: int) -> None:
    """Put files in the places of an archive's members."""
    for member in source.members:
        path = data / "datasets" / source.sha256[:12] / member
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))


def test_the_atlas_and_the_meshes_are_counted_where_results_need_them(tmp_path: Path) -> None:
    assert [name for name, _ in members(planned(tmp_path))] == [
        "atlas of regions",
        "meshes of fsLR",
    ]
    without = planned(tmp_path, inference={"regions": False})
    assert [name for name, _ in members(without)] == ["meshes of fsLR"]
    assert not list(members(planned(tmp_path, models={})))
    only = {"one": {**MODELS["one"], "datasets": ["volumes"]}}
    assert [name for name, _ in members(planned(tmp_path, models=only))] == ["atlas of regions"]


def test_what_is_present_is_not_downloaded_again(tmp_path: Path) -> None:
    resolved = planned(tmp_path)
    there(HARVARD_OXFORD, tmp_path / "data", 1000)
    there(FSLR_MESHES, tmp_path / "data", 2000)
    plans = {plan.dataset: plan for plan in plan_study(resolved, list(members(resolved)))}
    found = {name: (plan.download, plan.present) for name, plan in plans.items()}
    assert found == {
        "volumes": (0, 0),
        "meshed": (0, 0),
        "atlas of regions": (0, 1000 * len(HARVARD_OXFORD.members)),
        "meshes of fsLR": (0, 2000 * len(FSLR_MESHES.members)),
    }


def test_networks_of_the_hub_are_named_once_though_their_size_is_not_known(tmp_path: Path) -> None:
    options = {"model": "owner/network", "revision": "0123456789" * 4}
    space = {"stream": "ventral", "extractor": "image_network", "options": options}
    spaces = {"one": {**space, "layers": ["layer1"]}, "two": {**space, "layers": ["layer2"]}}
    resolved = planned(tmp_path, features=spaces, models={})
    (plan,) = plan_study(resolved, list(members(resolved)))[2:]
    assert (plan.dataset, plan.download) == ("one weights", None)
    assert "owner/network of the Hugging Face hub" in plan.summary
    source = next(source for _, source in members(resolved))
    folder = hub_folder(source, tmp_path / "data")
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(bytes(500))
    (plan,) = plan_study(resolved, list(members(resolved)))[2:]
    assert (plan.download, plan.present) == (0, 500)


def test_a_dataset_is_considered_before_the_study_lists_it(
    program: Program, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "upstream"
    study(tmp_path, str(root), commit=make_dataset(program, root))
    planned(tmp_path)
    content = {"datasets": ["volumes"], "data": str(tmp_path / "data")}
    (tmp_path / "config.yaml").write_text(json.dumps(content))
    call = ["fetch", "plan", "--config", str(tmp_path / "config.yaml")]
    call += ["--datasets", str(tmp_path / "descriptors"), "--dataset"]
    assert main([*call, "tiny"]) == 0
    printed = capsys.readouterr().out
    assert f"tiny: {ANNEXED} of " in printed
    assert printed.count(".nii.gz") == ANNEXED
    assert main([*call, "unknown"]) == 2
    assert "datasets.unknown: no descriptor" in capsys.readouterr().err
