"""Arrays give what files give; what is wrong with them is one clear line."""

import numpy as np
import pandas as pd
import pytest

from tristream.config.decoders import DecoderDesign
from tristream.decode.decoding import decode, haufe
from tristream.decode.labelled_arrays import labelled
from tristream.errors import UserError

RUN = np.repeat(["r2", "r1", "r3"], 8)
LABEL = np.tile(["face", "house"], 12)
DECODER = DecoderDesign(kind="svm", samples="blocks", permutations=0)


def data(voxels: int = 10) -> np.ndarray:
    x = np.random.default_rng(0).standard_normal((24, voxels))
    x[:, 0] += 3 * (LABEL == "face")
    return x


def test_arrays_become_samples() -> None:
    x = data()
    x[3, 7] = np.nan
    found = labelled(x, LABEL, RUN, blocks=np.arange(24))
    assert found.runs == ["r2", "r1", "r3"]
    assert found.x.shape == (24, 9)
    np.testing.assert_array_equal(np.array(found.classes)[found.y], LABEL)
    np.testing.assert_array_equal(np.array(found.runs)[found.sample_run], RUN)
    label = np.repeat(LABEL[:12], 2)
    twice = labelled(x, label, RUN, blocks=np.arange(24) // 2)
    assert len(twice.label) == 12
    assert set(twice.length) == {2}
    np.testing.assert_array_equal(np.array(twice.classes)[twice.y], label)


@pytest.mark.parametrize("kind", ["ridge", "svm", "logistic", "lda", "mlp"])
def test_every_kind_finds_a_strong_label(kind: str) -> None:
    found = decode(labelled(data(), LABEL, RUN), DECODER.model_copy(update={"kind": kind}))
    assert found.accuracy > 0.7
    np.testing.assert_allclose(found.top, [found.accuracy, 1])
    assert found.patterns.shape == ((2, 10) if kind != "mlp" else (0, 10))


def test_an_ensemble_reports_its_members_and_their_largest_null() -> None:
    rng = np.random.default_rng(0)
    run = np.repeat(np.arange(6), 6)
    y = np.tile([0, 1, 2], 12)
    x = rng.standard_normal((36, 8))
    x[:, :3] += 1.5 * np.eye(3)[y]
    keys = {"samples": "blocks", "permutations": 19, "folds": 3}
    found = decode(
        labelled(x, y, run), DecoderDesign(kind="ensemble", members=["ridge", "lda"], **keys)
    )
    names = [voice.name for voice in found.voices]
    assert names == ["mean probability", "majority", "ridge", "lda"]
    for voice in found.voices[2:]:
        alone = decode(labelled(x, y, run), DecoderDesign(kind=voice.name, **keys))
        assert voice.accuracy == alone.accuracy
        np.testing.assert_array_equal(voice.null, alone.null)
    assert found.accuracy == found.voices[0].accuracy > 0.6
    largest = np.max([voice.null for voice in found.voices], axis=0)
    assert found.p_any[0] == (1 + (largest >= found.accuracy).sum()) / 20
    assert (found.p_any >= [voice.p_against(voice.null) for voice in found.voices]).all()
    assert found.top[0] == found.accuracy
    assert found.top[2] == 1
    assert abs(found.top_null - [1 / 3, 2 / 3, 1]).max() < 0.1


def test_patterns_are_where_the_signal_is_and_weights_are_not() -> None:
    """Two voxels share noise; one alone has the signal (Haufe et al. 2014, section 2.2)."""
    rng = np.random.default_rng(0)
    y = np.tile([0.0, 1.0], 4000)
    shared = 3 * rng.standard_normal(8000)
    x = np.stack([y + shared, shared], 1) + 0.1 * rng.standard_normal((8000, 2))
    weights = np.linalg.lstsq(x - x.mean(0), y - y.mean(), rcond=None)[0]
    assert abs(weights[1] / weights[0]) > 0.9
    decision = x @ np.stack([-weights, weights], 1)
    pattern = haufe(x, decision)
    np.testing.assert_allclose(pattern[0], -pattern[1])
    assert abs(pattern[1, 1] / pattern[1, 0]) < 0.1


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"labels": ["a"] * 24}, r"labels: only one \(a\)"),
        ({"runs": RUN[:5]}, "runs: 5 values for 24 samples of x"),
        ({"blocks": np.arange(24) // 2}, "block '0' has samples of two labels"),
        ({"items": np.arange(24) // 4}, "item '0' has samples of two labels"),
        ({"test": ["r9"]}, "test: no sample has the run 'r9'; runs: r2, r1, r3"),
        (
            {"x": np.full((24, 3), np.nan), "where": "V1"},
            "V1: no voxel has finite values in all samples; leave it out",
        ),
    ],
)
def test_wrong_arrays_are_one_clear_line(keys: dict[str, object], message: str) -> None:
    given = {"x": data(), "labels": LABEL, "runs": RUN, **keys}
    with pytest.raises(UserError, match=message):
        labelled(**given)


@pytest.mark.parametrize(
    ("labels", "keys", "test", "message"),
    [
        (["rare", *LABEL[1:]], {}, (), "no training sample of rare is left when r2 is held out"),
        (["a", "b"] * 8 + ["new"] * 8, {}, ["r3"], "no training sample of new is left when r3"),
        (LABEL, {"folds": 5}, (), "`folds: 5` are more than the 3 runs with labels"),
        (LABEL, {"folds": 2}, ["r3"], "`folds: 2` divides all runs, but r3 is held out"),
        (LABEL, {}, ["r1", "r3"], "only one training run: hyperparameters are searched"),
    ],
)
def test_what_can_not_be_decoded_is_one_clear_line(labels, keys, test, message) -> None:
    samples = labelled(data(), labels, RUN, test=test)
    with pytest.raises(UserError, match=message):
        decode(samples, DECODER.model_copy(update=keys))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"kind": "ensemble"}, "`members` goes with"),
        ({"kind": "svm", "members": ["lda", "svm"]}, "`members` goes with"),
        ({"kind": "ensemble", "members": ["lda"]}, "two different"),
        (
            {"kind": "ensemble", "members": ["lda", "svm"], "regularization": 1},
            "search for their own",
        ),
        ({"kind": "lda", "regularization": 3}, "a shrinkage, 1 at most"),
    ],
)
def test_wrong_blocks_are_refused(keys: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DecoderDesign(samples="blocks", **keys)


def test_voxels_that_are_left_out_are_told_and_keep_their_number() -> None:
    x = data()
    x[3, 0] = np.nan
    found = labelled(x, LABEL, RUN)
    np.testing.assert_array_equal(found.column, np.arange(1, 10))
    assert [one.what for one in found.omitted] == ["1 of 10 voxels"]
    whole = labelled(data(), LABEL, RUN)
    np.testing.assert_array_equal(whole.column, np.arange(10))
    assert whole.omitted == ()


@pytest.mark.parametrize("missing", [None, np.nan, "", pd.NA])
@pytest.mark.parametrize("name", ["labels", "runs", "blocks", "items"])
def test_a_sample_without_a_name_is_refused(name: str, missing: object) -> None:
    given = {"labels": LABEL, "runs": RUN, "blocks": np.arange(24), "items": np.arange(24)}
    given[name] = pd.Series(given[name], dtype=object)
    labelled(data(), **given)
    given[name][5] = missing
    with pytest.raises(UserError, match=f"^{name}: sample 5 has none; leave out"):
        labelled(data(), **given)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UserError, match=r"^labels: has shape \(24, 1\); expected one value"):
        labelled(data(), LABEL[:, None], RUN)
    with pytest.raises(UserError, match=r"^roi: has shape \(0, 10\); expected samples, voxels"):
        labelled(data()[:0], [], [], where="roi")
    with pytest.raises(UserError, match=r"^x: has shape \(24,\)"):
        labelled(data()[:, 0], LABEL, RUN)


def test_a_refused_test_has_no_p() -> None:
    found = decode(labelled(data(), LABEL, RUN), DECODER)
    assert found.refusal
    assert np.isnan(found.p)
    assert np.isnan(found.p_any).all()
    tested = decode(labelled(data(), LABEL, RUN), DECODER.model_copy(update={"permutations": 99}))
    assert tested.p == tested.p_any[0] == 0.01
