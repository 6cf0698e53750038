"""Choose few candidates that serve all voxels well: lazy greedy facility location."""

from collections.abc import Iterable

import torch

# A greedy step looks at so many of the most promising candidates at once.
LOOK = 8


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
    held : Tensor of shape (voxels,)
        What they hold with those chosen since.
    most : Tensor of shape (voxels,)
        The best of all, or what they held to begin with.
    """

    def __init__(self, blocks: Iterable[torch.Tensor], held: torch.Tensor) -> None:
        self.held = held.clone()
        self.most = held.clone()
        self._scores: list[torch.Tensor] = []
        self._voxels: list[torch.Tensor] = []
        rises = []
        for scores in blocks:
            self.most = torch.maximum(self.most, scores.amax(0))
            candidate, voxel = torch.nonzero(scores > held, as_tuple=True)
            counts = torch.bincount(candidate, minlength=len(scores)).tolist()
            above = scores[candidate, voxel]
            self._scores += above.split(counts)
            self._voxels += voxel.int().split(counts)
            rise = torch.zeros_like(scores[:, 0])
            rises.append(rise.index_add_(0, candidate, above - held[voxel]))
        self._bound = torch.cat(rises) / len(held)

    @property
    def left(self) -> float:
        """Mean of what all offer above what is held."""
        return float((self.most - self.held).mean())

    def choose(
        self, cost: torch.Tensor, least: float, left: float, number: int | None = None
    ) -> list[int]:
        """Add candidates to what is held.

        Parameters
        ----------
        cost : Tensor of shape (candidates,)
            What using a candidate costs.
        least, left : float
            Stop when the best addition raises the voxels' mean best score by less than `least`
            over its cost, and this mean is no more than `left` below that of all candidates.
        number : int, optional
            Stop when there are so many.
        """
        out: list[int] = []
        bound = self._bound / cost
        while number is None or len(out) < number:
            fresh = torch.zeros(len(cost), dtype=torch.bool, device=cost.device)
            while True:
                top = bound.topk(min(LOOK, len(cost))).indices
                if fresh[top[0]]:
                    break
                stale = top[~fresh[top]]
                bound[stale] = torch.stack([self._rise(c) for c in stale.tolist()]) / cost[stale]
                fresh[stale] = True
            chosen = int(top[0])
            if bound[chosen] <= 0 or (bound[chosen] < least and self.left <= left):
                break
            out.append(chosen)
            voxels = self._voxels[chosen]
            self.held[voxels] = torch.maximum(self.held[voxels], self._scores[chosen])
            bound[chosen] = 0
        return out

    def _rise(self, candidate: int) -> torch.Tensor:
        """Mean over voxels of what a candidate adds."""
        above = self._scores[candidate] - self.held[self._voxels[candidate]]
        return above.clamp_min_(0).sum() / len(self.held)
