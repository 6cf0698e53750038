"""What `maps contrast` draws of MNI volumes, from a contrast of known t."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from helpers import report_tree
from tristream.config.settings.maps import ContrastMapsSettings
from tristream.contrast.contrast_file import ContrastMap, write_contrast
from tristream.maps.contrast_maps import draw_contrast
from tristream.maps.map_list import read_maps
from tristream.space.atlas import Regions
from tristream.store import Provenance

SETTINGS = {"dataset": "d", "contrast": "sides", "task": "t", "space": "MNI152Lin"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The left hemisphere answers to the first side; by a threshold, and by a rate."""
    folder = tmp_path_factory.mktemp("contrast")
    ijk, affine, shape = report_tree.ijk_of("bunny")
    x = ijk[:, 0] * affine[0, 0] + affine[0, 3]
    t = np.where(x < 0, 6.0, 1.0).astype("f4")
    fit = ContrastMap(
        *(t, np.ones_like(t), t, t, ijk.astype(np.int32), affine, shape),
        regions={},
        dof=50.0,
        runs=["run-1"],
        conditions={"a": 9},
        provenance=Provenance("contrast", simulated=False, methods=("Fitted.",)),
    )
    write_contrast(folder / "fit.h5", fit)
    where = np.diag([100.0, 400, 400, 1])
    where[0, 3] = -50
    atlas = Regions(np.array([[[0]], [[1]]], np.int16), where, ["Left half", "Right half"])
    atlas.write(folder / "regions.h5")
    out = {}
    for name, rule in (
        ("threshold", {"threshold": 3.0, "fdr": None}),
        ("rate", {"threshold": None, "fdr": 0.05}),
    ):
        output = folder / name / "sub-01/maps.json"
        settings = ContrastMapsSettings(**SETTINGS, **rule)
        files = (folder / "fit.h5", output, folder / f"{name}.tsv")
        draw_contrast(settings, "01", *files, regions=folder / "regions.h5")
        out[name] = output.parent, *read_maps(output)
    return out


def test_slices_and_surfaces_are_drawn_and_say_how_they_fade(drawn):
    for name, words in (("threshold", "Below |t| = 3"), ("rate", "Where t is not significant")):
        folder, listed, provenance = drawn[name]
        captions = {one.kind: one.caption for one in listed.maps if one.kind != "nifti"}
        assert set(captions) == {"volume", "inflated", "flat"}
        assert all(words in one for one in captions.values())
        assert ["borders of the 2 regions" in captions[kind] for kind in captions] == [
            kind == "flat" for kind in captions
        ]
        assert any("taylor2023" in sentence for sentence in provenance.methods)
        (flat,) = [one for one in listed.maps if one.kind == "flat"]
        assert ">1 half" in (folder / flat.svg).read_text()


def test_vertices_have_the_t_of_their_hemisphere(drawn):
    folder, listed, _ = drawn["rate"]
    (flat,) = [one for one in listed.maps if one.kind == "flat"]
    table = pd.read_csv(folder / flat.tsv, sep="\t", na_values="n/a")
    means = table.groupby("hemisphere")["t"].median()
    assert means["left"] == pytest.approx(6, abs=0.01)
    assert means["right"] == pytest.approx(1, abs=0.01)


def test_what_does_not_count_is_drawn_faintly_and_not_left_out(drawn):
    folder, listed, _ = drawn["threshold"]
    (nifti,) = [one for one in listed.maps if one.quantity == "t" and one.kind == "nifti"]
    assert np.nanmin(nib.load(folder / nifti.file).get_fdata()) == 1
    (flat,) = [one for one in listed.maps if one.kind == "flat"]
    picture = imread(folder / flat.file)[..., :3]
    half = picture.shape[1] // 2
    # Reddish: the more of it, the surer.
    redness = picture[..., 0] - picture[..., 2]
    left, right = (np.percentile(part, 90) for part in (redness[:, :half], redness[:, half:]))
    assert left > 0.2
    assert 0 < right < 0.5 * left
