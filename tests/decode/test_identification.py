"""Identification has known answers, and its null rejects as often as it says."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import binom, spearmanr

from tristream.decode.feature_decoder import FeatureDecoder, average_showings
from tristream.decode.identification import identified, identify, profile_correlation, similarity
from tristream.decode.item_exchange import IN_TURN, all_exchange, item_exchange, matched

SIMILAR = np.array([[0.9, 0.1, 0.2, 0.3], [0.5, 0.4, 0.6, 0.1], [0.2, 0.2, 0.2, 0.9]])
"""Three items among four candidates: best of all, third, tied worst."""


def test_scores_are_those_of_all_candidate_sets_by_hand():
    found = identified(SIMILAR, ways=(2, 3), permutations=0)
    assert np.allclose(found.score, [1, 1 / 3, 1 / 3])
    assert np.allclose(found.rank, [1, 3, 3])
    for n, value in found.ways.items():
        total = []
        for item, row in enumerate(SIMILAR):
            wrong = [c for c in range(4) if c != item]
            for others in combinations(wrong, n - 1):
                rivals = row[list(others)]
                best = not (rivals > row[item]).any()
                total.append(best / (1 + (rivals == row[item]).sum()))
        assert value.value == pytest.approx(np.mean(total))
    assert found.candidates == 4
    assert sorted(found.ways) == [2, 3, 4]
    assert found.ways[2].value == pytest.approx(found.pairwise.value)


def test_true_features_are_all_identified_and_equal_ones_are_at_chance():
    rng = np.random.default_rng(0)
    true, others = rng.standard_normal((12, 30)), rng.standard_normal((40, 30))
    found = identify(true, true, others)
    assert found.pairwise.value == 1
    assert found.ways[52].value == 1
    assert found.pairwise.p < 0.001
    same = identify(np.ones_like(true), true, others)
    assert same.pairwise.value == pytest.approx(0.5)
    assert same.ways[10].value == pytest.approx(0.1)


def test_larger_candidate_sets_are_harder():
    rng = np.random.default_rng(0)
    true, others = rng.standard_normal((30, 20)), rng.standard_normal((500, 20))
    found = identify(true + 2 * rng.standard_normal(true.shape), true, others)
    values = [found.ways[n].value for n in sorted(found.ways)]
    chances = [found.ways[n].chance for n in sorted(found.ways)]
    assert (np.diff(values) < 0).all()
    assert (np.diff(chances) < 0).all()
    assert values[-1] > chances[-1]


def test_chance_is_measured_where_others_are_unlike_what_was_shown():
    """Predictions near the centre of what is shown: others are never like them."""
    rng = np.random.default_rng(0)
    base = rng.standard_normal(20)
    true = base + 0.3 * rng.standard_normal((20, 20))
    predicted = base + 0.3 * rng.standard_normal((20, 20))
    found = identify(predicted, true, rng.standard_normal((60, 20)))
    assert found.pairwise.value > 0.8
    assert found.pairwise.p > 0.05
    assert found.pairwise.low < found.pairwise.value < found.pairwise.high


def test_items_change_identity_with_those_of_the_same_runs():
    exchange = item_exchange([np.array([0, 1, 2, 2]), np.array([3, 4, 5]), np.array([0, 1])])
    orders = exchange.sources(exchange.draw(0, 500, 0), 0, 6)
    assert {tuple(row[:2]) for row in orders} == {(0, 1), (1, 0)}
    assert (orders[:, 2] == 2).all()
    assert {frozenset(row[3:].tolist()) for row in orders} == {frozenset({3, 4, 5})}
    assert exchange.distinct == 12
    refused = matched(np.eye(6), exchange)
    assert refused.p is None
    assert "12 distinct" in refused.refusal
    assert refused.value == 1
    # Two of two, the one that can't move, and three of three: chance is known all the same.
    assert refused.chance == pytest.approx((2 / 2 + 1 + 3 / 3) / 6, abs=0.01)


def test_mean_profile_correlation_under_permutation_is_that_of_moved_items():
    rng = np.random.default_rng(0)
    true = rng.standard_normal((9, 5))
    predicted = true + rng.standard_normal(true.shape)
    predicted[:, 4] = 1.0
    units, mean = profile_correlation(predicted, true, permutations=50)
    byhand = [np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.T[:4], true.T[:4], strict=True)]
    assert np.allclose(units[:4], byhand)
    assert np.isnan(units[4])
    assert mean.value == pytest.approx(np.mean(byhand))
    exchange = all_exchange(9)
    order = exchange.sources(exchange.draw(0, 50, 0), 0, 9)
    for moved, value in zip(order[:5], mean.null[:5], strict=True):
        r = [
            np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.T[:4], true[moved].T[:4], strict=True)
        ]
        assert value == pytest.approx(np.mean(r))


def test_an_encoder_identifies_what_was_seen():
    """Kay et al. (2008): the measured pattern beside those predicted for each candidate."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((10, 60))
    shown, never = rng.standard_normal((20, 10)), rng.standard_normal((200, 10))
    measured = shown @ weights + 3 * rng.standard_normal((20, 60))
    found = identify(measured, shown @ weights, never @ weights)
    assert found.ways[220].value > 0.5
    assert found.ways[220].p < 0.001
    noise = identify(rng.standard_normal((20, 60)), shown @ weights, never @ weights)
    assert noise.pairwise.low < noise.pairwise.value < noise.pairwise.high


