"""Every kind of network on the first seconds of a real film."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import tiny_networks
from tristream.config.feature_spaces import FeatureSpace
from tristream.features.core import checked_space as spaces
from tristream.features.core import registry

KINDS = {
    "image_network": tiny_networks.IMAGE,
    "video_network": tiny_networks.VIDEO,
    "detections": tiny_networks.DETECTOR,
}
SPACES = [(extractor, name) for extractor, known in KINDS.items() for name in known]


def first_chunk(film: Path, extractor: str, **options: Any) -> dict[str, registry.Block]:
    """All layers of the first chunk; the rest of the film is not decoded."""
    block = FeatureSpace(stream="ventral", extractor=extractor, layers=["all"], options=options)
    space = spaces.check("net", block)
    folder = Path(options["folder"]) if "folder" in options else None
    threads = threading.active_count()
    chunks = space.extractor(film, space.layers, space.options, folder, "cpu")
    first = next(chunks)
    chunks.close()
    assert threading.active_count() == threads
    assert tuple(first) == space.layers
    return first


def check(found: dict[str, registry.Block], times: np.ndarray) -> None:
    for layer, block in found.items():
        np.testing.assert_allclose(block.times, times, err_msg=layer)
        assert np.isfinite(block.values).all(), layer
        assert len(block.values) == len(times), layer
    assert any(np.ptp(block.values, axis=0).max() > 0 for block in found.values())


@pytest.mark.parametrize(("extractor", "name"), SPACES)
def test_networks_see_the_film(extractor: str, name: str, trailer: Path, tmp_path: Path) -> None:
    folder = tiny_networks.save(KINDS[extractor][name], tmp_path / name)
    options: dict[str, Any] = {"folder": str(folder), "fps": 4, "batch": 2}
    if extractor == "detections":
        found = first_chunk(trailer, extractor, **options)
        check(found, (np.arange(16) + 0.5) / 4)
    elif extractor == "image_network":
        found = first_chunk(trailer, extractor, **options, pooling="none")
        check(found, np.array([0.125, 0.375]))
    else:
        found = first_chunk(trailer, extractor, **options, stride=2, pooling="none")
        check(found, np.array([0.5, 1.0]))


def test_cornet_sees_the_film(trailer: Path) -> None:
    found = first_chunk(trailer, "cornet_s", untrained=True, fps=4, batch=2, pooling="none")
    check(found, np.array([0.125, 0.375]))
    assert found["V4_t3"].values.shape == (2, 256 * 14 * 14)
