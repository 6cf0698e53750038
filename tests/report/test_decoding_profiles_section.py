"""A decoder's searchlight, regions and times on a subject's page."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from helpers import report_tree
from tristream.config.decoders import Decoder
from tristream.decode.profile_file import read_profile, write_profile
from tristream.report.declared import declared
from tristream.report.elements import Figure, Table
from tristream.report.sections.decoding_profiles import _limit, names, section
from tristream.report.study_results import Results
from tristream.space.grayordinates import CORTEX, Grayordinates
from tristream.space.meshes import FSAVERAGE5_VERTICES, FSLR_VERTICES

DATASET = "haxby2001_slice"
PLACES = ("searchlight", "region_profile", "time_profile")


@pytest.fixture
def results(tmp_path):
    resolved = report_tree.read_study(report_tree.write_study(tmp_path))
    resolved.study.decoders["parts"] = Decoder(
        datasets=[DATASET],
        kind="ridge",
        samples="blocks",
        searchlight=8,
        regions="all",
        times=(-2, 6),
    )
    results = Results(resolved, tmp_path / "results/report")
    for place in PLACES:
        rng = np.random.default_rng(0)
        report_tree.write_parts(results.root, DATASET, "parts", "1", place, rng)
    return results


def test_each_kind_of_parts_has_its_figure_and_numbers(results):
    assert "parts" in names(results, DATASET)
    blocks = section(results, DATASET, "1").blocks
    figures = [b for b in blocks if isinstance(b, Figure) and "parts" in b.title]
    assert [f.title.split(",")[0] for f in figures] == [
        "Accuracy from the sphere around each voxel",
        "Accuracy from each region",
        "Accuracy from each time after the onset",
    ]
    for figure in figures:
        assert "which 5 % of permutations reach somewhere" in figure.caption
        assert (results.root / "report" / figure.png).is_file()
    tables = [pd.read_csv(results.root / "report" / f.tsv, sep="\t") for f in figures]
    assert [len(table) for table in tables] == [100, 3, 5]
    assert list(tables[0].columns) == ["i", "j", "k", "voxels", "accuracy", "chance", "p", "p_fwe"]
    shown = [b for b in blocks if isinstance(b, Table)]
    assert [table.columns[0] for table in shown] == ["file", "region", "time"]
    assert shown[1].rows[2] == ("FFA", 12, 0.6, 0.125, 0.005, 0.01)


def test_the_limit_is_where_the_corrected_p_passes(results):
    path = results.path("time_profile", dataset=DATASET, decoder="parts", subject="1")
    found, _ = read_profile(path)
    rng = np.random.default_rng(1)
    largest = rng.integers(0, 30, 200) / 48
    accuracy = np.arange(30) / 48
    p = (1 + (largest >= accuracy[:, None]).sum(1)) / 201
    limit = _limit(replace(found, largest=largest))
    np.testing.assert_array_equal(accuracy > limit, p <= 0.05)
    assert _limit(replace(found, largest=largest[:18])) is None


def test_without_a_test_no_p_and_no_limit_are_shown(results):
    for place in PLACES:
        path = results.path(place, dataset=DATASET, decoder="parts", subject="1")
        found, written = read_profile(path)
        none = np.full(len(found.names), np.nan)
        nothing = {"chance": none, "p": none, "p_fwe": none, "largest": np.empty(0)}
        write_profile(path, replace(found, **nothing, refusal="too few"), written)
    blocks = section(results, DATASET, "1").blocks
    figures = [b for b in blocks if isinstance(b, Figure) and "parts" in b.title]
    assert len(figures) == 3
    assert not any("passes above" in one.caption for one in figures)


def test_what_is_not_there_is_named_and_all_is_declared(results):
    path = results.path("searchlight", dataset=DATASET, decoder="parts", subject="1")
    path.unlink()
    text = " ".join(map(str, section(results, DATASET, "1").blocks))
    assert "The searchlight of parts" in text
    found = declared(results.resolved, results.spaces)
    asked = {one.place for one in found if one.get("decoder") == "parts"}
    assert asked == {"decoding", *PLACES}


def test_a_searchlight_is_an_image_beside_its_figure(results):
    blocks = section(results, DATASET, "1").blocks
    (table,) = [b for b in blocks if isinstance(b, Table) and b.columns == ("file", "what")]
    paths = [results.root / "report" / row[0].href for row in table.rows]
    assert [path.name for path in paths] == [
        "spheres_parts_accuracy.nii.gz",
        "spheres_parts_logp.nii.gz",
    ]
    found, _ = read_profile(
        results.path("searchlight", dataset=DATASET, decoder="parts", subject="1")
    )
    images = [nib.load(path) for path in paths]
    values = [image.get_fdata()[tuple(found.ijk.T)] for image in images]
    np.testing.assert_allclose(values[0], found.accuracy, atol=1e-6)
    np.testing.assert_allclose(values[1], -np.log10(found.p_fwe), atol=1e-6)
    np.testing.assert_array_equal(images[0].affine, found.affine)
    assert images[0].shape == found.shape


def on_surface(found, vertices, count):
    """The same values at vertices of both hemispheres."""
    side = np.repeat(np.arange(2, dtype=np.int8), count // 2)
    ijk = np.zeros((count, 3), np.int32)
    ijk[:, 0] = np.tile(np.arange(count // 2), 2)
    where = Grayordinates(side, CORTEX, (vertices, vertices))
    return replace(found, over="neighbourhoods", ijk=ijk, shape=(0, 0, 0), grayordinates=where)


def test_a_searchlight_on_surfaces_is_drawn_and_written_there(results):
    path = results.path("searchlight", dataset=DATASET, decoder="parts", subject="1")
    stored, written = read_profile(path)
    found = on_surface(stored, FSAVERAGE5_VERTICES, 100)
    write_profile(path, found, written)
    blocks = section(results, DATASET, "1").blocks
    titles = [b.title for b in blocks if isinstance(b, Figure)]
    assert "Accuracy from what is near each vertex along the cortex, parts, sub-1" in titles
    (table,) = [b for b in blocks if isinstance(b, Table) and b.columns == ("file", "what")]
    paths = [results.root / "report" / row[0].href for row in table.rows]
    assert [one.name.split("parts_")[1] for one in paths] == [
        f"{what}_hemi-{side}.shape.gii" for what in ("accuracy", "logp") for side in "LR"
    ]
    right = nib.load(paths[1]).darrays[0].data
    np.testing.assert_allclose(right[:50], found.accuracy[50:], atol=1e-6)
    assert np.isnan(right[50:]).all()
    assert "around vertex 49 of CORTEX_RIGHT" in str(blocks)
    # Of fsLR one CIFTI holds both, and without its meshes there is no brain to draw.
    write_profile(path, on_surface(stored, FSLR_VERTICES, 100), written)
    blocks = section(results, DATASET, "1").blocks
    (table,) = [b for b in blocks if isinstance(b, Table) and b.columns == ("file", "what")]
    image = nib.load(results.root / "report" / table.rows[0][0].href)
    np.testing.assert_allclose(np.asarray(image.dataobj)[0], stored.accuracy, atol=1e-6)
    assert "The meshes that they lie on are not there" in str(blocks)
