"""Three networks from a window of sound to scores of genres.

References
----------
Hochreiter S, Schmidhuber J (1997). Long short-term memory. Neural Computation.

Choi K, Fazekas G, Sandler M, Cho K (2017). Convolutional recurrent neural networks for music
classification. ICASSP.

Bai S, Kolter JZ, Koltun V (2018). An empirical evaluation of generic convolutional and recurrent
networks for sequence modeling. arXiv:1803.01271.
"""

import torch
from torch import nn

from tristream.genre.description import Shape
from tristream.genre.sound_inputs import INPUTS

UNITS = 32
"""Units of the last layer, whatever the network."""


class GenreNetwork(nn.Module):
    """A trunk from a window to its last layer, and a linear head from there to scores.

    Attributes
    ----------
    inputs : str
        What it hears: a name in :data:`tristream.genre.sound_inputs.INPUTS`.
    """

    inputs: str
    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, columns: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(columns))
        self.register_buffer("scale", torch.ones(columns))
        self.head = nn.Linear(UNITS, classes)

    def trunk(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Layers of standardised windows."""
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Activations of all layers.

        Parameters
        ----------
        x : Tensor (n, frames, columns)
            As the function in ``INPUTS`` gives them.

        Returns
        -------
        dict
            Each layer of :data:`tristream.genre.description.LAYERS` as (n, units), means over the
            window where it has time; and ``scores``, before softmax, (n, classes).
        """
        found = self.trunk((x - self.mean) / self.scale)
        return {**found, "scores": self.head(found["last"])}


class Lstm(GenreNetwork):
    """Two LSTM layers, 128 and 32 units, on 33 descriptors; the second gives its last state."""

    inputs = "descriptors"

    def __init__(self, columns: int, classes: int) -> None:
        super().__init__(columns, classes)
        self.enter = nn.Dropout(0.05)
        self.first = nn.LSTM(columns, 128, batch_first=True)
        self.between = nn.Dropout(0.35)
        self.second = nn.LSTM(128, UNITS, batch_first=True)

    def trunk(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Layers of standardised windows."""
        first, _ = self.first(self.enter(x))
        second, _ = self.second(self.between(first))
        return {"lstm1": first.mean(1), "last": second[:, -1]}


class Crnn(GenreNetwork):
    """Four convolutions of a log-mel spectrogram, then two gated recurrent layers."""

    inputs = "log_mel"
    channels = (16, 32, 64, 64)
    pools = ((2, 2), (2, 2), (2, 4), (1, 4))
    """Frames and bands that are pooled after each convolution."""

    def __init__(self, columns: int, classes: int) -> None:
        super().__init__(columns, classes)
        self.blocks = nn.ModuleList()
        before = 1
        for after in self.channels:
            self.blocks.append(
                nn.Sequential(
                    nn.Conv2d(before, after, 3, padding=1, bias=False),
                    nn.BatchNorm2d(after),
                    nn.ELU(),
                )
            )
            before = after
        bands = columns
        for _, pool in self.pools:
            bands //= pool
        self.drop = nn.Dropout(0.3)
        self.recurrent = nn.GRU(before * bands, UNITS, num_layers=2, batch_first=True, dropout=0.3)

    def trunk(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Layers of standardised windows."""
        found = {}
        x = x[:, None]
        for number, (block, pool) in enumerate(zip(self.blocks, self.pools, strict=True), 1):
            x = block(x)
            found[f"conv{number}"] = x.mean(dim=(2, 3))
            # A short window is not pooled away.
            x = nn.functional.max_pool2d(x, (min(pool[0], x.shape[2]), pool[1]))
        states, _ = self.recurrent(self.drop(x.transpose(1, 2).flatten(2)))
        return {**found, "last": states[:, -1]}

    @property
    def maps(self) -> nn.Module:
        """The last convolution, whose maps have places in time and frequency."""
        return self.blocks[-1]


class Tcn(GenreNetwork):
    """Residual blocks of dilated causal convolutions in time on a log-mel spectrogram."""

    inputs = "log_mel"
    width = 64

    def __init__(self, columns: int, classes: int) -> None:
        super().__init__(columns, classes)
        widths = [columns, *[self.width] * 4]
        self.blocks = nn.ModuleList(
            [_Residual(widths[i], widths[i + 1], dilation=3**i) for i in range(4)]
        )
        self.dense = nn.Linear(self.width, UNITS)

    def trunk(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Layers of standardised windows."""
        found = {}
        x = x.transpose(1, 2)
        for number, block in enumerate(self.blocks, 1):
            x = block(x)
            found[f"block{number}"] = x.mean(2)
        return {**found, "last": torch.relu(self.dense(x.mean(2)))}


class _Residual(nn.Module):
    """Two causal convolutions with weight normalisation, and what goes past them."""

    taps = 3

    def __init__(self, before: int, after: int, dilation: int) -> None:
        super().__init__()
        self.reach = (self.taps - 1) * dilation
        self.convolutions = nn.ModuleList(
            [
                nn.utils.parametrizations.weight_norm(
                    nn.Conv1d(width, after, self.taps, dilation=dilation)
                )
                for width in (before, after)
            ]
        )
        self.past = nn.Identity() if before == after else nn.Conv1d(before, after, 1)
        self.drop = nn.Dropout(0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, channels, frames), as many frames as `x` has."""
        y = x
        for convolution in self.convolutions:
            y = self.drop(torch.relu(convolution(nn.functional.pad(y, (self.reach, 0)))))
        return torch.relu(y + self.past(x))


NETWORKS: dict[str, type[GenreNetwork]] = {"lstm": Lstm, "crnn": Crnn, "tcn": Tcn}


def build(shape: Shape) -> GenreNetwork:
    """A network with random weights, of torch's current seed.

    Raises
    ------
    ValueError
        If there is no network of this name.
    """
    if shape.network not in NETWORKS:
        raise ValueError(f"network {shape.network!r}: one of {', '.join(NETWORKS)}")
    kind = NETWORKS[shape.network]
    return kind(INPUTS[kind.inputs][1], len(shape.classes))
