"""How alike the feature spaces of a dataset are, at the volumes of one timeline."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tristream.align.aligned import read_aligned
from tristream.report.study_results import Results

Array = npt.NDArray[np.float64]
# Of layers all kernels are held at once, of whole spaces one a space.
MOST_VOLUMES = 500
MOST_VOLUMES_OF_SPACES = 1500


@dataclass
class Similarity:
    """Linear CKA between the layers and spaces of one dataset, found once for all pages.

    Attributes
    ----------
    results : Results
        Where the aligned features lie.
    dataset : str
        The dataset.
    """

    results: Results
    dataset: str

    def of(self, space: str) -> tuple[list[str], list[str], Array]:
        """Layers of a space, all spaces, and their similarity (layers, spaces)."""
        layers = {layer: gram for (name, layer), gram in self._layers.items() if name == space}
        wholes = self._wholes
        values = [[cka(gram, whole) for whole in wholes.values()] for gram in layers.values()]
        shape = (len(layers), len(wholes))
        return list(layers), list(wholes), np.array(values).reshape(shape)

    def of_spaces(self) -> tuple[list[str], Array]:
        """All spaces, and their similarity to each other."""
        paths: dict[str, list[Path]] = {}
        for (space, _), path in aligned_layers(self.results, self.dataset).items():
            paths.setdefault(space, []).append(path)
        grams = [
            sum_of(kernel(path, MOST_VOLUMES_OF_SPACES) for path in own) for own in paths.values()
        ]
        return list(paths), np.array([[cka(a, b) for b in grams] for a in grams])

    @cached_property
    def _layers(self) -> dict[tuple[str, str], Array]:
        return {
            name: kernel(path, MOST_VOLUMES)
            for name, path in aligned_layers(self.results, self.dataset).items()
        }

    @cached_property
    def _wholes(self) -> dict[str, Array]:
        """Kernel of all layers of a space side by side: the sum of theirs."""
        spaces = dict.fromkeys(space for space, _ in self._layers)
        return {
            name: sum_of(gram for (space, _), gram in self._layers.items() if space == name)
            for name in spaces
        }


def aligned_layers(results: Results, dataset: str) -> Mapping[tuple[str, str], Path]:
    """Aligned files that exist, by space and layer, of the first timeline that was seen."""
    found = results.existing("aligned", dataset=dataset)
    if not found:
        return {}
    first = found[0][0]["timeline"]
    return {(one["space"], one["layer"]): path for one, path in found if one["timeline"] == first}


def kernel(path: Path, most: int) -> Array:
    """``x x'`` of the z-scored columns of the first `most` volumes of an aligned file."""
    x = scaled(np.concatenate(list(read_aligned(path).values()))[:most])
    return x @ x.T


def scaled(x: npt.NDArray) -> Array:
    """Columns with mean 0 and deviation 1; those that do not vary are 0."""
    x = np.asarray(x, np.float64)
    x = x - x.mean(axis=0)
    spread = x.std(axis=0)
    return np.divide(x, spread, out=np.zeros_like(x), where=spread > 0)


def sum_of(grams: Iterable[Array]) -> Array:
    """Kernel of several sets of columns side by side."""
    first, *others = grams
    return sum(others, start=first)


def cka(a: Array, b: Array) -> float:
    """Linear centred kernel alignment of two spaces (Kornblith et al. 2019, eq. 1).

    Parameters
    ----------
    a, b : ndarray of shape (n, n)
        ``x x'`` of column-centred features of the same n volumes.

    Returns
    -------
    float
        ``|y'x|² / (|x'x| |y'y|)`` in Frobenius norms; NaN where a space does not vary.
    """
    scale = np.linalg.norm(a) * np.linalg.norm(b)
    return float((a * b).sum() / scale) if scale > 0 else float("nan")
