"""A joint space of two parents: simultaneous samples close, others apart.

Each parent has a tower (components scaled to equal variance, linear, GELU, dropout, linear, unit
length). Training maximises, both ways,
the probability with which a sample finds its simultaneous partner among the batch, from cosine
similarities at a learned temperature (InfoNCE). Samples of one film that are nearer than `apart`
seconds are not contrasted with each other: they show almost the same. Training stops when the loss
on the last part of the training film no longer falls; the best weights are kept.

References
----------
van den Oord A, Li Y, Vinyals O (2018). Representation learning with contrastive predictive coding.
arXiv:1807.03748, eq. 4.
Radford A et al. (2021). Learning transferable visual models from natural language supervision.
ICML, figure 3 (the symmetric loss).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize
from tqdm import tqdm

from tristream.config.fusion import JointEmbedding
from tristream.errors import UserError

Array = npt.NDArray[np.float64]
BATCH = 128
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 1e-2
TEMPERATURE = 0.5
# Fewer samples make no batch, or no measure of when to stop.
FEWEST = 16
# Samples that the loss is measured on at most.
MOST_VALIDATED = 1024


@dataclass(frozen=True)
class Trained:
    """Weights by name, and how the training went."""

    arrays: dict[str, npt.NDArray[np.float32]]
    quality: dict[str, Any] = field(default_factory=dict)


class Towers(nn.Module):
    """Two towers and a temperature."""

    def __init__(self, widths: Sequence[int], block: JointEmbedding) -> None:
        super().__init__()
        self.towers = nn.ModuleList(
            nn.Sequential(
                nn.Linear(width, block.hidden),
                nn.GELU(),
                nn.Dropout(block.dropout),
                nn.Linear(block.hidden, block.components),
            )
            for width in widths
        )
        self.scales = nn.ParameterList(
            nn.Parameter(torch.ones(width), requires_grad=False) for width in widths
        )
        self.log_temperature = nn.Parameter(torch.tensor(np.log(TEMPERATURE), dtype=torch.float32))

    def forward(self, parts: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Unit vectors (n, components) of each parent's rows."""
        return [
            normalize(tower(part * scale), dim=1)
            for tower, part, scale in zip(self.towers, parts, self.scales, strict=True)
        ]

    def loss(
        self, parts: Sequence[torch.Tensor], near: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """InfoNCE, both ways, and the share of samples that find their partner at once."""
        first, second = self(parts)
        similar = (first @ second.T) / self.log_temperature.exp()
        similar = similar.masked_fill(near, -torch.inf)
        target = torch.arange(len(similar), device=similar.device)
        found = (similar.argmax(1) == target).float().mean()
        return (cross_entropy(similar, target) + cross_entropy(similar.T, target)) / 2, found


def train(
    block: JointEmbedding,
    parts: Sequence[Array],
    times: Array,
    stimulus: npt.NDArray[np.intp],
    reach: float,
    where: str,
) -> Trained:
    """Learn the joint space from simultaneous training rows.

    Parameters
    ----------
    block : JointEmbedding
        The study's.
    parts : two ndarray of shape (n, k)
        Rows of the parents.
    times, stimulus : ndarray of shape (n,)
        Seconds of media time, and which film a row belongs to.
    reach : float
        Seconds to either side of a time that went into its row.
    where : str
        Named in messages.

    Raises
    ------
    UserError
        If there are too few rows to train on, or to decide when to stop.
    """
    fitted, held = _division(times, stimulus, block.validation, block.apart + 2 * reach)
    if min(len(fitted), len(held)) < FEWEST:
        raise UserError(
            f"{where}: {len(fitted)} samples to train on and {len(held)} to decide when to stop; "
            f"the joint embedding needs {FEWEST} of each: more training film, a faster parent, "
            "or another method"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(block.seed)
        return _run(block, parts, times, stimulus, fitted, held, where)


def _run(
    block: JointEmbedding,
    parts: Sequence[Array],
    times: Array,
    stimulus: npt.NDArray[np.intp],
    fitted: npt.NDArray[np.intp],
    held: npt.NDArray[np.intp],
    where: str,
) -> Trained:
    inputs = [torch.tensor(part, dtype=torch.float32) for part in parts]
    network = Towers([part.shape[1] for part in parts], block)
    for scale, z in zip(network.scales, inputs, strict=True):
        scale.copy_(1 / z[fitted].std(0).clamp_min(1e-12))
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    best, state, waited, history = np.inf, network.state_dict(), 0, []
    found = chance = 0.0
    for _ in tqdm(range(block.epochs), desc=where, unit="epoch", mininterval=5):
        network.train()
        order = fitted[torch.randperm(len(fitted)).numpy()]
        for batch in np.array_split(order, max(len(order) // BATCH, 1)):
            loss, _ = network.loss(
                [z[batch] for z in inputs], _near(times[batch], stimulus[batch], block.apart)
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        value, share, chance = _validated(network, inputs, times, stimulus, held, block.apart)
        history.append(value)
        if value < best:
            best, found, waited = value, share, 0
            state = {k: v.detach().clone() for k, v in network.state_dict().items()}
        else:
            waited += 1
        if waited >= block.patience:
            break
    quality = {
        "epochs": len(history),
        "validation_loss": round(best, 5),
        "validation_retrieval": round(found, 5),
        "validation_chance": round(chance, 5),
        "validation_samples": len(held),
    }
    return Trained({f"towers/{k}": v.numpy() for k, v in state.items()}, quality)


def embed(
    block: JointEmbedding, arrays: dict[str, Any], parts: Sequence[Array]
) -> tuple[Array, Array]:
    """Unit vectors of both parents' rows, from the weights in `arrays`."""
    network = Towers([part.shape[1] for part in parts], block).eval()
    weights = {k: torch.as_tensor(np.asarray(arrays[f"towers/{k}"])) for k in network.state_dict()}
    network.load_state_dict(weights)
    with torch.inference_mode():
        first, second = network([torch.tensor(part, dtype=torch.float32) for part in parts])
    return first.double().numpy(), second.double().numpy()


def _division(
    times: Array, stimulus: npt.NDArray[np.intp], share: float, gap: float
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows to train on, and the last part of each film, `gap` seconds after them."""
    fitted, held = [], []
    for number in np.unique(stimulus):
        mine = np.flatnonzero(stimulus == number)
        first = mine[len(mine) - max(round(share * len(mine)), 1)]
        held.append(mine[mine >= first])
        fitted.append(mine[times[mine] < times[first] - gap])
    return np.concatenate(fitted), np.concatenate(held)


def _near(times: Array, stimulus: npt.NDArray[np.intp], apart: float) -> torch.Tensor:
    """Pairs that are not contrasted with each other; a sample and its partner are."""
    near = np.abs(times[:, None] - times) < apart
    near &= stimulus[:, None] == stimulus
    np.fill_diagonal(near, False)
    return torch.from_numpy(near)


def _validated(
    network: Towers,
    inputs: Sequence[torch.Tensor],
    times: Array,
    stimulus: npt.NDArray[np.intp],
    held: npt.NDArray[np.intp],
    apart: float,
) -> tuple[float, float, float]:
    """Loss, share of samples that find their partner, and the share that would by chance."""
    network.eval()
    every = held[np.unique(np.linspace(0, len(held) - 1, MOST_VALIDATED).round().astype(int))]
    near = _near(times[every], stimulus[every], apart)
    with torch.inference_mode():
        loss, found = network.loss([z[every] for z in inputs], near)
    return float(loss), float(found), float((1 / (~near).sum(1)).mean())
