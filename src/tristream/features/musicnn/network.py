"""The musicnn network in torch, with the names and the order of its TensorFlow original.

References
----------
Pons J, Serra X (2019). musicnn: pre-trained convolutional neural networks for music audio
tagging. arXiv:1909.06654.
"""

from collections.abc import Mapping
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

TAGS = (  # noqa: SIM905
    "guitar, classical, slow, techno, strings, drums, electronic, rock, fast, piano, ambient, "
    "beat, violin, vocal, synth, female, indian, opera, male, singing, vocals, no vocals, "
    "harpsichord, loud, quiet, flute, woman, male vocal, no vocal, pop, soft, sitar, solo, man, "
    "classic, choir, voice, new age, dance, male voice, female vocal, beats, harp, cello, "
    "no voice, weird, country, metal, female voice, choral"
).split(", ")
"""The 50 tags of MagnaTagATune, in the order of the network's outputs."""

TIMBRAL = ((7, 38, 204), (7, 67, 204))
"""Frames, mel bands, filters: filters that see much of the spectrum for a short time."""
TEMPORAL = ((128, 51), (64, 51), (32, 51))
"""Frames, filters: filters that see one mel band for a long time."""
MIDDLE = 64
UNITS = 200


class Normalised(nn.Module):
    """Convolution, rectification, batch normalisation: in this order, as in the original."""

    def __init__(self, kernel: tuple[int, int], filters: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, filters, kernel)
        self.normalisation = nn.BatchNorm2d(filters, eps=1e-3)

    def forward(self, x: torch.Tensor, before: int, after: int) -> torch.Tensor:
        """Zero-pad (batch, 1, time, width) in time; -> (batch, filters, time, width')."""
        padded = F.pad(x, (0, 0, before, after))
        return self.normalisation(F.relu(self.convolution(padded)))


class Musicnn(nn.Module):
    """Log-mel windows to activations of every layer.

    Parameters
    ----------
    variables : mapping of str to ndarray
        Variables of the checkpoint by TensorFlow's names. All are used but the optimiser's.

    Raises
    ------
    ValueError
        If a variable is missing or left over, or has another shape.
    """

    def __init__(self, variables: Mapping[str, np.ndarray]) -> None:
        super().__init__()
        self.input = nn.BatchNorm2d(1, eps=1e-3)
        self.timbral = nn.ModuleList(Normalised((t, m), n) for t, m, n in TIMBRAL)
        self.temporal = nn.ModuleList(Normalised((t, 1), n) for t, n in TEMPORAL)
        width = sum(n for *_, n in (*TIMBRAL, *TEMPORAL))
        self.middle = nn.ModuleList(Normalised((7, w), MIDDLE) for w in (width, MIDDLE, MIDDLE))
        pooled = 2 * (width + 3 * MIDDLE)
        self.pooled = nn.BatchNorm1d(pooled, eps=1e-3)
        self.dense = nn.Linear(pooled, UNITS)
        self.penultimate = nn.BatchNorm1d(UNITS, eps=1e-3)
        self.tags = nn.Linear(UNITS, len(TAGS))
        self._load(variables)
        self.eval()

    @torch.inference_mode()
    def forward(self, windows: torch.Tensor) -> dict[str, torch.Tensor]:
        """Activations of all layers.

        Parameters
        ----------
        windows : tensor of shape (batch, frames, 96)
            log10(10000 x mel + 1).

        Returns
        -------
        dict of str to tensor
            ``timbral``, ``temporal``, ``cnn1``, ``cnn2``, ``cnn3``: (batch, frames, units);
            ``mean_pool``, ``max_pool``, ``penultimate``, ``tags`` (likelihoods): (batch, units).
        """
        x = self.input(windows[:, None])
        timbral = torch.cat([block(x, 3, 3).amax(3) for block in self.timbral], 1)
        temporal = []
        for block, (frames, _) in zip(self.temporal, TEMPORAL, strict=True):
            before = (frames - 1) // 2  # TensorFlow's "same": the longer side comes after
            temporal.append(block(x, before, frames - 1 - before).amax(3))
        front = torch.cat([timbral, *temporal], 1)
        layers = [front]
        for block in self.middle:
            new = block(layers[-1].transpose(1, 2)[:, None], 3, 3)[..., 0]
            layers.append(new if len(layers) == 1 else new + layers[-1])
        everything = torch.cat(layers, 1)
        maximum, mean = everything.amax(2), everything.mean(2)
        pooled = self.pooled(torch.stack([maximum, mean], 2).flatten(1))
        penultimate = self.penultimate(F.relu(self.dense(pooled)))
        return {
            "timbral": timbral.transpose(1, 2),
            "temporal": torch.cat(temporal, 1).transpose(1, 2),
            **{f"cnn{i}": layers[i].transpose(1, 2) for i in (1, 2, 3)},
            "mean_pool": mean,
            "max_pool": maximum,
            "penultimate": penultimate,
            "tags": torch.sigmoid(self.tags(penultimate)),
        }

    def _load(self, variables: Mapping[str, np.ndarray]) -> None:
        """TensorFlow numbers its layers by kind, in the order in which the original made them."""
        left = {
            name: torch.from_numpy(np.ascontiguousarray(value))
            for name, value in variables.items()
            if "/Adam" not in name and not name.startswith("beta")
        }
        numbers: dict[str, count[int]] = {}

        def take(kind: str, **targets: torch.Tensor) -> None:
            number = next(numbers.setdefault(kind, count()))
            layer = kind if number == 0 else f"{kind}_{number}"
            for name, target in targets.items():
                value = left.pop(f"{layer}/{name}", None)
                if value is None:
                    raise ValueError(f"the checkpoint has no variable {layer}/{name}")
                if name == "kernel":
                    value = value.permute(3, 2, 0, 1) if value.ndim == 4 else value.T
                if value.shape != target.shape:
                    raise ValueError(f"{layer}/{name} has shape {tuple(value.shape)}")
                target.data.copy_(value)

        def norm(module: Any) -> None:
            take(
                "batch_normalization",
                gamma=module.weight,
                beta=module.bias,
                moving_mean=module.running_mean,
                moving_variance=module.running_var,
            )

        norm(self.input)
        for block in (*self.timbral, *self.temporal, *self.middle):
            take("conv2d", kernel=block.convolution.weight, bias=block.convolution.bias)
            norm(block.normalisation)
        norm(self.pooled)
        take("dense", kernel=self.dense.weight, bias=self.dense.bias)
        norm(self.penultimate)
        take("dense", kernel=self.tags.weight, bias=self.tags.bias)
        if left:
            raise ValueError(f"the checkpoint has unknown variables: {', '.join(sorted(left))}")
