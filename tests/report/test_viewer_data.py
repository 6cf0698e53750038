"""What the viewer's page holds: values that survive packing, places, what is left out for size."""

import zlib
from base64 import b64decode

import numpy as np
import pytest

from tristream.maps.strips import Brain
from tristream.report import viewer_data
from tristream.report.viewer_data import Group, Overlay, contents, packed, quantised, size_of
from tristream.space.grayordinates import CORTEX, Grayordinates
from tristream.space.meshes import FSAVERAGE5_VERTICES
from tristream.space.meshes import fsaverage5_middle as middle

AFFINE = np.array([[-3.0, 0, 0, 78], [0, 3.0, 0, -112], [0, 0, 3.0, -70], [0, 0, 0, 1]])


def unpacked(text: str, kind: str) -> np.ndarray:
    planes = np.frombuffer(zlib.decompress(b64decode(text)), np.uint8)
    size = np.dtype(kind).itemsize
    return np.ascontiguousarray(planes.reshape(size, -1).T).reshape(-1).view(kind)


@pytest.fixture
def block() -> Brain:
    """A block of voxels that reaches the back of the cortex."""
    ijk = np.argwhere(np.ones((53, 63, 52), bool))
    return Brain(ijk[ijk[:, 1] < 30].astype(np.int32), AFFINE, (53, 63, 52), None, "MNI152Lin")


def test_values_survive_to_four_decimals_or_to_the_digits_that_fit():
    rng = np.random.default_rng(0)
    for scale in (1e-6, 1.0, 3.2, 40.0, 5e5):
        values = np.append(scale * rng.uniform(-1, 1, 1000), np.nan)
        numbers, step = quantised(values)
        assert step == pytest.approx(
            max(1e-4, 10 ** np.ceil(np.log10(np.nanmax(abs(values)) / 32766)))
        )
        again = np.where(numbers == viewer_data.NOTHING, np.nan, numbers * step)
        assert np.nanmax(np.abs(again - values)) <= step / 2 * (1 + 1e-9)
        assert np.isnan(again[-1])
        assert np.array_equal(unpacked(packed(numbers), "<i2"), numbers)


def test_every_voxel_is_at_its_own_place(block):
    data = contents(block, [Group("model a", [Overlay("r", "test r", np.arange(len(block.ijk)))])])
    volume = data["volume"]
    where = unpacked(volume["where"], "<i4")
    i, j, k = np.unravel_index(where, volume["shape"], order="F")
    assert np.array_equal(np.stack([i, j, k], axis=1), block.ijk)
    assert np.array_equal(unpacked(volume["place"], "<i4"), np.arange(len(block.ijk)))


def test_a_vertex_shows_the_voxel_that_it_lies_in(block):
    data = contents(block, [Group("model a", [Overlay("r", "test r", np.zeros(len(block.ijk)))])])
    for side in data["surface"]["sides"]:
        place = unpacked(side["place"], "<i4")
        assert len(place) == FSAVERAGE5_VERTICES
        shown = place >= 0
        assert 0.1 < shown.mean() < 0.9
        xyz = block.ijk[place[shown]] @ AFFINE[:3, :3].T + AFFINE[:3, 3]
        away = np.abs(xyz - middle(side["side"])[shown])
        assert away.max() <= 1.5 + 1e-4
        # Left is left: coordinates that are mirrored would be as near to voxels.
        assert (xyz[:, 0].mean() < 0) == (side["side"] == "left")


def test_measured_vertices_show_themselves_and_voxels_below_lie_in_slices():
    structure = np.repeat([0, 1, 2], (FSAVERAGE5_VERTICES, FSAVERAGE5_VERTICES, 2))
    ijk = np.zeros((len(structure), 3), np.int32)
    ijk[:, 0] = np.arange(len(ijk)) % FSAVERAGE5_VERTICES
    ijk[-2:] = [[10, 20, 30], [11, 20, 30]]
    counts = (FSAVERAGE5_VERTICES, FSAVERAGE5_VERTICES, 0)
    names = (*CORTEX, "THALAMUS_LEFT")
    places = Grayordinates(structure, names, counts)
    brain = Brain(ijk, AFFINE, (53, 63, 52), places, "fsaverage5")
    data = contents(brain, [Group("model a", [Overlay("r", "test r", np.zeros(len(ijk)))])])
    for number, side in enumerate(data["surface"]["sides"]):
        expected = number * FSAVERAGE5_VERTICES + np.arange(FSAVERAGE5_VERTICES)
        assert np.array_equal(unpacked(side["place"], "<i4"), expected)
    assert data["surface"]["measured"]
    assert list(unpacked(data["volume"]["place"], "<i4")) == [len(ijk) - 2, len(ijk) - 1]


def test_fslr_without_meshes_and_voxels_has_nothing_to_be_drawn_on():
    places = Grayordinates(np.zeros(4, int), (CORTEX[0],), (32492,))
    ijk = np.stack([np.arange(4), np.zeros(4), np.zeros(4)], axis=1).astype(np.int32)
    brain = Brain(ijk, np.eye(4), (1, 1, 1), places, "fsLR")
    assert contents(brain, [Group("model a", [Overlay("r", "test r", np.zeros(4))])]) is None


def test_what_does_not_fit_is_named_and_every_model_keeps_its_first_map(block, monkeypatch):
    rng = np.random.default_rng(0)
    noise = [Overlay(f"map {k}", "noise", rng.standard_normal(len(block.ijk))) for k in range(5)]
    groups = [Group("model a", noise), Group("model b", noise)]
    everything = contents(block, groups)
    assert everything["left_out"] == []
    one = size_of(noise[0].packed())
    bare = size_of(everything) - 10 * one
    monkeypatch.setattr(viewer_data, "MOST_BYTES", bare + 3 * one)
    data = contents(block, groups)
    assert [len(group["overlays"]) for group in data["groups"]] == [2, 1]
    assert len(data["left_out"]) == 7
    assert data["left_out"][0] == "map 1 of model b"
    assert size_of(data) <= bare + 3 * one + 100 * 7
