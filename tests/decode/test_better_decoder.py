"""The better decoder of each unit is chosen in left-out training runs, which no fit has seen."""

import re

import numpy as np
import pytest

from tristream.decode.banded_decoder import BandedFeatureDecoder
from tristream.decode.better_decoder import BetterDecoder
from tristream.decode.feature_decoder import FeatureDecoder
from tristream.decode.identification import identify

TRAINED = 120
RUNS = np.arange(TRAINED) // 20


def held_out(predicted, y):
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.T, y.T, strict=True)])


def of_regions(seed: int = 0, per: int = 80, units: int = 12):
    """A third of the units drives all voxels of a region."""
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((TRAINED + 80, units))
    x = 2 * units**0.5 * rng.standard_normal((TRAINED + 80, 3 * per))
    for b in range(3):
        own = y[:, b::3]
        x[:, b * per : b * per + per] += own @ rng.standard_normal((own.shape[1], per))
    return x, y


def scattered(seed: int = 0, per: int = 300, units: int = 12):
    """A unit drives four voxels, wherever they are."""
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((TRAINED + 80, units))
    x = rng.standard_normal((TRAINED + 80, 3 * per))
    for unit in range(units):
        x[:, rng.choice(3 * per, 4, replace=False)] += y[:, [unit]]
    return x, y


def decoder(x, voxels: int = 40, memory: int = 1 << 30):
    third = x.shape[1] // 3
    bands = {f"r{b}": np.arange(b * third, (b + 1) * third) for b in range(3)}
    plain = FeatureDecoder(voxels=voxels, alpha=30.0, device="cpu")
    banded = BandedFeatureDecoder(bands, candidates=8, device="cpu")
    return BetterDecoder(plain, banded, memory=memory)


@pytest.mark.parametrize(
    ("make", "voxels", "banded"), [(of_regions, 40, True), (scattered, 5, False)]
)
def test_each_case_takes_the_decoder_that_fits_it(make, voxels, banded):
    x, y = make()
    found = decoder(x, voxels).fit(x[:TRAINED], y[:TRAINED], RUNS)
    assert (found.banded_ == banded).mean() > 0.9
    scores = [
        held_out(one.predict(x[TRAINED:]), y[TRAINED:]).mean()
        for one in (found.plain_decoder_, found.banded_decoder_, found)
    ]
    assert scores[2] > max(scores[:2]) - 0.01
    assert (scores[1] > scores[0] + 0.03) == banded


def test_units_of_both_kinds_are_better_than_either_alone():
    (first, units), (second, others) = of_regions(per=60), scattered(1, per=60)
    x, y = np.hstack([first, second]), np.hstack([units, others])
    order = np.r_[0:60, 180:240, 60:120, 240:300, 120:180, 300:360]
    x = x[:, order]
    found = decoder(x, 5).fit(x[:TRAINED], y[:TRAINED], RUNS)
    scores = [
        held_out(one.predict(x[TRAINED:]), y[TRAINED:]).mean()
        for one in (found.plain_decoder_, found.banded_decoder_, found)
    ]
    assert scores[2] > max(scores[:2])
    assert found.banded_[:12].mean() > found.banded_[12:].mean() + 0.5


def test_predictions_are_those_of_the_chosen_decoder():
    x, y = of_regions()
    found = decoder(x).fit(x[:TRAINED], y[:TRAINED], RUNS)
    found.banded_ = np.arange(12) % 2 == 0
    predicted = found.predict(x[TRAINED:])
    plain, banded = (
        one.predict(x[TRAINED:]) for one in (found.plain_decoder_, found.banded_decoder_)
    )
    assert np.array_equal(predicted[:, ::2], banded[:, ::2])
    assert np.array_equal(predicted[:, 1::2], plain[:, 1::2])
    alone = decoder(x).plain.fit(x[:TRAINED], y[:TRAINED])
    assert np.allclose(plain, alone.predict(x[TRAINED:]), atol=1e-5)


def test_chunks_and_memory_maps_change_nothing(tmp_path):
    x, y = of_regions()
    whole = decoder(x).fit(x[:TRAINED], y[:TRAINED], RUNS)
    path = tmp_path / "y.npy"
    np.save(path, y[:TRAINED])
    parts = decoder(x, memory=4 * 8 * TRAINED * 5)
    parts = parts.fit(x[:TRAINED], np.load(path, mmap_mode="r"), RUNS)
    assert len(list(parts.predict_units(x))) > 1
    assert np.allclose(parts.scores_, whole.scores_, atol=1e-5)
    assert np.allclose(parts.predict(x), whole.predict(x), atol=1e-5)


