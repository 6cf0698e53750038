"""How one network of a contrastive decoder is trained, and when it is left alone."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

SCALES = tuple(float(scale) for scale in np.geomspace(1, 100, 13))
"""Of similarities, among which the loss of a left-out run takes the best."""
FIRST_SCALE = 10.0
BETA = 0.15
"""Of the shares in which two responses are mixed, both parameters (Kim et al. 2020)."""
DECAY = 0.1
FIFTH = 5
"""Share of the items of a left-out run that are left out, where it shows more than half of all."""


@dataclass(frozen=True)
class Pairs:
    """Responses and the embeddings of what they answer.

    Attributes
    ----------
    x : tensor of shape (n, scores)
        Principal scores of the voxels, of mean squared norm 1.
    wanted : tensor of shape (n, axes)
        Of length 1.
    item, run : ndarray of int of shape (n,)
    """

    x: torch.Tensor
    wanted: torch.Tensor
    item: npt.NDArray[np.integer]
    run: npt.NDArray[np.integer]

    def of(self, rows: npt.NDArray[np.bool_]) -> "Pairs":
        """Some of them."""
        index = torch.from_numpy(np.flatnonzero(rows)).to(self.x.device)
        return Pairs(self.x[index], self.wanted[index], self.item[rows], self.run[rows])

    @property
    def same(self) -> torch.Tensor:
        """1 where a response (row) answers the item of a column, else 0."""
        equal = self.item[:, None] == self.item
        return torch.from_numpy(equal.astype(np.float32)).to(self.x.device)


@dataclass(frozen=True)
class Training:
    """Arguments of :class:`tristream.decode.contrastive.ContrastiveDecoder`, and penalties."""

    loss: Literal["infonce", "siglip"]
    mixco: bool
    hidden: int
    dropout: float
    epochs: int
    patience: int
    learning_rate: float
    batch: int
    alphas: tuple[float, ...]


class Network(nn.Module):
    """A ridge regression, and what is learned beside it: a linear map and a hidden layer.

    What is learned begins at zero, so that an untrained network is the ridge regression.
    """

    weights: torch.Tensor
    intercept: torch.Tensor

    def __init__(self, weights: torch.Tensor, intercept: torch.Tensor, how: Training) -> None:
        super().__init__()
        scores, axes = weights.shape
        self.register_buffer("weights", weights)
        self.register_buffer("intercept", intercept)
        self.linear = nn.Parameter(torch.zeros_like(weights))
        self.into = nn.Parameter(torch.randn(scores, how.hidden).to(weights))
        self.out = nn.Parameter(weights.new_zeros(how.hidden, axes))
        self.bias = nn.Parameter(weights.new_zeros(how.hidden))
        self.dropout = how.dropout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs of length 1, (n, axes)."""
        found = x @ (self.weights + self.linear) + self.intercept
        if self.into.shape[1]:
            hidden = functional.gelu(x @ self.into + self.bias)
            found = found + _dropped(hidden, self.dropout if self.training else 0.0) @ self.out
        return functional.normalize(found, dim=1)


@dataclass(frozen=True)
class Member:
    """One trained network.

    Attributes
    ----------
    network : Network
    left_out : int
        Number of the run that ended its training.
    alpha : float
        Penalty of its ridge regression, for scores of mean squared norm 1.
    epoch : int
        After which it was best; 0: the ridge regression alone.
    losses : tuple of float
        Of the left-out run, before training and after each epoch.
    """

    network: Network
    left_out: int
    alpha: float
    epoch: int
    losses: tuple[float, ...]


