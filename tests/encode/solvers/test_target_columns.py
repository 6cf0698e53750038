"""Targets as the primal solvers take them, and their models in the targets' own units."""

import pytest
import torch

from tristream.encode.solvers.target_columns import SIZE, Columns

CPU = torch.device("cpu")
ORDER = torch.tensor([3, 1, 0, 2, 5, 4])


def study(scale=1.0):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 2, generator=generator, dtype=torch.float64)
    y = scale * (torch.randn(6, 4, generator=generator, dtype=torch.float64) + 3)
    return x, y


@pytest.mark.parametrize("scale", [1.0, 1e-15, 1e9])
@pytest.mark.parametrize("weighted", [False, True])
def test_least_squares_come_back_in_units_of_the_targets(scale, weighted):
    x, y = study(scale)
    weight = torch.arange(1.0, 7, dtype=torch.float64) if weighted else torch.ones(6).double()
    columns = Columns(y, ORDER, True, CPU, weight[ORDER] if weighted else None)
    chunk = torch.cat([columns.take(slice(0, 3)), columns.take(slice(3, 4))], 1)
    assert float(chunk.abs().max()) < SIZE
    root = weight[ORDER].sqrt()[:, None]
    centre = (weight @ x) / weight.sum()
    found = torch.linalg.lstsq(root * (x[ORDER] - centre), chunk).solution
    coef, offset = columns.restored(found.T.clone(), centre)
    ones = torch.ones(6, 1, dtype=torch.float64)
    own = weight.sqrt()[:, None]
    expected = torch.linalg.lstsq(own * torch.cat([x, ones], 1), own * y).solution
    torch.testing.assert_close(coef, expected[:2], rtol=1e-9, atol=1e-12 * scale)
    torch.testing.assert_close(offset, expected[2], rtol=1e-9, atol=1e-12 * scale)


def test_units_are_powers_of_two_so_that_nothing_is_rounded():
    _, y = study(1e-15)
    columns = Columns(y, torch.arange(6), False, CPU)
    taken = columns.take(slice(None))
    assert torch.equal(taken * columns.unit, y)
    assert torch.equal(torch.frexp(columns.unit).mantissa, torch.full((4,), 0.5).double())


def test_targets_that_vary_in_no_group_are_known():
    _, y = study()
    y[:, 0] = 2.0
    y[:3, 1] = 1.0
    y[3:, 1] = 5.0
    columns = Columns(y, torch.arange(6), True, CPU)
    groups = [slice(0, 3), slice(3, 6)]
    assert columns.vary(groups, 3).tolist() == [False, False, True, True]
