"""Unique and shared variance: the algebra, the intervals, and what nested fits recover."""

from dataclasses import replace
from itertools import pairwise

import h5py
import numpy as np
import pytest
from scipy import signal

from helpers.encoding_files import encode_settings, model, write_study
from tristream.config.load import Resolved
from tristream.config.settings.encode import EncodeSettings
from tristream.config.settings.partition import PartitionSettings
from tristream.config.study import Study
from tristream.encode.estimators import BandedRidgeCV
from tristream.encode.fit import fit_subject
from tristream.encode.jackknife import Interval, groups_of
from tristream.encode.partition.nested_models import partition_subject
from tristream.encode.partition.partition_file import StoredPartition, read_partition
from tristream.encode.partition.variance import (
    NestedRun,
    Partition,
    commonality,
    partition,
    set_names,
)
from tristream.encode.prediction_scores import split_r2
from tristream.errors import UserError
from tristream.store import open_h5, read_strings


def test_names_of_subsets():
    assert set_names("ab") == ["a", "b", "a+b"]
    assert set_names("abc")[-1] == "a+b+c"
    assert len(set_names("abcd")) == 15


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_coefficients_add_up_and_are_found_again(bands):
    """From known coefficients to the R² of every subset, and back."""
    rng = np.random.default_rng(bands)
    wanted = rng.standard_normal((2**bands - 1, 5))
    base = rng.random(5)
    r2 = np.array(
        [
            base + sum(c for s, c in enumerate(wanted, start=1) if s & subset) if subset else base
            for subset in range(2**bands)
        ]
    )
    found = commonality(r2)
    assert found == pytest.approx(wanted)
    assert found.sum(0) == pytest.approx(r2[-1] - r2[0])
    unique = [r2[-1] - r2[(2**bands - 1) ^ (1 << b)] for b in range(bands)]
    assert found[[(1 << b) - 1 for b in range(bands)]] == pytest.approx(np.array(unique))


def test_two_bands_by_hand():
    r2 = np.array([0.0, 0.3, 0.5, 0.6])
    assert commonality(r2) == pytest.approx([0.1, 0.3, 0.2])


def test_a_subset_that_is_missing_is_refused():
    with pytest.raises(ValueError, match="3 subsets"):
        commonality(np.zeros((3, 2)))


