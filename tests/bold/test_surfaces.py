"""BOLD on surfaces: read at its vertices, and found back at them in models, tests and maps."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml
from nilearn.datasets import fetch_surf_fsaverage
from nilearn.surface import load_surf_mesh
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from helpers import bold_tree
from helpers import surface_tree as tree
from helpers.fetched import files_of
from helpers.inference_settings import grouping, inferring
from tristream.bold.cleaning import clean
from tristream.bold.index_file import write_index
from tristream.bold.prepare import prepare_run
from tristream.bold.run_file import read_run
from tristream.config.load import Resolved, load
from tristream.config.settings.encode import EncodeSettings
from tristream.config.settings.maps import ContrastMapsSettings, MapsSettings
from tristream.contrast.contrast_file import ContrastMap, write_contrast
from tristream.encode.encoding_file import read_encoding
from tristream.encode.fit import fit_subject
from tristream.fetch.contents import run_files
from tristream.inference.encoding import infer_encoding
from tristream.inference.group_models import infer_models
from tristream.inference.region_tables import write_tables
from tristream.maps.contrast_maps import draw_contrast
from tristream.maps.encoding_maps import draw
from tristream.report.elements import Missing
from tristream.report.sections.bold import section
from tristream.report.study_results import Results
from tristream.space.meshes import fsaverage5_cortex
from tristream.store import (
    Provenance,
    create_h5,
    open_h5,
    read_json,
    read_strings,
    read_table,
    write_strings,
    write_table,
)

SPACES = [tree.FSAVERAGE5, tree.FSLR]
FIRST = tree.RUNS[0]
KINDS = ("inflated", "flat", "volume")
WALL = 144  # a vertex of the medial wall of fsaverage5, left


def prepared(root: Path, space: str, run: str = FIRST):
    return bold_tree.prepare(tree.dataset(space), "01", run, bold_tree.receipt_of(root))


@pytest.mark.parametrize("space", SPACES)
def test_each_column_is_cleaned_as_a_voxel_is_and_knows_its_vertex(tmp_path, space):
    run = prepared(tree.write(tmp_path, space), space)
    where = run.grayordinates
    assert where.names[:2] == ("CORTEX_LEFT", "CORTEX_RIGHT")
    assert where.vertices[:2] == (tree.VERTICES[space],) * 2
    for side, name in (("L", "CORTEX_LEFT"), ("R", "CORTEX_RIGHT")):
        here = where.of(name)
        assert run.ijk[here, 0].tolist() == tree.VARY[side]
        raw = tree.at_vertices(FIRST, side, tree.VERTICES[space])[tree.VARY[side]].T
        expected = clean(raw, run.projection, run.censor, None)
        np.testing.assert_allclose(run.bold[:, here], expected, atol=1e-4)
    assert run.time[0] == 0.7
    assert {"trans_x", "cosine00"} <= set(run.confound_names)
    assert run.constant == (
        2 if space == tree.FSLR else fsaverage5_cortex("left").sum()
        + fsaverage5_cortex("right").sum() - len(run.ijk)
    )  # fmt: skip


def test_voxels_of_a_cifti_keep_their_places_in_the_volume(tmp_path):
    run = prepared(tree.write(tmp_path, tree.FSLR), tree.FSLR)
    below = run.grayordinates.of("THALAMUS_LEFT")
    np.testing.assert_array_equal(run.ijk[below], tree.VOXELS)
    np.testing.assert_array_equal(run.affine, tree.AFFINE)
    assert run.shape == (91, 109, 91)
    assert run.grayordinates.on_mesh.sum() == len(run.ijk) - 3


def test_the_medial_wall_is_left_out_whether_it_holds_numbers_or_nan(tmp_path):
    assert not fsaverage5_cortex("left")[WALL]
    root = tree.write(tmp_path, tree.FSAVERAGE5)
    left = tree.at_vertices(FIRST, "L", tree.VERTICES[tree.FSAVERAGE5])
    left[WALL] = np.arange(tree.VOLUMES)
    left[17] = np.nan
    tree.save_gifti(tree.path(root, FIRST, tree.FSAVERAGE5), left, "L")
    for run in tree.RUNS[:2]:
        found = prepared(root, tree.FSAVERAGE5, run)
        here = found.grayordinates.of("CORTEX_LEFT")
        assert found.ijk[here, 0].tolist() == [5, 100, 900, 5000]
        assert np.isfinite(found.bold).all()


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_medial_wall_is_one_patch_and_no_cut_of_the_flat_map(side):
    paths = fetch_surf_fsaverage("fsaverage5")
    kept = fsaverage5_cortex(side)
    faces = load_surf_mesh(paths[f"white_{side}"]).faces
    edges = np.vstack([faces[:, [0, 1]], faces[:, [1, 2]]])
    graph = coo_matrix((np.ones(len(edges)), edges.T), shape=(len(kept), len(kept))).tocsr()
    _, patch = connected_components(graph[~kept][:, ~kept], directed=False)
    assert np.bincount(patch).max() > 0.97 * (~kept).sum() > 500
    drawn = np.zeros_like(kept)
    drawn[load_surf_mesh(paths[f"flat_{side}"]).faces.ravel()] = True
    assert (kept & ~drawn).sum() > 100
    assert 0.9 < (~drawn[~kept]).mean() < 1


def test_one_array_of_all_volumes_is_read_too(tmp_path):
    root = tree.write(tmp_path, tree.FSAVERAGE5)
    whole = prepared(root, tree.FSAVERAGE5).bold
    path = tree.path(root, FIRST, tree.FSAVERAGE5)
    bold = tree.at_vertices(FIRST, "L", tree.VERTICES[tree.FSAVERAGE5])
    nib.save(nib.GiftiImage(darrays=[nib.gifti.GiftiDataArray(bold)]), path)
    np.testing.assert_array_equal(prepared(root, tree.FSAVERAGE5).bold, whole)


def test_a_sidecar_of_the_same_run_in_a_volume_serves_where_the_surface_has_none(tmp_path):
    root = tree.write(tmp_path, tree.FSLR)
    own = Path(str(tree.path(root, FIRST, tree.FSLR)).replace(".dtseries.nii", ".json"))
    text = own.read_text().replace("0.7", "0.3")
    own.unlink()
    assert prepared(root, tree.FSLR).start_time == tree.TR / 2
    volume = own.with_name(f"sub-01_{FIRST}_space-MNI152NLin6Asym_res-2_desc-preproc_bold.json")
    volume.write_text(text)
    run = prepared(root, tree.FSLR)
    assert run.start_time == 0.3
    assert run.omitted == ()


@pytest.mark.parametrize("space", SPACES)
def test_fetch_gets_what_is_read(tmp_path, space):
    root = tree.write(tmp_path, space)
    dataset = tree.dataset(space)
    listed = [p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()]
    for run in tree.RUNS:
        listed.append(run_files(dataset.layout, "01", run).events)
    needed = files_of(dataset, "01", listed)
    assert {p for p in needed if p.endswith((".gii", ".nii"))} == {
        p for p in listed if p.endswith((".gii", ".nii"))
    }
    assert {p for p in listed if p.endswith("_bold.json")} <= set(needed)


@dataclass(frozen=True)
class Done:
    """Files of one study from BOLD to maps."""

    space: str
    folder: Path
    study: object


@pytest.fixture(scope="module", params=SPACES)
def done(request, tmp_path_factory, fslr_meshes) -> Done:
    """BOLD, encoding, inference, tables, group and maps of planted signals."""
    space = request.param
    folder = tmp_path_factory.mktemp(space)
    root = tree.write(folder / "raw", space)
    dataset = tree.dataset(space)
    bold_tree.receipt_of(root).write(folder / "receipt.json")
    bold = [folder / "bold" / f"{run}.h5" for run in tree.RUNS]
    for run, path in zip(tree.RUNS, bold, strict=True):
        prepare_run(bold_tree.bold_settings(dataset, "01"), run, folder / "receipt.json", path)
    write_index(bold_tree.index_settings(dataset), bold, folder / "bold/index.json")
    aligned = [write_features(folder, name) for name in tree.PLANTED]
    write_samples(folder / "samples.tsv")
    study = load(write_config(folder, dataset), folder / "workflow/datasets")
    settings_of_fit = EncodeSettings.of(study, dataset="small", model="both")
    encoding, inference = folder / "encoding.h5", folder / "inference.h5"
    fit_subject(settings_of_fit, "01", aligned, bold, folder / "samples.tsv", encoding)
    infer_encoding(encoding, inferring(permutations=200), inference)
    regions, clusters = folder / "regions.tsv", folder / "clusters.tsv"
    write_tables(encoding, inference, None, regions, clusters)
    infer_models(
        [encoding] * 2,
        [inference] * 2,
        [folder / "samples.tsv"] * 2,
        grouping(permutations=200),
        folder / "group.h5",
    )
    draw(
        maps_settings(study),
        "01",
        encoding,
        inference,
        folder / "maps/sub-01/maps.json",
        meshes=fslr_meshes if space == tree.FSLR else None,
    )
    return Done(space, folder, study)


def maps_settings(study: Resolved) -> MapsSettings:
    return MapsSettings.of(study, dataset="small", model="both", subject="01")


def write_features(folder: Path, name: str) -> Path:
    path = folder / f"{name}.h5"
    with create_h5(
        path, Provenance("aligned", simulated=False, methods=("Made by a test.",))
    ) as file:
        stream = {"sound": "auditory", "picture": "ventral"}[name]
        file.attrs.update(tr=tree.TR, stream=stream, space=name, layer="one", sampling="timed")
        write_strings(file, "names", ["value"])
        for run in tree.RUNS:
            file[f"runs/{run}"] = tree.courses(run)[name][:, None].astype(np.float32)
            file[f"times/{run}"] = 0.7 + tree.TR * np.arange(tree.VOLUMES)
    return path


def write_samples(path: Path) -> None:
    rows = np.arange(tree.VOLUMES)
    columns = {"item": "film", "label": None, "split": "each", "repeat": None, "censor": False}
    parts = [
        pd.DataFrame(
            {"run": run, "row": rows, "time": rows * tree.TR, **columns, "keep": True}
        ).assign(unit=[f"{run}/{row // 5}" for row in rows])
        for run in tree.RUNS
    ]
    write_table(
        path, pd.concat(parts), Provenance("samples", simulated=False, methods=("Made by a test.",))
    )


def write_config(folder: Path, dataset) -> Path:
    described = folder / "workflow/datasets/small.yaml"
    described.parent.mkdir(parents=True)
    described.write_text(yaml.safe_dump(dataset.model_dump(mode="json", exclude_unset=True)))
    study = {
        "datasets": ["small"],
        "results": str(folder / "results"),
        "features": {
            "sound": {"stream": "auditory", "extractor": "acoustics", "layers": ["logmel"]},
            "picture": {"stream": "ventral", "extractor": "saliency"},
        },
        "contrasts": {"sides": {"datasets": ["small"], "plus": ["a"], "threshold": 3.0}},
        "models": {
            "both": {
                "datasets": ["small"],
                "bands": {"auditory": ["sound"], "ventral": ["picture"]},
                "delays": [0],
                "alphas": {"lowest": -1, "highest": 3, "number": 5},
                "candidates": 4,
            }
        },
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    return path


def columns_of(run, side: str, vertex: int) -> np.ndarray:
    name = {"L": "CORTEX_LEFT", "R": "CORTEX_RIGHT"}[side]
    return np.flatnonzero(run.grayordinates.of(name) & (run.ijk[:, 0] == vertex))


def test_the_encoding_predicts_the_planted_vertices_and_no_others(done):
    fitted, _ = read_encoding(done.folder / "encoding.h5")
    planted = [int(columns_of(fitted, *place)[0]) for place in tree.PLANTED.values()]
    if done.space == tree.FSLR:
        planted.append(int(np.flatnonzero((fitted.ijk == tree.VOXELS[1]).all(axis=1))[0]))
    others = np.setdiff1d(np.arange(len(fitted.ijk)), planted)
    assert (fitted.scores.r[planted] > 0.8).all()
    assert (np.abs(fitted.scores.r[others]) < 0.35).all()
    with open_h5(done.folder / "inference.h5", "inference") as (file, _):
        assert np.flatnonzero(file["significant"][()]).tolist() == sorted(planted)


def test_maps_hold_each_score_at_its_vertex(done):
    folder = done.folder / "maps/sub-01"
    content, _ = read_json(folder / "maps.json", "maps")
    files = {m["quantity"]: m["file"] for m in content["maps"] if m["kind"] in ("gifti", "cifti")}
    for side, vertex in tree.PLANTED.values():
        if done.space == tree.FSAVERAGE5:
            name = files["r"].replace("hemi-R", f"hemi-{side}")
            r = nib.load(folder / name).agg_data()
            assert np.isfinite(r).sum() == len(tree.VARY[side])
        else:
            image = nib.load(folder / files["r"])
            structure = {"L": "CORTEX_LEFT", "R": "CORTEX_RIGHT"}[side]
            models = {n: (c, m) for n, c, m in image.header.get_axis(1).iter_structures()}
            at, model = models[f"CIFTI_STRUCTURE_{structure}"]
            r = np.full(tree.VERTICES[tree.FSLR], np.nan)
            r[model.vertex] = image.get_fdata()[0, at]
        assert np.nanargmax(r) == vertex
        assert np.nanmax(r) > 0.8


@pytest.mark.parametrize("done", [tree.FSAVERAGE5], indirect=True)
def test_a_gifti_is_named_by_hemisphere_and_holds_labels(done):
    (path,) = (done.folder / "maps/sub-01/func").glob("*hemi-L*space-fsaverage5*beststream*.gii")
    won = nib.load(path).agg_data()
    assert won[tree.PLANTED["sound"][1]] == 1
    assert not won[[WALL, 42]].any()


@pytest.mark.parametrize("done", [tree.FSLR], indirect=True)
def test_a_cifti_holds_voxels_and_labels_where_they_belong(done):
    folder = done.folder / "maps/sub-01/func"
    image = nib.load(next(folder.glob("*space-fsLR_den-91k*stat-r_statmap.dscalar.nii")))
    axis = image.header.get_axis(1)
    below = axis.name == "CIFTI_STRUCTURE_THALAMUS_LEFT"
    np.testing.assert_array_equal(axis.voxel[below], tree.VOXELS)
    np.testing.assert_array_equal(axis.affine, tree.AFFINE)
    assert image.get_fdata()[0, below].argmax() == 1
    labels = nib.load(next(folder.glob("*stat-beststream_statmap.dlabel.nii")))
    table = labels.header.get_axis(0).label[0]
    assert {n: text for n, (text, _) in table.items()} == {0: "none", 1: "auditory", 2: "ventral"}
    assert labels.get_fdata()[0, below][1] == 1


def test_figures_are_drawn_on_the_datas_own_mesh(done):
    content, provenance = read_json(done.folder / "maps/sub-01/maps.json", "maps")
    drawn = {(m["kind"], m["quantity"]) for m in content["maps"] if m["kind"] in KINDS}
    wanted = {(kind, name) for kind in ("inflated", "flat") for name in ("r", "best_stream")}
    slices = {("volume", "r"), ("volume", "best_stream")}
    assert drawn == wanted | (slices if done.space == tree.FSLR else set())
    mesh = {tree.FSAVERAGE5: "fsaverage5, flat", tree.FSLR: "fsLR 32k, flat"}[done.space]
    assert any(mesh in m["caption"] for m in content["maps"])
    assert not any("surface" in o.what for o in provenance.omitted)
    table = pd.read_csv(
        next((done.folder / "maps/sub-01/figures").glob("*vertices.tsv")), sep="\t"
    ).set_index(["hemisphere", "vertex"])
    _, vertex = tree.PLANTED["picture"]
    assert table.loc[("right", vertex), ["best_stream", "significant"]].tolist() == ["ventral", 1]


def test_a_contrast_is_written_and_drawn_where_it_was_found(done, fslr_meshes, tmp_path):
    run = read_run(done.folder / f"bold/{FIRST}.h5", signal=False)
    t = np.zeros(len(run.ijk), np.float32)
    t[columns_of(run, "R", 7000)] = 8.0
    t[0] = -5.0
    fit = ContrastMap(
        *(t, np.ones_like(t), t, t, run.ijk, run.affine, run.shape),
        regions={},
        dof=50.0,
        runs=[FIRST],
        conditions={"a": 9},
        provenance=Provenance("contrast", simulated=False, methods=("Fitted.",)),
        grayordinates=run.grayordinates,
    )
    write_contrast(tmp_path / "fit.h5", fit)
    draw_contrast(
        ContrastMapsSettings.of(done.study, dataset="small", contrast="sides", subject="01"),
        "01",
        tmp_path / "fit.h5",
        tmp_path / "sides/sub-01/maps.json",
        tmp_path / "regions.tsv",
        meshes=fslr_meshes,
    )
    table, _ = read_table(tmp_path / "regions.tsv", "contrast-table")
    above = table.set_index("region")["above"]
    assert above.loc[["CORTEX_LEFT", "CORTEX_RIGHT"]].tolist() == [0, 1]
    content, _ = read_json(tmp_path / "sides/sub-01/maps.json", "maps")
    on_mesh = {"inflated", "flat"}
    assert on_mesh <= {m["kind"] for m in content["maps"]}
    (path,) = (tmp_path / "sides/sub-01/func").glob(
        "*hemi-R*stat-t_*.gii" if done.space == tree.FSAVERAGE5 else "*stat-t_*.dscalar.nii"
    )
    if done.space == tree.FSAVERAGE5:
        assert np.nanargmax(nib.load(path).agg_data()) == 7000
    else:
        np.testing.assert_array_equal(nib.load(path).get_fdata()[0], t)


def test_tables_say_why_there_are_no_regions_and_clusters(done):
    regions, provenance = read_table(done.folder / "regions.tsv", "regions-table")
    assert regions["region"].tolist()[:3] == ["all voxels", "CORTEX_LEFT", "CORTEX_RIGHT"]
    assert regions.set_index("region")["significant"]["CORTEX_LEFT"] == 1
    assert regions.iloc[1][["x", "y", "z"]].isna().all()
    assert "MNI space" in provenance.omitted[0].why
    clusters, provenance = read_table(done.folder / "clusters.tsv", "clusters-table")
    assert clusters.empty
    assert "vertices" in provenance.omitted[0].why


def test_the_group_counts_vertex_by_vertex(done):
    fitted, _ = read_encoding(done.folder / "encoding.h5")
    with open_h5(done.folder / "group.h5", "group") as (file, _):
        order = fitted.grayordinates.keys(fitted.ijk).argsort()
        np.testing.assert_array_equal(file["voxels/ijk"][()], fitted.ijk[order])
        np.testing.assert_allclose(file["voxels/mean"][()], fitted.scores.r[order], atol=1e-6)
        structure = file["voxels/grayordinates/structure"][()]
        names = read_strings(file, "regions/names")
    np.testing.assert_array_equal(structure, fitted.grayordinates.structure[order])
    assert set(names) == {"all voxels", *np.unique(fitted.grayordinates.names)}


def test_runs_are_read_back_as_they_were_written(done):
    path = done.folder / f"bold/{FIRST}.h5"
    whole, part = read_run(path), read_run(path, voxels=slice(2, 6))
    np.testing.assert_array_equal(part.ijk, whole.ijk[2:6])
    np.testing.assert_array_equal(part.grayordinates.structure, whole.grayordinates.structure[2:6])


@pytest.mark.parametrize("done", [tree.FSLR], indirect=True)
def test_the_report_shows_tsnr_on_the_meshes_that_maps_were_drawn_on(done, fslr_meshes):
    results = Results(done.study, done.folder / "results/report")
    index = results.path("bold_index", dataset="small", subject="01")
    index.parent.parent.mkdir(parents=True)
    index.parent.symlink_to(done.folder / "bold")
    found = section(results, "small", "01").blocks
    (gone,) = [block for block in found if isinstance(block, Missing)]
    assert "no map of the study fetched the meshes" in gone.why
    results.path("meshes").parent.mkdir(parents=True)
    shutil.copyfile(fslr_meshes, results.path("meshes"))
    found = section(results, "small", "01").blocks
    assert not [block for block in found if isinstance(block, Missing)]
    folder = done.folder / "results/report/figures/small/sub-01"
    assert (folder / "tsnr.png").stat().st_size > 20_000
    tsnr = pd.read_csv(folder / "tsnr.tsv", sep="\t")
    run = read_run(done.folder / f"bold/{FIRST}.h5", signal=False)
    names = np.array(run.grayordinates.names)[run.grayordinates.structure]
    assert tsnr["structure"].tolist() == names.tolist()
    carpet = pd.read_csv(folder / "carpet.tsv", sep="\t")
    assert {"cortex_left_17", "cortex_right_17", "voxel_38_55_40"} <= set(carpet.columns)


@pytest.mark.parametrize("done", [tree.FSLR], indirect=True)
def test_without_meshes_the_surfaces_are_not_drawn_and_the_file_says_so(done, tmp_path):
    files = [done.folder / name for name in ("encoding.h5", "inference.h5")]
    draw(maps_settings(done.study), "01", *files, tmp_path / "sub-01/maps.json")
    content, provenance = read_json(tmp_path / "sub-01/maps.json", "maps")
    assert "flat" not in {m["kind"] for m in content["maps"]}
    assert "--meshes" in next(o.why for o in provenance.omitted if o.what == "surface figures")
