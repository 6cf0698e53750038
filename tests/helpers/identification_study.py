"""Files of a small study of images that are seen and imagined, with known signal."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.feature_files import write_features
from helpers.run_files import write_values
from tristream.config.identification import IdentificationDesign
from tristream.config.settings.identification import IdentificationSettings
from tristream.decode.identification_file import read_identification
from tristream.decode.identification_fit import fit
from tristream.store import Provenance, write_table

TRAIN, TEST = 60, 10
LENGTH = 2
REGIONS = ("V1", "LOC")


class Study:
    """Six training runs, four test runs of all ten test images, four runs that imagine five.

    Layer `early` drives V1, `late` LOC; each image is of a category of its own, but for training
    images, of which two share one. Imagined items are named by their category alone.
    """

    def __init__(self, folder: Path, signal: float = 1.0, imagery: float = 0.0) -> None:
        rng = np.random.default_rng(1)
        self.folder, self.rng = folder, rng
        self.items = [f"train{k:02d}" for k in range(TRAIN)] + [f"test{k}" for k in range(TEST)]
        self.label = {name: f"c{int(name[5:]) // 2:02d}" for name in self.items[:TRAIN]}
        self.label |= {name: f"new{name[4:]}" for name in self.items[TRAIN:]}
        self.layers = {name: rng.standard_normal((TRAIN + TEST, 12)) for name in ("early", "late")}
        readout = [rng.standard_normal((12, 30)) for _ in REGIONS]
        pattern = np.hstack([x @ w for x, w in zip(self.layers.values(), readout, strict=True)])
        self.pattern = dict(zip(self.items, pattern / 12**0.5, strict=True))
        self.bold: dict[str, np.ndarray] = {}
        self.tables = []
        for k in range(6):
            self.run(f"ses-train_run-{k}", self.items[k * 10 : k * 10 + 10], "train", signal)
        for k in range(4):
            self.run(f"ses-test_run-{k}", rng.permutation(self.items[TRAIN:]), "test", signal)
        for k in range(4):
            own = rng.permutation(self.items[TRAIN : TRAIN + 5])
            self.run(f"ses-imagery_run-{k}", own, "test", imagery, imagined=True)
        self.table = pd.concat(self.tables, ignore_index=True)

    def run(self, name: str, items: Any, split: str, signal: float, imagined: bool = False) -> None:
        shown = np.repeat(items, LENGTH)
        pattern = np.stack([self.pattern[item] for item in shown])
        self.bold[name] = signal * pattern + self.rng.standard_normal(pattern.shape)
        label = [self.label[item] for item in shown]
        self.tables.append(
            pd.DataFrame(
                {
                    "run": name,
                    "row": np.arange(len(shown)),
                    "time": np.arange(len(shown)) * 2.0,
                    "item": label if imagined else shown,
                    "exchange": label if imagined else shown,
                    "label": label,
                    "unit": [f"{name}/{k // LENGTH}" for k in range(len(shown))],
                    "split": split,
                    "repeat": None,
                    "censor": False,
                    "keep": True,
                }
            )
        )

    def fit(self, **options: Any) -> tuple[pd.DataFrame, pd.DataFrame, Provenance]:
        """Write all files, identify, and read both tables."""
        folder = self.folder
        output, sets = (folder / f"{name}.tsv" for name in ("out", "sets"))
        given = {
            "features": ["net"],
            "regions": list(REGIONS),
            "voxels": 20,
            "alpha": 10.0,
            "delay": "0 s",
            "imagined": ["ses-imagery*"],
            "permutations": 999,
            **options,
        }
        unit = given.pop("unit", "item")
        own = given.pop("own", [])
        settings = IdentificationSettings(
            dataset="d",
            identification="objects",
            block=IdentificationDesign(**given),
            unit=unit,
            device="cpu",
        )
        bold, samples = self.written()
        fit(bold, samples, self.features(), [folder / "none.h5"] * 2, own, output, sets, settings)
        rows, provenance = read_identification(output)
        return rows, read_identification(sets)[0], provenance

    def samples(self, layer: str, region: str) -> tuple[np.ndarray, ...]:
        """Presentations as arrays: responses, features, runs, which are trained; test items' means.

        What is imagined has the features of the last image.
        """
        voxels = slice(30 * REGIONS.index(region), 30 * REGIONS.index(region) + 30)
        x, names, runs = [], [], []
        for run, values in self.bold.items():
            own = self.table[self.table["run"] == run]
            for _, part in own.groupby("unit", sort=False):
                x.append(values[part["row"], voxels].astype(np.float32).mean(0))
                names.append(part["item"].iloc[0])
                runs.append(run)
        index = [self.items.index(name) if name in self.items else -1 for name in names]
        y = self.layers[layer].astype(np.float32)[index]
        tested = [np.equal(names, f"test{k}") for k in range(TEST)]
        means = np.array([np.array(x)[shown].mean(0) for shown in tested])
        train = np.array([run.startswith("ses-train") for run in runs])
        return np.array(x), y, np.array(runs), train, means

    def written(self) -> tuple[list[Path], Path]:
        """Run files and the sample index."""
        samples = self.folder / "samples.tsv"
        write_table(samples, self.table, Provenance("samples", False, methods=("Made.",)))
        regions = {
            name: np.arange(30 * k, 30 * k + 30, dtype=np.int32) for k, name in enumerate(REGIONS)
        }
        bold = [
            write_values(self.folder / f"{name}.h5", values, regions=regions)
            for name, values in self.bold.items()
        ]
        return bold, samples

    def features(self) -> list[Path]:
        """Feature files of both layers."""
        paths = []
        for name, values in self.layers.items():
            paths.append(self.folder / f"{name}.h5")
            write_features(paths[-1], f"net/{name}", items=self.items, values=values)
        return paths
