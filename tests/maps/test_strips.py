"""Strips of the brain: what is drawn where, on surfaces and in slices."""

from pathlib import Path

import numpy as np
import pytest

from tristream.maps.strips import FAINT, Brain, opacity, strip_of_labels, strip_of_values
from tristream.maps.style import save, style

AFFINE = np.diag([4.0, 4, 4, 1])
AFFINE[:3, 3] = [-80, -112, -72]
SHAPE = (41, 50, 41)


def whole_head(space: str) -> Brain:
    ijk = np.argwhere(np.ones(SHAPE, bool)).astype(np.int32)
    return Brain(ijk, AFFINE, SHAPE, None, space)


def pictures_of(figure):
    return [axes.images[0].get_array() for axes in figure.axes if axes.images]


def test_mni_volumes_that_reach_the_cortex_are_drawn_on_it_and_others_as_slices():
    assert whole_head("MNI152NLin2009cAsym").template is not None
    assert whole_head("native").template is None
    corner = Brain(np.zeros((1, 3), np.int32), AFFINE, SHAPE, None, "MNI152NLin2009cAsym")
    assert corner.template is None


def test_values_of_the_left_hemisphere_colour_the_views_of_the_left_alone():
    brain = whole_head("MNI152NLin2009cAsym")
    x = brain.ijk @ AFFINE[0, :3] + AFFINE[0, 3]
    values = np.where(x < -2, 1.0, np.nan)
    figure = strip_of_values(brain, values, opacity(None, len(x)), 1.0, "r", "sub-1")
    coloured = [float((np.ptp(p[..., :3], axis=-1) > 0.2).mean()) for p in pictures_of(figure)[:4]]
    assert min(coloured[:2]) > 0.4
    assert max(coloured[2:]) < 0.02


def test_what_is_not_significant_is_faint_but_there():
    brain = whole_head("native")
    half = brain.ijk[:, 0] < SHAPE[0] // 2
    shown = opacity(half, len(half))
    assert set(np.unique(shown)) == {np.float32(FAINT), np.float32(1)}
    figure = strip_of_values(brain, np.ones(len(half)), shown, 1.0, "r", "sub-1")
    picture = pictures_of(figure)[2]
    left, right = (picture[:, columns, :3] for columns in (slice(0, 15), slice(25, 40)))
    spread = [float(np.ptp(side, axis=-1).mean()) for side in (left, right)]
    assert spread[0] > 2 * spread[1] > 0


@pytest.mark.parametrize("space", ["MNI152NLin2009cAsym", "native"])
def test_labels_keep_their_colours_where_they_touch(space):
    """A mean of two labels would be a third one, which nothing has."""
    brain = whole_head(space)
    labels = np.where(brain.ijk[:, 1] < SHAPE[1] // 2, 1, 3)
    colours = {"a": "#ff0000", "b": "#00ff00", "c": "#0000ff"}
    one = np.ones(len(labels))
    figure = strip_of_labels(brain, labels, one, one, 1.0, colours, "sub-1")
    seen = np.concatenate([p.reshape(-1, p.shape[-1])[:, :3] for p in pictures_of(figure)])
    red, green, blue = (seen.argmax(axis=1) == k for k in range(3))
    strong = np.ptp(seen, axis=1) > 0.5
    assert (red & strong).sum() > 100
    assert (blue & strong).sum() > 100
    assert (green & strong).sum() == 0


def test_a_strip_is_small_and_has_no_paper(tmp_path: Path):
    from PIL import Image

    brain = whole_head("native")
    one = np.ones(len(brain.ijk))
    with style():
        save(strip_of_values(brain, one, one, 1.0, "r", "sub-1"), tmp_path / "strip.png", 190)
    image = np.asarray(Image.open(tmp_path / "strip.png").convert("RGBA"))
    assert image[0, -1, 3] == 0
    assert (tmp_path / "strip.png").stat().st_size < 100_000
