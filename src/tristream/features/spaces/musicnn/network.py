"""The musicnn network in torch, with the names and the order of its TensorFlow original.

References
----------
Pons J, Serra X (2019). musicnn: pre-trained convolutional neural networks for music audio
tagging. arXiv:1909.06654.
"""

from collections.abc import Mapping
from itertools import count
from typing import Any, cast

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


EDGE = 3
"""Frames at either end of a window whose timbral features see the padding."""
SLICE = 256
"""Frames whose timbral features are computed at once."""


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

    def peaks(self, x: torch.Tensor) -> torch.Tensor:
        """Maximum of :meth:`forward` over the width, (batch, filters, time'), without padding.

        What follows the convolution rises with it, or falls where gamma is negative: so it is
        applied to the maximum, or the minimum, instead of to everything.
        """
        sign = torch.where(self.normalisation.weight < 0, -1.0, 1.0)
        kernel, bias = self.convolution.weight, cast(torch.Tensor, self.convolution.bias)
        flipped = F.conv2d(x, kernel * sign[:, None, None, None], bias * sign)
        extreme = flipped.amax(3) * sign[:, None]
        return self.normalisation(F.relu(extreme)[..., None])[..., 0]


def _peaks(block: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return cast(Normalised, block).peaks(x)


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
        padded = F.pad(self.input(windows[:, None]), (0, 0, EDGE, EDGE))
        timbral = torch.cat([_peaks(block, padded) for block in self.timbral], 1)
        return self._from_timbral(windows, timbral)

    @torch.inference_mode()
    def overlapping(self, spectrogram: torch.Tensor, starts: list[int]) -> dict[str, torch.Tensor]:
        """As :meth:`forward`, of windows that overlap; what they share is computed once.

        Parameters
        ----------
        spectrogram : tensor of shape (frames, 96)
        starts : list of int
            First frame of each window, ascending.
        """
        length = starts[0] + len(spectrogram) - starts[-1]
        windows = torch.stack([spectrogram[s - starts[0] :][:length] for s in starts])
        inner = self._inner_timbral(spectrogram)
        middles = [inner[:, s - starts[0] :][:, : length - 2 * EDGE] for s in starts]
        ends = self.input(windows[:, None])
        first = F.pad(ends[:, :, : 2 * EDGE], (0, 0, EDGE, 0))
        last = F.pad(ends[:, :, -2 * EDGE :], (0, 0, 0, EDGE))
        edges = torch.cat([_peaks(block, torch.cat([first, last])) for block in self.timbral], 1)
        before, after = edges.chunk(2)
        timbral = torch.cat([before, torch.stack(middles), after], 2)
        return self._from_timbral(windows, timbral)

    def _inner_timbral(self, spectrogram: torch.Tensor) -> torch.Tensor:
        """Timbral features of all frames but the first and last, (units, frames - 2 EDGE)."""
        normalised = self.input(spectrogram[None, None])
        parts = []
        for start in range(0, len(spectrogram) - 2 * EDGE, SLICE):
            piece = normalised[:, :, start : start + SLICE + 2 * EDGE]
            parts.append(torch.cat([_peaks(block, piece) for block in self.timbral], 1)[0])
        return torch.cat(parts, 1)

    def _from_timbral(
        self, windows: torch.Tensor, timbral: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """All layers, from windows and their timbral features (batch, units, frames)."""
        x = self.input(windows[:, None])
        temporal = []
        for block, (frames, _) in zip(self.temporal, TEMPORAL, strict=True):
            before = (frames - 1) // 2  # TensorFlow's "same": the longer side comes after
            temporal.append(_peaks(block, F.pad(x, (0, 0, before, frames - 1 - before))))
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
