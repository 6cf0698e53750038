"""Choose few candidates that cover all voxels well: lazy greedy facility location."""

import heapq
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import torch


class CoverageGains:
    """What candidates add to the covered score of voxels: few entries of a large table.

    Parameters
    ----------
    blocks : iterable of Tensor of shape (k, voxels)
        Scores of all candidates, a few at a time.
    covered : Tensor of shape (voxels,)
        Score that each voxel has to begin with.

    Attributes
    ----------
    covered : ndarray of shape (voxels,)
        The best with those chosen since.
    most : ndarray of shape (voxels,)
        The best of all candidates, or what was covered to begin with.
    """

    def __init__(self, blocks: Iterable[torch.Tensor], covered: torch.Tensor) -> None:
        most = covered
        rises = []
        self._scores: list[npt.NDArray[np.floating]] = []
        self._voxels: list[npt.NDArray[np.int32]] = []
        for scores in blocks:
            most = torch.maximum(most, scores.amax(0))
            candidate, voxel = torch.nonzero(scores > covered, as_tuple=True)
            above = scores[candidate, voxel]
            rise = torch.zeros_like(scores[:, 0])
            rises.append(rise.index_add_(0, candidate, above - covered[voxel]))
            ends = torch.bincount(candidate, minlength=len(scores)).cumsum(0)[:-1].cpu().numpy()
            self._scores += np.split(above.cpu().numpy(), ends)
            self._voxels += np.split(voxel.int().cpu().numpy(), ends)
        self.covered = covered.cpu().numpy().copy()
        self.most = most.cpu().numpy()
        self._rises = (torch.cat(rises) / len(covered)).tolist()

    @property
    def left(self) -> float:
        """Mean of what all candidates would add to what is covered."""
        return float((self.most - self.covered).mean())

    def choose(
        self, cost: Sequence[float], least: float, left: float, number: int | None = None
    ) -> list[int]:
        """Choose more candidates.

        Parameters
        ----------
        cost : sequence of float
            What using each candidate costs.
        least, left : float
            Stop when the best addition raises the voxels' mean best score by less than `least`
            over its cost, and this mean is no more than `left` below that of all candidates.
        number : int, optional
            Stop when there are so many.
        """
        out: list[int] = []
        # A rise only falls while others are chosen, so a stale one is a bound.
        heap = [(-rise / c, i) for i, (rise, c) in enumerate(zip(self._rises, cost, strict=True))]
        heapq.heapify(heap)
        known_at = [0] * len(cost)
        while heap and (number is None or len(out) < number):
            bound, candidate = heap[0]
            if known_at[candidate] < len(out):
                known_at[candidate] = len(out)
                heapq.heapreplace(heap, (-self._rise(candidate) / cost[candidate], candidate))
                continue
            if bound >= 0 or (-bound < least and self.left <= left):
                break
            heapq.heappop(heap)
            out.append(candidate)
            voxels = self._voxels[candidate]
            self.covered[voxels] = np.maximum(self.covered[voxels], self._scores[candidate])
        return out

    def _rise(self, candidate: int) -> float:
        """Mean over voxels of what a candidate adds."""
        above = self._scores[candidate] - self.covered[self._voxels[candidate]]
        return float(np.maximum(above, 0).sum()) / len(self.covered)
