"""A temporal convolutional network from features to BOLD, to compare with finite impulse responses.

All bands' features enter a trunk that all voxels share: a projection to a few channels, then
residual blocks of causal convolutions in time whose reach doubles from block to block (Bai, Kolter
& Koltun 2018, arXiv:1803.01271). A linear readout makes voxels of channels. What ridge has in its
penalty, the network has in the number of passes: it is chosen by the mean error of left-out
training runs, one network a run trained in step, stopped early; then one network is trained on all
runs for that long. The cross-validated R² of that number of passes stands beside ridge's.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from tristream.config.models import Network
from tristream.encode.solvers.scores import mean_r2

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
Progress = Callable[[Iterable[int]], Iterable[int]]
TAPS = 3


@dataclass(frozen=True)
class Recording:
    """One run.

    Attributes
    ----------
    x : ndarray of shape (volumes, p)
        Undelayed features, standardised.
    rows : ndarray of int
        Volumes that are used.
    projection : ndarray of shape (volumes, q)
        Orthonormal basis of what was projected out of the BOLD; goes out of predictions, too.
    y : ndarray of shape (rows, voxels) or None
        BOLD of the used volumes; not needed to predict.
    before : ndarray of shape (p,) or None
        Features of the volumes before the run's start; zero, their mean, if None.
    """

    x: Floats
    rows: Ints
    projection: Floats
    y: Floats | None = None
    before: Floats | None = None


def reach(blocks: int) -> int:
    """How many volumes before its own a network of so many blocks sees."""
    return (TAPS - 1) * (2**blocks - 1)


class Trunk(nn.Module):
    """Features (batch, p, time) to BOLD (batch, voxels, time), causal.

    Parameters
    ----------
    features, voxels : int
    network : Network
        Width, blocks, dropout.
    """

    def __init__(self, features: int, voxels: int, network: Network) -> None:
        super().__init__()
        self.enter = nn.Conv1d(features, network.width, 1)
        self.blocks = nn.ModuleList(
            [_Block(network.width, 2**i, network.dropout) for i in range(network.blocks)]
        )
        self.drop = nn.Dropout1d(network.dropout)
        self.readout = nn.Conv1d(network.width, voxels, 1)
        # A network that has learnt nothing predicts the mean.
        nn.init.zeros_(self.readout.weight)
        assert self.readout.bias is not None
        nn.init.zeros_(self.readout.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Predict every volume from itself and those before."""
        x = self.enter(x)
        for block in self.blocks:
            x = block(x)
        return self.readout(self.drop(x))


class _Block(nn.Module):
    """x + W gelu(causal convolution of x)."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.reach = (TAPS - 1) * dilation
        self.convolve = nn.Conv1d(width, width, TAPS, dilation=dilation)
        self.mix = nn.Conv1d(width, width, 1)
        self.drop = nn.Dropout1d(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape as `x`."""
        past = nn.functional.pad(x, (self.reach, 0))
        return x + self.mix(self.drop(nn.functional.gelu(self.convolve(past))))


@dataclass(frozen=True)
class FittedNetwork:
    """A trained network.

    Attributes
    ----------
    network : Trunk
    mean : ndarray of shape (voxels,)
        Training mean, the intercept: not part of predictions.
    cv : ndarray of shape (voxels,)
        R² of left-out training runs at the chosen number of passes, mean over runs.
    epochs : int
        That number.
    curve : ndarray of shape (passes,)
        Mean squared error of left-out runs after each pass.
    """

    network: Trunk
    mean: npt.NDArray[np.float32]
    cv: npt.NDArray[np.float64]
    epochs: int
    curve: npt.NDArray[np.float64]

    @property
    def parameters(self) -> dict[str, npt.NDArray[np.float32]]:
        """All weights by name, as :func:`rebuild` takes them."""
        state = self.network.state_dict()
        return {name: value.cpu().numpy() for name, value in state.items()}

    def predict(self, run: Recording) -> npt.NDArray[np.float32]:
        """Prediction of a run's used volumes, (rows, voxels), relative to the training mean."""
        return predict(self.network, run)


def predict(network: Trunk, run: Recording) -> npt.NDArray[np.float32]:
    """What a network makes of a run's used volumes, (rows, voxels)."""
    device = next(network.parameters()).device
    network.eval()
    with torch.no_grad():
        return _forward(network, _Tensors(run, None, device)).cpu().numpy()