def train(pairs: Pairs, left_out: int, how: Training, seed: Sequence[int]) -> Member:
    """Train one network, ended by one run.

    Random numbers are those of the CPU on every device.

    Parameters
    ----------
    pairs : Pairs
    left_out : int
        Number of the run.
    how : Training
    seed : sequence of int

    Raises
    ------
    ValueError
        If the run shows one item alone, or too few others are left.
    """
    held = pairs.run == left_out
    shown = np.unique(pairs.item[held])
    if 2 * len(shown) > len(np.unique(pairs.item)):
        # Too few others would be left to train on.
        order = np.random.default_rng(seed).permutation(shown)
        shown = order[: max(2, len(shown) // FIFTH)]
        held &= np.isin(pairs.item, shown)
    used = (pairs.run != left_out) & ~np.isin(pairs.item, shown)
    if len(shown) < 2 or len(set(pairs.item[used])) < 2:
        raise ValueError(
            "a contrastive decoder leaves out a training run to end the training, but one of them "
            "shows one item alone, or the others show too few besides; name more training runs"
        )
    own, kept = pairs.of(used), pairs.of(held)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        alpha, network = _start(own, kept, how)
        epoch, losses = _improve(network, own, kept, how)
    return Member(network, left_out, alpha, epoch, losses)


def _start(own: Pairs, kept: Pairs, how: Training) -> tuple[float, Network]:
    """The ridge regression that finds the items of the left-out run best; of equals the first."""
    x, y = own.x.double(), own.wanted.double()
    x_mean, y_mean = x.mean(0), y.mean(0)
    values, vectors = torch.linalg.eigh((x - x_mean).T @ (x - x_mean))
    product = vectors.T @ ((x - x_mean).T @ (y - y_mean))
    best: tuple[float, float, torch.Tensor, torch.Tensor] | None = None
    for alpha in sorted(how.alphas, reverse=True):
        weights = vectors @ (product / (values.clamp(min=0) + alpha)[:, None])
        intercept = y_mean - x_mean @ weights
        loss = held_out_loss((kept.x.double() @ weights + intercept).float(), kept)
        if best is None or loss < best[0]:
            best = (loss, alpha, weights, intercept)
    assert best is not None
    _, alpha, weights, intercept = best
    size = (x @ weights + intercept).square().sum(1).mean().sqrt()
    return alpha, Network((weights / size).float(), (intercept / size).float(), how)


def _improve(
    network: Network, own: Pairs, kept: Pairs, how: Training
) -> tuple[int, tuple[float, ...]]:
    """Train until the left-out run gains no more; leaves the network at its best."""
    scale = nn.Parameter(torch.tensor(FIRST_SCALE).log().to(own.x))
    shift = nn.Parameter(-torch.tensor(float(min(how.batch, len(own.item)))).log().to(own.x))
    rate = how.learning_rate
    groups = [
        {"params": list(network.parameters()), "weight_decay": DECAY},
        {"params": [scale, shift], "lr": 10 * rate, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=rate)
    losses = [_held_out(network, kept)]
    best, state = 0, deepcopy(network.state_dict())
    for epoch in range(1, how.epochs + 1):
        network.train()
        for rows in _batches(len(own.item), how.batch):
            part = own.of(rows)
            optimiser.zero_grad()
            _loss(network, part, how, scale, shift).backward()
            optimiser.step()
            with torch.no_grad():
                scale.clamp_(0, float(np.log(SCALES[-1])))
        losses.append(_held_out(network, kept))
        if losses[-1] < losses[best]:
            best, state = epoch, deepcopy(network.state_dict())
        elif epoch - best >= how.patience:
            break
    network.load_state_dict(state)
    return best, tuple(losses)


def _batches(samples: int, most: int) -> list[npt.NDArray[np.bool_]]:
    """Masks of batches of equal size in random order."""
    parts = np.array_split(torch.randperm(samples).numpy(), -(-samples // most))
    return [np.isin(np.arange(samples), part) for part in parts]


def _loss(
    network: Network, part: Pairs, how: Training, scale: torch.Tensor, shift: torch.Tensor
) -> torch.Tensor:
    x, wanted = part.x, part.same
    if how.mixco:
        share = torch.distributions.Beta(BETA, BETA).sample((len(x), 1)).to(x)
        # The larger share is the response's own.
        share = torch.maximum(share, 1 - share)
        other = torch.randperm(len(x)).to(x.device)
        x = share * x + (1 - share) * x[other]
        wanted = share * wanted + (1 - share) * wanted[other]
    similar = network(x) @ part.wanted.T
    if how.loss == "infonce":
        return infonce(scale.exp() * similar, wanted)
    pairs = functional.binary_cross_entropy_with_logits(scale.exp() * similar + shift, wanted)
    return pairs * len(x)


def infonce(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of the items given a response, and of the responses given an item, halved.

    Parameters
    ----------
    logits : tensor of shape (responses, items)
    wanted : tensor of the same shape
        How much of each response answers each item; normalised for either direction.
    """
    rows = wanted / wanted.sum(1, keepdim=True)
    columns = wanted / wanted.sum(0, keepdim=True)
    forward = (rows * functional.log_softmax(logits, 1)).sum(1).mean()
    backward = (columns * functional.log_softmax(logits, 0)).sum(0).mean()
    return -(forward + backward) / 2


def held_out_loss(found: torch.Tensor, kept: Pairs) -> float:
    """InfoNCE of a left-out run at the scale of similarities that suits it best."""
    similar = functional.normalize(found, dim=1) @ kept.wanted.T
    same = kept.same
    return min(float(infonce(scale * similar, same)) for scale in SCALES)


def _held_out(network: Network, kept: Pairs) -> float:
    network.eval()
    with torch.no_grad():
        return held_out_loss(network(kept.x), kept)


def _dropped(hidden: torch.Tensor, share: float) -> torch.Tensor:
    if not share:
        return hidden
    stays = (torch.rand(hidden.shape) >= share).to(hidden)
    return hidden * stays / (1 - share)
