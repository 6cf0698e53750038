"""Tables by region and cluster, with coordinates."""

import nibabel as nib
import numpy as np
import pytest

from tristream.encode.encoding_file import Encoding, Fitted, Scores
from tristream.errors import UserError
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.inference.region_tables import CLUSTER_COLUMNS, Outcome, by_cluster, by_region
from tristream.space.atlas import Regions
from tristream.space.harvard_oxford import HARVARD_OXFORD, write_regions

# 2 mm, first axis from right to left, origin elsewhere.
AFFINE = np.array([[-2.0, 0, 0, 20], [0, 2, 0, -30], [0, 0, 2, -10], [0, 0, 0, 1]])


@pytest.fixture
def tested():
    """Two clusters of 27 and 8 voxels, and a lone voxel, in a cube."""
    ijk = np.argwhere(np.ones((20, 20, 20))).astype(np.int32)
    image = np.zeros((20, 20, 20), np.float32)
    image[2:5, 2:5, 2:5] = 0.5
    image[3, 3, 3] = 0.8
    image[14:16, 14:16, 14:16] = 0.4
    image[9, 9, 9] = 0.9
    r = image[tuple(ijk.T)]
    encoding = Encoding(
        bands=["ventral", "dorsal"],
        ijk=ijk,
        affine=AFFINE,
        shape=np.array([20, 20, 20]),
        tests={},
        scores=Scores(r, r**2, np.stack([r**2, 0 * r])),
        ceiling=None,
        fitted=Fitted(np.ones((2, 1)), np.ones(1), r, np.ones((3, 1)), r, {}, 0.0),
        about={},
    )
    return Outcome(encoding, r > 0, "", simulated=True)


@pytest.fixture
def atlas():
    """The half of the cube with the smaller first index is region `right`."""
    labels = np.full((20, 20, 20), 1, np.int16)
    labels[:10] = 0
    labels[:, :, 19] = -1
    return Regions(labels, AFFINE, ["right", "left"])


def test_clusters_have_their_peak_their_size_and_their_region(tested, atlas):
    table = by_cluster(tested, atlas)
    assert list(table.columns) == list(CLUSTER_COLUMNS)
    assert table["cluster"].tolist() == ["1", "2"]
    assert table["peak_r"].tolist() == pytest.approx([0.8, 0.4])
    assert table["voxels"].tolist() == [27, 8]
    assert table["mm3"].tolist() == [27 * 8, 8 * 8]
    # The lone voxel is no cluster; places are in mm.
    assert table.loc[0, ["x", "y", "z"]].tolist() == [20 - 6, -30 + 6, -10 + 6]
    assert table["region"].tolist() == ["right", "left"]


def test_without_significant_voxels_there_is_no_cluster(tested):
    assert by_cluster(Outcome(tested.encoding, None, "too few", True), None).empty
    none = np.zeros(len(tested.encoding.ijk), bool)
    assert by_cluster(Outcome(tested.encoding, none, "", True), None).empty


def test_regions_hold_means_counts_and_best_voxel(tested, atlas):
    table = by_region(tested, atlas).set_index("region")
    assert list(table.index) == ["all voxels", "none", "right", "left"]
    assert table.loc["all voxels", "voxels"] == 8000
    assert table.loc["right", "voxels"] == 10 * 20 * 19
    assert table.loc["right", "significant"] == 27 + 1
    assert table.loc["right", "peak_r"] == pytest.approx(0.9)
    assert table.loc["right", ["x", "y", "z"]].tolist() == [20 - 18, -30 + 18, -10 + 18]
    assert table.loc["left", "significant"] == 8
    assert table.loc["left", "mean_r"] == pytest.approx(8 * 0.4 / 3800, abs=1e-4)
    assert table.loc["left", "split_r2_ventral"] == pytest.approx(8 * 0.16 / 3800, abs=1e-5)
    assert table.loc["none", "significant"] == 0


def test_outside_of_mni_space_only_the_whole_mask_is_tabulated(tested):
    assert by_region(tested, None)["region"].tolist() == ["all voxels"]


def write_atlas(folder, regions):
    image, table = (folder / member for member in HARVARD_OXFORD.members)
    image.parent.mkdir(parents=True)
    probability = np.zeros((4, 4, 4, 2), np.uint8)
    probability[0, ..., 0], probability[1, ..., :] = 60, (30, 40)
    probability[2, ..., 1] = 24
    nib.save(nib.Nifti1Image(probability, np.eye(4)), image)
    table.write_text("index,name\n" + "".join(f"{i},{n}\n" for i, n in enumerate(regions)))
    files = tuple(FetchedFile(path=m, size=1, checksum="") for m in HARVARD_OXFORD.members)
    receipt = Receipt("harvard_oxford", None, {}, "", folder, "atlas", "", files, False)
    receipt.write(folder / "receipt.json")
    return folder / "receipt.json"


def test_the_likeliest_region_wins_from_25_per_cent_on(tmp_path):
    write_regions(write_atlas(tmp_path, ["Left_One", "Left_Two"]), tmp_path / "regions.h5")
    found = Regions.read(tmp_path / "regions.h5")
    assert found.names == ["Left One", "Left Two"]
    assert found.labels[:, 0, 0].tolist() == [0, 1, -1, -1]


def test_an_atlas_with_other_labels_is_refused(tmp_path):
    receipt = write_atlas(tmp_path, ["One", "Two", "Three"])
    with pytest.raises(UserError, match="not a 4-D NIfTI image of the 3 regions"):
        write_regions(receipt, tmp_path / "regions.h5")
    assert not (tmp_path / "regions.h5").exists()
