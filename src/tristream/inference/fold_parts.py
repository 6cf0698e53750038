"""What units add to the difference of two ridge models under leave-one-run-out."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from tristream.encode.bands import Form, band_kernels
from tristream.encode.encoding_file import Encoding
from tristream.encode.prediction_scores import centred
from tristream.encode.training_features import TrainingFeatures
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
    sources = [_Source(model, path) for model, path in zip((first, second), paths, strict=True)]
    for k, name in enumerate(tqdm(names, desc="units", unit="run", mininterval=5, file=sys.stderr)):
        raw = [model.tests[name].prediction for model in (first, second)]
        y, p, q = (unit_length(x) for x in (first.tests[name].y, *raw))
        r = (y * (p + q)).sum(0) / 2
        total.add_test((p - q) * (y - r * (p + q) / 2) / len(names), units[k])
        for source, own, sign in zip(sources, (p, q), (1, -1), strict=True):
            norm = np.linalg.norm(centred(source.encoding.tests[name].prediction), axis=0)
            # A prediction that does not vary adds nothing.
            slope = np.divide(y - r * own, norm, out=np.zeros_like(y), where=norm > 0)
            fold = source.fold(name, units)
            add_training_parts(total, fold, sign * slope / len(names))
    return total


class _Source:
    """A model, with its training features in memory."""

    def __init__(self, encoding: Encoding, path: Path) -> None:
        self.encoding = encoding
        features = TrainingFeatures(encoding, path)
        layout = encoding.about["layout"].values()
        labels = {label for spaces in layout for layers in spaces for label in layers}
        self._features = {label: features(label) for label in labels}

    def fold(self, name: str, units: Sequence[Ints]) -> LinearFold:
        """The model of all runs but one."""
        encoding = self.encoding
        test, places = encoding.tests[name], {own: k for k, own in enumerate(encoding.tests)}
        train = [other for other in encoding.tests if other != name]
        kernels = band_kernels(
            lambda label: self._features[label],
            encoding.about["layout"],
            encoding.fitted.runs,
            train,
            [name],
            encoding.about["delays"],
            encoding.about["components"] or None,
            form=Form.of(encoding.about),
        )
        return LinearFold(
            kernels,
            test.gamma,
            test.alpha,
            np.concatenate([encoding.tests[other].y for other in train]),
            np.concatenate([units[places[other]] for other in train]),
            units[places[name]],
        )
