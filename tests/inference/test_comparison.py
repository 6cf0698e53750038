"""Paired comparison of two models, against brute force and known answers."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from scipy import signal

from helpers.encoding_files import encode_settings, model, write_study
from helpers.inference_settings import comparing
from tristream.encode.encoding_file import read_encoding, write_encoding
from tristream.encode.fit import fit_subject
from tristream.encode.prediction_scores import correlation
from tristream.errors import UserError
from tristream.inference.comparison import compare, compare_encodings
from tristream.inference.permutation import PredictedRun, exchange_of_runs, unit_length
from tristream.space.atlas import Regions
from tristream.store import Provenance, create_h5, open_h5, read_strings, write_strings


def slow(rng, shape, rho):
    return signal.lfilter([1], [1, -rho], rng.standard_normal((shape[0] + 50, shape[1])), axis=0)[
        50:
    ]


def moves(run):
    return exchange_of_runs([run], "time")


def pair(rng, n, voxels, first=0.0, second=0.0):
    """Data that two predictions correlate with."""
    a, b = slow(rng, (n, voxels), 0.8), slow(rng, (n, voxels), 0.8)
    y = first * a / a.std(0) + second * b / b.std(0) + slow(rng, (n, voxels), 0.5) / 1.15
    unit = np.minimum(np.arange(n) // 20, n // 20 - 1)
    return PredictedRun(y, unit_length(a) - unit_length(b), unit), (y, a, b)


@pytest.mark.parametrize("flipped", [True, False])
def test_the_difference_is_that_of_the_correlations(flipped):
    run, (y, a, b) = pair(np.random.default_rng(0), 220, 7, 0.5)
    every = {"all": np.ones(7, bool)}
    found = compare([run], moves(run), every, 50, 1, flipped, widen=False)
    wanted = correlation(y, a) - correlation(y, b)
    assert found.difference == pytest.approx(wanted)
    assert found.region_difference == pytest.approx([wanted.mean()])
    again = compare([run], moves(run), every, 50, 1, flipped, widen=False, chunk=3)
    assert np.array_equal(found.p, again.p)
    assert found.region_p == pytest.approx(again.region_p)
    assert found.null_max == pytest.approx(again.null_max)


def test_flipping_equals_swapping_the_predictions_of_a_block():
    run, (y, a, b) = pair(np.random.default_rng(0), 200, 4, 0.4)
    found = compare([run], moves(run), {"all": np.ones(4, bool)}, 20, 3, flipped=True, widen=False)
    signs = np.random.default_rng(3).choice([-1.0, 1.0], (20, 10))
    yn, an, bn = unit_length(y), unit_length(a), unit_length(b)
    for number, sign in enumerate(signs):
        swap = (sign[run.unit] < 0)[:, None]
        null = (yn * (np.where(swap, bn, an) - np.where(swap, an, bn))).sum(0)
        assert np.abs(null).max() == pytest.approx(found.null_max[number])


@pytest.mark.parametrize("flipped", [True, False])
def test_error_rate_and_power(flipped):
    rng = np.random.default_rng(5)
    every = {"all": np.ones(1500, bool)}
    none, _ = pair(rng, 300, 1500)
    rate = (compare([none], moves(none), every, 400, 0, flipped, widen=True).p <= 0.05).mean()
    assert 0.03 < rate < 0.065
    better, _ = pair(rng, 300, 1500, first=0.6)
    found = compare([better], moves(better), every, 400, 0, flipped, widen=True)
    assert (found.p <= 0.05).mean() > 0.8
    assert found.region_p[0] == 1 / 401


@pytest.fixture(scope="module")
def encodings(tmp_path_factory):
    """A model of all bands and one of `dorsal` alone, and a labelled atlas over both."""
    folder = tmp_path_factory.mktemp("comparison")

    def shorter_units(study):
        table = study["samples"]
        table["unit"] = [f"{r}/{i // 10}" for r, i in zip(table["run"], table["row"], strict=True)]

    study = write_study(folder, change=shorter_units)
    inputs = (study["aligned"], study["bold"], study["samples"])
    paths = {}
    for name, settings in (("both", model()), ("one", model(bands={"dorsal": ["motion", "flow"]}))):
        paths[name] = folder / f"{name}.h5"
        fit_subject(encode_settings(settings, name), "01", *inputs, paths[name])
    paths["regions"] = folder / "regions.h5"
    labels = np.full((30, 30, 30), -1, np.int16)
    labels[:8, :8, :8], labels[8:16, 8:16, 8:16] = 0, 1
    with create_h5(paths["regions"], Provenance("regions", simulated=False)) as file:
        file["labels"], file["affine"] = labels, np.diag([4.0, 4.0, 4.0, 1.0])
        write_strings(file, "names", ["driven by net", "driven by motion"])
    return paths


def test_a_model_without_a_band_is_worse_where_that_band_matters(encodings, tmp_path):
    output = tmp_path / "comparison.h5"
    first, second, regions = (encodings[k] for k in ("both", "one", "regions"))
    compare_encodings(first, second, comparing(permutations=499), regions, output, "abc")
    with open_h5(output, "comparison") as (file, provenance):
        assert file.attrs["first"] == "both"
        assert file.attrs["second"] == "one"
        assert file.attrs["n_distinct"] >= 1000
        difference, p = file["difference"][()], file["p"][()]
        assert difference[:8].min() > 0.3
        assert (p[:8] < 0.05).mean() > 0.8
        assert np.abs(difference[8:16]).mean() < 0.1
        names = read_strings(file, "regions/names")
        assert names == ["all voxels", "driven by net", "driven by motion"]
        assert file["regions/voxels"][()].tolist() == [24, 8, 8]
        assert file["regions/difference"][1] == pytest.approx(difference[:8].mean(), abs=1e-5)
        assert file["regions/p"][1] < 0.02 < 0.05 < file["regions/p"][2]
        assert provenance.simulated
        assert provenance.code == "abc"


def test_too_few_blocks_are_refused(encodings, tmp_path):
    short = {}
    for name in ("both", "one"):
        encoding, provenance = read_encoding(encodings[name])
        tests = {
            k: replace(t, unit=np.minimum(t.unit - t.unit.min(), 4))
            for k, t in encoding.tests.items()
        }
        short[name] = tmp_path / f"{name}.h5"
        about = {k: encoding.about[k] for k in ("model", "scheme", "subject")}
        changed = replace(encoding, tests=tests, about=about)
        write_encoding(
            short[name],
            changed,
            Provenance("encoding", provenance.simulated, methods=("Made by a test.",)),
        )
    output = tmp_path / "out.h5"
    compare_encodings(short["both"], short["one"], comparing(), None, output)
    with open_h5(output, "comparison") as (file, provenance):
        assert "p" not in file
        assert "distinct rearrangements; 1000 are asked for" in provenance.omitted[0].why


def test_models_of_other_data_are_refused(encodings, tmp_path):
    other = tmp_path / "other.h5"
    other.write_bytes(encodings["one"].read_bytes())
    with h5py.File(other, "r+") as file:
        name = next(iter(file["test"]))
        file[f"test/{name}/y"][0] += 1
    with pytest.raises(UserError, match=r"other\.h5: was not tested on the data of"):
        compare_encodings(encodings["both"], other, comparing(), None, tmp_path / "out.h5")


def test_regions_are_looked_up_in_mm(encodings):
    atlas = Regions.read(encodings["regions"])
    found = atlas.at(np.array([[0, 0, 0], [29.9, 1, 1], [40, 40, 40], [500, 0, 0], [-30, 0, 0]]))
    assert found.tolist() == [0, 0, 1, -1, -1]
    assert atlas.name(1) == "driven by motion"
    assert atlas.name(-1) == "none"
