"""Everything that `maps draw` writes, from small files with known contents."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from helpers import report_tree
from helpers.small_study import REPO
from tristream.config.load import descriptor
from tristream.config.settings.maps import MapsSettings
from tristream.maps import encoding_maps
from tristream.maps.encoding_maps import draw
from tristream.maps.map_list import read_maps
from tristream.maps.map_tables import read_map_table
from tristream.maps.names import Names
from tristream.maps.score_maps import Scores
from tristream.maps.transparency import SENTENCE as TRANSPARENT
from tristream.space.atlas import Regions
from tristream.store import open_h5, read_json


@pytest.fixture(scope="module")
def resolved(tmp_path_factory):
    study = report_tree.read_study(report_tree.write_study(tmp_path_factory.mktemp("maps")))
    rng = np.random.default_rng(0)
    for dataset, model in (
        ("bunny", "streams"),
        ("bunny", "shifted"),
        ("haxby2001_slice", "category"),
    ):
        subject = study.subjects[dataset][0]
        simulated = dataset == "bunny"
        if model != "shifted":
            report_tree.write_bold(study, dataset, subject, simulated, rng)
        report_tree.write_encoding(study, dataset, model, subject, simulated, rng)
        run(study, dataset, model)
    return study


def run(study, dataset, model):
    root = Path(study.study.results)
    subject = study.subjects[dataset][0]
    first = study.datasets[dataset].runs_of(subject)[0]
    background = root / f"bold/{dataset}/sub-{subject}/{first}.h5"
    draw(
        MapsSettings.of(study, dataset=dataset, model=model, subject=subject),
        subject,
        encoding=root / f"encode/{dataset}/{model}/sub-{subject}.h5",
        inference=root / f"inference/{dataset}/{model}/sub-{subject}.h5",
        output=root / f"maps/{dataset}/{model}/sub-{subject}/maps.json",
        background=None if dataset == "bunny" else background,
        regions=quarters(root) if dataset == "bunny" else None,
    )


def quarters(root):
    """An atlas of four regions: front and back of either side."""
    labels = np.zeros((2, 2, 1), np.int16)
    labels[:, :, 0] = [[0, 1], [2, 3]]
    affine = np.diag([100.0, 120, 200, 1])
    affine[:3, 3] = [-50, -78, 0]
    path = root / "inference/regions.h5"
    Regions(labels, affine, ["Left back", "Left front", "Right back", "Right front"]).write(path)
    return path


def listing(study, dataset, model):
    subject = study.subjects[dataset][0]
    path = Path(study.study.results) / f"maps/{dataset}/{model}/sub-{subject}/maps.json"
    return path.parent, *read_json(path, "maps")


def test_a_volume_holds_each_score_at_its_voxel(resolved):
    folder, content, _ = listing(resolved, "bunny", "streams")
    (file,) = [m["file"] for m in content["maps"] if m["quantity"] == "r" and m["kind"] == "nifti"]
    image = nib.load(folder / file)
    path = Path(resolved.study.results) / "encode/bunny/streams/sub-01.h5"
    with open_h5(path, "encoding") as (encoding, _):
        ijk, r, affine = encoding["ijk"][()], encoding["scores/r"][()], encoding["affine"][()]
    np.testing.assert_array_equal(image.get_fdata(dtype=np.float32)[tuple(ijk.T)], r)
    np.testing.assert_array_equal(image.affine, affine)
    assert np.isfinite(image.get_fdata()).sum() == len(ijk)
    assert b"simulated BOLD" in image.header["descrip"].item()


def test_the_best_stream_is_a_label_map_that_names_its_labels(resolved):
    folder, content, _ = listing(resolved, "bunny", "streams")
    (file,) = [
        m["file"]
        for m in content["maps"]
        if m["quantity"] == "best_stream" and m["kind"] == "nifti"
    ]
    image = nib.load(folder / file)
    assert np.issubdtype(image.get_data_dtype(), np.integer)
    about = json.loads((folder / file.replace(".nii.gz", ".json")).read_text())
    assert about["LabelMap"] == {"0": "none", "1": "ventral", "2": "dorsal", "3": "auditory"}
    assert set(np.unique(np.asarray(image.dataobj))) <= {0, 1, 2, 3}
    assert about["Simulated"] is True


def test_every_figure_has_its_vector_version_its_numbers_and_a_caption(resolved):
    folder, content, _ = listing(resolved, "bunny", "streams")
    figures = [m for m in content["maps"] if m["kind"] in ("volume", "inflated", "flat")]
    drawn = {(m["kind"], m["quantity"]) for m in figures}
    quantities = ("r", "normalized", "best_stream")
    assert drawn == {(k, q) for k in ("volume", "inflated", "flat") for q in quantities}
    for figure in figures:
        assert (folder / figure["file"]).read_bytes().startswith(b"\x89PNG")
        assert "simulated BOLD" in figure["title"]
        assert "simulated BOLD" in (folder / figure["svg"]).read_text()
        assert len(figure["caption"]) > 60
        table = pd.read_csv(folder / figure["tsv"], sep="\t", na_values="n/a")
        assert {"r", "best_stream", "normalized"} <= set(table.columns)


def test_flat_maps_have_the_borders_and_names_that_their_captions_tell_of(resolved):
    folder, content, provenance = listing(resolved, "bunny", "streams")
    for figure in (m for m in content["maps"] if m["kind"] in ("volume", "inflated", "flat")):
        svg = (folder / figure["svg"]).read_text()
        told = "borders of the 4 regions" in figure["caption"]
        assert told == ("stroke-opacity: 0.7" in svg) == (figure["kind"] == "flat")
        assert (len(re.findall(r">1 (?:back|front), 2 (?:back|front)", svg)) == 2) == told
        assert "not significant (false discovery rate 0.05)" in figure["caption"]
    assert any("desikan2006" in sentence for sentence in provenance.methods)
    assert any("taylor2023" in sentence for sentence in provenance.methods)


def test_without_regions_and_without_a_test_nothing_is_told_of_either(resolved):
    _, content, _ = listing(resolved, "haxby2001_slice", "category")
    (caption,) = [m["caption"] for m in content["maps"] if m["kind"] == "volume"]
    assert "borders" not in caption
    assert ("fainter" in caption) == any(m["quantity"] == "q" for m in content["maps"])


def test_a_control_gets_its_accuracy_and_nothing_else(resolved):
    _, content, provenance = listing(resolved, "bunny", "shifted")
    assert {m["quantity"] for m in content["maps"]} == {"r", "q", "significant", "p_fwe", "p_tfce"}
    assert "negative control" in provenance.omitted[-1].why


def test_a_slice_without_a_template_says_why_it_has_no_surface(resolved):
    _, content, provenance = listing(resolved, "haxby2001_slice", "category")
    assert {m["kind"] for m in content["maps"]} == {"nifti", "volume"}
    whats = [o.what for o in provenance.omitted]
    assert any("surface" in what for what in whats)
    assert "noise ceiling" in whats
    assert not any("simulated" in m["title"] for m in content["maps"])
    assert not provenance.simulated


@pytest.mark.parametrize("name", ["ds000105", "ds003720"])
def test_maps_say_which_template_their_volumes_are_in(name, tmp_path):
    dataset = descriptor(name, [REPO / "workflow/datasets"], Path("config.yaml"))
    path = Names(tmp_path, dataset.subjects[0], "film", "streams", dataset.space).volume("r")
    assert "_space-MNI152NLin2009cAsym_" in path.name


def test_streams_outside_mni_space_have_no_surface_and_say_why(resolved, tmp_path):
    moved = report_tree.write_study(tmp_path)
    text = moved.read_text().replace("datasets:\n    - bunny", "datasets:\n    - haxby2001_slice")
    moved.write_text(text)
    study = report_tree.read_study(moved)
    rng = np.random.default_rng(0)
    report_tree.write_bold(study, "haxby2001_slice", "1", False, rng)
    report_tree.write_encoding(study, "haxby2001_slice", "streams", "1", False, rng)
    run(study, "haxby2001_slice", "streams")
    _, content, provenance = listing(study, "haxby2001_slice", "streams")
    assert {m["kind"] for m in content["maps"]} == {"nifti", "volume"}
    assert "best_stream" in {m["quantity"] for m in content["maps"]}
    assert "not in MNI space" in provenance.omitted[-1].why


def test_the_same_input_gives_the_same_bytes(resolved):
    folder, _, _ = listing(resolved, "bunny", "shifted")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    run(resolved, "bunny", "shifted")
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    ("dataset", "model"), [("bunny", "streams"), ("haxby2001_slice", "category")]
)
def test_the_export_is_valid_bids(resolved, dataset, model):
    validator = shutil.which("bids-validator-deno", path=str(Path(sys.executable).parent))
    assert validator
    folder = Path(resolved.study.results) / "maps" / dataset / model
    done = subprocess.run(
        [validator, str(folder), "--format", "json"], capture_output=True, text=True, check=False
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [i for i in issues if i["severity"] == "error"] == []
    description = json.loads((folder / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"][0]["Name"] == "tristream"
    assert description["Simulated"] is (dataset == "bunny")


def test_sentences_tell_of_a_projection_and_of_ratios_where_there_are_any(resolved):
    def methods(dataset, model):
        return " ".join(listing(resolved, dataset, model)[2].methods)

    text = methods("bunny", "streams")
    assert "between the white and the pial surface of fsaverage5" in text
    assert "divided by its noise ceiling only where the ceiling is above 0.2" in text
    for dataset, model in (("bunny", "shifted"), ("haxby2001_slice", "category")):
        assert methods(dataset, model) in ("", TRANSPARENT)


def test_images_and_tables_are_of_kinds_of_their_own(resolved):
    folder, content, provenance = listing(resolved, "bunny", "streams")
    figure = next(m for m in content["maps"] if m["kind"] == "volume")
    table, of_table = read_map_table(folder / figure["tsv"])
    assert len(table) == 1 + table.index[-1]
    assert of_table.config == provenance.config
    image = next(m["file"] for m in content["maps"] if m["kind"] == "nifti")
    assert read_json(folder / image.replace(".nii.gz", ".json"), "map")[1].simulated


def test_the_list_is_read_back_as_it_was_written(resolved):
    folder, content, _ = listing(resolved, "bunny", "streams")
    listed, _ = read_maps(folder / "maps.json")
    about = (listed.dataset, listed.section, listed.name, listed.subject)
    assert about == ("bunny", "models", "streams", "01")
    assert [asdict(entry) for entry in listed.maps] == content["maps"]


def test_a_hemisphere_without_a_usable_ceiling_has_the_figures_of_the_other():
    """Both sides of a figure are drawn, also where one has nothing to show."""
    r, shares = np.full(4, 0.3), np.full((1, 4), 0.1)
    both = Scores(r, r, shares, ("one",), np.full(4, 0.5), np.array([0.1, 0.1, -0.1, -0.1]))
    right = Scores(*(x[..., 2:] for x in (r, r, shares)), ("one",), r[2:], both.ceiling_low[2:])
    job = SimpleNamespace(
        names=SimpleNamespace(model="m"),
        voxels=SimpleNamespace(scores=both, opacity=None),
        plain=False,
    )
    job.competing, job.streams = [], {}
    painted = encoding_maps._paints(job, right)
    assert set(painted) == set(encoding_maps._paints(job, both)) == {"r", "normalized"}
    assert np.isnan(painted["normalized"][1]).all()
