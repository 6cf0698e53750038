"""Small stand-ins for feature files, so that presets can be simulated in seconds."""

from pathlib import Path

import numpy as np
import scipy.ndimage

from helpers import feature_files
from tristream.config.sources import ArchiveSource
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.simulate.preset import Preset

RATE = 2.0  # samples per second


def write_features(folder: Path, preset: Preset, seconds: float) -> list[Path]:
    """One file a layer of the preset: mixtures of smooth random courses, as long as the film."""
    rng = np.random.default_rng(0)
    paths = []
    for stream in preset.streams.values():
        courses = rng.standard_normal((int(seconds * RATE), 12))
        courses = scipy.ndimage.gaussian_filter1d(courses, 2.0, axis=0) * 0.8 ** np.arange(12)
        for layer in stream.features:
            values = courses @ rng.standard_normal((12, 20))
            paths.append(write_layer(folder, preset.film.stimulus, layer, values))
    return paths


def write_layer(folder: Path, stimulus: str, layer: str, values: np.ndarray) -> Path:
    """One feature file, sampled twice a second."""
    timed = {stimulus: (values, (np.arange(len(values)) + 0.5) / RATE)}
    return feature_files.write_features(folder / f"{layer}.h5", layer, timed)


def write_receipt(path: Path, root: Path, file: str, source: ArchiveSource | None = None) -> Path:
    """A receipt of one file below `root`."""
    stated = source.model_dump() if source else {}
    fetched = FetchedFile(file, (root / file).stat().st_size)
    Receipt("x", None, stated, "", root, "x", "x", (fetched,), False).write(path)
    return path
