"""One division into training and test samples, and divisions of the training samples alone."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold

from tristream.errors import UserError

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
INNER = 3
"""Groups of training runs that the search of a hyperparameter leaves out in turn, at most."""


@dataclass(frozen=True)
class FoldSamples:
    """What a classifier is given.

    Attributes
    ----------
    train, test : ndarray of shape (samples, voxels)
    units, runs, things : ndarray of int of shape (training samples,)
        Index of each training sample's unit, its run, and the number of what it shows.
    classes : int
        How many there are.
    people : ndarray of int of shape (training samples,) or None
        Whose each is, where there are several subjects; then a run has one number in all of them.
    """

    train: Floats
    test: Floats
    units: Ints
    runs: Ints
    things: Ints
    classes: int
    people: Ints | None = None

    @cached_property
    def inner(self) -> list[tuple[Ints, Ints]]:
        """Samples to fit and to validate: whole training runs, and no item in both.

        Of several subjects, runs of some are validated by what is fitted to the others.

        Raises
        ------
        UserError
            If there is one training run alone.
        """
        runs = len(np.unique(self.runs))
        if self.people is not None and len(np.unique(self.people)) > 1:
            return self._inner_people(self.people, runs)
        if runs < 2:
            raise UserError(
                "only one training run: hyperparameters are searched by leaving out training runs; "
                "set `regularization` of the decoder, or give more runs"
            )
        splits = GroupKFold(min(INNER, runs)).split(self.train, groups=self.runs)
        return [
            (fit[~np.isin(self.things[fit], self.things[validate])], validate)
            for fit, validate in splits
        ]

    def _inner_people(self, people: Ints, runs: int) -> list[tuple[Ints, Ints]]:
        """Some runs of some subjects to validate, all that shows other things of the others."""
        names, person = np.unique(people, return_inverse=True)
        part = np.unique(self.runs, return_inverse=True)[1]
        groups = min(INNER, len(names), runs) if runs > 1 else min(INNER, len(names))
        found: list[tuple[Ints, Ints]] = []
        for group in range(groups):
            mine = person % groups == group
            validate = mine & (part % groups == group) if runs > 1 else mine
            fit = ~mine & ~np.isin(self.things, self.things[validate])
            if validate.any() and fit.any():
                found.append((np.flatnonzero(fit), np.flatnonzero(validate)))
        if not found:
            raise UserError(
                "all training subjects met the same in one run: hyperparameters are searched by "
                "leaving out subjects and runs; set `regularization` of the decoder"
            )
        return found