def rebuild(parameters: Mapping[str, Floats], settings: Network) -> Trunk:
    """A trained network from its weights by name.

    Raises
    ------
    ValueError
        If the weights are not those of a network of these settings.
    """
    features, voxels = (parameters[f"{name}.weight"] for name in ("enter", "readout"))
    network = Trunk(features.shape[1], len(voxels), settings)
    try:
        network.load_state_dict({n: torch.from_numpy(v) for n, v in parameters.items()})
    except RuntimeError as error:
        raise ValueError(f"weights of another network: {error}") from None
    return network


class _Tensors:
    """A run on the device; `y` relative to `mean`, empty if there is none."""

    def __init__(self, run: Recording, mean: Floats | None, device: torch.device | str) -> None:
        def tensor(values: Floats) -> torch.Tensor:
            return torch.as_tensor(np.asarray(values, np.float32), device=device)

        self.x = tensor(run.x).T[None]
        self.before = None if run.before is None else tensor(run.before)[None, :, None]
        self.rows = torch.as_tensor(run.rows, device=device)
        self.projection = tensor(run.projection)
        self.y = torch.empty(0, device=device)
        if run.y is not None and mean is not None:
            self.y = tensor(run.y - mean)


def _forward(network: Trunk, run: _Tensors) -> torch.Tensor:
    x, lead = run.x, 0
    if run.before is not None:
        lead = reach(len(network.blocks))
        x = torch.cat([run.before.expand(-1, -1, lead), x], dim=2)
    predicted = network(x)[0].T[lead:]
    predicted = predicted - run.projection @ (run.projection.T @ predicted)
    return predicted[run.rows]


class _Trainer:
    """One network and its optimiser; a pass takes each run once, in random order."""

    def __init__(
        self, runs: Mapping[str, Recording], settings: Network, seed: int, device: str
    ) -> None:
        first = next(iter(runs.values()))
        assert first.y is not None
        self.mean = np.concatenate([r.y for r in runs.values() if r.y is not None]).mean(0)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.network = Trunk(first.x.shape[1], first.y.shape[1], settings).to(device)
        self.runs = [_Tensors(run, self.mean, device) for run in runs.values()]
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.seed = seed
        self.passes = 0

    def step(self) -> None:
        """One pass over the runs."""
        self.passes += 1
        self.network.train()
        with torch.random.fork_rng():
            torch.manual_seed(self.seed * 100_003 + self.passes)
            for index in torch.randperm(len(self.runs)).tolist():
                run = self.runs[index]
                self.optimiser.zero_grad()
                loss = nn.functional.mse_loss(_forward(self.network, run), run.y)
                loss.backward()
                nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
                self.optimiser.step()

    def residual(self, run: _Tensors) -> torch.Tensor:
        """What the network misses of another run, (rows, voxels)."""
        self.network.eval()
        with torch.no_grad():
            return run.y - _forward(self.network, run)


def fit_network(
    runs: Mapping[str, Recording],
    settings: Network,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = iter,
) -> FittedNetwork:
    """Choose the number of passes by leave-one-run-out, and train on all runs.

    Parameters
    ----------
    runs : dict of str to Recording
        Training runs, at least two, with `y`.
    settings : Network
        As configured.
    seed : int
        Of weights, order of runs and dropout.
    device : str
        Where to train.
    progress : callable, optional
        Wraps the loop over passes, e.g. ``tqdm``.

    Raises
    ------
    ValueError
        If there are fewer than two runs.
    """
    if len(runs) < 2:
        raise ValueError("a network needs at least two training runs, one of them to be left out")
    with _deterministic():
        folds = []
        for name, run in runs.items():
            rest = {other: r for other, r in runs.items() if other != name}
            trainer = _Trainer(rest, settings, seed, device)
            folds.append((trainer, _Tensors(run, trainer.mean, device)))
        curve: list[float] = []
        best, cv = np.inf, np.zeros(0)
        for _ in progress(range(settings.epochs)):
            residuals = []
            for trainer, held in folds:
                trainer.step()
                residuals.append(trainer.residual(held))
            curve.append(float(np.mean([float(r.square().mean()) for r in residuals])))
            if curve[-1] < best:
                best = curve[-1]
                cv = mean_r2(residuals, [held.y for _, held in folds]).cpu().numpy()
            if len(curve) - 1 - int(np.argmin(curve)) >= settings.patience:
                break
        epochs = int(np.argmin(curve)) + 1
        final = _Trainer(runs, settings, seed, device)
        for _ in range(epochs):
            final.step()
    mean = final.mean.astype(np.float32)
    return FittedNetwork(final.network, mean, cv, epochs, np.array(curve))


@contextmanager
def _deterministic() -> Iterator[None]:
    """CUDA's convolutions give equal results in every run."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        yield
