"""What each exchangeable unit adds to a score under leave-one-run-out, as test and training data.

Under leave-one-run-out each run is test data once and training data otherwise. What two runs share
by chance enters the score twice, so that parts of the score by units of *test* data are not
independent: their signs flipped, 15 to 22 % of true nulls were rejected at .05. So a unit's part
has both roles: what it adds as test data, and what the predictions of other runs owe to it.

The second is exact for ridge regression with hyperparameters as they were chosen: with K the kernel
of the training samples, α the penalty, C = (K + αI)⁻¹ under an intercept and a = Cy, the model
fitted without the samples c predicts what the whole model does less k C_·c (C_cc)⁻¹ a_c, where k is
the kernel of test and training samples (as in leave-one-out residuals, An, Liu & Venkatesh 2007).
Of a mean of ridge models it is the mean of these, under their shares.

The sum of squares of these parts is too large a variance where the units' joint effects make up the
score: without any signal a score is a sum over *pairs* of units, and each pair is in the parts of
both (Efron & Stein 1981, Ann Stat 9:586, whose bound is reached at a factor of two). The variance
that belongs to pairs is subtracted once; it is estimated from random signs given to all units,
under which the sum over pairs has this variance. A pair's effect is that of noise on noise: what
the models predict of the test data does not belong to it (what noise in training data does to that
is the effect of one unit), nor does a change of the predictions along themselves, which no
correlation sees.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from tristream.encode.bands import BandKernels
from tristream.encode.mixture import Mixture
from tristream.encode.solvers.penalised import penalised_factor
from tristream.encode.solvers.problem import mix_sparse

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
# Random signs that the variance of pairs is estimated from: to a tenth of its size.
SIGNS = 256
# Voxels at a time.
CHUNK = 64


@dataclass
class UnitParts:
    """Parts of a score by unit, to be added up over the folds.

    Parameters
    ----------
    units, voxels : int
        How many there are.
    seed : int
        Of the random signs.

    Attributes
    ----------
    parts : ndarray of shape (units, voxels)
        Of both roles.
    pairs : ndarray of shape (SIGNS, voxels)
        Sums over pairs of units (test and training) under random signs of the units.
    """

    units: int
    voxels: int
    seed: int = 0
    parts: npt.NDArray[np.float32] = field(init=False)
    pairs: npt.NDArray[np.float32] = field(init=False)
    signs: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.parts = np.zeros((self.units, self.voxels), np.float32)
        self.pairs = np.zeros((SIGNS, self.voxels), np.float32)
        signs = np.random.default_rng(self.seed).choice([-1.0, 1.0], (SIGNS, self.units))
        self.signs = torch.from_numpy(signs.astype(np.float32))

    def add_test(self, values: Floats, units: Ints) -> None:
        """Add what test samples (time, voxels) contribute, by unit."""
        np.add.at(self.parts, units, values.astype(np.float32))

    def add_table(
        self, table: torch.Tensor, pairs: torch.Tensor, train: Ints, test: Ints, voxels: Ints
    ) -> None:
        """Add what training units contribute to test units.

        Parameters
        ----------
        table : Tensor of shape (training units, test units, voxels)
        pairs : Tensor of the same shape
            What of it is the effect of two units together.
        train, test, voxels : ndarray of int
            Their numbers.
        """
        self.parts[np.ix_(train, voxels)] += table.sum(1).numpy()
        _, one, other = np.intersect1d(train, test, return_indices=True)
        # An item with itself is not a pair.
        pairs = pairs.clone()
        pairs[one, other] = 0
        half = (self.signs[:, train] @ pairs.flatten(1)).view(SIGNS, *pairs.shape[1:])
        self.pairs[:, voxels] += (half * self.signs[:, test][..., None]).sum(1).numpy()

    def summing_to(self, score: Floats) -> npt.NDArray[np.float64]:
        """The parts, moved by a constant of each voxel so that they add up to the score."""
        parts = self.parts.astype(np.float64)
        return parts - (parts.sum(0) - score) / self.units


def width(parts: Floats, pairs: Floats) -> npt.NDArray[np.float64]:
    """Standard deviation of the score over that of its parts under random signs, (n,).

    Between the root of a half, where the score is all pairs, and one.

    Parameters
    ----------
    parts : ndarray of shape (units, n)
        From :meth:`UnitParts.summing_to`.
    pairs : ndarray of shape (SIGNS, n)
    """
    squares = (parts.astype(np.float64) ** 2).sum(0)
    of_pairs = (pairs.astype(np.float64) ** 2).mean(0)
    share = np.divide(of_pairs, squares, out=np.zeros_like(squares), where=squares > 0)
    return np.sqrt(np.clip(1 - share, 0.5, 1))


@dataclass(frozen=True)
class LinearFold:
    """A ridge model of all runs but one.

    Attributes
    ----------
    kernels : BandKernels
        Of its training runs, and of one test run.
    models : Mixture
        Its hyperparameters.
    y : ndarray of shape (training samples, voxels)
    train_units, test_units : ndarray of int of shape (samples,)
        Unit of each sample.
    """

    kernels: BandKernels
    models: Mixture
    y: Floats
    train_units: Ints
    test_units: Ints


@dataclass(frozen=True)
class Unexpected:
    """What of a score's slope belongs to pairs of units.

    Attributes
    ----------
    slope : ndarray of shape (test samples, voxels)
        How the score grows with the prediction of each sample, through data that nothing predicts.
    along : ndarray of shape (test samples, voxels)
        The prediction, of length one: changes along it leave a correlation as it is.
    """

    slope: Floats
    along: Floats


def add_training_parts(
    total: UnitParts, fold: LinearFold, slope: Floats, unexpected: Unexpected | None = None
) -> None:
    """Add what the training units contribute to a score through the predictions of a test run.

    Parameters
    ----------
    total : UnitParts
    fold : LinearFold
    slope : ndarray of shape (test samples, voxels)
        How the score grows with the prediction of each sample.
    unexpected : Unexpected, optional
        What of it belongs to pairs of units; all, if it is not given.
    """
    train, rows = _padded(fold.train_units)
    test, place = np.unique(fold.test_units, return_inverse=True)
    where = torch.from_numpy(place.ravel())
    (kernel,) = fold.kernels.test.values()
    for voxels, share, gamma, alpha in fold.models.by_model():
        inverse = inverse_with_intercept(mix_sparse(list(fold.kernels.train), gamma), alpha)
        operator = mix_sparse(list(kernel), gamma) @ inverse
        by_unit = _columns(operator - operator.mean(0), rows)
        for start in range(0, len(voxels), CHUNK):
            own = slice(start, start + CHUNK)
            part = voxels[own]
            y = torch.from_numpy(fold.y[:, part].astype(np.float64))
            moved = torch.bmm(by_unit, _left_out(inverse, inverse @ y, rows).float())
            moved *= _single(share[own])

            def summed(moved: torch.Tensor, slope: Floats, part: Ints = part) -> torch.Tensor:
                table = torch.zeros(len(train), len(test), len(part))
                return table.index_add_(1, where, moved * _single(slope[:, part]))

            table = pairs = summed(moved, slope)
            if unexpected is not None:
                along = _single(unexpected.along[:, part])
                moved -= along * (moved * along).sum(1, keepdim=True)
                pairs = summed(moved, unexpected.slope)
            total.add_table(table, pairs, train, test, part)


def _single(values: Floats) -> torch.Tensor:
    """In single precision."""
    return torch.from_numpy(values.astype(np.float32))


def inverse_with_intercept(kernel: torch.Tensor, alpha: float) -> torch.Tensor:
    """The matrix that turns training targets into dual weights, under a free intercept.

    Parameters
    ----------
    kernel : Tensor of shape (n, n), float64
    alpha : float

    Raises
    ------
    ValueError
        If the kernel is not positive semidefinite.
    """
    factor = penalised_factor(kernel, alpha)
    inverse = torch.cholesky_inverse(factor)
    ones = inverse.sum(1)
    return inverse - torch.outer(ones, ones) / ones.sum()


def _padded(units: Ints) -> tuple[Ints, torch.Tensor]:
    """Numbers of the units, and their samples (units, most samples), filled up with -1."""
    numbers, counts = np.unique(units, return_counts=True)
    rows = np.full((len(numbers), counts.max()), -1)
    for k, number in enumerate(numbers):
        rows[k, : counts[k]] = np.flatnonzero(units == number)
    return numbers, torch.from_numpy(rows)


def _columns(operator: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Columns of a matrix by unit, (units, test samples, most samples); 0 where filled up."""
    filled = torch.nn.functional.pad(operator, (0, 1))
    return filled[:, rows].transpose(0, 1).contiguous().float()


def _left_out(inverse: torch.Tensor, dual: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Residuals of each unit under the model without it, (units, most samples, voxels)."""
    blocks = torch.nn.functional.pad(inverse, (0, 1, 0, 1))[rows[:, :, None], rows[:, None, :]]
    blocks += torch.diag_embed((rows < 0).to(blocks.dtype))
    return torch.linalg.solve(blocks, torch.nn.functional.pad(dual, (0, 0, 0, 1))[rows])
