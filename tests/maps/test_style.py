"""Colours that stay apart for people who see fewer of them."""

from itertools import combinations

import cv2
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from tristream.encode.regime_figure import COLOURS as REGIMES
from tristream.maps.style import OTHER_COLOURS, STREAM_COLOURS

# Machado, Oliveira & Fernandes 2009, severity 1, of linear RGB.
SEEN = {
    "all": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
# Of CIELAB; 2.3 is just noticeable where two patches touch.
APART = 15


def nearest(colours, matrix) -> float:
    """The smallest distance of two colours in CIELAB as somebody sees them."""
    rgb = np.array([to_rgb(one) for one in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(matrix), 0, 1).astype(np.float32)
    lab = cv2.cvtColor(seen[None], cv2.COLOR_LRGB2Lab)[0]
    return min(float(np.linalg.norm(a - b)) for a, b in combinations(lab, 2))


@pytest.mark.parametrize("matrix", SEEN.values(), ids=SEEN)
@pytest.mark.parametrize(
    "colours",
    [
        [STREAM_COLOURS[name] for name in ("ventral", "dorsal", "auditory", "nuisance", "label")],
        OTHER_COLOURS,
        list(REGIMES.values()),
    ],
    ids=["streams", "others", "regimes"],
)
def test_colours_of_one_figure_stay_apart(colours, matrix):
    assert nearest(colours, matrix) > APART


def test_two_violets_that_were_used_before_are_found_to_be_alike():
    assert nearest(["#7B4B94", "#5B5B8C"], SEEN["deuteranopia"]) < 5
    assert nearest(["#7B4B94", "#5B5B8C"], SEEN["all"]) > APART
