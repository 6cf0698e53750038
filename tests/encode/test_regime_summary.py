"""Means over seeds, their standard errors, and gains on the frozen network."""

import numpy as np
import pandas as pd

from tristream.encode.regime_summary import summarise


def test_gains_are_those_of_a_seed_on_its_own_frozen_network():
    frozen, joint = np.array([0.1, 0.3, 0.5]), np.array([0.2, 0.5, 0.5])
    scores = pd.DataFrame(
        {
            "seed": [0, 1, 2] * 2,
            "regime": ["joint"] * 3 + ["frozen"] * 3,
            "brain": [*joint, *frozen],
            "label": [*(1 - joint), *(1 - frozen)],
        }
    )
    found = summarise(scores)
    assert list(found.index) == ["joint", "frozen"]  # as they come
    np.testing.assert_allclose(found["brain"], [0.4, 0.3])
    np.testing.assert_allclose(found["label"], [0.6, 0.7])
    gain = joint - frozen
    np.testing.assert_allclose(found["brain_gain"], [gain.mean(), 0])
    np.testing.assert_allclose(found["label_gain"], [-gain.mean(), 0], atol=1e-12)
    # Gains vary less over seeds than accuracies do.
    np.testing.assert_allclose(found["brain_gain_se"], [gain.std(ddof=1) / 3**0.5, 0])
    np.testing.assert_allclose(found["brain_se"]["frozen"], 0.2 / 3**0.5)
