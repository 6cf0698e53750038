"""Top stimuli and responses of single voxels: what is put down to what, and why one is absent."""

from dataclasses import replace

import numpy as np
import pytest

from helpers import report_tree
from helpers.weighted_voxels import give_weights, two_models
from tristream.encode.encoding_file import read_encoding, write_encoding
from tristream.errors import UserError
from tristream.report.study_results import Results
from tristream.report.voxel_details import details, top_stimuli
from tristream.store import Omission


def held_out(y, run, rows):
    y = np.asarray(y, float)[:, None]
    one = report_tree.held_out(np.random.default_rng(0))
    return replace(one, y=y, prediction=y + 1, runs=(run,), rows=np.array(rows))


def test_bold_is_put_down_to_what_was_shown_before_and_means_are_over_all_runs():
    shown = {"one": [*"aabb", ""], "two": [*"bbaa", ""]}
    tests = {
        "one": held_out([9, 1, 1, 2, 3], "one", range(5)),
        # Volumes that are no samples leave no gap in the count.
        "two": held_out([4, 4, 7], "two", [1, 3, 4]),
    }
    found = top_stimuli(tests, shown, np.array([0]), lag=1, tr=2.0)
    # a: 1, 1 of the first run, 4, 7 of the second; b: 2, 3 and 4. The first volume answers nothing.
    told = {found.names[i]: m for i, m in zip(found.index[:, 0], found.measured[:, 0], strict=True)}
    assert told == {"a": pytest.approx(13 / 4), "b": pytest.approx(3)}
    assert found.names[found.index[0, 0]] == "a"
    assert np.allclose(found.predicted, found.measured + 1)
    assert found.lag == 2.0


def test_a_stimulus_of_few_samples_is_no_top_stimulus():
    test = held_out([1, 1, 1, 1, 2, 2, 2, 2, 9], "one", range(9))
    found = top_stimuli({"one": test}, {"one": [*"aaaabbbbc"]}, np.array([0]), lag=0, tr=1.0)
    assert [found.names[i] for i in found.index[:, 0]] == ["b", "a"]


def test_one_stimulus_alone_is_compared_with_nothing():
    test = held_out([1, 2, 3], "one", range(3))
    for shown in ("aaa", ["", "", ""]):
        with pytest.raises(UserError, match="no two stimuli"):
            top_stimuli({"one": test}, {"one": [*shown]}, np.array([0]), lag=0, tr=1.0)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("details")
    resolved = two_models(folder)
    rng = np.random.default_rng(0)
    report_tree.write_encoding(resolved, "bunny", "streams", "01", True, rng)
    give_weights(resolved, "streams", "01", 7, rng)
    return Results(resolved, folder / "results/report")


def test_the_voxels_of_the_responses_have_top_stimuli_too(results):
    found = details(results, "bunny", "streams", "01")
    encoding, _ = read_encoding(path_of(results))
    assert not found.why
    assert np.array_equal(found.places, encoding.curves.places)
    each = len(found.bands), len(encoding.curves.seconds), len(found.places)
    assert found.responses.curve.shape == each
    assert found.stimuli.index.shape[1] == len(found.places)


def test_what_is_absent_says_why(results):
    path = path_of(results)
    before = path.read_bytes()
    encoding, provenance = read_encoding(path)
    about = {key: value for key, value in encoding.about.items() if key != "omitted"}
    encoding = replace(encoding.in_memory(), curves=None, about=about)
    samples = results.path("samples", dataset="bunny", subject="01")
    samples.rename(samples.with_name("away"))
    for omitted, why in (
        ((Omission("responses over delays", "takes long"),), "takes long"),
        ((), "fitted by an earlier version"),
    ):
        write_encoding(path, encoding, replace(provenance, omitted=omitted))
        found = details(results, "bunny", "streams", "01")
        assert found.responses is None
        assert why in found.why["responses"]
        assert "there is no align/bunny/sub-01_samples.tsv" in found.why["stimuli"]
        assert 7 in found.places
    samples.with_name("away").rename(samples)
    path.write_bytes(before)


def path_of(results):
    return results.path("encoding", dataset="bunny", model="streams", subject="01")