def nested_runs(n=400, voxels=60, seed=0, noise=1.0, memory=0.0):
    """Two orthogonal signals; the prediction of a subset is the sum of its own."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, n, voxels))
    error = signal.lfilter([np.sqrt(1 - memory**2)], [1, -memory], rng.standard_normal(a.shape), 0)
    predictions = np.stack([np.zeros_like(a), a, b, a + b])
    return [NestedRun(a + b + noise * error, predictions)]


def in_blocks(n=400, length=20):
    unit = np.arange(n) // length
    return groups_of("time", [unit], [unit])


def test_values_are_those_of_the_scores_and_intervals_hold_the_truth():
    tests = nested_runs()
    every = np.ones(60, bool)
    found = partition(tests, in_blocks(), {"all": every, "none": ~every})
    y, p = tests[0].y, tests[0].predictions[3]
    y, p = y - y.mean(0), p - p.mean(0)
    assert found.r2[3] == pytest.approx(1 - ((y - p) ** 2).sum(0) / (y**2).sum(0))
    assert found.parts.value.sum(0) == pytest.approx(found.r2[3])
    assert found.means.value[0] == pytest.approx([1 / 3, 1 / 3, 0], abs=0.02)
    assert np.isnan(found.means.value[1]).all()
    assert found.blocks == 20
    # As wide as the spread over voxels, which are independent here.
    assert found.parts.se.mean(1) == pytest.approx(found.parts.value.std(1), rel=0.25)


def bootstrapped(test, n, length, draws=200):
    """What intervals were: percentiles over resampled blocks."""
    rng = np.random.default_rng(0)
    y, p = test.y - test.y.mean(0), test.predictions
    blocks = np.arange(n).reshape(-1, length)
    unique = []
    for _ in range(draws):
        rows = blocks[rng.integers(len(blocks), size=len(blocks))].ravel()
        spread = (y[rows] ** 2).sum(0)
        r2 = [1 - ((y[rows] - one[rows]) ** 2).sum(0) / spread for one in (p[2], p[3])]
        unique.append(r2[1] - r2[0])
    return np.quantile(unique, [0.025, 0.975], axis=0)


@pytest.mark.parametrize(("memory", "blocks"), [(0.0, 8), (0.4, 8), (0.7, 8), (0.4, 30)])
def test_intervals_of_unique_variance_hold_the_truth_and_percentiles_of_few_blocks_do_not(
    memory, blocks
):
    n, inside, old = 10 * blocks, [], []
    for seed in range(40):
        tests = nested_runs(n, 100, seed, memory=memory)
        found = partition(tests, in_blocks(n, 10), {"all": np.ones(100, bool)})
        low, high = found.parts.low[0], found.parts.high[0]
        inside.append(((low <= 1 / 3) & (high >= 1 / 3)).mean())
        if blocks == 8 and seed < 10:
            low, high = bootstrapped(tests[0], n, 10)
            old.append(((low <= 1 / 3) & (high >= 1 / 3)).mean())
    assert 0.925 < np.mean(inside) < 0.975
    assert blocks > 8 or np.mean(old) < 0.92


def test_intervals_do_not_depend_on_chunks():
    every = {"all": np.ones(60, bool)}
    one = partition(nested_runs(), in_blocks(), every)
    two = partition(nested_runs(), in_blocks(), every, chunk=60)
    assert one.means.high == pytest.approx(two.means.high)
    assert one.parts.value == pytest.approx(two.parts.value)


def test_few_blocks_have_no_interval():
    found = partition(nested_runs(n=60), in_blocks(60), {"all": np.ones(60, bool)})
    assert np.isnan(found.parts.low).all()
    assert np.isnan(found.means.high).all()
    assert np.isfinite(found.parts.value).all()


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A fitted model of the planted study, and its inputs."""
    folder = tmp_path_factory.mktemp("nested")
    study = write_study(folder)
    path = folder / "encoding.h5"
    inputs = (study["aligned"], study["bold"], study["samples"])
    fit_subject(encode_settings(model()), "01", *inputs, path)
    return path, inputs


def written(fitted, output, bands=("ventral", "dorsal")):
    path, inputs = fitted
    settings = PartitionSettings(**encode_settings(model()).key(), bands=list(bands))
    partition_subject(settings, path, *inputs, output, code="abc")
    return output


def test_each_band_is_unique_where_it_drives_the_voxel(fitted, tmp_path):
    output = written(fitted, tmp_path / "partition.h5")
    with open_h5(output, "partition") as (file, said), h5py.File(fitted[0]) as encoding:
        assert read_strings(file, "sets") == ["ventral", "dorsal", "ventral+dorsal"]
        assert read_strings(file, "rest") == []
        r2, value = file["r2"][()], file["parts/value"][()]
        test = encoding["test/clip"]
        (best,) = split_r2(test["y"][()], test["picked"][()][None])
        assert r2[3] == pytest.approx(best, abs=1e-5)
        # The model itself predicts by means.
        assert r2[3] != pytest.approx(encoding["scores/r2"][()], abs=1e-3)
        assert file.attrs["picked"]
        assert (r2[0] == 0).all()
        assert value.sum(0) == pytest.approx(r2[3], abs=1e-5)
        third = r2.shape[1] // 3
        ventral, dorsal, both = value[:, :third].mean(1)
        assert ventral > 0.25 > 5 * abs(dorsal)
        assert value[1, third : 2 * third].mean() > 0.25
        assert abs(both) < 0.06
        low, high = file["parts/low"][()], file["parts/high"][()]
        assert (low <= high).all()
        assert (low[0, :third] > 0).mean() > 0.8
        assert read_strings(file, "groups")[0] == "all voxels"
        assert file["means/value"][0] == pytest.approx(value.mean(1), abs=1e-5)
        assert file.attrs["blocks"] == 6
        assert said.simulated
        assert said.code == "abc"


