"""The permutation test against brute force, and its calibration under the null."""

from dataclasses import replace
from math import factorial

import h5py
import numpy as np
import pytest
from scipy import signal, stats

from helpers.encoding_files import encode_settings, model, write_study
from helpers.fixed_permutations import permutation_test
from helpers.inference_settings import inferring
from tristream.encode.encoding_file import read_encoding, write_encoding
from tristream.encode.fit import fit_subject
from tristream.inference.encoding import infer_encoding
from tristream.inference.inference_file import read_inference
from tristream.inference.permutation import (
    PredictedRun,
    Shifts,
    exchange_of_runs,
    moves_of,
    null_correlations,
)
from tristream.space.grayordinates import Grayordinates
from tristream.store import open_h5


def ar(rng, shape, rho):
    return signal.lfilter([1], [1, -rho], rng.standard_normal(shape), axis=0)


def smooth_prediction(rng, shape):
    """As slow as a film's features under a haemodynamic response."""
    return signal.lfilter(np.hanning(9), [1], ar(rng, shape, 0.5), axis=0)


def film_units(volumes, length=20):
    unit = np.arange(volumes) // length
    return np.minimum(unit, volumes // length - 1)


def test_null_equals_moving_the_blocks_and_correlating():
    rng = np.random.default_rng(0)
    runs = [
        PredictedRun(rng.random((n, 5)), rng.random((n, 5)), film_units(n, 10)) for n in (43, 60)
    ]
    moves = exchange_of_runs(runs, "time")
    orders = moves.draw(0, 6, seed=1)
    observed, null = null_correlations(runs, moves, orders)
    for i in range(6):
        z = []
        for number, (run, order) in enumerate(zip(runs, orders, strict=True)):
            ((_, rows),) = moves.of_run(number)
            moved = run.prediction.copy()
            moved[rows] = run.prediction[rows[order[i]]]
            z.append([np.arctanh(stats.pearsonr(moved[:, v], run.y[:, v])[0]) for v in range(5)])
        assert null[i] == pytest.approx(np.tanh(np.mean(z, 0)), abs=1e-10)
    identity = [np.arange(one.size)[None] for one in moves.sets]
    assert null_correlations(runs, moves, identity)[1][0] == pytest.approx(observed, abs=1e-12)


def test_p_values_do_not_depend_on_chunks_and_are_repeatable():
    rng = np.random.default_rng(0)
    run = PredictedRun(ar(rng, (145, 30), 0.5), rng.random((145, 30)), film_units(145))
    moves = exchange_of_runs([run], "time")
    one = permutation_test([run], moves, 50, seed=3)
    two = permutation_test([run], moves, 50, seed=3, chunk=7)
    assert np.array_equal(one.p, two.p)
    assert one.null_max == pytest.approx(two.null_max, abs=1e-12)
    assert not np.array_equal(one.p, permutation_test([run], moves, 50, seed=4).p)
    assert one.p.min() >= 1 / 51


def test_distinct_permutations_multiply_over_runs():
    def run(blocks):
        n = 10 * blocks
        return PredictedRun(np.zeros((n, 1)), np.zeros((n, 1)), film_units(n, 10))

    assert exchange_of_runs([run(3)], "time").distinct == 6
    assert exchange_of_runs([run(8)] * 12, "time").distinct == factorial(8) ** 12


def rejection(unit_of, seed=0, voxels=2500, volumes=140, planted=0.0):
    rng = np.random.default_rng(seed)
    prediction = smooth_prediction(rng, (volumes, voxels))
    noise = ar(rng, (volumes, voxels), 0.5)
    y = planted * prediction / prediction.std(0) + np.sqrt(1 - planted**2) * noise / noise.std(0)
    run = PredictedRun(y, prediction, unit_of(volumes))
    found = permutation_test([run], exchange_of_runs([run], "time"), 400, seed)
    return float((found.p < 0.05).mean())


def test_block_permutation_keeps_its_error_rate_and_single_volumes_do_not():
    assert 0.03 < rejection(film_units) < 0.07
    assert rejection(np.arange) > 0.08


def test_a_planted_correlation_is_found():
    assert rejection(film_units, planted=0.3, volumes=400) > 0.8


def test_label_blocks_under_leave_one_run_out_keep_their_error_rate():
    """Category predictions of 8 blocks a run, 6 runs, no relation to the data."""
    rng = np.random.default_rng(1)
    runs = []
    for _ in range(6):
        unit = np.repeat([0, 1, 2, 3, 4, 5, 6, 7], [9, 10, 9, 9, 10, 9, 9, 10])
        response = np.concatenate([np.hanning(n + 2)[1:-1] for n in np.bincount(unit)])
        effect = rng.standard_normal((8, 1500))[unit] + 1
        onset = 0.5 * response[:, None]
        y = ar(rng, (len(unit), 1500), 0.4) + onset
        runs.append(PredictedRun(y, effect * response[:, None], unit))
    found = permutation_test(runs, exchange_of_runs(runs, "block"), 400)
    # All blocks raise the BOLD alike: r is positive everywhere, and yet nothing is found.
    assert found.observed.mean() > 0.03
    assert 0.03 < (found.p < 0.05).mean() < 0.07


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inference")

    def longer(study):
        """Units of 10 s: 11 in the test clip."""
        table = study["samples"]
        table["unit"] = [f"{r}/{i // 10}" for r, i in zip(table["run"], table["row"], strict=True)]

    study = write_study(folder, change=longer)
    path = folder / "encoding.h5"
    inputs = (study["aligned"], study["bold"], study["samples"])
    fit_subject(encode_settings(model()), "01", *inputs, path)
    return path


def test_file_holds_p_q_and_how_they_came_about(fitted, tmp_path):
    output = tmp_path / "inference.h5"
    infer_encoding(fitted, inferring(permutations=999, fdr=0.05, seed=2), output, "abc")
    with open_h5(output, "inference") as (file, provenance), h5py.File(fitted) as encoding:
        p, q = file["p"][()], file["q"][()]
        assert file["observed"][()] == pytest.approx(encoding["scores/r"][()], abs=1e-5)
        assert file["null_max"].shape == (999,)
        assert (q >= p).all()
        assert q == pytest.approx(stats.false_discovery_control(p))
        assert np.array_equal(file["significant"], q <= 0.05)
        # Driven voxels, and few of the others.
        assert file["significant"][:16].mean() > 0.9
        assert file["significant"][16:].mean() < 0.2
        assert file.attrs["n_permutations"] == 999
        assert file.attrs["n_distinct"] == factorial(11)
        assert file.attrs["unit"] == "time"
        assert file.attrs["seed"] == 2
        for name in ("cluster_mass", "tfce"):
            test = {key: values[()] for key, values in file[f"spatial/{name}"].items()}
            assert len(test["null_max"]) == 999
            assert (test["p"][test["statistic"] == 0] == 1).all()
        assert provenance.simulated
        assert provenance.code == "abc"
        assert not provenance.omitted


def test_more_permutations_need_no_refit_and_change_p_little(fitted, tmp_path):
    before = fitted.read_bytes()
    p = []
    for number in (200, 2000):
        output = tmp_path / f"{number}.h5"
        infer_encoding(fitted, inferring(permutations=number), output)
        with h5py.File(output) as file:
            p.append(file["p"][()])
    assert fitted.read_bytes() == before
    assert np.abs(p[0] - p[1]).max() < 0.15
    assert p[1].min() < p[0].min()


def test_corrected_for_the_largest_voxel_and_for_any_dependence(fitted, tmp_path):
    output = tmp_path / "inference.h5"
    infer_encoding(fitted, inferring(permutations=499, procedure="by"), output)
    with h5py.File(output) as file:
        p, p_fwe, q_by = file["p"][()], file["p_fwe"][()], file["q_by"][()]
        null, observed = file["null_max"][()], file["observed"][()]
        by_hand = [(1 + (null >= r).sum()) / 500 for r in observed.astype(float)]
        assert p_fwe == pytest.approx(np.array(by_hand), abs=0.003)
        assert (p_fwe >= p).all()
        assert q_by == pytest.approx(stats.false_discovery_control(p, method="by"))
        assert np.array_equal(file["significant"], q_by <= 0.05)
        most = file["draws/permutations"][()].max()
        assert file.attrs["smallest_p"] == 1 / (1 + most) < 1 / 500
        assert file.attrs["widening"][0] >= 1


def test_blocks_of_a_design_are_not_widened(fitted, tmp_path):
    infer_encoding(fitted, inferring("block", permutations=50), tmp_path / "out.h5")
    with h5py.File(tmp_path / "out.h5") as file:
        assert file.attrs["widening"].tolist() == [1]


@pytest.mark.parametrize(
    ("unit", "why"),
    [
        ("time", "116 test volumes: a circular shift needs 200"),
        ("block", "null: shift is for films; the exchangeable unit here is block"),
    ],
)
def test_shifts_are_refused_where_they_can_t_be_had(fitted, tmp_path, unit, why):
    infer_encoding(fitted, inferring(unit, null="shift"), tmp_path / "out.h5")
    with open_h5(tmp_path / "out.h5", "inference") as (file, provenance):
        assert "p" not in file
        assert {o.why for o in provenance.omitted} == {why}
        assert file.attrs["n_permutations"] == 0


def test_shifts_equal_rolling_the_prediction():
    rng = np.random.default_rng(0)
    run = PredictedRun(rng.random((31, 4)), rng.random((31, 4)), np.arange(31))
    moves = moves_of([run], "time", "shift")
    orders = moves.draw(0, 100, seed=0)
    assert sorted(orders[0]) == list(range(1, 31))
    np.testing.assert_array_equal(moves.draw(7, 20, seed=0)[0], orders[0][7:20])
    observed, null = null_correlations([run], moves, orders)
    for shift, row in zip(orders[0], null, strict=True):
        moved = np.roll(run.prediction, shift, axis=0)
        assert row == pytest.approx([stats.pearsonr(moved[:, v], run.y[:, v])[0] for v in range(4)])
    found = permutation_test([run], moves, 100)
    assert found.observed == pytest.approx(observed)
    assert len(found.null_max) == 30
    assert found.p == pytest.approx((1 + (null >= observed).sum(0)) / 31)
    two = Shifts((31, 20))
    assert two.distinct == 31 * 20
    assert moves.available == 30
    assert two.available is None
    every = two.draw(0, 3000, seed=0)
    assert [int(own.max()) for own in every] == [30, 19]
    for own, part in zip(every, two.draw(1000, 2100, seed=0), strict=True):
        np.testing.assert_array_equal(own[1000:2100], part)


def shown_again(rng, items, times, runs, same_items, voxels, planted=0.0):
    """Voxels answer items and predictions differ between items, by numbers of their own."""
    made = []
    for number in range(runs):
        if number == 0 or not same_items:
            answer, predicted = rng.standard_normal((2, items, voxels))
            answer = planted * predicted + answer
        item = rng.permutation(np.repeat(np.arange(items), times))
        y = 0.7 * answer[item] + rng.standard_normal((len(item), voxels))
        code = item if same_items else item + items * number
        made.append(PredictedRun(y, predicted[item], np.arange(len(item)), item=code))
    return made


@pytest.mark.parametrize(
    ("items", "times", "runs", "same_items"), [(50, 1, 12, True), (10, 4, 6, False)]
)
def test_items_move_with_all_their_showings(items, times, runs, same_items):
    """As 50 images in 12 runs, or ten clips four times in each of six runs."""
    rng = np.random.default_rng(2)
    made = shown_again(rng, items, times, runs, same_items, 1500)
    alike = exchange_of_runs(made, "item")
    assert alike.distinct == factorial(items) ** (1 if same_items else runs)
    found = permutation_test(made, alike, 400)
    assert 0.035 < (found.p <= 0.05).mean() < 0.065
    assert (found.p <= 0.01).mean() < 0.018
    # Control: each showing by itself.
    apart = permutation_test(made, exchange_of_runs(made, "block"), 400)
    assert (apart.p <= 0.05).mean() > 0.11
    driven = shown_again(rng, items, times, runs, same_items, 300, planted=0.7)
    assert (permutation_test(driven, alike, 400).p <= 0.05).mean() > 0.9


@pytest.mark.parametrize(("vertices", "known"), [(10_242, True), (32_492, False)])
def test_clusters_of_vertices_need_the_mesh(fitted, tmp_path, vertices, known):
    """That of fsaverage5 comes with nilearn; that of fsLR is fetched."""
    encoding, provenance = read_encoding(fitted)
    places = np.arange(len(encoding.ijk))
    where = Grayordinates(np.zeros(len(places), np.int8), ("CORTEX_LEFT",), (vertices,))
    ijk = np.stack([places, 0 * places, 0 * places], axis=1)
    encoding = replace(encoding, ijk=ijk, grayordinates=where)
    write_encoding(tmp_path / "in.h5", encoding, provenance)
    infer_encoding(tmp_path / "in.h5", inferring(permutations=99), tmp_path / "out.h5")
    tested, provenance = read_inference(tmp_path / "out.h5")
    assert set(tested.spatial) == ({"cluster_mass", "tfce"} if known else set())
    assert tested.found is not None
    why = {o.what: o.why for o in provenance.omitted}
    missing = "the meshes of fsLR were not given (--meshes)"
    assert why == ({} if known else {"cluster_mass": missing, "tfce": missing})
    if known:
        # The first dozen vertices are the icosahedron's: far apart.
        assert tested.spatial["tfce"].p[:12].min() <= 0.05
