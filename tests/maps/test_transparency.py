"""Opacity by significance: full where it is, never none, and rising with the evidence."""

import numpy as np

from tristream.maps.brain_figures import faded
from tristream.maps.transparency import FAINT, by_rate, by_size


def test_opacity_rises_with_the_evidence_and_hides_nothing():
    q = np.array([1e-6, 0.05, 0.06, 0.3, 1.0, np.nan])
    shown = by_rate(q, q <= 0.05, 0.05)
    assert (shown[:2] == 1).all()
    assert (np.diff(shown[1:5]) < 0).all()
    assert shown[2] > 0.95
    np.testing.assert_allclose(shown[4:], FAINT)
    # Half of the way by the logarithm.
    np.testing.assert_allclose(by_rate(np.sqrt([0.05]), np.array([False]), 0.05), (1 + FAINT) / 2)


def test_what_the_procedure_does_not_take_is_not_full_by_its_q_alone():
    q, none = np.array([0.2, 0.04]), np.zeros(2, bool)
    assert by_rate(q, none, 0.05)[0] < by_rate(q, none, 0.05)[1] <= 1


def test_either_sign_counts_alike_up_to_the_threshold():
    shown = by_size(np.array([-8.0, 4, 2, -2, 0]), 4)
    np.testing.assert_allclose(shown, [1, 1, (1 + FAINT) / 2, (1 + FAINT) / 2, FAINT])


def test_painted_places_keep_their_colours_and_lose_opacity():
    rgba = np.array([[0.1, 0.2, 0.3, 1.0], [0.4, 0.5, 0.6, 0.0]])
    np.testing.assert_allclose(faded(rgba, np.array([0.5, 1.0]))[:, 3], [0.5, 0])
    np.testing.assert_array_equal(faded(rgba, np.array([0.5, 1.0]))[:, :3], rgba[:, :3])
    assert faded(rgba, None) is rgba
