"""The folder of a trained network: weights, what they were trained on, tables of what they know."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tristream.errors import UserError
from tristream.genre.corpus import Corpus
from tristream.genre.description import CONFIG, MODEL, TENSORS, Shape, read_description
from tristream.genre.evaluation import Evaluation
from tristream.genre.networks import GenreNetwork, build
from tristream.genre.training import Trained, Training
from tristream.store import (
    Omission,
    Provenance,
    atomic_path,
    read_table,
    write_json,
    write_table,
)

KIND = "genre-network"
TABLES = ("tracks", "curve", "confusion", "embedding")


def write_network(
    folder: Path,
    corpus: Corpus,
    trained: Trained,
    found: Evaluation,
    shape: Shape,
    training: Training,
    methods: Sequence[str],
) -> dict[str, Any]:
    """Write the folder: tables first, the weights, and ``config.json`` last.

    Returns
    -------
    dict
        The report, as it stands in ``config.json``.
    """
    from safetensors.torch import save_file

    omitted = () if found.after is not None else (Omission("embedding", "too few test tracks"),)
    about = Provenance(KIND, False, {"training": asdict(training)}, "", omitted, tuple(methods))
    _write_tables(folder, corpus, trained, found, about)
    with atomic_path(folder / TENSORS) as temporary:
        save_file(trained.network.state_dict(), temporary)
    report = {
        "accuracy": found.accuracy,
        "balanced_accuracy": found.balanced_accuracy,
        "chance": found.chance,
        "p": found.p,
        "tracks": {split: len(corpus.of(split)) for split in ("train", "validation", "test")},
        "epochs": len(trained.curve),
        "best_epoch": trained.best,
        "precision": trained.precision,
        "asked": asdict(training),
        "left_out": corpus.left_out,
    }
    heard = [track.sha256 for track in corpus.tracks if track.split != "test"]
    content = {
        "model_type": MODEL,
        **asdict(shape),
        "kept_out": corpus.kept_out,
        "trained_on": sorted(heard),
        "training": report,
    }
    write_json(folder / CONFIG, content, about)
    return report


def load_network(folder: Path, device: str = "cpu") -> tuple[GenreNetwork, Shape]:
    """The network of a folder, in evaluation mode.

    Raises
    ------
    UserError
        If the folder holds none.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    shape = read_description(folder).shape
    network = build(shape)
    try:
        network.load_state_dict(load_file(folder / TENSORS))
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{folder / TENSORS}: not the network's weights ({reason})") from None
    return network.eval().requires_grad_(False).to(device), shape


def _write_tables(
    folder: Path, corpus: Corpus, trained: Trained, found: Evaluation, about: Provenance
) -> None:
    classes = corpus.classes
    rows = pd.DataFrame(
        [(t.name, t.genre, t.group, t.split, t.sha256) for t in corpus.tracks],
        columns=["track", "genre", "group", "split", "sha256"],
    )
    rows["predicted"] = pd.Series(
        np.array(classes)[found.probabilities.argmax(1)], index=found.tracks
    )
    for number, genre in enumerate(classes):
        rows[f"p_{genre}"] = pd.Series(found.probabilities[:, number], index=found.tracks)
    write_table(
        folder / "tracks.tsv",
        rows,
        about,
        {
            "track": "GENRE/FILE",
            "group": "What the split keeps together",
            "split": "train, validation (early stopping) or test",
            "predicted": "What the network says of a test track",
            **{f"p_{genre}": f"Mean probability of {genre} over windows" for genre in classes},
        },
    )
    write_table(
        folder / "curve.tsv",
        pd.DataFrame(trained.curve),
        about,
        {
            "rate": "Learning rate",
            "train_loss": "Mean cross-entropy of mixed windows",
            "validation_loss": "Mean cross-entropy of the validation tracks' windows",
            "validation_accuracy": "Share of these windows that are named rightly",
        },
    )
    matrix = pd.DataFrame(found.confusion, columns=list(classes))
    matrix.insert(0, "genre", list(classes))
    write_table(
        folder / "confusion.tsv",
        matrix,
        about,
        {name: f"Test tracks that are called {name}" for name in classes},
    )
    if found.before is not None and found.after is not None:
        placed = pd.DataFrame(
            np.c_[found.before, found.after],
            columns=["before_x", "before_y", "after_x", "after_y"],
        )
        placed.insert(0, "genre", [corpus.tracks[i].genre for i in found.tracks])
        placed.insert(0, "track", [corpus.tracks[i].name for i in found.tracks])
        write_table(
            folder / "embedding.tsv",
            placed,
            about,
            {
                "before_x": "t-SNE of the last layer before training",
                "after_x": "t-SNE of the last layer after training",
            },
        )


def read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """The tables of a folder by name; ``embedding`` is not there after few test tracks.

    Raises
    ------
    UserError
        If another is missing, or one is damaged.
    """
    found = {}
    for name in TABLES:
        path = folder / f"{name}.tsv"
        if name != "embedding" or path.exists():
            found[name], _ = read_table(path, KIND)
    return found
