"""Train a network on a corpus: mixup, a falling learning rate, early stopping, checkpoints."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch.nn import functional as F
from tqdm import tqdm

from tristream.genre import checkpoint
from tristream.genre.checkpoint import Progress
from tristream.genre.corpus import Corpus
from tristream.genre.description import Shape
from tristream.genre.networks import GenreNetwork, build
from tristream.genre.windows import Batches, Windows
from tristream.hashing import hash_text

BATCH_READ = 256
"""Windows that go through a network at once where nothing is learnt."""


@dataclass(frozen=True)
class Training:
    """How to train.

    Attributes
    ----------
    epochs : int
        At most; the learning rate falls along half a cosine, to 0 after the last.
    patience : int
        Epochs without a lower validation loss after which training stops.
    rate : float
        Learning rate of AdamW at the start.
    decay : float
        Its weight decay.
    batch : int
        Windows that are learnt from at once.
    mixup : float
        Both parameters of the beta distribution of mixup's weights; 0: no mixup.
    step : float
        Seconds from one window of a track to the next; 0: half a window.
    precision : str
        ``auto`` computes in bfloat16 on a GPU that has it, and in float32 elsewhere.
    seed : int
        Of the split, the weights, the order of windows, dropout and mixup.
    """

    epochs: int = 60
    patience: int = 12
    rate: float = 1e-3
    decay: float = 1e-2
    batch: int = 64
    mixup: float = 0.2
    step: float = 0.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = 0


@dataclass(frozen=True)
class Trained:
    """What came of a training.

    Attributes
    ----------
    network : GenreNetwork
        After the epoch with the lowest validation loss, in evaluation mode, on the CPU.
    before : GenreNetwork
        The same with the weights that training began from.
    curve : list of dict
        A row an epoch: ``epoch``, ``rate``, ``train_loss``, ``validation_loss``,
        ``validation_accuracy`` (share of windows).
    best : int
        Number of that epoch, from 1.
    precision : str
        What it was computed in.
    """

    network: GenreNetwork
    before: GenreNetwork
    curve: list[dict[str, float]]
    best: int
    precision: str


def begin(shape: Shape, windows: Windows, learn: np.ndarray, seed: int) -> GenreNetwork:
    """A network with random weights that standardises by the training windows."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build(shape)
    scaler = StandardScaler()
    for part in np.array_split(learn, -(-len(learn) // BATCH_READ)):
        scaler.partial_fit(windows.values[part].reshape(-1, windows.values.shape[2]))
    network.mean.copy_(torch.from_numpy(scaler.mean_))
    network.scale.copy_(torch.from_numpy(scaler.scale_))
    return network


def train(
    corpus: Corpus,
    windows: Windows,
    shape: Shape,
    training: Training,
    folder: Path,
    *,
    device: str = "cpu",
    workers: int = 0,
    progress: bool = True,
    after_epoch: Callable[[int], None] | None = None,
) -> Trained:
    """Train from the beginning, or from the checkpoint in `folder`.

    Parameters
    ----------
    corpus : Corpus
        Split.
    windows : Windows
        Of its tracks.
    shape : Shape
    training : Training
    folder : Path
        Holds the checkpoint.
    device : str
        Of torch.
    workers : int
        Processes that read ahead.
    progress : bool
        Whether a bar is drawn.
    after_epoch : callable, optional
        Called with the number of each epoch, when its checkpoint is written.

    Raises
    ------
    UserError
        If the checkpoint in the folder is of another training, or damaged.
    """
    learn, check = (windows.of(corpus.of(split)) for split in ("train", "validation"))
    before = begin(shape, windows, learn, training.seed).eval()
    network = begin(shape, windows, learn, training.seed).to(device)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=training.rate, weight_decay=training.decay
    )
    asked = _asked(corpus, shape, training)
    done = checkpoint.read(folder, network, optimiser, asked)
    precision = chosen_precision(training.precision, device)
    batches = Batches(
        windows, learn, training.batch, training.seed, workers, pinned=device.startswith("cuda")
    )
    bar = tqdm(
        range(len(done.curve) + 1, training.epochs + 1),
        desc=shape.network,
        unit="epoch",
        mininterval=5,
        disable=not progress,
    )
    with torch.random.fork_rng(), torch.backends.cudnn.flags(deterministic=True, benchmark=False):
        for epoch in bar:
            if _enough(done, training.patience):
                break
            rate = cosine(training.rate, epoch, training.epochs)
            for group in optimiser.param_groups:
                group["lr"] = rate
            loss = _epoch(network, optimiser, batches, epoch, training, precision, device)
            found = scores(network, windows, check, device, precision)
            right = torch.from_numpy(windows.label[check])
            row = {
                "epoch": epoch,
                "rate": rate,
                "train_loss": loss,
                "validation_loss": float(F.cross_entropy(found, right)),
                "validation_accuracy": float((found.argmax(1) == right).float().mean()),
            }
            _note(done, row, network)
            checkpoint.write(folder, network, optimiser, done, asked)
            if after_epoch is not None:
                after_epoch(epoch)
    network.load_state_dict(done.kept)
    return Trained(network.cpu().eval(), before, done.curve, done.best, precision)


def cosine(rate: float, epoch: int, epochs: int) -> float:
    """Learning rate of an epoch, from 1: half a cosine from `rate` down."""
    # In closed form, so that a resumed training needs no scheduler's state.
    return rate * (1 + float(np.cos(np.pi * (epoch - 1) / epochs))) / 2


def chosen_precision(wanted: str, device: str) -> str:
    """``bfloat16`` or ``float32``."""
    if wanted != "auto":
        return wanted
    cuda = device.startswith("cuda")
    return "bfloat16" if cuda and torch.cuda.is_bf16_supported(False) else "float32"


def scores(
    network: GenreNetwork, windows: Windows, rows: np.ndarray, device: str, precision: str
) -> torch.Tensor:
    """Scores of some windows, float32 on the CPU, (rows, classes)."""
    return layer(network, windows, rows, "scores", device, precision)


def layer(
    network: GenreNetwork,
    windows: Windows,
    rows: np.ndarray,
    name: str,
    device: str = "cpu",
    precision: str = "float32",
) -> torch.Tensor:
    """Activations of one layer for some windows, float32 on the CPU, (rows, units)."""
    network.eval()
    found = []
    with torch.inference_mode(), _mixed(device, precision):
        for part in np.array_split(rows, -(-len(rows) // BATCH_READ)):
            x = torch.from_numpy(np.array(windows.values[part])).to(device)
            found.append(network(x)[name].float().cpu())
    return torch.cat(found)


def _asked(corpus: Corpus, shape: Shape, training: Training) -> str:
    tracks = sorted((track.sha256, track.genre, track.split) for track in corpus.tracks)
    return hash_text(repr((asdict(shape), asdict(training), tracks)))


def _enough(done: Progress, patience: int) -> bool:
    return len(done.curve) - done.best >= patience


def _note(done: Progress, row: dict[str, float], network: GenreNetwork) -> None:
    done.curve.append(row)
    if done.best and row["validation_loss"] >= done.curve[done.best - 1]["validation_loss"]:
        return
    done.best = len(done.curve)
    done.kept = {name: value.cpu().clone() for name, value in network.state_dict().items()}


def _mixed(device: str, precision: str) -> Any:
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=precision == "bfloat16")


def _epoch(
    network: GenreNetwork,
    optimiser: torch.optim.Optimizer,
    batches: Batches,
    epoch: int,
    training: Training,
    precision: str,
    device: str,
) -> float:
    """Learn from all training windows once; the mean loss."""
    network.train()
    rng = np.random.default_rng([training.seed, epoch])
    read = batches.of(epoch)
    # All that is random follows from the epoch's number, so that a training can be resumed.
    torch.manual_seed(training.seed * 100_003 + epoch)
    total, count = 0.0, 0
    for x, y in read:
        x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
        share = float(rng.beta(training.mixup, training.mixup)) if training.mixup else 1.0
        other = torch.from_numpy(rng.permutation(len(y))).to(device)
        optimiser.zero_grad()
        with _mixed(device, precision):
            found = network(share * x + (1 - share) * x[other])["scores"]
            loss = share * F.cross_entropy(found, y)
            loss = loss + (1 - share) * F.cross_entropy(found, y[other])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        total, count = total + float(loss.detach()) * len(y), count + len(y)
    return total / count
