"""Responses are nilearn's where these are theirs, and expected at exact times."""

import numpy as np
import pytest
from nilearn.glm.first_level import compute_regressor

from tristream.bold.response_library import CANONICAL, LIBRARY, expected
from tristream.stimuli.timelines import Event


@pytest.mark.parametrize("duration", [0.5, 4.0])
def test_the_canonical_response_is_spms(duration: float) -> None:
    time = 1.5 * (np.arange(60) + 0.5)
    onsets = [3.2, 31.7]
    events = [Event(onset, duration, "x", "", "x") for onset in onsets]
    ours = expected(CANONICAL, time, events, duration)
    for column, onset in zip(ours.T, onsets, strict=True):
        theirs, _ = compute_regressor(
            np.array([[onset], [duration], [1]]), "spm", time, oversampling=150
        )
        np.testing.assert_allclose(column, theirs[:, 0] / theirs.max() * column.max(), atol=0.02)


def test_the_library_is_spread_over_peaks_and_widths() -> None:
    lag = np.arange(0, 40, 0.01)
    shapes = np.stack([one.after(lag, 0.1) / one.height(0.1) for one in LIBRARY])
    assert len(LIBRARY) == 20
    np.testing.assert_allclose(shapes.max(axis=1), 1, atol=1e-3)
    peaks = lag[shapes.argmax(axis=1)]
    np.testing.assert_allclose(peaks[:10], np.arange(2.5, 7.1, 0.5), atol=0.1)
    np.testing.assert_allclose(peaks[10:], np.arange(2.5, 7.1, 0.5), atol=0.1)
    widths = (shapes > 0.5).sum(axis=1) * 0.01
    assert (widths[10:] > widths[:10] + 1).all()
    assert not shapes[:, lag < 1e-6].any()


def test_a_trial_of_the_usual_length_peaks_at_one() -> None:
    time = np.arange(0, 60, 0.05)
    events = [Event(5.0, 0.5, "x", "", "x"), Event(5.0, 1.0, "x", "", "x")]
    columns = expected(LIBRARY[4], time, events, 0.5)
    np.testing.assert_allclose(columns.max(axis=0), [1, 2], rtol=0.05)
    assert not columns[time <= 5].any()
    assert not expected(LIBRARY[4], time, [Event(70.0, 0.5, "x", "", "x")], 0.5).any()