def noise_study(rng, train=40, items=12, voxels=300, units=12):
    """No voxel knows anything; each test item is shown once."""
    x, y = rng.standard_normal((train + items, voxels)), rng.standard_normal((train + items, units))
    return x, y, slice(0, train), slice(train, None)


def leaky_predictions(x, y, train, test):
    """Voxels are ranked on all rows, then everything is done as it should be."""
    out = np.empty_like(y[test])
    for unit in range(y.shape[1]):
        r = np.abs([np.corrcoef(voxel, y[:, unit])[0, 1] for voxel in x.T])
        chosen = np.argsort(r)[-10:]
        decoder = FeatureDecoder(voxels=None, alpha=10.0).fit(x[train][:, chosen], y[train, unit])
        out[:, unit] = decoder.predict(x[test][:, chosen])
    return out


def test_noise_is_rejected_at_its_level_and_voxels_ranked_on_all_rows_are_caught():
    repeats, leaky = 200, 20
    rejected, inside, fooled, honest = 0, 0, 0, []
    for repeat in range(repeats):
        x, y, train, test = noise_study(np.random.default_rng(repeat))
        decoder = FeatureDecoder(voxels=10, alpha=10.0).fit(x[train], y[train])
        found = identify(decoder.predict(x[test]), y[test], permutations=999, seed=repeat)
        rejected += found.pairwise.p <= 0.05
        inside += found.pairwise.low <= found.pairwise.value <= found.pairwise.high
        honest.append(found.pairwise.chance)
        if repeat < leaky:
            wrong = identify(leaky_predictions(x, y, train, test), y[test], permutations=999)
            fooled += wrong.pairwise.p <= 0.05
    low, high = binom.ppf([0.005, 0.995], repeats, 0.05)
    assert low <= rejected <= high
    assert binom.ppf(0.005, repeats, 0.95) <= inside
    assert np.mean(honest) == pytest.approx(0.5, abs=0.01)
    assert fooled >= 0.6 * leaky


def run_decoded(x, y, train, test):
    """A run predicted by ridge regression on the others."""
    mean_x, mean_y = x[train].mean(0), y[train].mean(0)
    kernel = (x[train] - mean_x) @ (x[train] - mean_x).T + 10 * np.eye(train.sum())
    dual = np.linalg.solve(kernel, y[train] - mean_y)
    return (x[test] - mean_x) @ (x[train] - mean_x).T @ dual + mean_y


def test_runs_left_out_in_turn_have_no_p_as_permuting_without_fitting_again_rejects_too_often():
    repeats, items = 150, 8
    run = np.repeat(np.arange(6), items)
    exchange = item_exchange([np.flatnonzero(run == one) for one in range(6)])
    rejected = {"in turn": 0, "for good": 0}
    for repeat in range(repeats):
        rng = np.random.default_rng(repeat)
        x, y = rng.standard_normal((len(run), 100)), rng.standard_normal((len(run), 40))
        folds = [run_decoded(x, y, run != one, run == one) for one in range(6)]
        predicted, null = np.concatenate(folds), {"permutations": 299, "seed": repeat}
        # The old rule, as if what each run trained had stayed.
        old = profile_correlation(predicted, y, exchange, **null)[1]
        held = profile_correlation(folds[0], y[run == 0], **null)[1]
        rejected["in turn"] += old.p <= 0.05
        rejected["for good"] += held.p <= 0.05
    low, high = binom.ppf([0.005, 0.995], repeats, 0.05)
    assert rejected["in turn"] > high
    assert low <= rejected["for good"] <= high
    found = identify(predicted, y, None, (2, 5), exchange, **null, in_turn=True)
    profile = profile_correlation(predicted, y, exchange, **null, in_turn=True)[1]
    for one in (found.pairwise, found.top5, *found.ways.values(), profile):
        assert one.p is None
        assert one.refusal == IN_TURN
        assert np.isnan([one.low, one.high]).all()
        assert len(one.null) == 0
    usual = identify(predicted, y, None, (2, 5), exchange, **null)
    assert (profile.value, profile.chance) == (old.value, old.chance)
    for n, one in usual.ways.items():
        assert (found.ways[n].value, found.ways[n].chance) == (one.value, one.chance)


