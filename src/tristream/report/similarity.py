"""How alike the feature spaces of a dataset are, found once for all pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tristream.report.study_results import Results
from tristream.store import open_h5

Array = npt.NDArray[np.float64]
MOST_VOLUMES = 500


@dataclass
class Similarity:
    """Linear CKA between the layers and spaces of one dataset, at the volumes of one timeline.

    Attributes
    ----------
    results : Results
        Where the aligned features lie.
    dataset : str
        The dataset.
    spaces : dict of str to sequence of str
        Layers of each space that a model uses.
    """

    results: Results
    dataset: str
    spaces: Mapping[str, Sequence[str]]

    def of(self, space: str) -> tuple[list[str], list[str], Array]:
        """Layers of a space, all spaces, and their similarity (layers, spaces)."""
        layers = {layer: gram for (name, layer), gram in self._layers.items() if name == space}
        wholes = self._wholes
        values = [[_cosine(gram, whole) for whole in wholes.values()] for gram in layers.values()]
        shape = (len(layers), len(wholes))
        return list(layers), list(wholes), np.array(values).reshape(shape)

    @cached_property
    def _layers(self) -> dict[tuple[str, str], Array]:
        """Centred kernel (volumes, volumes) of each aligned layer, columns z-scored."""
        timeline = self.results.resolved.datasets[self.dataset].timeline_names[0]
        folder = self.results.path("align", self.dataset, timeline)
        return {
            (space, layer): kernel(path)
            for space, layers in self.spaces.items()
            for layer in layers
            if (path := folder / space / f"{layer}.h5").is_file()
        }

    @cached_property
    def _wholes(self) -> dict[str, Array]:
        """Kernel of all layers of a space side by side: the sum of theirs."""
        sums: dict[str, Array] = {}
        for (space, _), gram in self._layers.items():
            sums[space] = sums[space] + gram if space in sums else gram
        return sums


def kernel(path: Path) -> Array:
    """``x x'`` of the z-scored columns of the first volumes of an aligned file."""
    parts: list[Array] = []
    with open_h5(path, "aligned") as (file, _):
        for run in file["runs"]:
            parts.append(np.asarray(file["runs"][run][()], np.float64))
            if sum(map(len, parts)) >= MOST_VOLUMES:
                break
    x = np.concatenate(parts)[:MOST_VOLUMES]
    x = x - x.mean(axis=0)
    spread = x.std(axis=0)
    x = np.divide(x, spread, out=np.zeros_like(x), where=spread > 0)
    return x @ x.T


def _cosine(a: Array, b: Array) -> float:
    scale = np.linalg.norm(a) * np.linalg.norm(b)
    return float((a * b).sum() / scale) if scale > 0 else float("nan")
