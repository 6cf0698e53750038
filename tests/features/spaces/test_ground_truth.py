"""The simulator's latents become feature spaces."""

from pathlib import Path

import numpy as np
import pytest

from helpers import truths
from tristream.errors import UserError
from tristream.features.core import registry


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    latents = {
        stream: {
            stimulus: (np.full((5, width), width), np.arange(5) / 10)
            for stimulus in ("bbb", "trailer")
        }
        for stream, width in (("ventral", 3), ("auditory", 2))
    }
    return truths.write(tmp_path / "truth.h5", latents=latents)


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
