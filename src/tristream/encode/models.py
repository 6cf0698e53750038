"""The kinds of encoding model: each fitted to training runs, each predicting test runs by band."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import torch

from tristream.config.models import EncodingDesign
from tristream.encode.bands import BandKernels, Form, band_kernels
from tristream.encode.estimators import StackedRidgeCV
from tristream.encode.fit_inputs import Floats, Inputs, Ints
from tristream.encode.solvers import banded_ridge
from tristream.encode.solvers.kernels import Scaler
from tristream.encode.tcn import FittedNetwork, Recording, fit_network
from tristream.errors import UserError

Progress = Callable[[Iterable[int]], Iterable[int]]
# A network's prediction is split over the bands by one prediction for every subset of them.
MOST_NETWORK_BANDS = 8


@dataclass(frozen=True)
class Model:
    """A fitted model.

    Attributes
    ----------
    gamma : ndarray of shape (bands, voxels)
        Band weights; of a network NaN.
    alpha : ndarray of shape (voxels,), of stacking (bands, voxels)
        Penalties; of a network NaN.
    cv : ndarray of shape (voxels,)
        R² of left-out training runs.
    dual : ndarray of shape (n, voxels), of stacking (bands, n, voxels)
        Dual weights; of a network empty, (0, voxels).
    intercept : ndarray of shape (voxels,)
    constant : dict of str to int
        ``space/layer`` to columns left out because they don't vary in training.
    solution : dict
        How it was found, for the file.
    predict : callable
        Names of test runs that are repeats to each band's mean prediction, (bands, rows, voxels),
        without the intercept.
    network : dict of str to ndarray
        Parameters of a network by name; empty for other kinds.
    """

    gamma: Floats
    alpha: Floats
    cv: Floats
    dual: Floats
    intercept: Floats
    constant: dict[str, int]
    solution: dict[str, Any]
    predict: Callable[[Sequence[str]], Floats]
    network: Mapping[str, Floats] = field(default_factory=dict)

    def edge(self, grid: Floats) -> float:
        """Share of penalties that are the smallest or the largest of the grid."""
        return float(np.isin(self.alpha, [grid.min(), grid.max()]).mean())


def fit_model(
    inputs: Inputs,
    model: EncodingDesign,
    train: Sequence[str],
    test: Sequence[str],
    device: str,
    progress: Progress = iter,
) -> Model:
    """Fit a model of the configured kind.

    Parameters
    ----------
    inputs : Inputs
    model : EncodingDesign
        As configured.
    train, test : sequence of str
        Names of runs: to fit on, and to be predicted later.
    device : str
        Where to compute.
    progress : callable, optional
        Wraps the longest loop.

    Raises
    ------
    UserError
        If a layer does not vary over the training runs, or the kind can't do what is asked.
    """
    if model.kind == "tcn":
        return _fit_network(inputs, model, train, device, progress)
    kernels = band_kernels(
        inputs.features,
        inputs.layout,
        inputs.runs,
        train,
        test,
        model.delays,
        model.components,
        device,
        Form.of({"hrf": model.hrf, "kernels": model.kernels, "tr": inputs.tr}),
    )
    y = np.concatenate([inputs.runs[name].bold(inputs.runs[name].rows) for name in train])
    runs = np.repeat(np.arange(len(train)), [len(inputs.runs[name].rows) for name in train])
    fit = _fit_stacking if model.kind == "stacking" else _fit_ridge
    return fit(model, kernels, y, runs, progress)


def penalties(model: EncodingDesign) -> Floats:
    """The grid of alphas, relative to kernels whose mean diagonal is one."""
    return np.logspace(model.alphas.lowest, model.alphas.highest, model.alphas.number)


def _mean_kernel(kernels: BandKernels, members: Sequence[str]) -> torch.Tensor:
    return torch.stack([kernels.test[name] for name in members]).mean(0)


def _fit_ridge(
    model: EncodingDesign, kernels: BandKernels, y: Floats, runs: Ints, progress: Progress
) -> Model:
    grid = penalties(model)
    gammas = banded_ridge.dirichlet_candidates(model.candidates, len(kernels.train), model.seed)
    found = banded_ridge.fit(
        kernels.train, torch.from_numpy(y), runs, gammas, grid, progress=progress
    )
    gamma = gammas[found.choice.gamma.cpu().numpy()].T

    def predict(members: Sequence[str]) -> Floats:
        kernel = _mean_kernel(kernels, members)
        weights = torch.as_tensor(gamma, dtype=found.duals.dtype).to(kernel.device)
        return banded_ridge.predict(kernel, found.duals, weights).cpu().numpy()

    return Model(
        gamma=gamma,
        alpha=grid[found.choice.alpha.cpu().numpy()],
        cv=found.choice.score.cpu().numpy(),
        dual=found.duals.cpu().numpy(),
        intercept=found.intercept.cpu().numpy(),
        constant=kernels.constant,
        solution={
            "solver": found.solver,
            "improve": found.improve,
            "rank": found.rank,
            "search_dtype": found.dtype,
        },
        predict=predict,
    )


def _fit_stacking(
    model: EncodingDesign, kernels: BandKernels, y: Floats, runs: Ints, progress: Progress
) -> Model:
    device = kernels.train.device.type
    fitted = StackedRidgeCV(
        alphas=penalties(model), kernel="precomputed", device=device, progress=progress
    ).fit(kernels.train, y, runs)
    assert fitted.dual_ is not None

    def predict(members: Sequence[str]) -> Floats:
        parts = fitted.predict(_mean_kernel(kernels, members), split=True)
        return parts.cpu().numpy()

    return Model(
        gamma=fitted.gamma_,
        alpha=fitted.alpha_,
        cv=fitted.cv_,
        dual=fitted.dual_,
        intercept=fitted.intercept_,
        constant=kernels.constant,
        solution={"solver": "exact"},
        predict=predict,
    )


def _fit_network(
    inputs: Inputs, model: EncodingDesign, train: Sequence[str], device: str, progress: Progress
) -> Model:
    bands = list(inputs.layout)
    if len(bands) > MOST_NETWORK_BANDS:
        raise UserError(
            f"a model of kind tcn has {len(bands)} bands; its prediction is split over "
            f"{MOST_NETWORK_BANDS} at most: join some"
        )
    rows = {name: run.rows for name, run in inputs.runs.items()}
    x, owner, constant = network_features(
        inputs.features, inputs.layout, rows, train, model.components
    )
    recordings = {
        name: Recording(x[name], run.rows, run.projection, run.bold(run.rows))
        for name, run in ((name, inputs.runs[name]) for name in train)
    }
    fitted = fit_network(recordings, model.network, model.seed, device, progress)
    voxels = len(fitted.mean)

    def predict(members: Sequence[str]) -> Floats:
        runs = [
            Recording(x[name], inputs.runs[name].rows, inputs.runs[name].projection)
            for name in members
        ]
        return np.mean([shapley_parts(fitted, run, owner, len(bands)) for run in runs], axis=0)

    return Model(
        gamma=np.full((len(bands), voxels), np.nan),
        alpha=np.full(voxels, np.nan),
        cv=fitted.cv,
        dual=np.zeros((0, voxels), np.float32),
        intercept=fitted.mean,
        constant=constant,
        solution={
            "solver": "adamw",
            "epochs": fitted.epochs,
            "curve": [round(float(loss), 6) for loss in fitted.curve],
        },
        predict=predict,
        network=fitted.parameters,
    )


def network_features(
    features: Callable[[str], Mapping[str, Floats]],
    layout: Mapping[str, Sequence[Sequence[str]]],
    rows: Mapping[str, Ints],
    train: Sequence[str],
    components: int | None,
) -> tuple[dict[str, Floats], Ints, dict[str, int]]:
    """Standardised features of every run, side by side; each column's band; constant columns.

    Columns are standardised by the used training volumes, optionally reduced to principal
    components fitted on them, and scaled so that layers enter with equal power.

    Parameters
    ----------
    features : callable
        ``space/layer`` to run to array (volumes, p).
    layout : dict of str to sequence of sequence of str
        Band to its spaces, each with its layers.
    rows : dict of str to ndarray of int
        Run to its used volumes; the runs that are returned.
    train : sequence of str
        Which of them are training runs.
    components : int or None

    Returns
    -------
    features : dict of run to ndarray of shape (volumes, p), float32
    owner : ndarray of int of shape (p,)
        Place of the band among the layout's.
    constant : dict of str to int

    Raises
    ------
    UserError
        If a layer does not vary over the training volumes.
    """
    parts: dict[str, list[Floats]] = {name: [] for name in rows}
    owner: list[int] = []
    constant: dict[str, int] = {}
    for band, spaces in enumerate(layout.values()):
        for label in (label for layers in spaces for label in layers):
            by_run = features(label)
            used = np.concatenate([by_run[name][rows[name]] for name in train])
            standard, constant[label] = _standardiser(used, label, components)
            values = {name: standard(by_run[name]) for name in rows}
            width = next(iter(values.values())).shape[1]
            owner += [band] * width
            for name, own in values.items():
                parts[name].append(own / np.sqrt(width))
    scale = np.sqrt(len(owner) / sum(len(s) for spaces in layout.values() for s in spaces))
    joined = {name: (np.hstack(own) * scale).astype(np.float32) for name, own in parts.items()}
    return joined, np.array(owner), constant


def _standardiser(
    used: Floats, label: str, components: int | None
) -> tuple[Callable[[Floats], Floats], int]:
    """What makes a layer's columns those of the network; the number of constant ones."""
    scaler = Scaler.fit(used)
    if not scaler.live.any():
        raise UserError(f"features {label}: nothing varies over the training volumes")

    def standard(x: Floats) -> Floats:
        return ((x - scaler.mean) / np.where(scaler.live, scaler.scale, 1))[:, scaler.live]

    dead = int((~scaler.live).sum())
    if not components:
        return standard, dead
    _, values, vectors = np.linalg.svd(standard(used), full_matrices=False)
    kept = values[:components] > 1e-5 * values[0]
    basis = vectors[:components][kept] / values[:components][kept, None] * np.sqrt(len(used))
    # Components keep their share of the variance.
    basis = basis * (values[:components][kept] / values[0])[:, None]
    return lambda x: standard(x) @ basis.T, dead


