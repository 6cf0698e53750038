"""A study of small films for the tests of the features stage."""

import hashlib
from pathlib import Path
from typing import Any

import yaml

from tristream.cli.features import Inputs, extract
from tristream.config.load import Resolved, load
from tristream.features.core.jobs import settings_of
from tristream.fetch.receipt import FetchedFile, Receipt

COUNTING = '''
"""Counts its passes, and fails after some chunks if a file asks for it."""

from pathlib import Path

import numpy as np

from tristream.features.core.registry import Block, extractor

LOG = Path("{folder}/log")
LIMIT = Path("{folder}/limit")


def chunks(first, layers):
    with LOG.open("a") as log:
        log.write(f"pass {{'+'.join(layers)}}\\n")
    for index in range(first, 6):
        if LIMIT.exists() and index >= int(LIMIT.read_text()):
            raise RuntimeError("killed")
        with LOG.open("a") as log:
            log.write(f"chunk {{index}}\\n")
        times = (index + np.arange(4) / 4) / 3
        yield {{
            layer: Block(np.outer(times, [1.0, 2.0]) + len(layer), times) for layer in layers
        }}


@extractor(
    "skipping", media="film", layers=("one", "three"), methods="numbers that count", can_skip=True
)
def skipping(path, layers, options, weights, device, skip):
    """Can begin after stored chunks."""
    yield from chunks(skip, layers)


@extractor("plain", media="film", layers=("one", "three"), methods="numbers that count")
def plain(path, layers, options, weights, device):
    """Always begins at the beginning."""
    yield from chunks(0, layers)
'''


class FilmStudy:
    """A study in a folder: films, a dataset descriptor, a receipt, config.yaml."""

    def __init__(self, folder: Path, films: list[Path], features: dict[str, Any]) -> None:
        self.folder = folder
        self.films = films
        self.write_config(features)
        self.write_descriptor()
        self.receipt = folder / "receipt.json"
        self.write_receipt()

    def write_config(self, features: dict[str, Any]) -> None:
        """Write config.yaml with these feature spaces."""
        content = {
            "results": str(self.folder / "results"),
            "datasets": ["films"],
            "device": "cpu",
            "features": features,
        }
        (self.folder / "config.yaml").write_text(yaml.safe_dump(content, sort_keys=False))

    def write_descriptor(self) -> None:
        """Write the descriptor of the dataset `films`."""
        folder = self.folder / "workflow/datasets"
        folder.mkdir(parents=True, exist_ok=True)
        table = [{"stimulus": f.stem, "kind": "film", "path": f.name} for f in self.films]
        content = {
            "id": "films",
            "title": "Films",
            "licence": "CC0",
            "citation": "none",
            "source": {"kind": "folder", "path": "nowhere"},
            "layout": {"kind": "fmriprep"},
            "tr": 1.0,
            "subjects": ["01"],
            "runs": ["run-1", "run-2"],
            "stimuli": {
                "source": {"kind": "folder", "path": str(self.films[0].parent)},
                "table": table,
            },
            "split": {"scheme": "holdout", "test": ["run-2"]},
            "exchange": {"unit": "time"},
        }
        (folder / "films.yaml").write_text(yaml.safe_dump(content))

    def write_receipt(self) -> None:
        """Write the receipt of the films as they are now."""
        files = [
            FetchedFile(
                f.name,
                f.stat().st_size,
                f"sha256:{hashlib.sha256(f.read_bytes()).hexdigest()}",
            )
            for f in self.films
        ]
        receipt = Receipt(
            "films", None, {}, "", self.films[0].parent, "Films", "CC0", tuple(files), False
        )
        receipt.write(self.receipt)

    def resolved(self) -> Resolved:
        """The checked study."""
        return load(self.folder / "config.yaml")

    def output(self, space: str, layer: str) -> Path:
        """Where a layer's file lies."""
        return self.folder / f"results/features/films/{space}/{layer}.h5"

    def extract(self, space: str, *layers: str, **inputs: Path) -> Path:
        """Write layers in one pass; the file of the first."""
        outputs = [self.output(space, layer) for layer in layers]
        settings = settings_of(self.resolved(), "films", space)
        extract(settings, outputs, Inputs(receipt=self.receipt, **inputs))
        return outputs[0]


def counting(folder: Path) -> str:
    """Write the module with the counting extractors."""
    path = folder / "counting.py"
    path.write_text(COUNTING.format(folder=folder))
    return str(path)
