"""The voxels whose curves are kept: those that training data predict best."""

import numpy as np

from tristream.encode import voxel_curves
from tristream.encode.voxel_curves import best_voxels


def test_the_best_are_taken_in_the_order_of_the_voxels(monkeypatch):
    cv = np.array([0.1, np.nan, 0.5, -np.inf, 0.3, 0.5, 0.2])
    assert best_voxels(cv, 3).tolist() == [2, 4, 5]
    assert best_voxels(cv).tolist() == [0, 2, 4, 5, 6]
    monkeypatch.setattr(voxel_curves, "MOST_VOXELS", 2)
    assert best_voxels(cv, 3).tolist() == [2, 5]


def test_of_equal_ones_the_first_are_taken():
    assert best_voxels(np.zeros(5), 2).tolist() == [0, 1]
