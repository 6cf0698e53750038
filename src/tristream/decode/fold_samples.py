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
    """

    train: Floats
    test: Floats
    units: Ints
    runs: Ints
    things: Ints
    classes: int

    @cached_property
    def inner(self) -> list[tuple[Ints, Ints]]:
        """Samples to fit and to validate: whole training runs, and no item in both.

        Raises
        ------
        UserError
            If there is one training run alone.
        """
        runs = len(np.unique(self.runs))
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
