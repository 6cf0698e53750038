"""Structures of columns: to CIFTI's axis and back."""

import nibabel as nib
import numpy as np

from tristream.space.grayordinates import from_axis, same, to_axis


def axis() -> nib.cifti2.BrainModelAxis:
    mask = np.zeros((4, 5, 6), bool)
    mask[1, 2, 3:5] = True
    models = nib.cifti2.BrainModelAxis
    left = models.from_surface([3, 5, 8], 32_492, "CORTEX_LEFT")
    right = models.from_surface([0, 2], 32_492, "CORTEX_RIGHT")
    return left + right + models.from_mask(mask, "thalamus_left", np.diag([2.0, 2, 2, 1]))


def test_an_axis_is_read_and_written_as_it_was() -> None:
    known = axis()
    where, ijk = from_axis(known)
    assert where.names == ("CORTEX_LEFT", "CORTEX_RIGHT", "THALAMUS_LEFT")
    assert where.vertices == (32_492, 32_492, 0)
    assert where.structure.tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert ijk.tolist() == [
        *([v, 0, 0] for v in (3, 5, 8, 0, 2)),
        *([1, 2, k] for k in (3, 4)),
    ]
    again = to_axis(where, ijk, known.affine, known.volume_shape)
    assert again == known
    assert same(from_axis(again)[0], where)


def test_columns_that_were_cut_keep_their_structures() -> None:
    known = axis()
    where, ijk = from_axis(known)
    keep = np.array([True, False, True, False, True, True, False])
    assert to_axis(where.take(keep), ijk[keep], known.affine, known.volume_shape) == known[keep]
