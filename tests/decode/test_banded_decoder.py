"""Banded ridge regression of units is that of the encoders' estimator, whatever the chunks."""

import re

import numpy as np
import pytest

from tristream.decode.banded_decoder import ALPHAS, CANDIDATES, BandedFeatureDecoder, run_groups
from tristream.encode.estimators import BandedRidgeCV

RUNS = np.arange(90) // 15
BANDS = {"V1": np.arange(20), "V2": np.arange(15, 35), "LOC": np.arange(35, 60)}


def planted(units: int = 9, noise: float = 1.0, seed: int = 0):
    """Units in turn drive the first, the second and the third band; 90 samples, and 60 new."""
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((150, units)) * rng.uniform(0.5, 3, units) + 4
    x = noise * units**0.5 * rng.standard_normal((150, 60)) + 7
    for b, own in enumerate(np.split(np.arange(60), [20, 35])):
        mine = y[:, b::3]
        x[:, own] += mine @ rng.standard_normal((mine.shape[1], len(own)))
    return x, y


def decoder(**options):
    return BandedFeatureDecoder(**{"bands": BANDS, "device": "cpu", **options})


@pytest.mark.parametrize("score", ["r2", "correlation"])
@pytest.mark.filterwarnings("ignore::tristream.encode.estimators.GridEdgeWarning")
def test_it_is_the_estimator_of_the_encoders_on_z_scored_arrays(score):
    x, y = planted()
    found = decoder(score=score).fit(x[:90], y[:90], RUNS)
    z = (x - x[:90].mean(0)) / x[:90].std(0, ddof=1)
    mean, scale = y[:90].mean(0), y[:90].std(0, ddof=1)
    groups = RUNS * 5 // 6
    bands = [z[:, own] for own in BANDS.values()]
    direct = BandedRidgeCV(
        alphas=ALPHAS,
        candidates=CANDIDATES,
        kernel="linear",
        score_func=score,
        solver="exact",
        select="best",
        device="cpu",
    ).fit([one[:90] for one in bands], (y[:90] - mean) / scale, runs=groups)
    expected = direct.predict([one[90:] for one in bands]) * scale + mean
    assert np.abs(found.predict(x[90:]) - expected).max() < 1e-5
    assert np.allclose(found.gamma_, direct.gamma_)
    assert np.allclose(found.alpha_, direct.alpha_)
    assert np.allclose(found.cv_, direct.cv_, atol=1e-8)
    assert (found.folds_, found.weightings_) == (5, CANDIDATES)


def test_one_weighting_is_ridge_regression_by_hand():
    """Overlapping bands count twice where they overlap; the penalty is one."""
    x, y = planted()
    weights = np.array([[0.2, 0.3, 0.5]])
    found = decoder(candidates=weights, alphas=[3.0]).fit(x[:90], y[:90], RUNS)
    z = (x - found.x_mean_) / found.x_scale_
    bands = zip(BANDS.values(), weights[0], strict=True)
    wide = np.hstack([z[:, own] * weight**0.5 for own, weight in bands])
    old, new = wide[:90], wide[90:]
    target = (y[:90] - found.y_mean_) / found.y_scale_
    beta = np.linalg.solve(old.T @ old + 3 * np.eye(old.shape[1]), old.T @ target)
    expected = new @ beta * found.y_scale_ + found.y_mean_
    assert np.abs(found.predict(x[90:]) - expected).max() < 1e-5


def test_the_band_that_a_unit_drives_has_the_weight():
    x, y = planted(noise=0.5)
    apart = dict(zip(BANDS, np.split(np.arange(60), [20, 35]), strict=True))
    found = decoder(bands=apart).fit(x[:90], y[:90], RUNS)
    assert (found.gamma_.argmax(0) == np.arange(9) % 3).all()


def test_chunks_and_memory_maps_change_nothing(tmp_path):
    x, y = planted(units=40)
    whole = decoder().fit(x[:90], y[:90], RUNS)
    path = tmp_path / "y.npy"
    np.save(path, y[:90])
    mapped = np.load(path, mmap_mode="r")
    parts = decoder(memory=90 * 8 * 4 * 2 * 7).fit(x[:90], mapped, RUNS)
    assert len(list(parts.predict_units(x[90:]))) > 3
    assert np.abs(parts.predict(x) - whole.predict(x)).max() < 1e-6
    assert np.allclose(parts.cv_, whole.cv_, atol=1e-9)


def test_voxels_of_no_band_are_not_used_and_a_vector_stays_one():
    x, y = planted()
    bands = {"V1": BANDS["V1"], "V2": np.arange(20, 35)}
    found = decoder(bands=bands).fit(x[:90], y[:90, 0], RUNS)
    other = x.copy()
    other[:, 35:] = np.random.default_rng(9).standard_normal((150, 25))
    assert found.predict(x[90:]).shape == (60,)
    assert np.allclose(found.predict(other), found.predict(x))


def test_constant_voxels_and_units_are_harmless():
    x, y = planted()
    x[:, 3], y[:, 2] = 7.0, 4.0
    assert np.allclose(decoder().fit(x[:90], y[:90], RUNS).predict(x)[:, 2], 4.0)


def test_runs_are_parted_into_five_groups_at_most():
    assert run_groups(np.repeat(list("cab"), 4), 12).tolist() == [2] * 4 + [0] * 4 + [1] * 4
    group = run_groups(np.repeat(np.arange(12), 3), 36)
    assert np.unique(group, return_counts=True)[1].tolist() == [9, 6, 9, 6, 6]


@pytest.mark.parametrize(
    ("bands", "change", "message"),
    [
        (None, None, "bands: 0 given, but banded ridge regression needs two"),
        ({"V1": [0, 1]}, None, "bands: 1 given, but banded ridge regression needs two"),
        ({"V1": [0, 1], "V2": []}, None, "band V2 has no voxels"),
        ({"V1": [0, 1], "V2": [60]}, None, "band V2 has voxel 60, but X has voxels 0 to 59"),
        ({"V1": [-1, 1], "V2": [3]}, None, "band V1 has voxel -1, but X has voxels 0 to 59"),
        ({"V1": [0, 1], "V2": [3]}, "constant", "band V2: no voxel varies over the training"),
        (BANDS, "one run", "of 1 training run(s); a choice in left-out runs needs 2"),
        (BANDS, "no runs", "give `runs`, the run of each sample"),
        (BANDS, "few runs", "89 runs are given for 90 samples"),
        (BANDS, "short", "a group of training runs has 2 samples"),
        (BANDS, "nan", "1 of 60 columns hold values that are not finite"),
    ],
)
def test_faults_are_one_readable_line(bands, change, message):
    x, y = planted()
    x, runs = x[:90].copy(), RUNS
    if change == "constant":
        x[:, 3] = 5.0
    if change == "nan":
        x[4, 3] = np.nan
    given = {
        "one run": np.zeros(90),
        "no runs": None,
        "few runs": RUNS[:89],
        "short": np.arange(90) >= 2,
    }
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        decoder(bands=bands).fit(x, y[:90], given.get(change, runs))
    assert "\n" not in str(caught.value)


def test_new_samples_have_as_many_voxels():
    x, y = planted()
    found = decoder().fit(x[:90], y[:90], RUNS)
    with pytest.raises(ValueError, match="X has 59 voxels, but 60 were fitted"):
        found.predict(x[:, :59])
