"""What units add to the difference of two ridge models under leave-one-run-out."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from tristream.encode.encoding_file import Encoding
from tristream.encode.fold_kernels import FoldKernels
from tristream.encode.prediction_scores import centred
from tristream.encode.unit_parts import LinearFold, Unexpected, UnitParts, add_training_parts
from tristream.inference.permutation import unit_length

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
# Predictions of length one that differ by less are the same.
ALIKE = 1e-4


def parts_of_pair(
    first: Encoding,
    second: Encoding,
    paths: Sequence[Path],
    units: Sequence[Ints],
    seed: int,
) -> UnitParts:
    """Parts of each unit in the difference of the correlations, as test and as training data.

    With data y and predictions p and q, all of length one, and r the mean of their correlations
    with y, a sample's part as test data is (p - q) (y - r (p + q) / 2): what both models predict
    alike is kept, and what is left counts.

    Parameters
    ----------
    first, second : Encoding
        Tested by leave-one-run-out on the same runs.
    paths : sequence of Path
        Their files, for messages.
    units : sequence of ndarray of int of shape (samples,), one a run
    seed : int
        Of the signs that the variance of pairs is estimated from.

    Raises
    ------
    UserError
        If the training features are gone or have changed.
    """
    count = 1 + max(int(own.max()) for own in units)
    total = UnitParts(count, len(first.ijk), seed)
    names = list(first.tests)
    models = (first, second)
    kernels = [FoldKernels(model, path) for model, path in zip(models, paths, strict=True)]
    units_of = dict(zip(names, units, strict=True))
    for k, name in enumerate(tqdm(names, desc="units", unit="run", mininterval=5, file=sys.stderr)):
        predictions = [model.tests[name].prediction for model in models]
        slopes = add_test_run(total, first.tests[name].y, predictions, units[k], 1 / len(names))
        for model, made, (slope, unexpected) in zip(models, kernels, slopes, strict=True):
            add_training_parts(total, _fold(model, made, name, units_of), slope, unexpected)
    return total


def add_test_run(
    total: UnitParts, data: Floats, predictions: Sequence[Floats], units: Ints, share: float
) -> list[tuple[Floats, Unexpected]]:
    """Add what the units of a run contribute as test data.

    Parameters
    ----------
    total : UnitParts
    data : ndarray of shape (samples, voxels)
        BOLD of the run.
    predictions : sequence of two ndarray of the same shape
        Of both models.
    units : ndarray of int of shape (samples,)
    share : float
        Of the run in the score.

    Returns
    -------
    list of (ndarray, Unexpected), one a model
        How the difference grows with the predictions, and what of it belongs to pairs of units.
    """
    y, p, q = (unit_length(x) for x in (data, *predictions))
    r = (y * (p + q)).sum(0) / 2
    total.add_test(share * (p - q) * (y - r * (p + q) / 2), units)
    left = _unpredicted(y, p, q)
    out = []
    for prediction, own, sign in zip(predictions, (p, q), (share, -share), strict=True):
        norm = np.linalg.norm(centred(prediction), axis=0)
        # A prediction that does not vary adds nothing.
        scale = np.divide(sign, norm, out=np.zeros_like(norm), where=norm > 0)
        out.append((scale * (y - r * own), Unexpected(scale * left, own)))
    return out


def _unpredicted(y: Floats, p: Floats, q: Floats) -> Floats:
    """Data (time, voxels) less what both predictions, of length one, have of them."""
    other = q - p * (p * q).sum(0)
    norm = np.linalg.norm(other, axis=0)
    # Predictions that are alike have one direction.
    other = np.divide(other, norm, out=np.zeros_like(other), where=norm > ALIKE)
    return y - p * (y * p).sum(0) - other * (y * other).sum(0)


def _fold(
    encoding: Encoding, kernels: FoldKernels, name: str, units: Mapping[str, Ints]
) -> LinearFold:
    """The model of all runs but one."""
    test = encoding.tests[name]
    train, own = kernels.without(name)
    return LinearFold(
        own,
        test.models,
        np.concatenate([encoding.tests[other].y for other in train]),
        np.concatenate([units[other] for other in train]),
        units[name],
    )