def shapley_parts(fitted: FittedNetwork, run: Recording, owner: Ints, bands: int) -> Floats:
    """A network's prediction split over the bands so that the parts add up.

    A band's part is its Shapley value: what it adds to the prediction of a set of other bands,
    averaged over the orders in which bands may come in, bands that are not in standing at their
    training mean (Lundberg & Lee 2017, NeurIPS 30). What no band predicts is shared alike.

    Returns
    -------
    ndarray of shape (bands, rows, voxels)
    """
    predicted: dict[frozenset[int], Floats] = {}
    for size in range(bands + 1):
        for members in combinations(range(bands), size):
            x = np.where(np.isin(owner, members), run.x, 0).astype(np.float32)
            predicted[frozenset(members)] = fitted.predict(Recording(x, run.rows, run.projection))
    out = np.repeat(predicted[frozenset()][None] / bands, bands, axis=0)
    for present, value in predicted.items():
        for band in range(bands):
            out[band] += _shapley_weight(len(present), bands, band in present) * value
    return out


def _shapley_weight(size: int, bands: int, inside: bool) -> float:
    """Weight of a set's prediction in the Shapley value of a band in it or not."""
    before = size - 1 if inside else size
    if not inside and size == bands:
        return 0.0
    share = factorial(before) * factorial(bands - before - 1) / factorial(bands)
    return share if inside else -share


def said_of(model: EncodingDesign) -> Mapping[str, Any]:
    """What an encoding file says of how its model is made, for those who rebuild it."""
    network = {"network": model.network.model_dump()} if model.kind == "tcn" else {}
    return {
        **network,
        "model_kind": model.kind,
        "hrf": model.hrf,
        "kernels": dict(model.kernels),
        "delays": list(model.delays),
        "alphas": penalties(model).tolist(),
        "candidates": model.candidates,
        "components": model.components or 0,
        "control": model.control,
    }
