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

from tristream.align.delays import delay
from tristream.bold.cleaning import project_out
from tristream.encode.estimators import GridEdgeWarning, RidgeCV
from tristream.encode.solvers.kernels import Scaler
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
    """

    predictions: list[Floats]
    solver: str


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
    fitted_on, tested = delayed_features(train, test, delays)
    runs = np.repeat(np.arange(len(train)), [len(x) for x in fitted_on])
    with warnings.catch_warnings():
        # Voxels without signal take the largest penalty.
        warnings.simplefilter("ignore", GridEdgeWarning)
        model = RidgeCV(alphas=alphas, device="cpu")
        model.fit(np.concatenate(fitted_on), np.concatenate(bold), runs=runs)
    return Fitted([model.predict(x) - model.intercept_ for x in tested], model.solver_)


def delayed_features(
    train: Sequence[DesignRun], test: Sequence[DesignRun], delays: Sequence[int]
) -> tuple[list[Floats], list[Floats]]:
    """Features as the encoder sees them: standardised, delayed, projected, centred, balanced.

    Returns
    -------
    train, test : list of ndarray of shape (samples, p times delays)
        One array a run.
    """
    layers = [_layer(train, test, delays, index) for index in range(len(train[0].features))]
    balanced = [[part / np.sqrt(len(layers)) for part in layer] for layer in layers]
    joined = [np.hstack(parts) for parts in zip(*balanced, strict=True)]
    return joined[: len(train)], joined[len(train) :]


def _layer(
    train: Sequence[DesignRun], test: Sequence[DesignRun], delays: Sequence[int], index: int
) -> list[Floats]:
    scaler = Scaler.fit(np.concatenate([run.features[index][run.rows] for run in train]))
    made: dict[str, Floats] = {}
    for run in (*train, *test):
        if run.name in made:
            continue
        varies = scaler.varies
        own = run.features[index][:, varies]
        standard = (own - scaler.mean[varies]) / scaler.scale[varies]
        # Before a run's start no label was shown.
        before = -(scaler.mean / scaler.scale)[varies] if run.trials else None
        made[run.name] = project_out(delay(standard, delays, before), run.projection)[run.rows]
    used = np.concatenate([made[run.name] for run in train])
    mean = used.mean(axis=0)
    length = np.sqrt(((used - mean) ** 2).sum(axis=1).mean())
    if not length > 1e-4:
        raise UserError(
            f"features {index + 1} of the design: nothing varies over the training volumes once "
            "slow drifts are projected out; show labels in shorter blocks, or correct the features"
        )
    return [(made[run.name] - mean) / length for run in (*train, *test)]
