"""The study's encoder for one design and many simulated voxels: delays, projection, ridge.

Features are prepared as :func:`tristream.encode.bands.band_kernels` prepares them, in the features
instead of in kernels, so that the solver can take the smaller side: a design of ten labels has
forty delayed columns, however many volumes there are. Predictions are those of the workflow's
encoder.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from tristream.align.delays import delay
from tristream.bold.cleaning import project_out
from tristream.encode.encoding_file import HeldOut, WholeRun
from tristream.encode.estimators import GridEdgeWarning, RidgeCV
from tristream.encode.solvers.kernels import Scaler
from tristream.encode.tap_predictions import TapPredictions
from tristream.errors import UserError
from tristream.power.design import DesignRun

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Fitted:
    """A fitted encoder.

    Attributes
    ----------
    predictions : list of ndarray of shape (samples, columns)
        Of each test run, without the intercept.
    solver : str
        ``primal`` or ``exact``.
    taps : list of TapPredictions
        The predictions by delay of each test run of presentations or blocks; else empty.
    """

    predictions: list[Floats]
    solver: str
    taps: list[TapPredictions]


@dataclass(frozen=True)
class _Layer:
    """How a layer enters the model.

    Attributes
    ----------
    scaler : Scaler
        Of its columns at training volumes.
    length : float
        Root mean square length of training rows, delayed and projected.
    rows : list of ndarray of shape (samples, p times delays)
        Of the training runs, then of the test runs; of that length one.
    """

    scaler: Scaler
    length: float
    rows: list[Floats]

    def undelayed(self, features: Floats) -> Floats:
        """Other features of the layer, (n, p), in the units of `rows` before delays."""
        return _standard(features, self.scaler) / self.length


def fit_encoder(
    train: Sequence[DesignRun],
    bold: Sequence[Floats],
    test: Sequence[DesignRun],
    delays: Sequence[int],
    alphas: Floats,
) -> Fitted:
    """Fit ridge with one penalty a voxel, chosen by leaving out one run, and predict test runs.

    Parameters
    ----------
    train : sequence of DesignRun
        Training runs; one that is shown again is listed again.
    bold : sequence of ndarray of shape (samples, columns)
        Their BOLD at their `rows`.
    test : sequence of DesignRun
    delays : sequence of int
        In volumes.
    alphas : ndarray
        Penalties, for features whose rows have a mean square length of one.
    """
    layers = [_layer(train, test, delays, index) for index in range(len(train[0].features))]
    shown = [
        np.hstack(parts) / np.sqrt(len(layers))
        for parts in zip(*(layer.rows for layer in layers), strict=True)
    ]
    fitted_on, tested = shown[: len(train)], shown[len(train) :]
    runs = np.repeat(np.arange(len(train)), [len(x) for x in fitted_on])
    with warnings.catch_warnings():
        # Voxels without signal take the largest penalty.
        warnings.simplefilter("ignore", GridEdgeWarning)
        model = RidgeCV(alphas=alphas, device="cpu")
        model.fit(np.concatenate(fitted_on), np.concatenate(bold), runs=runs)
    predictions = [model.predict(x) - model.intercept_ for x in tested]
    taps = [_taps(run, layers[0], model.coef_, delays) for run in test if run.shares.size]
    return Fitted(predictions, model.solver_, taps)


def _layer(
    train: Sequence[DesignRun], test: Sequence[DesignRun], delays: Sequence[int], index: int
) -> _Layer:
    """Standardise, delay, project and centre; all layers count alike."""
    scaler = Scaler.fit(np.concatenate([run.features[index][run.rows] for run in train]))
    made: dict[str, Floats] = {}
    for run in (*train, *test):
        if run.name in made:
            continue
        standard = _standard(run.features[index], scaler)
        # Before a run's start no label was shown.
        before = _standard(np.zeros((1, len(scaler.mean))), scaler)[0] if run.trials else None
        made[run.name] = project_out(delay(standard, delays, before), run.projection)[run.rows]
    used = np.concatenate([made[run.name] for run in train])
    mean = used.mean(axis=0)
    length = float(np.sqrt(((used - mean) ** 2).sum(axis=1).mean()))
    if not length > 1e-4:
        raise UserError(
            f"features {index + 1} of the design: nothing varies over the training volumes once "
            "slow drifts are projected out; show labels in shorter blocks, or correct the features"
        )
    rows = [(made[run.name] - mean) / length for run in (*train, *test)]
    return _Layer(scaler, length, rows)


def _standard(features: Floats, scaler: Scaler) -> Floats:
    varies = scaler.varies
    return np.asarray((features[:, varies] - scaler.mean[varies]) / scaler.scale[varies])


def _taps(run: DesignRun, layer: _Layer, coef: Floats, delays: Sequence[int]) -> TapPredictions:
    """Predictions by delay of a run of labels, from the weights of their columns."""
    nothing = np.zeros((1, run.vectors.shape[1]))
    shown = layer.undelayed(np.concatenate([run.vectors, nothing]))
    width, size = shown.shape[1], coef.shape[1]
    # The columns take the place of training samples; each delay has its own.
    items = torch.zeros(1, len(delays), len(shown), size)
    for tap in range(len(delays)):
        items[0, tap, :, tap * width : (tap + 1) * width] = torch.from_numpy(shown)
    return TapPredictions(
        timed=torch.zeros(1, len(delays), 0, size),
        items=items,
        gamma=np.ones((1, coef.shape[0])),
        dual=coef.T,
        taps=np.eye(max(delays) + 1)[list(delays)],
        lead=max(delays),
        test=held_out(run),
    )


def held_out(run: DesignRun) -> HeldOut:
    """When each label of a test run is shown, as a null asks for it; without data."""
    none = np.zeros((0, 0))
    whole = WholeRun(run.unit, run.item, run.shares, run.projection, run.unit >= 0, run.item)
    return HeldOut(
        prediction=none,
        band_prediction=none,
        y=none,
        unit=run.unit[run.rows],
        runs=(run.name,),
        gamma=none,
        alpha=none,
        projection=run.projection[run.rows],
        item=run.item[run.rows],
        rows=run.rows,
        whole={run.name: whole},
    )
