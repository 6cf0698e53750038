"""The temporal convolutional network as an encoding model: its features, its bands' shares."""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import combinations
from math import factorial

import numpy as np

from tristream.config.models import EncodingDesign
from tristream.encode.bands import NOTHING_SHOWN, labels_of
from tristream.encode.encoding_file import Encoding
from tristream.encode.fit_inputs import Floats, Inputs, Ints
from tristream.encode.model_kind import (
    Model,
    Progress,
    bands_in_words,
    left_out_in_words,
)
from tristream.encode.solvers.kernels import Scaler
from tristream.encode.tcn import FittedNetwork, Recording, fit_network, reach
from tristream.errors import UserError

# A network's prediction is split over the bands by one prediction for every subset of them.
MOST_NETWORK_BANDS = 8
BEFORE = "before the run"


def fit_tcn(
    inputs: Inputs,
    model: EncodingDesign,
    train: Sequence[str],
    test: Sequence[str],
    device: str,
    progress: Progress,
) -> Model:
    """A temporal convolutional network over the features of all bands."""
    bands = list(inputs.layout)
    if len(bands) > MOST_NETWORK_BANDS:
        raise UserError(
            f"a model of kind tcn has {len(bands)} bands; its prediction is split over "
            f"{MOST_NETWORK_BANDS} at most: join some"
        )
    rows = {name: run.rows for name, run in inputs.runs.items()}
    x, before, owner, constant = network_features(
        inputs.features, inputs.layout, rows, train, model.components, inputs.items
    )
    recordings = {
        name: Recording(x[name], run.rows, run.projection, run.bold(run.rows), before)
        for name, run in ((name, inputs.runs[name]) for name in train)
    }
    fitted = fit_network(recordings, model.network, model.seed, device, progress)
    voxels = len(fitted.mean)

    def predict(members: Sequence[str]) -> Floats:
        runs = [
            Recording(x[name], inputs.runs[name].rows, inputs.runs[name].projection, before=before)
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


def tcn_methods(encoding: Encoding) -> list[str]:
    """Sentences about :func:`fit_tcn`."""
    about = encoding.about
    network, components = about["network"], about["components"]
    reduced = f", reduced to at most {components} principal components" if components else ""
    several = sum(map(len, labels_of(about).values())) > 1
    scaled = ", and layers scaled to equal power" if several else ""
    projected = ""
    if about["projected"]:
        projected = "; what was projected out of the BOLD was projected out of predictions"
    sentences = [
        f"Encoding model {about['model']} was a temporal convolutional network [@bai2018] of "
        f"{bands_in_words(encoding)}: a projection to {network['width']} channels and "
        f"{network['blocks']} residual blocks of causal convolutions that all voxels share, "
        f"which reach {reach(network['blocks'])} samples into the past, then a linear readout.",
        f"Features were standardised over the training samples{reduced}{scaled}{projected}.",
        f"Networks were trained by AdamW (learning rate {network['learning_rate']:g}, weight "
        f"decay {network['weight_decay']:g}, dropout {network['dropout']:g}, seed "
        f"{about['seed']}); the number of passes over the training runs (at most "
        f"{network['epochs']}, stopped after {network['patience']} without gain) was chosen "
        f"by the mean squared error, {left_out_in_words(encoding)}.",
    ]
    if about["items"]:
        sentences.append(NOTHING_SHOWN)
    if len(encoding.bands) > 1:
        sentences.append(
            "Predictions of networks were split over the bands by their Shapley values "
            "[@lundberg2017]."
        )
    return sentences


def network_features(
    features: Callable[[str], Mapping[str, Floats]],
    layout: Mapping[str, Sequence[Sequence[str]]],
    rows: Mapping[str, Ints],
    train: Sequence[str],
    components: int | None,
    items: Collection[str] = (),
) -> tuple[dict[str, Floats], Floats | None, Ints, dict[str, int]]:
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
    items : collection of str
        ``space/layer`` whose features are zero where nothing is shown.

    Returns
    -------
    features : dict of run to ndarray of shape (volumes, p), float32
    before : ndarray of shape (p,) or None
        Features before a run's start: of items, what zero is when standardised, else zero; None
        where there are no items.
    owner : ndarray of int of shape (p,)
        Place of the band among the layout's.
    constant : dict of str to int

    Raises
    ------
    UserError
        If a layer does not vary over the training volumes.
    """
    parts: dict[str, list[Floats]] = {name: [] for name in (*rows, BEFORE)}
    owner: list[int] = []
    constant: dict[str, int] = {}
    for band, spaces in enumerate(layout.values()):
        for label in (label for layers in spaces for label in layers):
            by_run = features(label)
            used = np.concatenate([by_run[name][rows[name]] for name in train])
            standard, constant[label] = _standardiser(used, label, components)
            values = {name: standard(by_run[name]) for name in rows}
            nothing = standard(np.zeros((1, used.shape[1])))
            values[BEFORE] = nothing if label in items else np.zeros_like(nothing)
            width = nothing.shape[1]
            owner += [band] * width
            for name, own in values.items():
                parts[name].append(own / np.sqrt(width))
    scale = np.sqrt(len(owner) / sum(len(s) for spaces in layout.values() for s in spaces))
    joined = {name: (np.hstack(own) * scale).astype(np.float32) for name, own in parts.items()}
    before = joined.pop(BEFORE)[0]
    return joined, before if before.any() else None, np.array(owner), constant


def _standardiser(
    used: Floats, label: str, components: int | None
) -> tuple[Callable[[Floats], Floats], int]:
    """What makes a layer's columns those of the network; the number of constant ones."""
    scaler = Scaler.fit(used)
    if not scaler.varies.any():
        raise UserError(f"features {label}: nothing varies over the training volumes")

    def standard(x: Floats) -> Floats:
        return ((x - scaler.mean) / np.where(scaler.varies, scaler.scale, 1))[:, scaler.varies]

    dead = int((~scaler.varies).sum())
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
            own = np.isin(owner, members)
            x = np.where(own, run.x, 0).astype(np.float32)
            before = None if run.before is None else np.where(own, run.before, 0)
            part = Recording(x, run.rows, run.projection, before=before)
            predicted[frozenset(members)] = fitted.predict(part)
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
