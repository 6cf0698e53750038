"""Of which ridge models a voxel's model is the mean, for those who fit it again."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Mixture:
    """Ridge models whose mean is the model of each voxel; where one was chosen, this alone.

    A mean of ridge models under fixed shares is linear in the data, like each of them: fitted to
    other data, or without some samples, it is the mean of what they become.

    Attributes
    ----------
    gamma : ndarray of shape (bands, models)
        Band weights.
    alpha : ndarray of shape (models,)
        Penalties.
    index : ndarray of int of shape (k, voxels)
        Models of each voxel, the largest share first.
    share : ndarray of shape (k, voxels)
        Adding up to one; 0 where a voxel has fewer.
    temperature : float
        Difference in score that divides a share by e; 0 where one model was chosen.
    """

    gamma: Floats
    alpha: Floats
    index: Ints
    share: Floats
    temperature: float = 0.0

    @classmethod
    def single(cls, gamma: Floats, alpha: Floats) -> "Mixture":
        """One model a voxel, of its band weights (bands, voxels) and penalty (voxels,)."""
        chosen = np.vstack([gamma, alpha]).astype(np.float64)
        values, index = np.unique(chosen, axis=1, return_inverse=True)
        index = index.reshape(1, -1)
        return cls(values[:-1], values[-1], index, np.ones(index.shape, np.float32))

    @classmethod
    def of(
        cls, gammas: Floats, alphas: Floats, candidates: Ints, share: Floats, temperature: float
    ) -> "Mixture":
        """Of candidates (k, voxels), numbered as pairs of band weights and penalty, the models
        that any voxel has.

        Parameters
        ----------
        gammas : ndarray of shape (weightings, bands)
        alphas : ndarray of shape (penalties,)
        candidates, share, temperature
            As of :class:`tristream.encode.solvers.averaging.Averaged`.
        """
        # Where a voxel has fewer, its first again.
        filled = np.where(share > 0, candidates, candidates[:1])
        used, index = np.unique(filled, return_inverse=True)
        weighting, penalty = np.divmod(used, len(alphas))
        index = index.reshape(filled.shape)
        return cls(gammas[weighting].T, alphas[penalty], index, share, temperature)

    @property
    def best(self) -> "Mixture":
        """The best model of each voxel alone."""
        return replace(self, index=self.index[:1], share=np.ones_like(self.share[:1]))

    @property
    def log_alpha(self) -> npt.NDArray[np.float64]:
        """Mean logarithm of each voxel's penalties, (voxels,)."""
        return np.asarray((self.share * np.log(self.alpha)[self.index]).sum(0), np.float64)

    def by_model(self) -> Iterator[tuple[Ints, Floats, Floats, float]]:
        """Voxels that have a model in their mean, its share in each, band weights and penalty."""
        place, voxel = np.nonzero(self.share)
        model = self.index[place, voxel]
        order = np.argsort(model, kind="stable")
        bounds = np.searchsorted(model[order], np.arange(len(self.alpha) + 1))
        for number, (start, stop) in enumerate(pairwise(bounds)):
            own = order[start:stop]
            voxels, share = voxel[own], self.share[place[own], voxel[own]]
            yield voxels, share, self.gamma[:, number], float(self.alpha[number])
