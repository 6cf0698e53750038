"""Features of items in other places: tables of products against predicting again by hand."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.calibration_designs import Design, made
from helpers.calibration_subjects import BANDS, Subject, World
from tristream.align.aligned import read_aligned
from tristream.align.resample import resample_items
from tristream.encode.dual_weights import read_dual_weights
from tristream.encode.encoding_file import Encoding, HeldOut, read_encoding
from tristream.encode.prediction_scores import correlation, fisher_mean
from tristream.encode.tap_predictions import tap_predictions
from tristream.inference import rearranged_lengths
from tristream.inference.moved_features import MovedFeatures, exchange_of_items
from tristream.inference.moved_predictions import LIMIT
from tristream.inference.refit_features import _factor, refitted_features_z
from tristream.inference.shared_hyperparameters import SharedHyperparameters
from tristream.inference.tested_runs import features_can_move, runs_of

VOXELS = 9


def design(
    scheme: str, again: bool, length: float = 5.0, pauses: tuple[float, float] = (0.0, 3.0)
) -> Design:
    """Items of unequal length, with pauses in turn; `again`: the same in every run."""
    rng, runs = np.random.default_rng(0), []
    for number in range(6):
        names = [f"i{k}" if again else f"i{number}-{k}" for k in rng.permutation(8)]
        runs.append([(n, "a", length + k % 3, pauses[k % 2]) for k, n in enumerate(names)])
    return made("items", runs, "item", scheme)


# Half a second at a TR of two: an item lasts one TR in the sample index, and a quarter in features.
BRIEF = (0.5, (3.5, 5.0))


@pytest.fixture(
    params=[
        ("holdout", False),
        ("holdout", True),
        ("holdout", True, *BRIEF),
        ("leave-one-run-out", True),
        ("leave-one-run-out", True, *BRIEF),
    ]
)
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    found = Subject(design(*request.param), tmp_path, VOXELS)
    found.draw(1, World(rho=0.3, planted=(0.3, 0.0, 0.1)))
    return found


def features_of(subject: Subject, band: str, moved: dict[str, str]) -> dict[str, np.ndarray]:
    """Aligned features, had items been shown as `moved` says, from the events."""
    rows = subject.common_features(band)
    out = {}
    for run, events in subject.design.timeline.items():
        vectors = np.stack([rows[moved.get(e.item, e.item)] for e in events])
        onsets, durations = (
            np.array([getattr(e, n) for e in events]) for n in ("onset", "duration")
        )
        times = subject.design.times(run)
        out[run] = resample_items(times, subject.design.tr, onsets, durations, vectors)
    return out


def moved_items(encoding: Encoding, subject: Subject, order: list[np.ndarray]) -> dict[str, str]:
    """Item to the one whose features it gets, in the first permutation."""
    tests = list(encoding.tests.values())
    moves = exchange_of_items(tests, "item")
    names = sorted({e.item for events in subject.design.timeline.values() for e in events})
    out = {}
    for one, to in zip(moves.sets, order, strict=True):
        run = next(iter(one.showings))
        items = next(iter(tests[run].whole.values())).filled_item
        shown = [names[items[unit[0][0]]] for unit in one.showings[run]]
        out |= {place: shown[k] for place, k in zip(shown, to[0], strict=True)}
    return out


@dataclass(frozen=True)
class ByHand:
    """Delayed features of a model, standardised and balanced as those that were shown."""

    encoding: Encoding
    plain: dict[str, dict[str, np.ndarray]]
    train: list[str]
    projection: dict[str, np.ndarray]
    rows: dict[str, np.ndarray]

    @classmethod
    def of(cls, encoding: Encoding, plain: dict, train: list[str]) -> "ByHand":
        runs = [(run, r.projection, r.rows) for run, r in encoding.fitted.runs.items()]
        for test in encoding.tests.values():
            runs += [(run, r.projection, test.rows) for run, r in test.whole.items()]
        projection, rows = {r: basis for r, basis, _ in runs}, {r: own for r, _, own in runs}
        return cls(encoding, plain, train, projection, rows)

    def delayed(self, band: str, run: str, values: np.ndarray) -> np.ndarray:
        """Used volumes of a run; before its start nothing is shown."""
        used = np.concatenate([self.plain[band][r][self.rows[r]] for r in self.train])
        delays, n = self.encoding.about["delays"], len(values)
        led = (np.pad(values, ((max(delays), 0), (0, 0))) - used.mean(0)) / used.std(0)
        x = np.hstack([led[max(delays) - d :][:n] for d in delays])
        basis = self.projection[run]
        return (x - basis @ (basis.T @ x))[self.rows[run]]

    def design(
        self, changed: dict, test: HeldOut, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Columns of all bands in training and test, less means of the training volumes."""
        train, tested = [], []
        for band, weight in zip(BANDS, weights, strict=True):
            own, shown = self.plain[band], changed[band]
            x = np.concatenate([self.delayed(band, r, own[r]) for r in self.train])
            size = np.sqrt(weight / (((x - x.mean(0)) ** 2).sum() / len(x)))
            x = np.concatenate([self.delayed(band, r, shown[r]) for r in self.train])
            new = np.mean([self.delayed(band, r, shown[r]) for r in test.runs], axis=0)
            train.append((x - x.mean(0)) * size)
            tested.append((new - x.mean(0)) * size)
        return np.hstack(train), np.hstack(tested)


