"""Targets that take one candidate together: the one with the best mean score over them.

What is best for many targets together may be near the best of none, so nothing is left out by the
scores of single targets: every candidate is scored on every target of a region.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch


@dataclass(frozen=True)
class Regions:
    """Which region every target is in.

    Attributes
    ----------
    index : Tensor of int of shape (targets,)
        Number of its region, in the order in which regions first come.
    steers : Tensor of bool of shape (targets,)
        Targets that have a score, so take part in their region's mean.
    """

    index: torch.Tensor
    steers: torch.Tensor

    @classmethod
    def of(cls, labels: npt.NDArray[np.generic], steers: torch.Tensor) -> "Regions":
        """From each target's label.

        Raises
        ------
        ValueError
            If there are not as many labels as targets.
        """
        if np.shape(labels) != tuple(steers.shape):
            raise ValueError(f"regions of shape {np.shape(labels)} for {len(steers)} targets")
        _, first, index = np.unique(labels, return_index=True, return_inverse=True)
        place = first.argsort().argsort()[index.ravel()]
        return cls(torch.from_numpy(place).to(steers.device), steers)

    @property
    def number(self) -> int:
        """How many regions there are."""
        return int(self.index.max()) + 1

    def sums(
        self, scores: torch.Tensor, targets: slice | torch.Tensor = slice(None)
    ) -> torch.Tensor:
        """Sums (..., regions) of scores (..., targets), perhaps of some of the targets."""
        out = torch.zeros(
            *scores.shape[:-1], self.number, dtype=torch.float64, device=scores.device
        )
        return out.index_add_(-1, self.index[targets], scores.double() * self.steers[targets])

    def means(self, sums: torch.Tensor) -> torch.Tensor:
        """Means (..., regions) over the targets that have a score; 0 where none has."""
        count = torch.bincount(self.index, weights=self.steers.double(), minlength=self.number)
        return sums / count.clamp_min(1)


def ranked(
    table: torch.Tensor, alphas: npt.NDArray[np.floating], number: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The best candidates of every region, the best first; equal scores go to the larger penalty.

    Parameters
    ----------
    table : Tensor of shape (candidates, regions)
        Scores; band weightings times penalties.
    alphas : ndarray of shape (penalties,)
    number : int
        Candidates of a region, if there are as many.

    Returns
    -------
    candidates : Tensor of int of shape (regions, number)
    scores : Tensor of shape (regions, number)
    """
    penalty = torch.as_tensor(np.tile(alphas, len(table) // len(alphas)), device=table.device)
    order = penalty.argsort(descending=True, stable=True)
    found = table[order].sort(dim=0, descending=True, stable=True)
    return order[found.indices[:number]].T, found.values[:number].T
