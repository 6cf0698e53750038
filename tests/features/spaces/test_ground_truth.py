"""The simulator's latents become feature spaces."""

from pathlib import Path

import numpy as np
import pytest

from tristream.errors import UserError
from tristream.features.core import registry
from tristream.store import Provenance, create_h5


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    path = tmp_path / "truth.h5"
    with create_h5(path, Provenance("truth", simulated=True)) as file:
        for stream, width in (("ventral", 3), ("auditory", 2)):
            for stimulus in ("bbb", "trailer"):
                group = file.create_group(f"latents/{stream}/{stimulus}")
                group["values"] = np.full((5, width), width, np.float32)
                group["times"] = np.arange(5) / 10
    return path


def test_latents_of_each_stimulus(truth: Path) -> None:
    found = registry.get("ground_truth")
    given = dict(found(truth, ("ventral", "auditory"), found.options()))
    assert list(given) == ["bbb", "trailer"]
    assert given["bbb"]["ventral"].values.shape == (5, 3)
    np.testing.assert_array_equal(given["trailer"]["auditory"].values, 2)
    np.testing.assert_allclose(given["trailer"]["auditory"].times, np.arange(5) / 10)


def test_missing_stream_is_named(truth: Path) -> None:
    found = registry.get("ground_truth")
    with pytest.raises(UserError, match=r"no latents of dorsal.*ventral, auditory|auditory"):
        list(found(truth, ("dorsal",), found.options()))
