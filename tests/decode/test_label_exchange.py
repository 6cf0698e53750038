"""Which labellings the null draws, and how many there are."""

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest

from tristream.config.decoders import Decoder
from tristream.decode.decoding import area_under_curve, decode
from tristream.decode.decoding_samples import Samples
from tristream.decode.label_exchange import label_exchange
from tristream.errors import UserError


def design(
    labels: list[list[int]],
    lengths: list[list[int]] | None = None,
    repeat: list[str] | None = None,
    test: list[bool] | None = None,
    items: list[list[int]] | None = None,
) -> Samples:
    """One sample a unit; runs of labelled units, showings of items where these are given."""
    label = np.concatenate(labels)
    run = np.repeat(np.arange(len(labels)), [len(one) for one in labels])
    rng = np.random.default_rng(0)
    return Samples(
        x=rng.standard_normal((len(label), 5)) + 2 * np.eye(max(5, label.max() + 1), 5)[label],
        unit=np.arange(len(label)),
        label=label,
        run=run,
        length=np.concatenate(lengths) if lengths else np.ones(len(label), int),
        item=np.concatenate(items) if items else np.arange(len(label)),
        unit_names=[str(u) for u in range(len(label))],
        classes=[f"c{c}" for c in range(label.max() + 1)],
        runs=[f"run-{r}" for r in range(len(labels))],
        test=np.array(test or [False] * len(labels)),
        repeat=repeat or [""] * len(labels),
        exchange="item" if items else "block",
    )


def test_labels_stay_in_their_run() -> None:
    samples = design([[0, 1, 2, 0], [1, 2, 1, 2]])
    drawn = label_exchange(samples).draw(0, 200, seed=0)
    for run in (0, 1):
        own = drawn[:, samples.run == run]
        assert (np.sort(own, 1) == np.sort(samples.label[samples.run == run])).all()
        assert len(np.unique(own, axis=0)) == (12, 6)[run]


def test_unequal_units_exchange_among_equals() -> None:
    samples = design([[0, 1, 0, 1]] * 2, [[9, 9, 4, 4]] * 2)
    plan = label_exchange(samples)
    assert "equal length" in plan.described
    assert "keep" not in plan.described
    drawn = plan.draw(0, 100, seed=0)
    for units in ([0, 1], [2, 3], [4, 5], [6, 7]):
        assert (np.sort(drawn[:, units], 1) == [0, 1]).all()


def test_labels_stay_in_their_round() -> None:
    labels = [[0, 1, 2, 1, 2, 0], [2, 1, 0, 2, 0, 1]]
    samples = replace(design(labels), exchange="round")
    plan = label_exchange(samples)
    assert "rounds that show every label once" in plan.described
    drawn = plan.draw(0, 100, seed=0).reshape(100, 4, 3)
    assert (np.sort(drawn, axis=2) == [0, 1, 2]).all()
    assert len(np.unique(drawn.reshape(100, -1), axis=0)) > 80
    # 6^4 labellings, 6 of which are one but for the names of labels.
    assert 10**plan.log10_distinct == pytest.approx(6**3)
    free = label_exchange(design(labels)).draw(0, 100, seed=0).reshape(100, 4, 3)
    assert (np.sort(free, axis=2) != [0, 1, 2]).any()


def test_repeats_of_a_run_move_alike() -> None:
    samples = design(
        [[0, 1, 2], [2, 1, 0], [2, 1, 0]], repeat=["", "a", "a"], test=[False, True, True]
    )
    plan = label_exchange(samples)
    assert "alike" in plan.described
    drawn = plan.draw(0, 100, seed=0)
    np.testing.assert_array_equal(drawn[:, 3:6], drawn[:, 6:9])
    assert (drawn[:, :3] != drawn[:, 3:6][:, ::-1]).any()
    apart = design([[0, 1, 2], [2, 1, 0], [2, 0, 1]], repeat=["", "a", "a"])
    assert len(label_exchange(apart).sets) == 3


@pytest.mark.parametrize(
    "labels", [[[0, 1], [0, 1], [1, 0]], [[0, 1, 2], [2, 1, 0]], [[0, 0, 1], [0, 1, 1], [1, 0, 0]]]
)
def test_count_of_distinct_permutations(labels: list[list[int]]) -> None:
    """Against an enumeration up to renaming of labels."""
    samples = design(labels)
    k = len(samples.classes)
    every = {
        tuple(np.concatenate(one)) for one in product(*(set(permutations(run)) for run in labels))
    }
    counts = [[run.count(c) for run in labels] for c in range(k)]
    renamings = [
        r for r in permutations(range(k)) if all(counts[c] == counts[r[c]] for c in range(k))
    ]
    classes = {min(tuple(r[c] for c in one) for r in renamings) for one in every}
    assert 10 ** label_exchange(samples).log10_distinct == pytest.approx(len(classes))


def test_all_showings_of_an_item_have_one_label() -> None:
    samples = design(
        [[0, 1, 2], [2, 0, 1, 2, 0, 1], [1, 0, 2]],
        items=[[0, 1, 2], [12, 10, 11, 12, 10, 11], [11, 10, 12]],
    )
    plan = label_exchange(samples)
    assert "all showings of an item alike" in plan.described
    assert [one.size for one in plan.moving.sets] == [3, 3]
    # Renamings of three labels make 6 of 36 labellings one.
    assert 10**plan.log10_distinct == pytest.approx(6)
    drawn = plan.draw(0, 50, seed=0)
    for item in (10, 11, 12):
        own = drawn[:, samples.item == item]
        assert (own == own[:, :1]).all()
    assert len(np.unique(drawn[:, :3], axis=0)) == 6