def test_the_choice_never_fits_what_is_left_out(monkeypatch):
    """Each sample's number is its last voxel, which both decoders are seen to get."""
    x, y = of_regions()
    x[:TRAINED, -1] = np.arange(TRAINED)
    seen = {"plain": [], "banded": []}
    for name, kind in (("plain", FeatureDecoder), ("banded", BandedFeatureDecoder)):
        fit, units = kind.fit, kind.predict_units

        def fitted(self, X, y, runs=None, fit=fit, name=name):
            seen[name].append(["fit", set(X[:, -1]), set(np.asarray(y)[:, 0])])
            return fit(self, X, y, runs)

        def predicted(self, X, units=units, name=name):
            seen[name].append(["predict", set(X[:, -1]), set()])
            return units(self, X)

        monkeypatch.setattr(kind, "fit", fitted)
        monkeypatch.setattr(kind, "predict_units", predicted)
    found = decoder(x).fit(x[:TRAINED], y[:TRAINED], RUNS)
    every = set(range(TRAINED))
    for calls in seen.values():
        assert [what for what, *_ in calls] == ["fit", "predict"] * 5 + ["fit"]
        for (_, trained, targets), (_, tested, _) in zip(calls[:10:2], calls[1:10:2], strict=True):
            assert trained | tested == every
            assert not trained & tested
            # Whole runs, and targets of the same samples.
            assert len({RUNS[int(k)] for k in tested} & {RUNS[int(k)] for k in trained}) == 0
            assert targets == {y[int(k), 0] for k in trained}
        assert calls[-1][1] == every
    assert found.groups_ == 5


def test_test_samples_change_nothing():
    x, y = of_regions()
    found = decoder(x).fit(x[:TRAINED], y[:TRAINED], RUNS)
    alone = found.predict(x[TRAINED : TRAINED + 1])
    assert np.allclose(found.predict(x[TRAINED:])[:1], alone)


def test_units_that_were_permuted_are_not_decoded():
    x, y = of_regions(units=60)
    y = np.random.default_rng(3).permutation(y)
    found = decoder(x).fit(x[:TRAINED], y[:TRAINED], RUNS)
    assert abs(held_out(found.predict(x[TRAINED:]), y[TRAINED:]).mean()) < 0.05
    assert abs(found.scores_.mean()) < 0.05
    assert 0.25 < found.banded_.mean() < 0.75


def test_items_of_noise_are_identified_at_the_rate_of_chance():
    """p of at most .05 in one of twenty data sets, though each chooses its decoder by its data."""
    p = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x, y = rng.standard_normal((60, 30)), rng.standard_normal((60, 6))
        bands = {"V1": np.arange(15), "LOC": np.arange(15, 30)}
        plain = FeatureDecoder(voxels=10, device="cpu")
        banded = BandedFeatureDecoder(bands, alphas=[1, 100], candidates=3, device="cpu")
        found = BetterDecoder(plain, banded).fit(x[:45], y[:45], np.arange(45) // 15)
        p.append(identify(found.predict(x[45:]), y[45:], permutations=999).pairwise.p)
    # Of 60 with a probability of .05 more than 8 are found once in 300 times.
    assert (np.array(p) <= 0.05).sum() <= 8
    assert 0.35 < np.mean(p) < 0.65


def test_a_unit_without_score_takes_the_plain_decoder():
    x, y = of_regions()
    y[:TRAINED, 0] = 3.0
    found = decoder(x).fit(x[:TRAINED], y[:TRAINED], RUNS)
    assert not found.banded_[0]
    assert np.allclose(found.predict(x)[:, 0], 3.0)


def test_a_vector_stays_one():
    x, y = of_regions()
    found = decoder(x).fit(x[:TRAINED], y[:TRAINED, 0], RUNS)
    assert found.predict(x[TRAINED:]).shape == (80,)
    assert found.banded_.shape == (1,)


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        (RUNS // 3, "of 2 training run(s); a choice nested in training runs needs 3"),
        (None, "give `runs`, the run of each sample"),
    ],
)
def test_faults_are_one_readable_line(runs, message):
    x, y = of_regions()
    with pytest.raises(ValueError, match=re.escape(message)):
        decoder(x).fit(x[:TRAINED], y[:TRAINED], runs)
