"""What lets a careless decoder find labels in noise does not let this one.

Each trap is data without any answer to the labels. A decoder that leaks is fooled by it in this
same test; the defence is named. Of 200 data sets, as many pass at .05 as chance alone lets pass.
"""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import KFold, LeaveOneGroupOut, cross_val_score

from tristream.config.decoders import DecoderDesign
from tristream.decode.decoding import decode
from tristream.decode.decoding_samples import Samples
from tristream.decode.labelled_arrays import labelled

REPEATS = 200
RIDGE = {"kind": "ridge", "samples": "volumes", "regularization": 10.0}
Trap = Callable[[np.random.Generator], tuple[Samples, float]]


def shuffled(x: np.ndarray, y: np.ndarray) -> float:
    """A leak: single samples are held out, whatever they share with those that stay."""
    folds = KFold(5, shuffle=True, random_state=0)
    return float(cross_val_score(RidgeClassifier(10.0), x, y, cv=folds).mean())


def by_run(x: np.ndarray, y: np.ndarray, run: np.ndarray) -> float:
    return float(
        cross_val_score(RidgeClassifier(10.0), x, y, groups=run, cv=LeaveOneGroupOut()).mean()
    )


def run_offsets(rng: np.random.Generator) -> tuple[Samples, float]:
    """Runs differ, and have more of one label: their offset tells the label. Defence: whole runs
    are held out, and labels move within runs."""
    run = np.repeat(np.arange(8), 8)
    y = np.concatenate([rng.permutation([0] * n + [1] * (8 - n)) for n in (6, 2) * 4])
    x = 3 * rng.standard_normal((8, 20))[run] + rng.standard_normal((64, 20))
    return labelled(x, y, run), shuffled(x, y)


def repeated_clips(rng: np.random.Generator) -> tuple[Samples, float]:
    """Voxels know clips, and clips come again in other runs. Defence: all showings of a clip are
    held out together, and keep one label."""
    item = np.concatenate([rng.permutation(12) + 12 * (run // 2) for run in range(8)])
    run = np.repeat(np.arange(8), 12)
    y = rng.permutation(np.repeat([0, 1], 24))[item]
    x = rng.standard_normal((48, 40))[item] + 0.5 * rng.standard_normal((96, 40))
    return labelled(x, y, run, items=item), by_run(x, y, run)


def carry_over(rng: np.random.Generator) -> tuple[Samples, float]:
    """Noise carries over to the next volumes of a block. Defence: whole runs are held out, and
    blocks exchange labels, volumes don't."""
    run, block = np.repeat(np.arange(6), 32), np.arange(192) // 4
    y = np.concatenate([rng.permutation([0, 1] * 4) for _ in range(6)])[block]
    x = rng.standard_normal((192, 20))
    for row in range(1, 192):
        if run[row] == run[row - 1]:
            x[row] = 0.9 * x[row - 1] + np.sqrt(1 - 0.9**2) * x[row]
    return labelled(x, y, run, blocks=block), shuffled(x, y)


def ranked_voxels(rng: np.random.Generator) -> tuple[Samples, float]:
    """The best voxels of all samples know the test labels. Defence: voxels are chosen in the
    fold."""
    run = np.repeat(np.arange(4), 12)
    y = np.concatenate([rng.permutation([0, 1] * 6) for _ in range(4)])
    x = rng.standard_normal((48, 200))
    return labelled(x, y, run), by_run(SelectKBest(k=10).fit_transform(x, y), y, run)


@pytest.mark.parametrize(
    ("trap", "keys"),
    [
        (run_offsets, {"permutations": 39}),
        (repeated_clips, {"permutations": 39}),
        (carry_over, {"permutations": 39}),
        # Each labelling chooses its own voxels: fewer of them, in fewer folds, for time.
        (ranked_voxels, {"permutations": 19, "folds": 2, "voxels": 10, "kind": "svm"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_trap_fools_a_leaky_decoder_alone(trap: Trap, keys: dict[str, object]) -> None:
    rng = np.random.default_rng(0)
    p, accuracy, leaky = [], [], []
    for _ in range(REPEATS):
        samples, fooled = trap(rng)
        found = decode(samples, DecoderDesign(**RIDGE | keys))
        p.append(found.p)
        accuracy.append(found.accuracy)
        leaky.append(fooled)
    low, high = stats.binom.interval(0.99, REPEATS, 0.05)
    assert low <= (np.array(p) <= 0.05).sum() <= high
    assert np.mean(accuracy) < 0.52
    assert np.mean(leaky) >= 0.6