def test_an_item_that_was_shown_more_often_keeps_its_label() -> None:
    samples = design([[0, 1, 0, 1, 1]], items=[[0, 1, 2, 3, 3]])
    plan = label_exchange(samples)
    assert "(1 of 4 have none to exchange theirs with and keep it)" in plan.described
    assert (plan.draw(0, 20, seed=0)[:, 3:] == 1).all()
    assert 10**plan.log10_distinct == pytest.approx(3)


GENRES, SHOWN = 10, 4


def clips(rng: np.random.Generator, known: float) -> Samples:
    """Clips of genres, each clip of the test run shown four times; voxels answer clips."""
    train = [rng.permutation(GENRES).tolist() for _ in range(4)]
    test = np.concatenate([rng.permutation(GENRES) for _ in range(SHOWN)])
    given = design(
        [*train, test.tolist()],
        test=[False] * 4 + [True],
        items=[*(np.arange(k * 10, k * 10 + 10).tolist() for k in range(4)), (100 + test).tolist()],
    )
    answers = rng.standard_normal((200, 15))[given.item]
    genres = known * rng.standard_normal((GENRES, 15))[given.label]
    return replace(given, x=answers + genres + 0.4 * rng.standard_normal(answers.shape))


def test_a_decoder_of_clips_is_none_of_genres() -> None:
    """One clip a genre: moving its showings apart takes what all showings share for genre."""
    decoder = Decoder(datasets=["d"], kind="ridge", samples="blocks", regularization=15)
    few = decoder.model_copy(update={"permutations": 99})
    rng = np.random.default_rng(0)
    null = [clips(rng, 0) for _ in range(150)]
    alike = [decode(one, few).p for one in null]
    apart = [decode(replace(one, exchange="block"), few).p for one in null]
    assert np.mean(np.array(alike) <= 0.05) <= 0.07
    assert np.mean(np.array(apart) <= 0.05) > 0.1
    found = [decode(clips(rng, 1.5), few).p <= 0.05 for _ in range(20)]
    assert np.mean(found) > 0.8


def test_a_decoder_never_meets_an_item_that_it_is_tested_on() -> None:
    """Voxels that know items and no labels, and items that come again in another run."""
    decoder = Decoder(
        datasets=["d"], kind="ridge", samples="blocks", regularization=1, permutations=0
    )
    rng = np.random.default_rng(0)
    items = [rng.permutation(20) + 20 * (run // 2) for run in range(8)]
    label = np.arange(80) % 2
    given = design([label[own].tolist() for own in items], items=[own.tolist() for own in items])
    given = replace(given, x=rng.standard_normal((80, 100))[given.item])
    recognised = decode(replace(given, exchange="block"), decoder)
    kept_apart = decode(given, decoder)
    assert recognised.accuracy > 0.9
    assert recognised.left_out == 0
    assert kept_apart.accuracy < 0.7
    assert kept_apart.left_out == 8 * 20
    everywhere = design([[0, 1]] * 3, items=[[0, 1]] * 3)
    with pytest.raises(UserError, match="held out with all showings of its items"):
        decode(everywhere, decoder)


def test_few_permutations_give_no_p() -> None:
    decoder = Decoder(datasets=["d"], kind="ridge", samples="blocks", regularization=1)
    found = decode(design([[0, 1]] * 10), decoder)
    assert "512 distinct permutations exist, fewer than 1000" in found.refusal
    assert len(found.null) == 0
    found = decode(design([[0, 1]] * 11), decoder)
    assert found.refusal == ""
    assert len(found.null) == 200


def test_holdout_tests_on_test_runs_alone() -> None:
    samples = design([[0, 1, 2, 3, 4]] * 5, test=[False] * 3 + [True] * 2)
    decoder = Decoder(datasets=["d"], kind="ridge", samples="blocks", regularization=1)
    found = decode(samples, decoder)
    assert set(samples.run[samples.unit[found.tested]]) == {3, 4}
    assert found.accuracy > 0.5
    assert found.null.mean() == pytest.approx(0.2, abs=0.05)


def test_runs_never_straddle_train_and_test() -> None:
    """Samples that only say which run they are from: learned by heart if a run were split."""
    rng = np.random.default_rng(0)
    samples = design([[label, label] for label in rng.integers(0, 2, 12)])
    marks = rng.standard_normal((12, 400))[samples.run]
    decoder = Decoder(
        datasets=["d"], kind="ridge", samples="blocks", regularization=1, permutations=0
    )
    assert decode(replace(samples, x=marks), decoder).accuracy < 0.85
    split = replace(
        samples, x=marks, run=np.tile([0, 1], 12), runs=["odd", "even"], repeat=["", ""]
    )
    assert decode(replace(split, test=np.zeros(2, bool)), decoder).accuracy == 1


def test_auc_leaves_out_runs_without_the_class() -> None:
    y = np.array([0, 1, 0, 0, 1, 1])
    run = np.array([0, 0, 0, 1, 1, 2])
    decision = np.stack([[3.0, 1, 2, 0, 1, 0], [0.0, 1, 2, 0, 1, 0], np.zeros(6)], 1)
    auc = area_under_curve(y, decision, run)
    assert auc[0] == pytest.approx((1 + 0) / 2)
    assert auc[1] == pytest.approx((0.5 + 1) / 2)
    assert np.isnan(auc[2])
