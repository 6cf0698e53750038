"""Files of one subject who heard bright and dull clips, for networks of brain and label."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers import sounds
from helpers.run_files import write_values
from tristream.config.networks import NetworkDesign
from tristream.config.runs import Exchange
from tristream.config.settings.features import StimulusFile
from tristream.config.settings.networks import NetworkSettings
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.stimuli.tables import write_inventory
from tristream.stimuli.timelines import Event
from tristream.store import Provenance, write_table

TR, VOLUMES, CLIP, VOXELS, RUNS = 2.0, 4, 6.0, 12, 5
"""Volumes of a clip and the pause behind it; seconds of a clip."""
DESIGN = {
    "network": "tcn",
    "delay": "1 TR",
    "inputs": {"frames": 16},
    "voxels": 8,
    "seeds": 2,
    "training": {"label_epochs": 6, "epochs": 2, "learning_rate": 3e-3, "batch": 12},
    "permutations": 200,
}


class SoundStudy:
    """Five runs of eight clips, the last held out; each volume answers what was heard before it.

    Half of the clips begin silent, so that a window shows when it was heard.
    """

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(0)
        self.folder = folder
        self.events: dict[str, list[Event]] = {}
        self.stimuli: list[StimulusFile] = []
        self.bold, tables = {}, []
        way = rng.standard_normal(VOXELS)
        for k in range(RUNS):
            run = f"task-music_run-{k + 1}"
            self.events[run] = [self._clip(run, n, rng) for n in range(8)]
            kind = np.repeat([1.0 if e.label == "bright" else -1.0 for e in self.events[run]], 4)
            answer = np.roll(np.outer(kind, way), 1, 0)
            self.bold[run] = answer + rng.standard_normal((8 * VOLUMES, VOXELS))
            tables.append(self._rows(run, "test" if k == RUNS - 1 else "train"))
        self.table = pd.concat(tables, ignore_index=True)

    def _clip(self, run: str, number: int, rng: np.random.Generator) -> Event:
        name, label = f"clip{run[-1]}_{number}", ("bright", "dull")[number % 2]
        tone = np.sin(2 * np.pi * (3000 if label == "bright" else 300) * sounds.seconds(CLIP))
        tone = 0.3 * tone + 0.02 * rng.standard_normal(len(tone))
        if number < 4:
            tone[: len(tone) // 2] = 0
        sounds.write(self.folder / f"stimuli/{name}.wav", tone)
        self.stimuli.append(StimulusFile(stimulus=name, kind="sound", path=f"{name}.wav"))
        onset = number * VOLUMES * TR
        return Event(onset, CLIP, name, "sound", name, 0.0, True, label, f"{run}/{number + 1}")

    def _rows(self, run: str, split: str) -> pd.DataFrame:
        shown = [event for event in self.events[run] for _ in range(VOLUMES)]
        heard = np.tile(np.arange(VOLUMES) * TR < CLIP, len(self.events[run]))
        own: dict[str, Any] = {
            name: [
                getattr(event, name) if on else None for event, on in zip(shown, heard, strict=True)
            ]
            for name in ("item", "label", "unit")
        }
        n = len(shown)
        about = {"run": run, "row": np.arange(n), "time": np.arange(n) * TR, **own}
        about |= {"exchange": own["item"], "split": split, "repeat": None}
        return pd.DataFrame(about | {"censor": False, "keep": heard})

    def files(self) -> tuple[list[Path], Path, Path, Path]:
        """Run files, the sample index, the events, the receipt of the stimuli."""
        folder = self.folder
        samples, inventory = folder / "samples.tsv", folder / "inventory.tsv"
        write_table(samples, self.table, Provenance("samples", False, methods=("Made.",)))
        made = Provenance("inventory", False, methods=("Made.",))
        write_inventory(inventory, {"main": self.events}, Exchange(unit="item"), [], made)
        bold = [write_values(folder / f"{run}.h5", values) for run, values in self.bold.items()]
        listed = tuple(FetchedFile(one.path, None) for one in self.stimuli)
        source = {"kind": "folder"}
        receipt = Receipt(
            "music", None, source, "", folder / "stimuli", "Music", "CC0", listed, True
        )
        receipt.write(folder / "receipt.json")
        return bold, samples, inventory, folder / "receipt.json"

    def settings(self, **changes: Any) -> NetworkSettings:
        """Of a small network."""
        return NetworkSettings(
            dataset="music",
            network="genre",
            timeline="main",
            block=NetworkDesign(**{**DESIGN, **changes}),
            stimuli=self.stimuli,
            device="cpu",
        )
