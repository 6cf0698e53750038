"""Classifiers refitted to each labelling are scikit-learn's; the quick ridge is one of them."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.svm import LinearSVC

from tristream.config.decoders import DecoderDesign
from tristream.decode.classifiers import CLASSIFIERS
from tristream.decode.ensemble import together
from tristream.decode.fold_samples import INNER, FoldSamples
from tristream.decode.pipeline_fold import PipelineFold
from tristream.decode.pipelines import STRENGTHS, classifier, decisions
from tristream.decode.search import TEMPERATURES, held_out_score, temperature
from tristream.errors import UserError

KINDS = tuple(CLASSIFIERS)
RUNS, CLASSES = 6, 3


def fold(voxels: int = 40, signal: float = 0.9, runs: int = RUNS) -> tuple[FoldSamples, np.ndarray]:
    """Samples in units of two, and the labels of the units."""
    rng = np.random.default_rng(0)
    label = np.concatenate([rng.permutation(np.repeat(np.arange(CLASSES), 2)) for _ in range(runs)])
    units = np.repeat(np.arange(len(label)), 2)
    run = np.repeat(np.arange(runs), 2 * 2 * CLASSES)
    x = rng.standard_normal((len(units), voxels)) * np.linspace(0.5, 3, voxels)
    x[:, :CLASSES] += signal * np.eye(CLASSES)[label[units]]
    train, test = run < runs - 1, run == runs - 1
    samples = FoldSamples(x[train], x[test], units[train], run[train], units[train], CLASSES)
    return samples, label[: units[train].max() + 1]


def design(**keys: object) -> DecoderDesign:
    return DecoderDesign(**{"kind": "ridge", "samples": "volumes", **keys})


@pytest.mark.parametrize("keys", [{}, {"standardize": "training"}, {"regularization": 7.0}])
@pytest.mark.parametrize("voxels", [20, 200])
@pytest.mark.parametrize("probabilities", [False, True])
def test_the_quick_ridge_is_the_pipeline(keys, voxels, probabilities):
    samples, label = fold(voxels)
    rng = np.random.default_rng(1)
    labels = np.stack([label, *(rng.permutation(label) for _ in range(5))])
    quick = CLASSIFIERS["ridge"].fold(samples, design(**keys), probabilities)
    slow = PipelineFold(samples, "ridge", design(**keys), probabilities)
    assert type(quick) is not type(slow)
    np.testing.assert_allclose(quick.decide(labels), slow.decide(labels), atol=1e-8)


@pytest.mark.parametrize("kind", ["svm", "logistic", "ridge"])
@pytest.mark.parametrize("keys", [{"voxels": 10}, {"standardize": "training"}, {}])
def test_the_search_is_cross_validation_over_runs(kind, keys):
    """Inner folds of whole runs; the whole pipeline, its choice of voxels too, fitted in each."""
    samples, label = fold(signal=0.6)
    y = label[samples.units]
    scores, fitted = [], []
    for strength in STRENGTHS[kind]:
        scaled = keys.get("standardize") == "training"
        pipeline = classifier(
            kind, strength, voxels=keys.get("voxels"), standardize=scaled, unit=True
        )
        named = cross_val_predict(
            pipeline, samples.train, y, groups=samples.runs, cv=GroupKFold(INNER)
        )
        scores.append(balanced_accuracy_score(y, named))
        fitted.append(pipeline.fit(samples.train, y))
    assert len(set(scores)) > 1
    own = PipelineFold(samples, kind, design(kind=kind, **keys), probabilities=False)
    expected = decisions(fitted[int(np.argmax(scores))], samples.test, CLASSES)
    np.testing.assert_allclose(own.decide(label[None])[0], expected, rtol=5e-3, atol=5e-3)


def test_two_classes_get_opposite_decisions():
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 10)
    x = rng.standard_normal((20, 4)) + 3 * y[:, None]
    samples = FoldSamples(x, x, np.arange(20), np.arange(20) // 5, np.arange(20), 2)
    for kind in ("svm", "logistic", "lda", "ridge"):
        keys = {"kind": kind, "regularization": 0.5}
        decision = CLASSIFIERS[kind].fold(samples, design(**keys), False).decide(y[None])[0]
        np.testing.assert_allclose(decision[:, 0], -decision[:, 1], atol=1e-12)
        assert (decision.argmax(1) == y).mean() > 0.9


def test_the_space_of_the_samples_changes_no_decision():
    samples, label = fold(voxels=200)
    y = label[samples.units]
    for kind, whole in (("svm", LinearSVC(C=1.0)), ("logistic", LogisticRegression(C=1.0))):
        own = PipelineFold(samples, kind, design(kind=kind, regularization=1.0), False)
        assert own.train.shape == (len(y), len(y))
        expected = whole.fit(samples.train, y).decision_function(samples.test)
        np.testing.assert_allclose(own.decide(label[None])[0], expected, atol=5e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_keep_the_decision(kind):
    samples, label = fold()
    keys = design(kind=kind)
    given = CLASSIFIERS[kind].fold(samples, keys, True).decide(label[None])
    plain = CLASSIFIERS[kind].fold(samples, keys, False).decide(label[None])
    np.testing.assert_allclose(given.sum(-1), 1)
    np.testing.assert_array_equal(given.argmax(-1), plain.argmax(-1))


def test_temperature_finds_what_labels_were_drawn_with():
    rng = np.random.default_rng(0)
    decision = rng.standard_normal((1, 4000, 4))
    for true in (0.3, 2.0):
        chance = softmax(true * decision[0], axis=1)
        y = (rng.random((4000, 1)) > chance.cumsum(1)).sum(1)
        assert temperature(decision, y[None])[0] == pytest.approx(true, rel=0.3)
    noise = rng.integers(4, size=(1, 4000))
    assert temperature(decision, noise)[0] < 0.1
    assert TEMPERATURES[0] < 0.1


def test_held_out_scores_are_balanced_accuracies():
    rng = np.random.default_rng(0)
    decision, y = rng.standard_normal((2, 50, 3)), rng.integers(3, size=(2, 50))
    expected = [
        balanced_accuracy_score(y[k], decision[k].argmax(1), adjusted=False) for k in range(2)
    ]
    np.testing.assert_allclose(held_out_score(decision, y), expected)


def test_majority_and_mean_can_differ_and_ties_go_to_the_mean():
    # Two of three members are barely for class 0, the third is sure of class 1.
    members = [np.array([[[0.51, 0.49]]])] * 2 + [np.array([[[0.0, 1.0]]])]
    mean, majority, *own = together(members)
    assert mean.argmax() == 1
    assert majority.argmax() == 0
    assert len(own) == 3
    tied = together([np.array([[[0.6, 0.4]]]), np.array([[[0.1, 0.9]]])])
    assert tied[1].argmax() == 1


def test_inner_folds_part_runs_and_items():
    samples, _ = fold()
    for fit, validate in samples.inner:
        assert not set(samples.runs[fit]) & set(samples.runs[validate])
    shared = FoldSamples(
        samples.train, samples.test, samples.units, samples.runs, samples.units % 8, CLASSES
    )
    for fit, validate in shared.inner:
        assert not set(shared.things[fit]) & set(shared.things[validate])


def test_one_training_run_leaves_nothing_to_search_in():
    samples, label = fold(runs=2)
    with pytest.raises(UserError, match=r"only one training run.*set `regularization`"):
        CLASSIFIERS["svm"].fold(samples, design(kind="svm"), False).decide(label[None])
    with pytest.raises(UserError, match="only one training run"):
        CLASSIFIERS["ridge"].fold(samples, design(), False)
    fixed = design(kind="svm", regularization=1.0)
    assert CLASSIFIERS["svm"].fold(samples, fixed, False).decide(label[None]).shape == (1, 12, 3)
