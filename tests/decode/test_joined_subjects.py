"""Each subject is decoded by others: shared codes are found, shared stimuli fool a leak alone."""

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score

from tristream.config.decoders import DecoderDesign
from tristream.decode.decoding import decode, divisions
from tristream.decode.joined_subjects import join_subjects
from tristream.decode.label_exchange import label_exchange
from tristream.decode.labelled_arrays import labelled
from tristream.errors import UserError

SUBJECTS, RUNS, EACH, VOXELS = ("a", "b", "c"), 4, 8, 20
RUN = np.repeat(np.arange(RUNS), EACH)
N = len(RUN)
RIDGE = {"kind": "ridge", "samples": "volumes", "regularization": 10.0, "permutations": 19}


def joined(data, y, runs=RUN, **how):
    """Samples of subjects; `y` is of all, or of each."""
    labels = y if isinstance(y, dict) else dict.fromkeys(data, y)
    return join_subjects({s: labelled(x, labels[s], runs, **how) for s, x in data.items()})


def balanced(rng):
    return np.concatenate([rng.permutation([0, 1] * (EACH // 2)) for _ in range(RUNS)])


def noise(rng):
    return {name: rng.standard_normal((N, VOXELS)) for name in SUBJECTS}


def test_a_code_that_subjects_share_is_found():
    rng = np.random.default_rng(0)
    y, code = balanced(rng), rng.standard_normal(VOXELS)
    data = {name: x + 0.5 * np.outer(2 * y - 1, code) for name, x in noise(rng).items()}
    found = decode(joined(data, y), DecoderDesign(**RIDGE | {"permutations": 199}))
    assert found.accuracy > 0.8
    assert found.p == 1 / 200
    assert found.null.mean() == pytest.approx(0.5, abs=0.05)
    assert "alike in all subjects" in found.permuted
    # All samples are tested once, by what others met in other runs.
    assert len(found.tested) == 3 * N
    assert found.left_out == 3 * RUNS * 2 * EACH


def test_a_code_of_each_subject_alone_is_not():
    rng = np.random.default_rng(1)
    y = balanced(rng)
    data = {
        name: x + 2 * np.outer(2 * y - 1, rng.standard_normal(VOXELS))
        for name, x in noise(rng).items()
    }
    alone = decode(labelled(data["a"], y, RUN), DecoderDesign(**RIDGE))
    assert alone.accuracy > 0.95
    # Two others' codes lie at random to a subject's own: over many sets as often right as wrong.
    accuracies = []
    for _ in range(20):
        codes = {name: rng.standard_normal(VOXELS) for name in SUBJECTS}
        sets = {n: x + 2 * np.outer(2 * y - 1, codes[n]) for n, x in noise(rng).items()}
        accuracies.append(decode(joined(sets, y), DecoderDesign(**RIDGE)).accuracy)
    assert np.mean(accuracies) < 0.5 + 3 * np.std(accuracies) / 20**0.5


def shared_clips(rng):
    """Voxels of all subjects know clips, and say nothing of their labels."""
    clip = np.arange(N)
    y = balanced(rng)
    answer = rng.standard_normal((N, VOXELS))
    data = {name: answer + 0.5 * x for name, x in noise(rng).items()}
    samples = joined(data, y, items=clip)
    x, who = np.concatenate(list(data.values())), np.repeat(np.arange(3), N)
    leaky = cross_val_score(
        RidgeClassifier(1e-3), x, np.tile(y, 3), groups=who, cv=LeaveOneGroupOut()
    )
    return samples, leaky.mean()


def blocks_in_other_orders(rng):
    """The same with blocks, which each subject met in another order."""
    y, answer = {}, rng.standard_normal((RUNS, 2, EACH // 2, VOXELS))
    data = noise(rng)
    for name in SUBJECTS:
        y[name] = balanced(rng)
        place = [np.cumsum(y[name] == c) - 1 for c in (0, 1)]
        own = np.where(y[name], place[1], place[0]) % (EACH // 2)
        data[name] = answer[RUN, y[name], own] + 0.5 * data[name]
    x, who = np.concatenate(list(data.values())), np.repeat(np.arange(3), N)
    leaky = cross_val_score(
        RidgeClassifier(1e-3),
        x,
        np.concatenate(list(y.values())),
        groups=who,
        cv=LeaveOneGroupOut(),
    )
    return joined(data, y), leaky.mean()


@pytest.mark.parametrize("trap", [shared_clips, blocks_in_other_orders])
def test_stimuli_that_subjects_share_fool_a_leaky_decoder_alone(trap):
    rng = np.random.default_rng(0)
    p, alone, accuracy, leaky = [], [], [], []
    for _ in range(100):
        samples, fooled = trap(rng)
        found = decode(samples, DecoderDesign(**RIDGE))
        p.append(found.p)
        alone.append(found.subjects[1].p_against(found.subjects[1].null))
        accuracy.append(found.accuracy)
        leaky.append(fooled)
    low, high = stats.binom.interval(0.99, 100, 0.05)
    print(np.mean(np.array(p) <= 0.05), np.mean(accuracy), np.mean(leaky))
    assert low <= (np.array(p) <= 0.05).sum() <= high
    # Of one left-out subject, too.
    assert low <= (np.array(alone) <= 0.05).sum() <= high
    assert np.mean(accuracy) < 0.52
    assert np.mean(leaky) >= 0.6


def test_units_move_alike_in_subjects_who_met_them_in_other_orders():
    rng = np.random.default_rng(2)
    y = {name: balanced(rng) for name in SUBJECTS}
    samples = joined(noise(rng), y)
    plan = label_exchange(samples)
    (labels,) = plan.draw(0, 1, 3)
    thing = samples.joined.thing
    assert len(np.unique(thing)) == N
    for one in np.unique(thing):
        assert len(set(labels[thing == one].tolist())) == 1
    # Within runs, so that each run keeps its labels.
    for run in range(len(samples.runs)):
        assert labels[samples.run == run].sum() == EACH // 2
    assert (labels != samples.label).any()
    # As many distinct labellings as one subject has.
    alone = label_exchange(labelled(np.zeros((N, 1)), y["a"], RUN))
    assert plan.log10_distinct == pytest.approx(alone.log10_distinct)


def test_no_fit_gets_the_tested_subject_or_what_it_is_tested_on():
    rng = np.random.default_rng(3)
    samples = joined(noise(rng), balanced(rng))
    subject = samples.joined.subject[samples.sample_run]
    folds = list(divisions(samples, None))
    assert len(folds) == 3 * RUNS
    for train, test in folds:
        assert set(subject[train]).isdisjoint(subject[test])
    assert len(list(divisions(samples, 2))) == 3 * 2


def test_penalties_are_searched_by_subjects_and_runs():
    rng = np.random.default_rng(4)
    y, code = balanced(rng), rng.standard_normal(VOXELS)
    data = {name: x + 0.5 * np.outer(2 * y - 1, code) for name, x in noise(rng).items()}
    found = decode(joined(data, y), DecoderDesign(kind="ridge", samples="volumes", permutations=0))
    assert found.accuracy > 0.8


def test_other_stimuli_need_no_other_runs():
    rng = np.random.default_rng(5)
    y, parts = np.tile([0, 1], 8), {}
    code = rng.standard_normal(VOXELS)
    for number, name in enumerate(SUBJECTS):
        x = rng.standard_normal((16, VOXELS)) + np.outer(2 * y - 1, code)
        parts[name] = labelled(x, y, ["only"] * 16, items=np.arange(16) + 100 * number)
    samples = join_subjects(parts)
    assert len(list(divisions(samples, None))) == 3
    assert decode(samples, DecoderDesign(**RIDGE)).accuracy > 0.9


def test_runs_held_out_for_good_are_tested_in_each_subject():
    rng = np.random.default_rng(6)
    samples = joined(noise(rng), balanced(rng), test=[3])
    folds = list(divisions(samples, None))
    assert len(folds) == 3
    for train, test in folds:
        assert not samples.test[samples.sample_run[train]].any()
        assert samples.test[samples.sample_run[test]].all()
    with pytest.raises(UserError, match="folds: 2"):
        list(divisions(samples, 2))


def test_columns_are_matched_by_where_they_lie():
    rng = np.random.default_rng(7)
    y, data = balanced(rng), noise(rng)
    parts = {name: labelled(x, y, RUN) for name, x in data.items()}
    places = {"a": np.arange(20), "b": np.arange(20)[::-1] + 2, "c": rng.permutation(20)}
    samples = join_subjects(parts, places)
    assert samples.x.shape == (3 * N, 18)
    for k, name in enumerate(SUBJECTS):
        order = [int(np.flatnonzero(places[name] == place)[0]) for place in range(2, 20)]
        np.testing.assert_array_equal(samples.x[k * N : (k + 1) * N], data[name][:, order])
    assert "voxels beside 18" in samples.omitted[-1].what
    with pytest.raises(UserError, match="share no voxel"):
        join_subjects(parts, {**places, "b": np.arange(20) + 50})


def test_what_can_not_be_joined_is_refused():
    rng = np.random.default_rng(8)
    y, data = balanced(rng), noise(rng)
    one = labelled(data["a"], y, RUN)
    with pytest.raises(UserError, match="two subjects at least"):
        join_subjects({"a": one})
    with pytest.raises(UserError, match="20 of sub-a, 9 of sub-b; say where"):
        join_subjects({"a": one, "b": labelled(data["b"][:, :9], y, RUN)})
    with pytest.raises(UserError, match="sub-b: exchange is item, of other subjects block"):
        join_subjects({"a": one, "b": labelled(data["b"], y, RUN, items=np.arange(N))})
    clips = {s: labelled(data[s], v, RUN, items=np.arange(N)) for s, v in (("a", y), ("b", 1 - y))}
    with pytest.raises(UserError, match="item '0' is"):
        join_subjects(clips)
    same = {s: labelled(data[s], y, ["r"] * N) for s in ("a", "b")}
    with pytest.raises(UserError, match="others met nothing besides"):
        decode(join_subjects(same), DecoderDesign(**RIDGE))
    with pytest.raises(UserError, match="give 4 at most"):
        decode(joined(data, y), DecoderDesign(**RIDGE | {"folds": 5}))


def test_voxels_that_one_subject_lacks_do_not_move_the_others_of_all():
    rng = np.random.default_rng(9)
    y, data = balanced(rng), noise(rng)
    data["a"][0, 0] = data["b"][0, 7] = np.nan
    parts = {name: labelled(data[name], y, RUN) for name in ("a", "b")}
    with pytest.raises(UserError, match=r"sub-b: other voxels are left .* give `places`"):
        join_subjects(parts)
    samples = join_subjects(parts, {name: one.column for name, one in parts.items()})
    kept = np.setdiff1d(np.arange(VOXELS), [0, 7])
    for k, name in enumerate(parts):
        np.testing.assert_array_equal(samples.x[k * N : (k + 1) * N], data[name][:, kept])
    np.testing.assert_array_equal(samples.column, kept)
    with pytest.raises(UserError, match="places: 20 for 19 voxels of sub-a"):
        join_subjects(parts, dict.fromkeys(parts, np.arange(VOXELS)))
