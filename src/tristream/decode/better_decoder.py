"""Of two decoders the better for each unit, as left-out training runs tell."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, RegressorMixin, clone

from tristream.decode.banded_decoder import BandedFeatureDecoder, checked_bands, run_groups
from tristream.decode.by_units import ByUnits, new_samples
from tristream.decode.feature_decoder import (
    FeatureDecoder,
    checked_samples,
    correlation_of_columns,
)
from tristream.decode.unit_ridge import MEMORY

Floats = npt.NDArray[np.floating]


class BetterDecoder(ByUnits, RegressorMixin, BaseEstimator):
    """Ridge regression on selected voxels, or banded ridge regression: the better for each unit.

    For each group of training runs both decoders are fitted from scratch to the other runs, their
    selections of voxels, penalties and weights of bands chosen there, and predict the group. A unit
    takes that decoder whose predictions correlate more with the left-out groups, in the mean; a tie
    goes to the plain one. Then both are fitted to all training samples. An item that several runs
    show is known to both when one of these runs is left out.

    Parameters
    ----------
    plain : FeatureDecoder
        It gets the voxels of all bands together.
    banded : BandedFeatureDecoder
    memory : int
        Bytes that a chunk of units may take, about, in the choice.

    Attributes
    ----------
    banded_ : ndarray of bool of shape (units,)
        Units that take banded ridge regression.
    scores_ : ndarray of shape (2, units)
        Mean correlation with left-out groups of the plain decoder and of the banded one.
    groups_ : int
        Groups of runs that were left out.
    plain_decoder_, banded_decoder_ : FeatureDecoder, BandedFeatureDecoder
        Fitted to all training samples.
    y_mean_, y_scale_ : ndarray of shape (units,)
        What units were z-scored by.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((80, 30))
    >>> y = X[:, :3] @ rng.standard_normal((3, 4)) + 0.1 * rng.standard_normal((80, 4))
    >>> banded = BandedFeatureDecoder({"V1": range(10), "LOC": range(10, 30)}, device="cpu")
    >>> decoder = BetterDecoder(FeatureDecoder(voxels=3, alpha=1.0, device="cpu"), banded)
    >>> decoder = decoder.fit(X[:60], y[:60], runs=np.repeat([0, 1, 2], 20))
    >>> decoder.predict(X[60:]).shape, decoder.banded_.shape
    ((20, 4), (4,))
    """

    def __init__(
        self, plain: FeatureDecoder, banded: BandedFeatureDecoder, memory: int = MEMORY
    ) -> None:
        self.plain = plain
        self.banded = banded
        self.memory = memory

    def fit(self, X: Any, y: Any, runs: npt.ArrayLike | None = None) -> Self:
        """Choose a decoder for each unit in left-out training runs, and fit both to all of them.

        Parameters
        ----------
        X : array of shape (n, voxels)
            Training samples: volumes, trials or averages of them.
        y : array of shape (n, units) or (n,)
            True features of the samples; it may be a memory map.
        runs : array of shape (n,)
            Run of each sample, three different ones at least.

        Raises
        ------
        ValueError
            As of the two decoders; or if there are fewer than three runs.
        """
        x, target = checked_samples(X, y)
        runs = np.asarray(runs) if runs is not None else None
        group = run_groups(runs, len(x), least=3)
        assert runs is not None
        bands = checked_bands(self.banded.bands, x)
        self._used = np.unique(np.concatenate(list(bands.values())))
        self._single = np.ndim(y) == 1
        self.n_features_in_ = x.shape[1]
        self.groups_ = int(group.max()) + 1
        self.scores_ = np.zeros((2, target.shape[1]))
        for part in self._parts(target.shape[1], len(x)):
            self.scores_[:, part] = self._scores(x, target[:, part], runs, group)
        self.banded_ = np.asarray(self.scores_[1] > self.scores_[0])
        self.plain_decoder_ = clone(self.plain).fit(x[:, self._used], target, runs=runs)
        self.banded_decoder_ = clone(self.banded).fit(x, target, runs=runs)
        self.y_mean_, self.y_scale_ = self.plain_decoder_.y_mean_, self.plain_decoder_.y_scale_
        return self

    def predict_units(self, X: Any) -> Iterator[tuple[slice, Floats]]:
        """The same by chunks of units, for layers whose predictions don't fit in memory."""
        x = new_samples(X, self.n_features_in_)
        plain = _columns(self.plain_decoder_.predict_units(x[:, self._used]))
        banded = _columns(self.banded_decoder_.predict_units(x))
        for units in self._parts(len(self.y_mean_), 4 * len(x)):
            size = units.stop - units.start
            first, second = (np.stack([*islice(one, size)], 1) for one in (plain, banded))
            yield units, np.where(self.banded_[units], second, first)

    def _scores(
        self,
        x: Floats,
        y: Floats,
        runs: npt.NDArray[Any],
        group: npt.NDArray[np.int64],
    ) -> Floats:
        """Mean correlation with left-out groups, (2, units), of the plain and the banded one."""
        total = np.zeros((2, y.shape[1]))
        for one in range(self.groups_):
            train, test = group != one, group == one
            fits = (self.plain, x[:, self._used]), (self.banded, x)
            for row, (decoder, own) in zip(total, fits, strict=True):
                fitted = clone(decoder).fit(own[train], y[train], runs=runs[train])
                for units, predicted in fitted.predict_units(own[test]):
                    row[units] += correlation_of_columns(predicted, y[test][:, units])
        return total / self.groups_


def _columns(parts: Iterator[tuple[slice, Floats]]) -> Iterator[Floats]:
    """Predictions one unit after the other, whatever the chunks that they are made in."""
    for _, part in parts:
        yield from part.T
