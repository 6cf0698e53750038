"""The null of a leave-one-run-out test: every fold fitted again to permuted data.

Under leave-one-run-out each run is test data once and training data otherwise, so the folds'
correlations depend on each other: what two runs share by chance counts twice. Moving predictions
about, run by run, breaks that and makes the null too narrow (by a factor of about the root of two:
13 % of voxels of pure noise were called significant at .05). Here blocks of the *data* change
places within their runs, once, and the permuted runs go through all folds, as test and as training
data. All voxels of a fold share hyperparameters
(:mod:`tristream.inference.shared_hyperparameters`); since the features stay too, a fold is one
matrix that turns training data into predictions.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from tristream.align.exchange import Exchange
from tristream.encode.bands import BandKernels
from tristream.encode.encoding_file import Encoding
from tristream.encode.fold_kernels import FoldKernels
from tristream.encode.solvers.penalised import penalised_factor
from tristream.encode.solvers.problem import mix_sparse
from tristream.inference.permutation import unit_length
from tristream.inference.resolution import StoredNull
from tristream.inference.shared_hyperparameters import SharedHyperparameters

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
LIMIT = 1 - 1e-6
# Voxels, and columns (voxels times permutations), predicted at a time.
VOXELS, COLUMNS = 64, 4096


def refit_null(
    encoding: Encoding,
    path: Path,
    moves: Exchange,
    permutations: int,
    seed: int = 0,
    widening: Mapping[str, float] | None = None,
) -> StoredNull:
    """Every voxel's correlation with blocks of data permuted within runs and all folds refitted.

    Parameters
    ----------
    encoding, path, moves, permutations, seed, widening
        As of :func:`refitted_z`.
    """
    z = refitted_z(encoding, path, moves, permutations, seed, widening)
    return StoredNull.of(np.tanh(z), moves.distinct)


def refitted_z(
    encoding: Encoding,
    path: Path,
    moves: Exchange,
    permutations: int,
    seed: int = 0,
    widening: Mapping[str, float] | None = None,
) -> npt.NDArray[np.float32]:
    """Fisher z of test correlations, as they are and with blocks of data in other orders.

    Parameters
    ----------
    encoding : Encoding
        Tested by leave-one-run-out.
    path : Path
        Its file, for messages.
    moves : Exchange
        The units of the test runs that may change places.
    permutations : int
        How many to draw.
    seed : int
        Of the draw.
    widening : mapping, optional
        Run to how many times wider the null of its correlations is than that of permuted blocks
        (see :mod:`tristream.inference.widening`).

    Returns
    -------
    ndarray of shape (1 + permutations, voxels)
        Mean over runs; the first is the observed one.

    Raises
    ------
    UserError
        If the training features are gone or have changed.
    """
    # All in memory: a file's test runs are read each time they are asked for.
    encoding = encoding.in_memory()
    names = list(encoding.tests)
    orders = _row_orders(encoding, moves, permutations, seed)
    folds = FoldKernels(encoding, path)
    total = np.zeros((1 + permutations, len(encoding.ijk)), np.float32)
    for name in tqdm(names, desc="refit", unit="run", mininterval=5, file=sys.stderr):
        train, kernels = folds.without(name)
        wider = (widening or {}).get(name, 1.0)
        _add_fold(total, encoding, name, train, kernels, orders, wider)
    return total / np.float32(len(names))


def _row_orders(
    encoding: Encoding, moves: Exchange, permutations: int, seed: int
) -> dict[str, Ints]:
    """Run to the sample that stands at each place, (1 + permutations, samples); first as it is."""
    drawn = moves.draw(0, permutations, seed)
    out: dict[str, Ints] = {}
    for k, (name, test) in enumerate(encoding.tests.items()):
        samples = len(test.y)
        out[name] = np.vstack([np.arange(samples), moves.sources(drawn, k, samples)])
    return out


def _add_fold(
    total: npt.NDArray[np.float32],
    encoding: Encoding,
    name: str,
    train: list[str],
    kernels: BandKernels,
    orders: dict[str, Ints],
    widening: float,
) -> None:
    """Add one fold's Fisher z to `total`, (1 + permutations, voxels)."""
    test = encoding.tests[name]
    shared = SharedHyperparameters.of(test, encoding.fitted.cv)
    kernel, new = (
        mix_sparse(list(own), shared.gamma) for own in (kernels.train, kernels.test[name])
    )
    operator = prediction_operator(kernel, new, shared.alpha).float()
    moved_from = {run: torch.from_numpy(own) for run, own in orders.items()}
    for first in range(0, total.shape[1], VOXELS):
        voxels = slice(first, first + VOXELS)
        y = torch.from_numpy(unit_length(test.y[:, voxels]).astype(np.float32)).T
        data = [torch.from_numpy(encoding.tests[other].y[:, voxels].copy()).T for other in train]
        batch = max(1, COLUMNS // len(y))
        for start in range(0, len(total), batch):
            part = slice(start, start + batch)
            # (voxels, samples, permutations) of each training run, one under the other
            moved = torch.cat(
                [d[:, moved_from[n][part].T] for n, d in zip(train, data, strict=True)], dim=1
            )
            predicted = operator @ moved
            predicted -= predicted.mean(1, keepdim=True)
            norm = torch.linalg.vector_norm(predicted, dim=1)
            product = (predicted * y[:, moved_from[name][part].T]).sum(1)
            r = torch.where(norm > 0, product / norm, 0.0)
            # The first order is the observed one.
            r[:, 1 if start == 0 else 0 :] *= widening
            r = r.clamp(-LIMIT, LIMIT)
            total[part, voxels] += torch.arctanh(r).T.numpy()


def prediction_operator(kernel: torch.Tensor, new: torch.Tensor, alpha: float) -> torch.Tensor:
    """The matrix that turns training targets into predictions less a constant of each target.

    Under an intercept that is not penalised; one factorisation, no inverse.

    Parameters
    ----------
    kernel : Tensor of shape (n, n), float64
        The bands' kernels under their weights.
    new : Tensor of shape (m, n), float64
        The same between new and training samples.
    alpha : float
        Penalty.

    Returns
    -------
    Tensor of shape (m, n); rows add up to zero

    Raises
    ------
    ValueError
        If the kernel is not positive semidefinite.
    """
    factor = penalised_factor(kernel, alpha)
    right = torch.cat([new, torch.ones_like(new[:1])])
    solved = torch.cholesky_solve(right.T, factor).T
    ones = solved[-1]
    return solved[:-1] - torch.outer(solved[:-1].sum(1), ones / ones.sum())
