"""What the maps derive from the scores, with known answers."""

import numpy as np
import pytest

from tristream.maps.score_maps import Scores, best_stream
from tristream.maps.style import STREAM_COLOURS, colours_of, titled


def test_the_best_stream_has_the_largest_positive_share():
    share = np.array([[0.3, 0.1, -0.1, np.nan], [0.2, 0.2, -0.2, 0.1], [0.9, 0.9, 0.9, 0.9]])
    bands = ("ventral", "auditory", "nuisance")
    assert best_stream(share, bands, ("ventral", "auditory")).tolist() == [1, 2, 0, 2]
    assert best_stream(share, bands, bands).tolist() == [3, 3, 3, 3]


def test_normalized_needs_a_ceiling_that_carries_it_and_is_not_clipped():
    scores = Scores(
        r=np.array([0.5, 0.1, 0.3, -0.1]),
        r2=np.zeros(4),
        band_r2=np.zeros((1, 4)),
        bands=("a",),
        ceiling=np.array([0.4, 0.2, 0.6, 0.5]),
        ceiling_low=np.array([0.1, 0.1, 0.0, 0.2]),
    )
    np.testing.assert_allclose(scores.normalized, [1.25, np.nan, np.nan, -0.2])


def test_without_repeats_nothing_is_normalized():
    scores = Scores(np.ones(2), np.ones(2), np.ones((1, 2)), ("a",))
    assert scores.normalized is None
    back = scores.unstacked(scores.stacked())
    assert back.ceiling is None
    np.testing.assert_array_equal(back.band_r2, scores.band_r2)


def test_stacking_and_unstacking_keeps_every_score():
    rng = np.random.default_rng(0)
    numbers = rng.random((6, 5))
    scores = Scores(numbers[0], numbers[1], numbers[2:4], ("a", "b"), numbers[4], numbers[5])
    back = scores.unstacked(scores.stacked())
    for name in ("r", "r2", "band_r2", "ceiling", "ceiling_low"):
        np.testing.assert_array_equal(getattr(back, name), getattr(scores, name))


def test_bands_of_one_stream_do_not_share_a_colour():
    chosen = colours_of(["early", "late", "auditory"], {"early": "ventral", "late": "ventral"})
    assert chosen["early"] == STREAM_COLOURS["ventral"]
    assert chosen["auditory"] == STREAM_COLOURS["auditory"]
    assert len(set(chosen.values())) == 3


@pytest.mark.parametrize(("simulated", "named"), [(True, True), (False, False)])
def test_a_title_says_when_bold_is_simulated(simulated, named):
    assert ("simulated BOLD" in titled("Accuracy", simulated)) is named
