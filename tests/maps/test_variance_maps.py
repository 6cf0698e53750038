"""Maps of unique and shared variance."""

import numpy as np
import pytest

from tristream.encode.jackknife import Interval
from tristream.encode.partition.partition_file import StoredPartition, write_partition
from tristream.encode.partition.variance import Partition
from tristream.errors import UserError
from tristream.inference.inference_file import Draws
from tristream.inference.tested_partition_file import (
    TestedPartition,
    TestedSet,
    write_partition_test,
)
from tristream.maps.variance_maps import variance_maps
from tristream.store import Provenance

IJK = np.arange(6, dtype=np.int32).reshape(2, 3)


def said(kind):
    return Provenance(kind, simulated=True, methods=("Made by a test.",))


@pytest.fixture
def files(tmp_path):
    """Two bands, of which one has p values."""
    value = Interval(*np.broadcast_to(np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]), (4, 3, 2)))
    found = Partition(np.zeros((4, 2)), value, Interval(*np.zeros((4, 1, 3))), blocks=7)
    stored = StoredPartition(["a", "b"], [], ["all voxels"], found, IJK)
    write_partition(tmp_path / "partition.h5", stored, said("partition"))
    p, region = np.array([0.01, 0.5]), np.array([0.02])
    draws = Draws(np.full(2, 99), np.zeros(2, bool), 0, 39, 1)
    one = TestedSet(p, 2 * p, 1.5 * p, np.ones(99), *[region] * 4, widening=1.0, draws=draws)
    about = ("R2", "signs", "item", 4096, 99, 0, 0.05, "bh", ["all voxels"], np.array([2]))
    tested = TestedPartition(*about, {"a": one})
    write_partition_test(tmp_path / "tested.h5", tested, said("partition-test"))
    return tmp_path / "partition.h5", tmp_path / "tested.h5"


def test_every_set_has_its_map_and_its_corrected_p_where_it_has_one(files):
    maps = variance_maps(*files, IJK)
    assert list(maps) == [
        *("unique_a", "q_unique_a", "p_fwe_unique_a"),
        *("unique_b", "shared_a+b"),
    ]
    assert maps["unique_b"][0] == pytest.approx([0.3, 0.4])
    assert maps["q_unique_a"][0] == pytest.approx([0.015, 0.75])
    assert maps["p_fwe_unique_a"][0] == pytest.approx([0.02, 1.0])
    assert maps["shared_a+b"][1] == "test R2 that a+b share"


def test_a_partition_of_other_voxels_is_refused(files):
    with pytest.raises(UserError, match=r"partition\.h5: has other voxels than the model"):
        variance_maps(*files, IJK + 1)