def test_bands_that_are_not_named_stay_in_every_model(fitted, tmp_path):
    with open_h5(written(fitted, tmp_path / "one.h5", ["dorsal"]), "partition") as (file, _):
        assert read_strings(file, "rest") == ["ventral"]
        without = file["r2"][0]
        assert file["parts/value"][0] == pytest.approx(file["r2"][1] - without, abs=1e-6)
        assert without[: len(without) // 3].mean() > 0.25


def test_the_same_command_gives_the_same_file(fitted, tmp_path):
    one, two = (h5py.File(written(fitted, tmp_path / f"{i}.h5"))["parts/low"][()] for i in "ab")
    assert np.array_equal(one, two)


def test_an_encoding_of_other_bands_is_refused(fitted, tmp_path):
    with pytest.raises(UserError, match="has bands ventral, dorsal; fit the model again"):
        written(fitted, tmp_path / "bad.h5", ["ventral", "sound"])
    assert not (tmp_path / "bad.h5").exists()


def study(streams, wanted):
    """A checked study of one model, a band each space of the same name."""
    content = {
        "datasets": ["d"],
        "features": {n: {"extractor": "labels", "stream": s} for n, s in streams.items()},
        "models": {"m": {"datasets": ["d"], "bands": {name: [name] for name in streams}}},
        "inference": {"partition": {"m": wanted}},
    }
    return Resolved(Study.model_validate(content), {"d": None}, {"d": []})


def test_more_than_four_bands_are_refused_and_nuisance_stays_in():
    def bands(streams, wanted=()):
        resolved = study(streams, list(wanted))
        return PartitionSettings.of(resolved, dataset="d", model="m").bands

    streams = dict.fromkeys("abcde", "ventral")
    with pytest.raises(UserError, match=r"partition\.m: 5 bands .* name one to 4"):
        bands(streams)
    streams["c"] = "nuisance"
    assert bands(streams) == ["a", "b", "d", "e"]
    assert bands(streams, "ca") == ["a", "c"]
    with pytest.raises(UserError, match="0 bands"):
        bands({"a": "nuisance"})


def test_a_stream_changes_the_partition_and_no_fit():
    before, after = (study({"a": "ventral", "b": s}, []) for s in ("dorsal", "nuisance"))
    fits = [EncodeSettings.of(r, dataset="d", model="m").key() for r in (before, after)]
    assert fits[0] == fits[1]
    parts = [PartitionSettings.of(r, dataset="d", model="m") for r in (before, after)]
    assert [p.bands for p in parts] == [["a", "b"], ["a"]]
    same = study({"a": "auditory", "b": "dorsal"}, [])
    assert PartitionSettings.of(same, dataset="d", model="m") == parts[0]


def test_the_other_datasets_of_a_model_change_no_settings():
    one = study({"a": "ventral"}, [])
    model_ = one.study.models["m"].model_copy(update={"datasets": ["d", "e"]})
    two = replace(one, study=one.study.model_copy(update={"models": {"m": model_}}))
    for kind in (EncodeSettings, PartitionSettings):
        keys = [kind.of(r, dataset="d", model="m").key() for r in (one, two)]
        assert keys[0] == keys[1]


def test_the_file_gives_back_what_was_written(fitted, tmp_path):
    output = written(fitted, tmp_path / "partition.h5", ["dorsal"])
    stored, provenance = read_partition(output)
    assert (stored.bands, stored.rest, stored.sets) == (["dorsal"], ["ventral"], ["dorsal"])
    assert provenance.config["bands"] == ["dorsal"]
    with h5py.File(output) as file:
        assert np.array_equal(file["means/low"], stored.found.means.low)
        assert np.array_equal(file["ijk"], stored.ijk)


SIZES = (6, 5, 4)


def population(seed=0):
    """Correlated bands: covariance of all columns, weights, and the true coefficients."""
    rng = np.random.default_rng(seed)
    p = sum(SIZES)
    mixing = rng.standard_normal((p, p)) + 2 * np.eye(p)
    covariance = mixing @ mixing.T / p
    weights = rng.standard_normal(p) * 0.25
    edges = np.cumsum((0, *SIZES))
    columns = [np.arange(a, b) for a, b in pairwise(edges)]
    signal = weights @ covariance @ weights
    total = signal * 2.5
    r2 = np.zeros(8)
    for subset in range(1, 8):
        own = np.concatenate([c for b, c in enumerate(columns) if subset >> b & 1])
        with_y = covariance[own] @ weights
        r2[subset] = with_y @ np.linalg.solve(covariance[np.ix_(own, own)], with_y) / total
    return covariance, weights, np.sqrt(total - signal), columns, r2


def estimated(n, voxels, solver, seed=1, tested=4000, candidates=12):
    """Mean R² of every subset over voxels: one design, each voxel with noise of its own."""
    covariance, weights, noise, columns, _ = population()
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n + tested, len(weights))) @ np.linalg.cholesky(covariance).T
    y = (x @ weights)[:, None] + noise * rng.standard_normal((n + tested, voxels))
    runs = np.arange(n) * 5 // n
    predictions = np.zeros((8, tested, voxels))
    for subset in range(1, 8):
        own = [x[:, c] for b, c in enumerate(columns) if subset >> b & 1]
        fitted = BandedRidgeCV(
            alphas=np.logspace(-2, 4, 13),
            candidates=candidates,
            solver=solver,
            select="best",
            device="cpu",
        ).fit([band[:n] for band in own], y[:n], runs=runs)
        predictions[subset] = fitted.predict([band[n:] for band in own])
    run = NestedRun(y[n:], predictions)
    return partition([run], in_blocks(tested), {"all": np.ones(voxels, bool)}).means


