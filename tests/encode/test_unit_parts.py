"""Parts of units, against models fitted without them and against sums over pairs."""

import numpy as np
import pytest
import torch

from tristream.encode.bands import BandKernels
from tristream.encode.mixture import Mixture
from tristream.encode.unit_parts import (
    SIGNS,
    LinearFold,
    UnitParts,
    add_training_parts,
    width,
)

VOXELS = 3


def centred_kernels(x, new):
    """Of training and test features, about the training mean."""
    mean = x.mean(0)
    return torch.from_numpy((x - mean) @ (x - mean).T), torch.from_numpy(
        (new - mean) @ (x - mean).T
    )


def predicted(kernel, new, y, alpha, kept):
    """Kernel ridge of some training samples, its intercept free; less a mean over time."""
    k = kernel[np.ix_(kept, kept)]
    n = len(kept)
    system = np.block(
        [[k + alpha * np.eye(n), np.ones((n, 1))], [np.ones((1, n)), np.zeros((1, 1))]]
    )
    solved = np.linalg.solve(system, np.vstack([y[kept], np.zeros((1, y.shape[1]))]))
    prediction = new[:, kept] @ solved[:-1]
    return prediction - prediction.mean(0)


@pytest.fixture
def fold():
    rng = np.random.default_rng(0)
    x, new = rng.standard_normal((23, 6)), rng.standard_normal((12, 6))
    train, test = centred_kernels(x, new)
    kernels = BandKernels(train[None], {"test": test[None]}, {})
    # The last voxel's model is the mean of two.
    index, share = np.array([[0, 0, 1], [0, 0, 0]]), np.array([[1, 1, 0.7], [0, 0, 0.3]])
    models = Mixture(np.ones((1, 2)), np.array([1.0, 20.0]), index, share)
    y = rng.standard_normal((23, VOXELS))
    # Units of unequal lengths; unit 1 is shown in the test run, too.
    units = np.repeat([0, 1, 2, 3, 4], [5, 4, 5, 6, 3])
    return LinearFold(kernels, models, y, units, np.repeat([5, 1, 6], 4))


def test_a_training_unit_adds_what_the_prediction_loses_without_it(fold):
    slope = np.random.default_rng(1).standard_normal((12, VOXELS))
    total = UnitParts(7, VOXELS)
    add_training_parts(total, fold, slope)
    kernel, new = fold.kernels.train[0].numpy(), fold.kernels.test["test"][0].numpy()
    for voxel in range(VOXELS):

        def mean(kept, voxel=voxel):
            """The mean of the voxel's models fitted to some samples."""
            pairs = zip(fold.models.index[:, voxel], fold.models.share[:, voxel], strict=True)
            made = (
                share * predicted(kernel, new, fold.y[:, [voxel]], fold.models.alpha[one], kept)
                for one, share in pairs
            )
            return sum(made)

        whole = mean(np.arange(23))
        for unit in range(5):
            without = mean(np.flatnonzero(fold.train_units != unit))
            lost = (slope[:, [voxel]] * (whole - without)).sum()
            assert total.parts[unit, voxel] == pytest.approx(lost, abs=1e-4)
    assert not total.parts[5:].any()


def test_random_signs_give_the_variance_of_sums_over_pairs():
    rng = np.random.default_rng(2)
    table = rng.standard_normal((5, 3, VOXELS)).astype(np.float32)
    train, test = np.array([0, 1, 2, 3, 4]), np.array([5, 1, 6])
    total = UnitParts(7, VOXELS)
    given = torch.from_numpy(table.copy())
    total.add_table(given, given, train, test, np.arange(VOXELS))
    assert total.parts[train] == pytest.approx(table.sum(1), abs=1e-5)
    # A unit with itself is not a pair.
    table[1, 1] = 0
    signs = total.signs.numpy()
    wanted = np.einsum("sb,bcv,sc->sv", signs[:, train], table, signs[:, test])
    assert total.pairs == pytest.approx(wanted, abs=1e-4)
    variance = (table**2).sum((0, 1))
    assert (total.pairs**2).mean(0) == pytest.approx(variance, rel=4 * np.sqrt(2 / SIGNS))


def test_the_null_is_as_wide_as_the_score_varies():
    """Sums over pairs count twice in the parts, what belongs to one unit once."""
    rng = np.random.default_rng(3)
    units, voxels = 30, 2000
    for own, factor in ((0.0, np.sqrt(0.5)), (3.0, 1.0)):
        pairs = np.triu(rng.standard_normal((voxels, units, units)), 1)
        alone = own * np.sqrt(units) * rng.standard_normal((units, voxels))
        parts = alone + (pairs + pairs.transpose(0, 2, 1)).sum(1).T
        signs = rng.choice([-1.0, 1.0], (SIGNS, units))
        random = np.einsum("sb,vbc,sc->sv", signs, pairs, signs, optimize=True)
        found = width(parts, random)
        score = alone.sum(0) + pairs.sum((1, 2))
        ratio = score.std() / np.sqrt((parts**2).sum(0).mean())
        assert np.median(found) == pytest.approx(ratio, rel=0.1)
        assert found.min() >= np.sqrt(0.5) - 1e-9
        assert np.median(found) == pytest.approx(factor, rel=0.1)


def test_parts_add_up_to_the_score():
    total = UnitParts(4, VOXELS)
    total.add_test(np.ones((8, VOXELS)), np.repeat([0, 1], 4))
    assert total.summing_to(np.array([1.0, 2.0, 3.0])).sum(0) == pytest.approx([1, 2, 3])
