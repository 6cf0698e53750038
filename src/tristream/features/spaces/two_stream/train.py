"""Train the two streams on labelled clips, with early stopping on groups that are held out."""

import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import GroupShuffleSplit
from torch.nn import functional as F
from tqdm import tqdm

from tristream.features.spaces.two_stream.clips import Clips, read_clip_table, read_clips
from tristream.features.spaces.two_stream.network import STREAMS, Shape, Stream, TwoStream, save
from tristream.hashing import hash_file

BATCH = 32
VALIDATION = 0.2


@dataclass(frozen=True)
class Training:
    """How to train.

    Attributes
    ----------
    epochs : int
        At most.
    patience : int
        Epochs without a lower validation loss after which training stops.
    rate : float
        Learning rate of Adam.
    each : int
        Samples a clip.
    seed : int
        Of the weights, the validation groups and the order of the samples.
    """

    epochs: int = 60
    patience: int = 10
    rate: float = 3e-3
    each: int = 8
    seed: int = 0


def train(
    table: Path,
    folder: Path,
    *,
    fps: float = 12.0,
    size: int = 64,
    stack: int = 10,
    subtract_mean: bool = True,
    training: Training | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Train on a table of clips and write the network's folder.

    Each stream learns by itself, as in the paper; a fifth of the training groups decides when to
    stop. The clips of split ``test`` are looked at once, at the end.

    Parameters
    ----------
    table : Path
        See :func:`tristream.features.spaces.two_stream.clips.read_clip_table`.
    folder : Path
        Where ``config.json`` and ``model.safetensors`` go.
    fps, size, stack, subtract_mean
        See :class:`tristream.features.spaces.two_stream.network.Shape`.
    training : Training, optional
        How to train.
    device : str
        ``cpu`` or ``cuda``.

    Returns
    -------
    dict
        ``test``: accuracy over test clips (scores averaged over a clip's samples) of ``spatial``,
        ``temporal`` and ``fusion``, empty without test clips; ``chance``: the share of the most
        frequent label among them; ``epochs`` of each stream, ``table``: sha256 of the table,
        ``asked``: `training`.
    """
    training = training or Training()
    rows = read_clip_table(table)
    shape = Shape(tuple(sorted(set(rows["label"]))), fps, size, stack, subtract_mean)
    clips = read_clips(rows, shape, training.each)
    torch.manual_seed(training.seed)
    network = TwoStream(shape).to(device)
    epochs = {
        stream: _train_stream(getattr(network, stream), inputs, clips, training, stream, device)
        for stream, inputs in zip(STREAMS, (clips.images, clips.flows), strict=True)
    }
    report = {
        **_test(network.eval(), clips, device),
        "epochs": epochs,
        "table": hash_file(table),
        "asked": asdict(training),
    }
    save(network.cpu(), folder, report)
    return report


def _train_stream(
    stream: Stream, inputs: np.ndarray, clips: Clips, training: Training, name: str, device: str
) -> int:
    """Train until the validation groups' loss falls no more; the best weights stay."""
    rng = np.random.default_rng(training.seed)
    learn, check = _validation(clips, training.seed)
    x, y = torch.from_numpy(inputs).to(device), torch.from_numpy(clips.label).to(device)
    optimiser = torch.optim.AdamW(stream.parameters(), lr=training.rate, weight_decay=1e-2)
    best, kept, at = np.inf, copy.deepcopy(stream.state_dict()), 0
    for epoch in tqdm(range(1, training.epochs + 1), desc=name, unit="epoch", mininterval=5):
        stream.train()
        order = rng.permutation(learn)
        for batch in np.array_split(order, max(round(len(order) / BATCH), 1)):
            optimiser.zero_grad()
            F.cross_entropy(stream(x[batch])[2], y[batch]).backward()
            optimiser.step()
        stream.eval()
        with torch.inference_mode():
            loss = float(F.cross_entropy(stream(x[check])[2], y[check]))
        if loss < best:
            best, kept, at = loss, copy.deepcopy(stream.state_dict()), epoch
        elif epoch - at >= training.patience:
            break
    stream.load_state_dict(kept)
    return at


def _validation(clips: Clips, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples to learn from, and samples of other groups that tell when to stop."""
    train = np.flatnonzero(~clips.test)
    splitter = GroupShuffleSplit(1, test_size=VALIDATION, random_state=seed)
    [(learn, check)] = splitter.split(train, groups=clips.group[train])
    return train[learn], train[check]


def _test(network: TwoStream, clips: Clips, device: str) -> dict[str, Any]:
    """Accuracy over the test clips."""
    test = np.flatnonzero(clips.test)
    if not len(test):
        return {"test": {}, "chance": None}
    with torch.inference_mode():
        parts = [
            network(
                torch.from_numpy(clips.images[part]).to(device),
                torch.from_numpy(clips.flows[part]).to(device),
            )
            for part in np.array_split(test, -(-len(test) // BATCH))
        ]
    numbers, first, index = np.unique(clips.clip[test], return_index=True, return_inverse=True)
    labels = clips.label[test][first]
    accuracy = {}
    for name, layer in (*((s, f"{s}_scores") for s in STREAMS), ("fusion", "fusion")):
        scores = torch.cat([part[layer] for part in parts]).cpu().numpy()
        summed = np.zeros((len(numbers), scores.shape[1]))
        np.add.at(summed, index, scores)
        accuracy[name] = float((summed.argmax(axis=1) == labels).mean())
    return {"test": accuracy, "chance": float(np.bincount(labels).max() / len(labels))}