@pytest.mark.filterwarnings("ignore:.*extend the grid")
def test_the_mean_over_200_simulations_is_that_of_an_exact_solver():
    quick, exact = (estimated(150, 200, solver) for solver in ("skeleton", "exact"))
    assert np.abs(quick.value - exact.value).max() <= 0.005


@pytest.mark.filterwarnings("ignore:.*extend the grid")
def test_with_many_samples_the_parts_are_those_of_the_population():
    found = estimated(20_000, 6, "auto", tested=20_000, candidates=6)
    truth = commonality(population()[-1])
    assert np.abs(truth).max() > 0.05
    assert np.abs(found.value[0] - truth).max() <= 0.01


def stored(bands, rest=(), low=0.0):
    """A partition without its voxels."""
    interval = Interval(*np.full((4, 2 ** len(bands) - 1, 3), low))
    found = Partition(np.zeros((2 ** len(bands), 3)), interval, interval, blocks=7)
    ijk = np.zeros((3, 3), np.int32)
    return StoredPartition(list(bands), list(rest), ["all voxels"], found, ijk)


def test_methods_say_which_bands_were_distinguished_and_whether_there_are_intervals():
    picked = replace(stored("ab"), picked=True).methods()
    assert set(picked) - set(stored("ab").methods()) == {picked[1]}
    assert "were of each voxel's best band weights and penalty" in picked[1]
    sentences = stored("ab", "c").methods()
    assert "of the bands a and b came from nested models" in sentences[0]
    assert "to each of the 3 sets" in sentences[0]
    assert "band c stayed in every model [@deheer2017]" in sentences[0]
    assert "a jackknife over 7 groups of test data [@efron1993]" in sentences[1]
    (alone,) = stored("a", low=np.nan).methods()
    assert "of the band a came from a nested model without it [@deheer2017]" in alone
