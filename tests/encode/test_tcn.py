"""The temporal convolutional network: it learns, stops, repeats itself, and keeps to the past."""

import numpy as np
import pytest
import torch

from tristream.config.models import Network
from tristream.encode.tcn import Recording, Trunk, fit_network

QUICK = Network(width=16, blocks=3, epochs=40, patience=6, learning_rate=1e-2, dropout=0)
VOXELS, FEATURES, VOLUMES = 12, 3, 150
RESPONSE = [0, 0.3, 1, 0.6, 0.2]


def recording(rng, weights, projection=None):
    """BOLD that follows the product of a feature and its past: no linear model can."""
    x = rng.standard_normal((VOLUMES, FEATURES))
    both = np.maximum(x, 0) * np.vstack([np.zeros((1, FEATURES)), np.maximum(x[:-1], 0)])
    signal = np.apply_along_axis(lambda v: np.convolve(v, RESPONSE)[:VOLUMES], 0, both) @ weights
    signal = signal - signal.mean(0)
    y = signal / 1.5 + 0.3 * rng.standard_normal(signal.shape)
    q = np.zeros((VOLUMES, 0)) if projection is None else projection
    y = y - q @ (q.T @ y)
    rows = np.arange(4, VOLUMES)
    return Recording(x.astype("f4"), rows, q, (y[rows] + 5).astype("f4"))


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((FEATURES, VOXELS))
    runs = {f"run-{i}": recording(rng, weights) for i in range(3)}
    test = recording(rng, weights)
    return runs, test, fit_network(runs, QUICK)


def mean_r(prediction, y):
    return np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(prediction.T, y.T, strict=True)])


def test_it_learns_what_a_linear_model_can_not(fitted):
    _, test, network = fitted
    assert mean_r(network.predict(test), test.y) > 0.6
    assert network.cv.mean() > 0.3
    assert network.mean == pytest.approx(5, abs=0.5)


def test_it_stops_when_left_out_runs_stop_gaining(fitted):
    _, _, network = fitted
    assert len(network.curve) == min(network.epochs + QUICK.patience, QUICK.epochs)
    assert network.curve.argmin() + 1 == network.epochs
    assert network.epochs > 3


def test_the_same_seed_gives_the_same_network(fitted):
    runs, test, _ = fitted
    short = QUICK.model_copy(update={"epochs": 3, "dropout": 0.2})
    one, two = (fit_network(runs, short, seed=1) for _ in range(2))
    torch.manual_seed(5)
    three = fit_network(runs, short, seed=1)
    other = fit_network(runs, short, seed=2)
    assert np.array_equal(one.predict(test), two.predict(test))
    assert np.array_equal(one.predict(test), three.predict(test))
    assert not np.array_equal(one.predict(test), other.predict(test))


def test_predictions_look_back_as_far_as_they_may_and_never_ahead():
    network = Trunk(FEATURES, 2, QUICK).eval()
    torch.nn.init.normal_(network.readout.weight)
    x = torch.randn(1, FEATURES, 60, requires_grad=True)
    network(x)[0, 0, 40].backward()
    seen = np.flatnonzero(x.grad.abs().sum((0, 1)).numpy())
    assert seen.max() == 40
    assert seen.min() == 40 - 2 * (1 + 2 + 4)


def test_what_was_projected_out_of_bold_is_out_of_predictions():
    rng = np.random.default_rng(3)
    basis = np.linalg.qr(np.vander(np.linspace(-1, 1, VOLUMES), 3))[0]
    weights = rng.standard_normal((FEATURES, VOXELS))
    runs = {f"run-{i}": recording(rng, weights, basis) for i in range(2)}
    network = fit_network(runs, QUICK.model_copy(update={"epochs": 3}))
    every = Recording(runs["run-0"].x, np.arange(VOLUMES), basis)
    assert abs(basis.T @ network.predict(every)).max() < 1e-4


def test_noise_is_predicted_by_its_mean():
    rng = np.random.default_rng(4)
    runs = {
        f"run-{i}": Recording(
            rng.standard_normal((80, 3)).astype("f4"),
            np.arange(80),
            np.zeros((80, 0)),
            rng.standard_normal((80, 5)).astype("f4"),
        )
        for i in range(3)
    }
    network = fit_network(runs, QUICK.model_copy(update={"epochs": 25}))
    assert network.cv.mean() < 0.02
    assert len(network.curve) < 25


def test_one_run_is_refused(fitted):
    runs, _, _ = fitted
    with pytest.raises(ValueError, match="two training runs"):
        fit_network({"run-0": runs["run-0"]}, QUICK)
