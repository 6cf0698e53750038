"""Rules that tests of this package once followed, or might: each rejects too many true nulls.

Written out by hand, so that they stay as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tristream.encode.encoding_file import Encoding, HeldOut
from tristream.inference.permutation import exchange_of_runs
from tristream.inference.refit import refitted_z
from tristream.inference.tested_runs import runs_of

PERMUTATIONS = 199


def _standard(x: np.ndarray) -> np.ndarray:
    x = x - x.mean(0)
    return x / np.sqrt((x**2).sum(0))


def _units(test: HeldOut) -> list[np.ndarray]:
    """Samples of the presentations of a run, cut to the shortest."""
    rows = [np.flatnonzero(test.unit == unit) for unit in np.unique(test.unit[test.unit >= 0])]
    shortest = min(len(own) for own in rows)
    return [own[:shortest] for own in rows]


def showings_moved_apart(encoding: Encoding, seed: int = 0) -> np.ndarray:
    """P of each voxel, (voxels,): presentations change places in each run by itself.

    Two faults: showings of an item, which voxels answer alike, are taken for independent; and
    what neighbours share, where they touch, is lost.
    """
    rng, z = np.random.default_rng(seed), 0.0
    for test in encoding.tests.values():
        y, prediction, rows = _standard(test.y), _standard(test.prediction), _units(test)
        r = [(y * prediction).sum(0)]
        for _ in range(PERMUTATIONS):
            moved = prediction.copy()
            order = rng.permutation(len(rows))
            moved[np.concatenate(rows)] = prediction[np.concatenate([rows[k] for k in order])]
            r.append((y * moved).sum(0))
        z = z + np.arctanh(r)
    return (z >= z[0] - 1e-12).mean(0)


def volumes_moved_singly(encoding: Encoding, seed: int = 0) -> np.ndarray:
    """P of each voxel, (voxels,): single volumes change places, as if each were independent."""
    rng, z = np.random.default_rng(seed), 0.0
    for test in encoding.tests.values():
        y, prediction = _standard(test.y), _standard(test.prediction)
        orders = [np.arange(len(y)), *(rng.permutation(len(y)) for _ in range(PERMUTATIONS))]
        z = z + np.arctanh([(y * prediction[order]).sum(0) for order in orders])
    return (z >= z[0] - 1e-12).mean(0)


def pieces_of_predictions(encodings: Sequence[Encoding], seed: int = 0) -> np.ndarray:
    """P of each voxel, (voxels,), of the mean over subjects: items move in the predictions.

    They do so alike in all runs and subjects. At the head of each piece stands the end of the
    answer to the item before, which moves along.
    """
    z = np.mean([_pieces(one, seed) for one in encodings], axis=0)
    return (z >= z[0] - 1e-12).mean(0)


def pieces_of_differences(one: Encoding, other: Encoding, seed: int = 0) -> np.ndarray:
    """P of each voxel, (voxels,), two-sided: items move in the difference of two predictions.

    Faults as of :func:`pieces_of_predictions`; and what neighbours share is lost.
    """
    tests = {
        name: replace(test, prediction=_standard(test.prediction) - _standard(again.prediction))
        for (name, test), again in zip(one.tests.items(), other.tests.values(), strict=True)
    }
    z = np.abs(_pieces(replace(one, tests=tests), seed))
    return (z >= z[0] - 1e-12).mean(0)


def _pieces(encoding: Encoding, seed: int) -> np.ndarray:
    """Fisher z, (1 + permutations, voxels)."""
    rng, z = np.random.default_rng(seed), 0.0
    items = np.unique(
        np.concatenate([test.item[test.unit >= 0] for test in encoding.tests.values()])
    )
    orders = [rng.permutation(len(items)) for _ in range(PERMUTATIONS)]
    for test in encoding.tests.values():
        y, prediction, rows = _standard(test.y), _standard(test.prediction), _units(test)
        place = np.argsort([test.item[own[0]] for own in rows])
        r = [(y * prediction).sum(0)]
        for order in orders:
            moved = prediction.copy()
            to, source = ([rows[k] for k in each] for each in (place, place[order]))
            moved[np.concatenate(to)] = prediction[np.concatenate(source)]
            r.append((y * moved).sum(0))
        z = z + np.arctanh(r)
    return np.asarray(z)


def pieces_of_data(encoding: Encoding, path: Path, seed: int = 0) -> np.ndarray:
    """P of each voxel, (voxels,): items change places in the data, and all folds are fitted again.

    The end of the answer to the item before moves along, in training data, too; and penalties of
    single voxels stay, which were chosen on the data as they are.
    """
    z = refitted_z(encoding, path, exchange_of_runs(runs_of(encoding), "item"), PERMUTATIONS, seed)
    return (z >= z[0] - 1e-6).mean(0)


def signs_of_fixed_predictions(one: Encoding, other: Encoding, seed: int = 0) -> np.ndarray:
    """P of each voxel, (voxels,), two-sided: signs of blocks of the difference are flipped.

    Where runs are left out in turn, what two runs share by chance counts in the folds of both.
    """
    rng, parts = np.random.default_rng(seed), []
    others: Mapping[str, HeldOut] = other.tests
    for name, test in one.tests.items():
        difference = _standard(test.prediction) - _standard(others[name].prediction)
        product = _standard(test.y) * difference
        parts += [product[test.unit == unit].sum(0) for unit in np.unique(test.unit)]
    signs = np.vstack([np.ones(len(parts)), rng.choice([-1, 1], (PERMUTATIONS, len(parts)))])
    null = np.abs(signs @ np.stack(parts))
    return (null >= null[0] - 1e-12).mean(0)


def signs_of_r2_of_means(one: Encoding, other: Encoding, seed: int = 0) -> np.ndarray:
    """P of each voxel, (voxels,): what a model explains more than one with fewer bands, by signs.

    Both predict by means over candidates. R² counts how much is predicted where there is nothing to
    predict, which is less the more bands there are.
    """
    rng, parts = np.random.default_rng(seed), []
    for name, test in one.tests.items():
        y, p, q = (x - x.mean(0) for x in (test.y, test.prediction, other.tests[name].prediction))
        gained = (p * (2 * y - p) - q * (2 * y - q)) / (y**2).sum(0)
        parts += [gained[test.unit == unit].sum(0) for unit in np.unique(test.unit)]
    signs = np.vstack([np.ones(len(parts)), rng.choice([-1, 1], (PERMUTATIONS, len(parts)))])
    null = signs @ np.stack(parts)
    return (null >= null[0] - 1e-12).mean(0)


def signs_of_subjects(encodings: Sequence[Encoding]) -> np.ndarray:
    """P of each voxel, (voxels,): signs of subjects flipped, as an answer for other stimuli.

    Subjects who met the same stimuli share what these do to a voxel.
    """
    z = np.stack([np.arctanh(one.scores.r) for one in encodings])
    pattern = np.arange(2 ** len(z))[:, None] >> np.arange(len(z)) & 1
    null = (1 - 2 * pattern) @ z
    return (null >= null[0] - 1e-12).mean(0)
