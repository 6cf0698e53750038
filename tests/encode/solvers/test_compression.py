"""Samples turned into few: all that scores look at stays as it is."""

import numpy as np
import pytest
import torch

from tristream.encode.solvers.compression import Turning
from tristream.encode.solvers.folds import make_folds
from tristream.encode.solvers.problem import Targets

SIZES = (40, 12, 55, 33)
CPU = torch.device("cpu")


def study(dtype=torch.float64):
    """12 samples are fewer than the directions: that group stays as it is."""
    rng = np.random.default_rng(0)
    runs = rng.permutation(np.repeat(np.arange(4), SIZES))
    folds = make_folds(runs, len(runs))
    x = torch.from_numpy(rng.standard_normal((len(runs), 13)))
    y = torch.from_numpy(rng.standard_normal((len(runs), 7)) + 3).to(dtype)
    basis = torch.linalg.qr(x).Q
    turning, turned = Turning.of(basis, folds)
    given = Targets(y, folds, False, CPU)
    return basis, folds, given, turning, turned


def test_groups_have_as_many_samples_as_directions_at_most():
    *_, turning, turned = study()
    sizes = [f.stop - f.start for f in turning.turned.slices]
    assert sizes == [15, 12, 15, 15]
    assert len(turned) == turning.turned.size == sum(sizes)


@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_inner_products_within_groups_stay(dtype, near):
    basis, folds, given, turning, turned = study(dtype)
    targets = turning.targets(given)
    before, after = given.rows(slice(None)), targets.rows(slice(None))
    ones = torch.ones(1, folds.size, dtype=dtype)
    one = turning.root.to(after)[None]
    for f, g in zip(folds.slices, turning.turned.slices, strict=True):
        a = torch.cat([basis[f].T.to(dtype), ones[:, f]])
        b = torch.cat([turned[g].T.to(dtype), one[:, g]])
        torch.testing.assert_close(b @ b.T, a @ a.T, rtol=0, atol=near)
        torch.testing.assert_close(after[:, g] @ b.T, before[:, f] @ a.T, rtol=0, atol=10 * near)
        squares = [rows.square().sum(1) for rows in (after[:, g], before[:, f])]
        torch.testing.assert_close(*squares, rtol=near, atol=0)
    torch.testing.assert_close(targets.weight, given.weight)


def test_a_constant_is_alike_in_all_samples_of_a_group():
    """So that what is centred within a group is centred as before."""
    basis, folds, _, turning, turned = study()
    for f, g in zip(folds.slices, turning.turned.slices, strict=True):
        level = turning.root[g]
        assert float(level.std()) < 1e-12
        assert float(level.square().sum()) == pytest.approx(f.stop - f.start)
        own, new = basis[f] - basis[f].mean(0), turned[g] - turned[g].mean(0)
        torch.testing.assert_close(new.T @ new, own.T @ own, rtol=0, atol=1e-12)