def test_a_rearrangement_is_what_is_predicted_of_the_moved_events(subject: Subject, monkeypatch):
    # The mean length is over all voxels, not over their principal parts.
    monkeypatch.setattr(rearranged_lengths, "PARTS", VOXELS)
    monkeypatch.setattr(rearranged_lengths, "SHARE", 1.0)
    encoding, _ = read_encoding(subject.encoding())
    assert features_can_move(encoding)
    moves = exchange_of_items([*encoding.tests.values()], "item")
    moved = moved_items(encoding, subject, moves.draw(0, 1, 0))
    assert sum(a != b for a, b in moved.items()) > 4
    changed = {band: features_of(subject, band, moved) for band in BANDS}
    plain = {band: features_of(subject, band, {}) for band in BANDS}
    for path, band in zip(subject.aligned, BANDS, strict=True):
        for run, values in read_aligned(path).items():
            np.testing.assert_allclose(values, plain[band][run], atol=1e-5)
    if encoding.about["scheme"] == "holdout":
        dual = read_dual_weights(subject.encoding(), encoding.fitted)
        by_hand = _of_held_out(encoding, dual, plain, changed)
        taps = tap_predictions(encoding, subject.encoding())
        null = MovedFeatures(runs_of(encoding), taps, moves, 0)
        found = null.values(0, 1, np.arange(VOXELS))[0]
        np.testing.assert_allclose(found, by_hand, atol=2e-4)
        return
    z = refitted_features_z(encoding, subject.encoding(), moves, 1)
    np.testing.assert_allclose(z[0], _of_folds(encoding, plain, plain), atol=1e-4)
    np.testing.assert_allclose(z[1], _of_folds(encoding, plain, changed), atol=1e-4)
    assert np.abs(z[1] - z[0]).max() > 0.1


def _of_held_out(encoding: Encoding, dual: np.ndarray, plain: dict, changed: dict) -> np.ndarray:
    train = list(encoding.fitted.runs)
    by_hand = ByHand.of(encoding, plain, train)
    features = {b: {**changed[b], **{r: plain[b][r] for r in train}} for b in plain}
    r = []
    for test in encoding.tests.values():
        prediction = np.zeros(test.y.shape)
        # Of a mean of models each band has dual weights of its own.
        for v, weights in enumerate(encoding.fitted.gamma.T.astype(float)):
            for band, own in enumerate(np.diag(weights)):
                x, new = by_hand.design(features, test, own)
                prediction[:, v] += new @ (x.T @ dual[band, :, v])
        # How much longer it gets is a mean over voxels.
        length = np.linalg.norm(test.prediction - test.prediction.mean(0), axis=0)
        longer = np.linalg.norm(prediction - prediction.mean(0), axis=0) / length
        longer /= np.sqrt((longer**2).mean())
        r.append(np.clip(correlation(test.y, prediction) * longer, -LIMIT, LIMIT))
    return fisher_mean(np.stack(r)) if len(r) > 1 else r[0]


def _of_folds(encoding: Encoding, plain: dict, changed: dict) -> np.ndarray:
    z = []
    for name, test in encoding.tests.items():
        train = [other for other in encoding.tests if other != name]
        shared = SharedHyperparameters.of(test, encoding.fitted.cv)
        x, new = ByHand.of(encoding, plain, train).design(changed, test, shared.gamma)
        y = np.concatenate([encoding.tests[n].y for n in train]).astype(float)
        dual = np.linalg.solve(x @ x.T + shared.alpha * np.eye(len(y)), y - y.mean(0))
        z.append(np.arctanh(correlation(test.y, new @ (x.T @ dual))))
    return np.mean(z, axis=0)


def test_features_that_are_not_those_of_the_fit_are_noticed(tmp_path):
    subject = Subject(design("holdout", True), tmp_path, VOXELS)
    subject.draw(1, World(rho=0.3))
    encoding, _ = read_encoding(subject.encoding())
    runs = runs_of(encoding)
    taps = tap_predictions(encoding, subject.encoding())
    moves = exchange_of_items([*encoding.tests.values()], "item")
    other = [replace(run, prediction=run.prediction[::-1]) for run in runs]
    with pytest.raises(ValueError, match="differ from the stored ones"):
        MovedFeatures(other, taps, moves).values(0, 1, np.arange(VOXELS))


@pytest.mark.parametrize("columns", [3, 40, 90])
def test_a_kernel_is_taken_apart_into_as_many_columns_as_its_rank(columns):
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal((80, columns)) * np.logspace(0, -2, columns))
    kernel = x @ x[:60].T
    found = _factor(kernel)
    assert found.shape == (80, min(columns, 60))
    assert torch.allclose(found @ found[:60].T, kernel, atol=1e-9)
    assert _factor(torch.zeros(80, 60, dtype=torch.float64)).shape == (80, 0)
