"""Contrastive networks find planted items, no worse than a linear oracle, and nothing in noise."""

import numpy as np
import pytest

from tristream.decode.contrastive import ContrastiveDecoder
from tristream.decode.feature_decoder import FeatureDecoder
from tristream.decode.identification import identify

TRAIN, TEST, UNITS, VOXELS, RUNS = 400, 60, 24, 120, 8
RUN = np.repeat(np.arange(RUNS), TRAIN // RUNS)


def planted(seed=0, noise=4.0):
    """Responses that are linear in features, white noise, and the best linear decoder of them."""
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((TRAIN + TEST, UNITS))
    weights = rng.standard_normal((UNITS, VOXELS)) / UNITS**0.5
    x = y @ weights + noise * rng.standard_normal((TRAIN + TEST, VOXELS))
    # The posterior mean of features, given the true weights and variances.
    oracle = np.linalg.solve(weights @ weights.T + noise**2 * np.eye(UNITS), weights)
    return x, y, x @ oracle.T


def pairwise(predicted, y, **how):
    return identify(predicted[-TEST:], y[-TEST:], ways=(), **how).pairwise


@pytest.mark.parametrize("how", [{}, {"loss": "siglip", "mixco": False, "hidden": 0}])
def test_planted_items_are_found_as_by_the_oracle(how):
    x, y, best = planted()
    decoder = ContrastiveDecoder(device="cpu", **how).fit(x[:TRAIN], y[:TRAIN], RUN)
    found = pairwise(decoder.predict(x), y)
    oracle = pairwise(best, y, permutations=0).value
    assert 0.85 < oracle < 0.97
    assert found.p < 1e-3
    # Of 400 samples weights can't be those of the oracle: no more than .02 below ridge regression
    # with the penalty that suits the test items best, and three quarters of the oracle.
    ridge = (
        FeatureDecoder(None, alpha, device="cpu").fit(x[:TRAIN], y[:TRAIN]).predict(x)
        for alpha in (10.0, 100.0, 1000.0, 1e4)
    )
    assert found.value > max(pairwise(one, y, permutations=0).value for one in ridge) - 0.02
    assert found.value - 0.5 > 0.75 * (oracle - 0.5)


def test_a_network_learns_what_ridge_regression_cannot():
    # Features are even functions of what drives the voxels, and so uncorrelated with these.
    rng = np.random.default_rng(2)
    hidden = rng.standard_normal((TRAIN * 2 + TEST, 6))
    y = np.abs(hidden) @ rng.standard_normal((6, UNITS))
    x = hidden + 0.05 * rng.standard_normal(hidden.shape)
    run = np.repeat(np.arange(RUNS), TRAIN * 2 // RUNS)
    how = {"learning_rate": 1e-2, "epochs": 15, "dropout": 0.0, "seeds": 1, "device": "cpu"}
    decoder = ContrastiveDecoder(**how).fit(x[:-TEST], y[:-TEST], run)
    (member,) = decoder.members_
    assert member.epoch > 0
    assert pairwise(decoder.predict(x), y).value > 0.8
    linear = ContrastiveDecoder(**how, hidden=0).fit(x[:-TEST], y[:-TEST], run)
    assert pairwise(linear.predict(x), y).value < 0.65


def test_noise_lies_inside_the_interval_of_permuted_items():
    inside, values = 0, []
    for seed in range(8):
        x, y, _ = planted(seed)
        x = np.random.default_rng(seed + 100).standard_normal(x.shape)
        decoder = ContrastiveDecoder(device="cpu", seeds=1).fit(x[:TRAIN], y[:TRAIN], RUN)
        found = pairwise(decoder.predict(x), y, permutations=400)
        inside += found.low <= found.value <= found.high
        values.append(found.value - found.chance)
    # 95 % of 8: fewer than 5 come once in 2,600 times.
    assert inside >= 5
    assert abs(np.mean(values)) < 4 * np.std(values, ddof=1) / 8**0.5


def test_a_network_that_test_runs_end_is_better_on_noise():
    """What the estimator makes impossible would show: `fit` has no argument for test samples."""
    rng = np.random.default_rng(7)
    honest, leaky = [], []
    for seed in range(6):
        x, y = rng.standard_normal((80, 40)), rng.standard_normal((80, 5))
        run = np.repeat(np.arange(4), 20)
        how = {"learning_rate": 3e-2, "epochs": 25, "patience": 25, "hidden": 16}
        how |= {"seeds": 1, "device": "cpu", "seed": seed}
        decoder = ContrastiveDecoder(**how)
        decoder.fit(x, y, run)
        (ended,) = decoder.members_
        kept, other = run == ended.left_out, run == (ended.left_out + 1) % 4
        decoder.fit(x[~other], y[~other], run[~other])
        leaky.append(identify(decoder.predict(x[kept]), y[kept], permutations=0).pairwise.value)
        honest.append(identify(decoder.predict(x[other]), y[other], permutations=0).pairwise.value)
    assert np.mean(leaky) > np.mean(honest) + 0.03


def test_the_run_that_ends_training_lends_no_items():
    x, y, _ = planted()
    x, y, run = x[:TRAIN].copy(), y[:TRAIN].copy(), RUN
    y[run == 1] = y[run == 0]
    how = {"device": "cpu", "epochs": 4, "seeds": RUNS}
    decoder = ContrastiveDecoder(**how).fit(x, y, run)
    assert sorted(member.left_out for member in decoder.members_) == list(range(RUNS))
    # Responses of run 1 in another order: only networks that train on it change.
    order = np.arange(TRAIN)
    order[run == 1] = np.random.default_rng(0).permutation(order[run == 1])
    moved = ContrastiveDecoder(**how).fit(x[order], y, run)
    for one, other in zip(decoder.members_, moved.members_, strict=True):
        changed = max(abs(a - b) for a, b in zip(one.losses, other.losses, strict=False))
        assert (changed < 1e-4) == (one.left_out == 0)


def test_runs_that_repeat_the_same_items_end_training_by_a_fifth_of_them():
    rng = np.random.default_rng(4)
    y = rng.standard_normal((50 + TEST, UNITS))
    shown = np.r_[np.tile(np.arange(50), RUNS), 50 + np.arange(TEST)]
    x = y[shown] @ rng.standard_normal((UNITS, VOXELS)) / UNITS**0.5
    x += 2 * rng.standard_normal(x.shape)
    decoder = ContrastiveDecoder(device="cpu", epochs=3).fit(x[:TRAIN], y[shown[:TRAIN]], RUN)
    assert pairwise(decoder.predict(x[TRAIN:]), y).value > 0.8
    # Were they trained, they would be found without error: 10 items, log 10 at chance.
    assert all(member.losses[0] > 0.2 for member in decoder.members_)


def test_the_seed_decides_and_nothing_else():
    x, y, _ = planted(noise=2.0)
    how = {"device": "cpu", "epochs": 6, "seeds": 2}
    one, same = (ContrastiveDecoder(**how).fit(x[:TRAIN], y[:TRAIN], RUN) for _ in range(2))
    other = ContrastiveDecoder(**how, seed=1).fit(x[:TRAIN], y[:TRAIN], RUN)
    assert np.array_equal(one.predict(x), same.predict(x))
    assert not np.array_equal(one.predict(x), other.predict(x))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y, run: (x, y, run * 0), "one training run"),
        (lambda x, y, run: (x, y[run], run), "shows one item alone"),
        (lambda x, y, run: (x, y[:, :1], run), "one unit"),
        (lambda x, y, run: (x * np.nan, y, run), "no column is finite"),
        (lambda x, y, run: (x * 0 + 0.1, y, run), "no voxel varies"),
        (lambda x, y, run: (x, y, run[:9]), "9 runs are given for 400"),
    ],
)
def test_faults_are_one_readable_line(change, message):
    x, y, _ = planted()
    with pytest.raises(ValueError, match=message) as caught:
        ContrastiveDecoder(device="cpu").fit(*change(x[:TRAIN], y[:TRAIN], RUN))
    assert "\n" not in str(caught.value)
