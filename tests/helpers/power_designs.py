"""Small designs for power analyses: events files of a few labels in random order."""

from pathlib import Path
from typing import Any

import numpy as np

from tristream.config.power import Power

LABELS = ("drums", "flute", "harp", "organ", "voice")
TR = 2.0


def write_events(
    folder: Path, runs: int = 5, blocks: int = 20, seconds: float = 12.0, pause: float = 4.0
) -> Path:
    """Write ``run-01`` and so on; the last is the test run of :func:`block`."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for run in range(1, runs + 1):
        order = rng.permutation(np.resize(np.arange(len(LABELS)), blocks))
        rows = [
            f"{4 + n * (seconds + pause):g}\t{seconds:g}\t{LABELS[label]}"
            for n, label in enumerate(order)
        ]
        name = f"sub-01_task-sounds_run-{run:02d}_events.tsv"
        text = "\n".join(["onset\tduration\ttrial_type", *rows]) + "\n"
        (folder / name).write_text(text)
    return folder


def block(folder: Path, **changes: Any) -> Power:
    """A quick analysis of the events in `folder`."""
    last = sorted(folder.glob("*_events.tsv"))[-1].name.split("_")[2]
    content: dict[str, Any] = {
        "events": [f"{folder}/*_events.tsv"],
        "test": [f"*{last}"],
        "tr": TR,
        "effects": [0.4],
        "runs": [1.0],
        "repeats": [1],
        "subjects": [],
        "voxels": 40,
        "driven": 0.5,
        "realisations": 4,
        "permutations": 0,
    }
    return Power.model_validate({**content, **changes})
