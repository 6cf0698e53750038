"""A network with a linear readout of voxels from one or more of its layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import Ridge
from torch import nn

Ints = npt.NDArray[np.integer]
ALPHAS = tuple(float(alpha) for alpha in np.logspace(0, 6, 13))
"""Penalties of the readout, for z-scored units and voxels."""
BATCH_READ = 256
"""Samples that go through a network at once where nothing is learnt."""


@dataclass(frozen=True)
class Labelled:
    """Stimuli, what they are, and what the brain answered.

    Attributes
    ----------
    inputs : tuple of Tensor, (n, …) each
        Arguments of the network.
    label : Tensor of int, (n,)
        Number of the class.
    response : Tensor, (n, voxels)
        Z-scored.
    """

    inputs: tuple[torch.Tensor, ...]
    label: torch.Tensor
    response: torch.Tensor

    def of(self, rows: Ints) -> "Labelled":
        """Some of them."""
        index = torch.from_numpy(rows)
        return Labelled(
            tuple(one[index] for one in self.inputs), self.label[index], self.response[index]
        )

    def __len__(self) -> int:
        return len(self.label)


def tensors_of(inputs: Any) -> tuple[torch.Tensor, ...]:
    """An array, or a tuple of arrays, as tensors of float32."""
    several = inputs if isinstance(inputs, tuple) else (inputs,)
    return tuple(torch.from_numpy(np.array(one, np.float32)) for one in several)


def label_scores(layers: dict[str, torch.Tensor]) -> torch.Tensor:
    """Scores whose softmax is the probability of each class, (n, classes)."""
    if "scores" in layers:
        return layers["scores"]
    # The two streams fuse probabilities.
    return layers["fusion"].clamp_min(1e-12).log()


class WithReadout(nn.Module):
    """A network, and voxels as linear functions of some of its layers.

    Until it is fitted, the readout predicts the mean.

    Parameters
    ----------
    network : Module
        Gives a dict of layers (n, units), with ``scores`` or ``fusion`` among them.
    layers : sequence of str
        That the voxels are read from, side by side.
    units, voxels : int
        Of these layers together; of the brain.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, network: nn.Module, layers: Sequence[str], units: int, voxels: int) -> None:
        super().__init__()
        self.network = network
        self.layers = tuple(layers)
        self.register_buffer("mean", torch.zeros(units))
        self.register_buffer("scale", torch.ones(units))
        self.readout = nn.Linear(units, voxels)
        nn.init.zeros_(self.readout.weight)
        nn.init.zeros_(self.readout.bias)

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Scores of the labels, voxels, and the layers that they are read from."""
        found = self.network(*inputs)
        units = torch.cat([found[name] for name in self.layers], dim=1)
        return label_scores(found), self.readout((units - self.mean) / self.scale), units


def read(
    model: WithReadout, inputs: Sequence[torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What a model makes of samples, in evaluation mode: scores, voxels and units, on the CPU."""
    model.eval()
    device = model.mean.device
    parts = []
    with torch.no_grad():
        for batch in zip(*(one.split(BATCH_READ) for one in inputs), strict=True):
            parts.append([out.detach().cpu() for out in model(*(one.to(device) for one in batch))])
    scores, voxels, units = (torch.cat(column) for column in zip(*parts, strict=True))
    return scores, voxels, units


def standardise_units(model: WithReadout, learn: Labelled) -> None:
    """Let the readout see units that are z-scored by the samples that are learnt from."""
    units = read(model, learn.inputs)[2].double()
    scale = units.std(0, unbiased=False)
    model.mean.copy_(units.mean(0))
    model.scale.copy_(torch.where(scale > 1e-6, scale, torch.ones_like(scale)))


def fit_readout(model: WithReadout, learn: Labelled, check: Labelled) -> float:
    """Fit the readout by ridge regression, the network as it is.

    Parameters
    ----------
    model : WithReadout
        Gets the readout.
    learn : Labelled
        Samples that it is fitted to.
    check : Labelled
        Of the penalties, the one with the least squared error here is taken.

    Returns
    -------
    float
        The penalty: of the squared norm of the weights, beside the sum of squared errors.
    """
    standardise_units(model, learn)
    units = [
        ((read(model, one.inputs)[2] - model.mean.cpu()) / model.scale.cpu()).double().numpy()
        for one in (learn, check)
    ]
    wanted = [one.response.double().numpy() for one in (learn, check)]
    ridges = [Ridge(alpha).fit(units[0], wanted[0]) for alpha in ALPHAS]
    errors = [float(np.mean((one.predict(units[1]) - wanted[1]) ** 2)) for one in ridges]
    best = ridges[int(np.argmin(errors))]
    with torch.no_grad():
        model.readout.weight.copy_(torch.from_numpy(np.atleast_2d(best.coef_)))
        model.readout.bias.copy_(torch.from_numpy(np.atleast_1d(best.intercept_)))
    return ALPHAS[int(np.argmin(errors))]