def test_candidates_of_a_run_are_identified_as_if_there_were_no_other_run():
    rng = np.random.default_rng(0)
    run = np.repeat([0, 1], [6, 9])
    true, others = rng.standard_normal((15, 8)), rng.standard_normal((4, 8))
    predicted = true + rng.standard_normal(true.shape)
    among = np.hstack([run[:, None] == run, np.ones((15, 4), bool)])
    found = identify(predicted, true, others, (2, 5), permutations=0, among=among)
    alone = [
        identify(predicted[run == one], true[run == one], others, (2, 5, 10), permutations=0)
        for one in (0, 1)
    ]
    assert np.allclose(found.score, np.concatenate([one.score for one in alone]))
    assert np.allclose(found.rank, np.concatenate([one.rank for one in alone]))
    assert found.candidates == 10
    assert sorted(found.ways) == [2, 5, 10]
    for n in (2, 5, 10):
        mean = (6 * alone[0].ways[n].value + 9 * alone[1].ways[n].value) / 15
        assert found.ways[n].value == pytest.approx(mean)
    top5 = (6 * alone[0].top5.value + 9 * alone[1].top5.value) / 15
    assert found.top5.value == pytest.approx(top5)
    with pytest.raises(ValueError, match="no candidate but itself"):
        identify(predicted, true, permutations=0, among=np.eye(15, dtype=bool))


def test_the_planted_order_of_layers_and_regions_comes_back():
    rng = np.random.default_rng(3)
    count, train, items, showings = 6, 160, 20, 4
    shown = np.r_[np.arange(train), np.repeat(np.arange(train, train + items), showings)]
    # Each layer is a noisy function of the one before it.
    layers = [rng.standard_normal((train + items, 40))]
    for _ in range(count - 1):
        step = np.linalg.qr(rng.standard_normal((40, 40)))[0]
        layers.append(0.7 * layers[-1] @ step + 0.7 * rng.standard_normal((train + items, 40)))
    best = []
    for region in range(count):
        x = layers[region][shown] @ rng.standard_normal((40, 100)) / 40**0.5
        x += 0.8 * rng.standard_normal(x.shape)
        means = []
        for layer in layers:
            decoder = FeatureDecoder(voxels=60, alpha=30.0).fit(x[:train], layer[:train])
            predicted, _ = average_showings(decoder.predict(x[train:]), shown[train:])
            means.append(profile_correlation(predicted, layer[train:], permutations=0)[1].value)
        best.append(int(np.argmax(means)))
    assert np.abs(np.array(best) - np.arange(count)).max() <= 1
    assert spearmanr(best, np.arange(count)).statistic >= 0.9


def test_similarity_is_a_correlation():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((3, 20)), rng.standard_normal((4, 20))
    assert np.allclose(similarity(a, b), np.corrcoef(a, b)[:3, 3:])


@pytest.mark.parametrize(
    ("predicted", "true", "others", "message"),
    [
        (np.ones((3, 2)), np.ones((4, 2)), None, "different items or units"),
        (np.ones((1, 2)), np.ones((1, 2)), None, "one item"),
        (np.full((3, 2), np.nan), np.ones((3, 2)), None, "not finite"),
        (np.ones((3, 2)), np.ones((3, 2)), np.ones((3, 5)), "have 2 units"),
        (np.ones((3, 2)), np.ones((3, 2)), [[1.0]], "have 2 units"),
        (np.ones((3, 1)), np.ones((3, 1)), None, "have one unit"),
    ],
)
def test_faulty_features_are_refused(predicted, true, others, message):
    with pytest.raises(ValueError, match=message):
        identify(predicted, true, others)
