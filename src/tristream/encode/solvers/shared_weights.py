"""Few band weightings that serve many voxels: clusters, in each voxel's own metric.

What a voxel loses by a weighting that is not its own is, near its own, a quadratic form of the
difference in log weights. Clusters are halved until their voxels lose little.
"""

import torch

# Times that the voxels of a cluster that is halved go to the better half.
ROUNDS = 4


def shared_weights(
    wanted: torch.Tensor, metric: torch.Tensor, most_loss: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weightings, and whose they are.

    Parameters
    ----------
    wanted : Tensor of shape (voxels, bands)
        Log weights that each voxel wants.
    metric : Tensor of shape (voxels, bands, bands)
        Positive definite: a difference d from these costs d' metric d.
    most_loss : float
        What the voxels of a cluster lose at most, in the mean.

    Returns
    -------
    weights : Tensor of shape (weightings, bands)
    owner : Tensor of int of shape (voxels,)
        The weighting of each voxel.
    """
    pull = (metric @ wanted[:, :, None])[:, :, 0]
    owner = torch.zeros(len(wanted), dtype=torch.long, device=wanted.device)
    while True:
        weights = _centres(owner, metric, pull)
        loss = _loss(weights[owner], wanted, metric)
        count = torch.bincount(owner)
        mean = loss.new_zeros(len(count)).index_add_(0, owner, loss) / count
        wide = (mean > most_loss) & (count > 1)
        if not bool(wide.any()):
            return weights, owner
        owner = _halved(owner, wide, weights, loss, wanted, metric, pull)


def _halved(
    owner: torch.Tensor,
    wide: torch.Tensor,
    weights: torch.Tensor,
    loss: torch.Tensor,
    wanted: torch.Tensor,
    metric: torch.Tensor,
    pull: torch.Tensor,
) -> torch.Tensor:
    """Owners after the `wide` clusters were halved: those near the centre, those near the worst."""
    worst = loss.new_zeros(len(weights)).scatter_reduce_(0, owner, loss, "amax")
    seed = torch.nonzero(loss == worst[owner])[:, 0]
    other = weights.clone()
    other[owner[seed]] = wanted[seed]
    centres = torch.cat([weights, other])
    moving = torch.nonzero(wide[owner])[:, 0]
    own, wish, pulls = metric[moving], wanted[moving], pull[moving]
    half = owner.clone()
    for _ in range(ROUNDS):
        near, far = owner[moving], owner[moving] + len(weights)
        better = _loss(centres[far], wish, own) < _loss(centres[near], wish, own)
        half[moving] = torch.where(better, far, near)
        used, place = torch.unique(half[moving], return_inverse=True)
        centres[used] = _centres(place, own, pulls)
    return torch.unique(half, return_inverse=True)[1]


def _centres(owner: torch.Tensor, metric: torch.Tensor, pull: torch.Tensor) -> torch.Tensor:
    """The weighting with which each cluster loses least."""
    clusters, bands = int(owner.max()) + 1, pull.shape[1]
    sums = metric.new_zeros(clusters, bands, bands).index_add_(0, owner, metric)
    pulls = pull.new_zeros(clusters, bands).index_add_(0, owner, pull)
    return torch.linalg.solve(sums, pulls)


def _loss(weights: torch.Tensor, wanted: torch.Tensor, metric: torch.Tensor) -> torch.Tensor:
    """What each voxel loses."""
    change = weights - wanted
    return ((metric @ change[:, :, None])[:, :, 0] * change).sum(1)
