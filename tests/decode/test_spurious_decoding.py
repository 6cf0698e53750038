"""The audit names designs in which identification needs no brain."""

import numpy as np
import pytest

from tristream.decode.identification import identify
from tristream.decode.spurious_decoding import audit, dimensions


def clustered(rng, shared=True):
    """Test and training items of the same tight categories, or of different ones."""
    centres = rng.standard_normal((16, 40))
    names = np.array([f"c{k}" for k in range(16)])
    own, others = np.arange(8).repeat(2), np.arange(8).repeat(10) + (0 if shared else 8)
    true = centres[own] + 0.2 * rng.standard_normal((16, 40))
    training = centres[others] + 0.2 * rng.standard_normal((80, 40))
    return true, training, names[own], names[others]


def test_shared_categories_identify_without_features_of_items():
    rng = np.random.default_rng(0)
    true, training, own, others = clustered(rng)
    found = audit(true, true, training, categories=own, training_categories=others)
    assert found.shared_categories == 1
    assert found.category is not None
    assert found.category.pairwise > 0.9
    # A decoder that knows the category alone looks as good.
    means = np.array([training[others == category].mean(0) for category in own])
    assert identify(means, true).pairwise.value == pytest.approx(found.category.pairwise)
    assert identify(means, true).pairwise.p < 0.001


def test_unshared_categories_give_nothing_away():
    true, training, own, others = clustered(np.random.default_rng(0), shared=False)
    found = audit(true, true, training, categories=own, training_categories=others)
    assert found.shared_categories == 0
    assert found.category is None
    assert found.mean.pairwise == pytest.approx(0.5)
    assert found.drawn.low < 0.5 < found.drawn.high
    assert np.isnan(audit(true, true, training).shared_categories)


def test_what_ignores_the_brain_scores_where_others_are_unlike_the_test_items():
    rng = np.random.default_rng(0)
    base = rng.standard_normal(30)
    true, training = (base + 0.5 * rng.standard_normal((n, 30)) for n in (10, 60))
    found = audit(true, true, training, others=rng.standard_normal((90, 30)))
    assert found.mean.pairwise > 0.9
    assert found.drawn.pairwise > 0.9


def test_dimensions_of_known_covariances():
    rng = np.random.default_rng(0)
    flat = np.linalg.qr(rng.standard_normal((400, 10)))[0]
    flat -= flat.mean(0)
    assert dimensions(flat) == pytest.approx(10, abs=0.2)
    assert dimensions(np.outer(rng.standard_normal(50), rng.standard_normal(20))) == pytest.approx(
        1
    )
    assert dimensions(np.ones((5, 3))) == 0


def test_collapsed_predictions_show():
    rng = np.random.default_rng(0)
    true = rng.standard_normal((30, 50))
    collapsed = true[:, :1] @ rng.standard_normal((1, 50))
    found = audit(collapsed, true, rng.standard_normal((20, 50)))
    assert found.dimensions_predicted == pytest.approx(1)
    assert found.dimensions_true > 15


def test_what_nothing_was_learned_from_is_refused():
    true, training, _, _ = clustered(np.random.default_rng(0))
    allowed = np.ones((16, 80), bool)
    allowed[3] = False
    with pytest.raises(ValueError, match="test item 3 was fitted to none"):
        audit(true, true, training, allowed=allowed)
    training[0, 0] = np.nan
    with pytest.raises(ValueError, match="training holds NaN"):
        audit(true, true, training)
