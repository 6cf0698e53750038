"""A test of two models under leave-one-run-out, where both predict alike and none is better."""

import numpy as np
import torch

from tristream.encode.bands import BandKernels
from tristream.encode.mixture import Mixture
from tristream.encode.unit_parts import LinearFold, UnitParts, add_training_parts, width
from tristream.inference.fold_parts import add_test_run
from tristream.inference.sign_flips import SignFlips

RUNS, LABELS, SHOWN, VOXELS = 6, 8, 3, 150
SAMPLES = LABELS * SHOWN
DRAWS, SIGNED = 16, 999


def ridge(x, y, test):
    """Kernels of a fold, its model, and its prediction of the test run by ridge regression."""
    mean, alpha = x.mean(0), 10.0
    x, new = x - mean, test - mean
    weights = np.linalg.solve(x.T @ x + alpha * np.eye(x.shape[1]), x.T @ (y - y.mean(0)))
    kernels = BandKernels(
        torch.from_numpy(x @ x.T)[None], {"test": torch.from_numpy(new @ x.T)[None]}, {}
    )
    models = Mixture(
        np.ones((1, 1)),
        np.array([alpha]),
        np.zeros((1, y.shape[1]), int),
        np.ones((1, y.shape[1])),
    )
    return kernels, models, new @ weights


def p_values(seed, signal, by_pairs):
    """Of true nulls: one model's features of a label are the other's of the label's partner."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate(
        [rng.permutation(np.repeat(np.arange(LABELS), SHOWN)) for _ in range(RUNS)]
    )
    a = rng.standard_normal((LABELS, 4))
    # Partners are neighbours in the list.
    b = a[np.arange(LABELS) ^ 1]
    answers = ((a + b) @ rng.standard_normal((4, VOXELS)))[labels]
    noise = rng.standard_normal(answers.shape)
    y = np.sqrt(signal) * answers / answers.std(0) + np.sqrt(1 - signal) * noise
    run, unit = np.repeat(np.arange(RUNS), SAMPLES), np.arange(RUNS * SAMPLES)
    total, score = UnitParts(len(unit), VOXELS, seed), np.zeros(VOXELS)
    for test in range(RUNS):
        kept, out = run != test, run == test
        folds = [ridge(x[labels[kept]], y[kept], x[labels[out]]) for x in (a, b)]
        predictions = [prediction for _, _, prediction in folds]
        slopes = add_test_run(total, y[out], predictions, unit[out], 1 / RUNS)
        for (kernels, models, prediction), (slope, unexpected), sign in zip(
            folds, slopes, (1, -1), strict=True
        ):
            fold = LinearFold(kernels, models, y[kept], unit[kept], unit[out])
            add_training_parts(total, fold, slope, unexpected if by_pairs else None)
            r = [np.corrcoef(*pair)[0, 1] for pair in zip(prediction.T, y[out].T, strict=True)]
            score += sign * np.array(r) / RUNS
    parts = total.summing_to(score)
    null = SignFlips(parts, width(parts, total.pairs), seed)
    larger = null.values(0, SIGNED, np.arange(VOXELS)) >= null.observed
    return (1 + larger.sum(0)) / (1 + SIGNED)


def rate(signal, by_pairs=True):
    """Share of true nulls with p at most .05."""
    p = [p_values(seed, signal, by_pairs) for seed in range(DRAWS)]
    return (np.concatenate(p) <= 0.05).mean()


def test_true_nulls_pass_as_often_as_promised_and_more_often_if_signal_counts_as_pairs():
    right, wrong = rate(0.1), rate(0.1, by_pairs=False)
    assert right <= 0.075
    assert wrong >= 0.085
