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
from tristream.encode.unit_parts import LinearFold, UnitParts, add_training_parts
from tristream.inference.permutation import unit_length

Ints = npt.NDArray[np.integer]


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
        raw = [model.tests[name].prediction for model in models]
        y, p, q = (unit_length(x) for x in (first.tests[name].y, *raw))
        r = (y * (p + q)).sum(0) / 2
        total.add_test((p - q) * (y - r * (p + q) / 2) / len(names), units[k])
        for model, made, own, sign in zip(models, kernels, (p, q), (1, -1), strict=True):
            norm = np.linalg.norm(centred(model.tests[name].prediction), axis=0)
            # A prediction that does not vary adds nothing.
            slope = np.divide(y - r * own, norm, out=np.zeros_like(y), where=norm > 0)
            fold = _fold(model, made, name, units_of)
            add_training_parts(total, fold, sign * slope / len(names))
    return total


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
