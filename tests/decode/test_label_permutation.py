"""Which labellings the null draws, and how many there are."""

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest

from tristream.config.decoders import Decoder
from tristream.decode.classifiers import SvmFold
from tristream.decode.decoding import area_under_curve, decode
from tristream.decode.decoding_samples import Samples
from tristream.decode.label_permutation import draw, log10_distinct, scheme


def design(
    labels: list[list[int]],
    lengths: list[list[int]] | None = None,
    repeat: list[str] | None = None,
    test: list[bool] | None = None,
) -> Samples:
    """One sample a unit; runs of labelled units."""
    label = np.concatenate(labels)
    run = np.repeat(np.arange(len(labels)), [len(one) for one in labels])
    rng = np.random.default_rng(0)
    return Samples(
        x=rng.standard_normal((len(label), 5)) + 2 * np.eye(5)[label],
        unit=np.arange(len(label)),
        label=label,
        run=run,
        length=np.concatenate(lengths) if lengths else np.ones(len(label), int),
        unit_names=[str(u) for u in range(len(label))],
        classes=[f"c{c}" for c in range(label.max() + 1)],
        runs=[f"run-{r}" for r in range(len(labels))],
        test=np.array(test or [False] * len(labels)),
        repeat=repeat or [""] * len(labels),
    )


def test_labels_stay_in_their_run() -> None:
    samples = design([[0, 1, 2, 0], [1, 2, 1, 2]])
    drawn = draw(samples.label, scheme(samples).sets, 200, seed=0)
    for run in (0, 1):
        own = drawn[:, samples.run == run]
        assert (np.sort(own, 1) == np.sort(samples.label[samples.run == run])).all()
        assert len(np.unique(own, axis=0)) == (12, 6)[run]


def test_unequal_units_exchange_among_equals() -> None:
    samples = design([[0, 1, 0, 1]] * 2, [[9, 9, 4, 4]] * 2)
    plan = scheme(samples)
    assert "equal length" in plan.described
    drawn = draw(samples.label, plan.sets, 100, seed=0)
    for units in ([0, 1], [2, 3], [4, 5], [6, 7]):
        assert (np.sort(drawn[:, units], 1) == [0, 1]).all()


def test_repeats_of_a_run_move_alike() -> None:
    samples = design(
        [[0, 1, 2], [2, 1, 0], [2, 1, 0]], repeat=["", "a", "a"], test=[False, True, True]
    )
    plan = scheme(samples)
    assert "alike" in plan.described
    drawn = draw(samples.label, plan.sets, 100, seed=0)
    np.testing.assert_array_equal(drawn[:, 3:6], drawn[:, 6:9])
    assert (drawn[:, :3] != drawn[:, 3:6][:, ::-1]).any()
    apart = design([[0, 1, 2], [2, 1, 0], [2, 0, 1]], repeat=["", "a", "a"])
    assert len(scheme(apart).sets) == 3


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
    assert 10 ** log10_distinct(samples.label, scheme(samples).sets) == pytest.approx(len(classes))


def test_few_permutations_give_no_p() -> None:
    decoder = Decoder(datasets=["d"], kind="ridge", samples="blocks")
    found = decode(design([[0, 1]] * 10), decoder)
    assert "512 distinct permutations exist, fewer than 1000" in found.refusal
    assert len(found.null) == 0
    found = decode(design([[0, 1]] * 11), decoder)
    assert found.refusal == ""
    assert len(found.null) == 200


def test_holdout_tests_on_test_runs_alone() -> None:
    samples = design([[0, 1, 2, 3, 4]] * 5, test=[False] * 3 + [True] * 2)
    decoder = Decoder(datasets=["d"], kind="ridge", samples="blocks")
    found = decode(samples, decoder)
    assert set(samples.run[samples.unit[found.tested]]) == {3, 4}
    assert found.accuracy > 0.5
    assert found.null.mean() == pytest.approx(0.2, abs=0.05)


def test_runs_never_straddle_train_and_test() -> None:
    """Samples that only say which run they are from: learned by heart if a run were split."""
    rng = np.random.default_rng(0)
    samples = design([[label, label] for label in rng.integers(0, 2, 12)])
    marks = rng.standard_normal((12, 400))[samples.run]
    decoder = Decoder(datasets=["d"], kind="ridge", samples="blocks", permutations=0)
    assert decode(replace(samples, x=marks), decoder).accuracy < 0.85
    split = replace(
        samples, x=marks, run=np.tile([0, 1], 12), runs=["odd", "even"], repeat=["", ""]
    )
    assert decode(replace(split, test=np.zeros(2, bool)), decoder).accuracy == 1


def test_two_classes_have_two_decision_values() -> None:
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 10)
    x = rng.standard_normal((20, 4)) + 3 * y[:, None]
    fold = SvmFold(x, x, np.arange(20), 2, 1.0, 0)
    decision = fold.decide(y[None])[0]
    np.testing.assert_array_equal(decision[:, 0], -decision[:, 1])
    assert (decision.argmax(1) == y).mean() > 0.9


def test_rotation_changes_no_decision() -> None:
    rng = np.random.default_rng(0)
    y = np.tile(np.arange(3), 10)
    x = rng.standard_normal((36, 200))
    x[:30, :3] += 2 * np.eye(3)[y]
    rotated = SvmFold(x[:30], x[30:], np.arange(30), 3, 1.0, 0)
    assert rotated.train.shape == (30, 36)
    plain = SvmFold(x[:30], x[30:], np.arange(30), 3, 1.0, 0)
    plain.train, plain.test = x[:30], x[30:]
    np.testing.assert_allclose(rotated.decide(y[None]), plain.decide(y[None]), atol=2e-3)


def test_auc_leaves_out_runs_without_the_class() -> None:
    y = np.array([0, 1, 0, 0, 1, 1])
    run = np.array([0, 0, 0, 1, 1, 2])
    decision = np.stack([[3.0, 1, 2, 0, 1, 0], [0.0, 1, 2, 0, 1, 0], np.zeros(6)], 1)
    auc = area_under_curve(y, decision, run)
    assert auc[0] == pytest.approx((1 + 0) / 2)
    assert auc[1] == pytest.approx((0.5 + 1) / 2)
    assert np.isnan(auc[2])
