"""Train a network on labels, with the prediction of voxels as an auxiliary loss.

References
----------
Federer C, Xu H, Fyshe A, Zylberberg J (2020). Improved object recognition using neural networks
trained to mimic the brain's statistical properties. Neural Networks 131.

Safarani S, Nix A, Willeke K, et al. (2021). Towards robust vision by multi-task learning on monkey
visual cortex. NeurIPS 34.
"""

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from tristream.encode.voxel_readout import Labelled, WithReadout, read
from tristream.genre.training import cosine

DECAY = 1e-2
"""Weight decay of the network; the readout has its ridge penalty."""


@dataclass(frozen=True)
class Stage:
    """One stage of training.

    Attributes
    ----------
    weight : float
        Of the auxiliary loss; 0: labels alone.
    penalty : float
        Of the readout, as in ridge regression.
    epochs, patience : int
        At most; how many without a lower validation loss end it.
    learning_rate : float
        Of AdamW at the start; it falls along half a cosine.
    batch : int
        Samples that are learnt from at once, about.
    seed : int
        Of the order of samples, and of dropout.
    """

    weight: float
    penalty: float
    epochs: int
    patience: int
    learning_rate: float
    batch: int
    seed: int


def train_stage(
    model: WithReadout, learn: Labelled, check: Labelled, stage: Stage
) -> tuple[list[dict[str, float]], int]:
    """Train until validation samples gain no more; leaves the model at its best epoch.

    Returns
    -------
    curve : list of dict
        A row an epoch from 0, before training: ``epoch``, ``validation_label`` (cross-entropy),
        ``validation_brain`` (mean squared error of z-scored voxels) and ``validation_loss``, their
        weighted sum.
    best : int
        Number of the epoch that is kept.
    """
    optimiser = torch.optim.AdamW(
        [
            {"params": list(model.network.parameters()), "weight_decay": DECAY},
            {"params": list(model.readout.parameters()), "weight_decay": 0.0},
        ],
        lr=stage.learning_rate,
    )
    curve = [_validation(model, check, stage, 0)]
    best, kept = 0, deepcopy(model.state_dict())
    with torch.random.fork_rng(), torch.backends.cudnn.flags(deterministic=True, benchmark=False):
        torch.manual_seed(stage.seed)
        rng = np.random.default_rng(stage.seed)
        for epoch in range(1, stage.epochs + 1):
            for group in optimiser.param_groups:
                group["lr"] = cosine(stage.learning_rate, epoch, stage.epochs)
            _epoch(model, optimiser, learn, stage, rng.permutation(len(learn)))
            curve.append(_validation(model, check, stage, epoch))
            if curve[-1]["validation_loss"] < curve[best]["validation_loss"]:
                best, kept = epoch, deepcopy(model.state_dict())
            elif epoch - best >= stage.patience:
                break
    model.load_state_dict(kept)
    model.eval()
    return curve, best


def _epoch(
    model: WithReadout,
    optimiser: torch.optim.Optimizer,
    learn: Labelled,
    stage: Stage,
    order: np.ndarray,
) -> None:
    """Learn from all samples once."""
    model.train()
    device = model.mean.device
    voxels = model.readout.out_features
    for rows in np.array_split(order, max(round(len(order) / stage.batch), 1)):
        part = learn.of(rows)
        optimiser.zero_grad()
        scores, found, _ = model(*(one.to(device) for one in part.inputs))
        loss = F.cross_entropy(scores, part.label.to(device))
        if stage.weight:
            # With the network held still, the least of this is the ridge regression.
            penalty = stage.penalty * model.readout.weight.square().sum() / (len(learn) * voxels)
            brain = F.mse_loss(found, part.response.to(device)) + penalty
            loss = loss + stage.weight * brain
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()


def _validation(model: WithReadout, check: Labelled, stage: Stage, epoch: int) -> dict[str, float]:
    scores, found, _ = read(model, check.inputs)
    label = float(F.cross_entropy(scores, check.label))
    brain = float(F.mse_loss(found, check.response))
    return {
        "epoch": epoch,
        "validation_label": label,
        "validation_brain": brain,
        "validation_loss": label + stage.weight * brain,
    }
