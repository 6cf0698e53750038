"""When a grid of penalties is too short for what was chosen."""

import warnings

import numpy as np
import pytest

from tristream.encode.estimators.grid_edges import GridEdgeWarning, warn_edges

ALPHAS = np.array([1.0, 10.0, 100.0])


@pytest.mark.parametrize(
    ("edge", "what"), [(1.0, "20% .* the smallest alpha, 1"), (100.0, "largest")]
)
def test_a_fifth_of_predicted_targets_at_an_end(edge, what):
    chosen = np.array([edge, 10.0, 10.0, 10.0, 10.0])
    with pytest.warns(GridEdgeWarning, match=what):
        warn_edges(chosen, np.full(5, 0.1), ALPHAS)


@pytest.mark.parametrize("scores", [[0.0, -0.1, 0.2], [-1.0, -1.0, -1.0]])
def test_targets_that_are_not_predicted_have_no_say(scores):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_edges(np.array([100.0, 100.0, 10.0]), np.array(scores), ALPHAS)


def test_a_single_penalty_has_no_ends():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_edges(np.ones(3), np.ones(3), np.ones(1))
