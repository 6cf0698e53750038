"""Choose few candidates that serve all voxels well: lazy greedy facility location."""

import heapq
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import torch


class Offers:
    """What candidates offer to voxels above what these hold: few entries of a large table.

    Parameters
    ----------
    blocks : iterable of Tensor of shape (k, voxels)
        Scores of all candidates, a few at a time.
    held : Tensor of shape (voxels,)
        What the voxels hold to begin with.

    Attributes
    ----------
    held : ndarray of shape (voxels,)
        What they hold with those chosen since.
    most : ndarray of shape (voxels,)
        The best of all, or what they held to begin with.
    """

    def __init__(self, blocks: Iterable[torch.Tensor], held: torch.Tensor) -> None:
        most = held
        rises = []
        self._scores: list[npt.NDArray[np.floating]] = []
        self._voxels: list[npt.NDArray[np.int32]] = []
        for scores in blocks:
            most = torch.maximum(most, scores.amax(0))
            candidate, voxel = torch.nonzero(scores > held, as_tuple=True)
            above = scores[candidate, voxel]
            rise = torch.zeros_like(scores[:, 0])
            rises.append(rise.index_add_(0, candidate, above - held[voxel]))
            ends = torch.bincount(candidate, minlength=len(scores)).cumsum(0)[:-1].cpu().numpy()
            self._scores += np.split(above.cpu().numpy(), ends)
            self._voxels += np.split(voxel.int().cpu().numpy(), ends)
        self.held = held.cpu().numpy().copy()
        self.most = most.cpu().numpy()
        self._rises = (torch.cat(rises) / len(held)).tolist()

    @property
    def left(self) -> float:
        """Mean of what all offer above what is held."""
        return float((self.most - self.held).mean())

    def choose(
        self, cost: Sequence[float], least: float, left: float, number: int | None = None
    ) -> list[int]:
        """Add candidates to what is held.

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
            self.held[voxels] = np.maximum(self.held[voxels], self._scores[candidate])
        return out

    def _rise(self, candidate: int) -> float:
        """Mean over voxels of what a candidate adds."""
        above = self._scores[candidate] - self.held[self._voxels[candidate]]
        return float(np.maximum(above, 0).sum()) / len(self.held)
