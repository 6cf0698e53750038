"""Frozen, staged and joint training side by side: seeds, held-out runs, what layers became."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score

from tristream.encode.brain_and_label import REGIMES, BrainAndLabelNetwork, Regime
from tristream.encode.regime_summary import summarise
from tristream.encode.voxel_readout import read, tensors_of
from tristream.errors import UserError
from tristream.genre.evaluation import embed

Floats = npt.NDArray[np.floating]
FEWEST_EMBEDDED = 10


@dataclass(frozen=True)
class RegimeComparison:
    """Regimes from the same starts, on runs that none of them saw.

    Attributes
    ----------
    scores : DataFrame
        A row for each seed and regime: ``brain``, Pearson's r of predicted with measured responses
        over the held-out samples, mean over voxels; ``label``, balanced accuracy of their labels;
        ``best_epoch``, 0 where training on both did not help; ``left_out``, the run that ended it.
    summary : DataFrame
        Index ``regime``. ``brain``, ``label``: means over seeds; ``…_se``: their standard errors;
        ``…_gain``, ``…_gain_se``: what a seed gains on its own frozen network, mean and standard
        error.
    correlation : dict of str to ndarray of shape (seeds, voxels)
        Regime to r; NaN where a response or its prediction is constant.
    named : dict of str to ndarray of str, shape (seeds, samples)
        Regime to the labels that each seed's network gives the held-out samples.
    chance : float
        Balanced accuracy, mean over all permutations of the held-out samples' labels.
    embedding : DataFrame or None
        t-SNE of the layers that voxels are read from, for the held-out samples of the first seed:
        ``label``, and ``first_x``, ``first_y`` with first weights, ``frozen_x`` … after each
        regime. None for fewer than ten samples.
    networks : dict of str to BrainAndLabelNetwork
        Fitted regimes of the first seed.
    inputs : tuple of ndarray
        Stimuli of the held-out runs.
    labels : ndarray of str
        Their labels.
    """

    scores: pd.DataFrame
    summary: pd.DataFrame
    correlation: dict[str, Floats]
    named: dict[str, npt.NDArray[np.str_]]
    chance: float
    embedding: pd.DataFrame | None
    networks: dict[str, BrainAndLabelNetwork]
    inputs: tuple[npt.NDArray[Any], ...]
    labels: npt.NDArray[np.str_]


def compare_regimes(
    network: BrainAndLabelNetwork,
    inputs: Any,
    labels: Sequence[str],
    responses: Any,
    runs: Sequence[Any],
    *,
    test: Sequence[Any],
    items: Sequence[Any] | None = None,
    seeds: int = 5,
    regimes: Sequence[Regime] = REGIMES,
) -> RegimeComparison:
    """Train a network in each regime from the same starts, and test it on runs held out for good.

    A standard error over seeds is of first weights, batches and the run that ends training. It is
    not one over people, stimuli or scans: for these, keep each subject's mean over seeds.

    Parameters
    ----------
    network : BrainAndLabelNetwork
        Unfitted; its `regime` is not used, and its `seed` is the first. One that was made with a
        module begins with that module's weights for each seed.
    inputs, labels, responses, runs
        All samples, as ``BrainAndLabelNetwork.fit`` takes them.
    test : sequence
        Runs that are held out.
    items : sequence of length n, optional
        What each sample shows; nothing is learnt from showings of items of the held-out runs.
    seeds : int
        Two at least, for a standard error.
    regimes : sequence of {'frozen', 'staged', 'joint'}
        ``frozen``, from which gains count, is among them.

    Returns
    -------
    RegimeComparison
        ``summary``: a row a regime, with ``brain`` and ``label`` (means over seeds), ``…_se``,
        ``…_gain`` on the frozen network of the same seed and ``…_gain_se``; ``scores``: a row a
        seed and regime; ``correlation``: r of each seed and voxel; ``chance``; ``embedding``;
        ``networks`` of the first seed.

    Raises
    ------
    UserError
        If a run to hold out is not there, nothing or too little is left to learn from, or a
        held-out label never is learnt.
    """
    if seeds < 2:
        raise UserError(f"seeds: {seeds}; a standard error needs two at least")
    if "frozen" not in regimes:
        raise UserError("regimes: `frozen` is not among them, from which gains count; add it")
    chosen = [regime for regime in REGIMES if regime in regimes]
    several = inputs if isinstance(inputs, tuple) else (inputs,)
    arrays = tuple(np.asarray(one) for one in several)
    names, y = np.asarray(labels).astype(str), np.asarray(responses, np.float64)
    learn, held = _split(names, np.asarray(runs), test, items)
    shown = tuple(one[held] for one in arrays)
    given = (tuple(one[learn] for one in arrays), names[learn], y[learn], np.asarray(runs)[learn])
    shown_items = None if items is None else np.asarray(items)[learn]
    rows: list[dict[str, Any]] = []
    correlation: dict[str, list[Floats]] = {regime: [] for regime in chosen}
    named: dict[str, list[npt.NDArray[np.str_]]] = {regime: [] for regime in chosen}
    first: dict[str, BrainAndLabelNetwork] = {}
    for seed in range(network.seed, network.seed + seeds):
        fitted = _fit_regimes(network, chosen, seed, given, shown_items)
        first = first or fitted
        for regime, one in fitted.items():
            correlation[regime].append(column_correlation(one.predict(shown), y[held]))
            named[regime].append(one.predict_label(shown))
            rows.append(_row(one, regime, correlation[regime][-1], named[regime][-1], names[held]))
    scores = pd.DataFrame(rows)
    return RegimeComparison(
        scores=scores,
        summary=summarise(scores),
        correlation={regime: np.stack(values) for regime, values in correlation.items()},
        named={regime: np.stack(values) for regime, values in named.items()},
        chance=1 / len(set(names[held])),
        embedding=_embedded(first, shown, names[held], network.seed),
        networks=first,
        inputs=shown,
        labels=names[held],
    )


def column_correlation(predicted: Floats, measured: Floats) -> Floats:
    """Pearson's r of each column, (columns,); NaN where either is constant."""
    a, b = predicted - predicted.mean(0), measured - measured.mean(0)
    norm = np.sqrt((a**2).sum(0) * (b**2).sum(0))
    return np.divide((a * b).sum(0), norm, out=np.full(len(norm), np.nan), where=norm > 1e-12)


def _split(
    names: npt.NDArray[np.str_],
    runs: npt.NDArray[Any],
    test: Sequence[Any],
    items: Sequence[Any] | None,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Samples to learn from, and those held out."""
    if not len(test):
        raise UserError("test: name the runs that are held out")
    if absent := [one for one in test if one not in runs]:
        named = ", ".join(map(str, np.unique(runs)))
        raise UserError(f"test: there is no run {absent[0]}; there are {named}")
    held = np.isin(runs, test)
    learn = ~held
    if items is not None:
        learn &= ~np.isin(np.asarray(items), np.asarray(items)[held])
    if not learn.any():
        raise UserError("test: no sample is left to learn from; hold out fewer runs or items")
    if unseen := sorted(set(names[held].tolist()) - set(names[learn].tolist())):
        raise UserError(
            f"labels: {unseen[0]!r} is in held-out runs alone; hold out others, or drop it"
        )
    return learn, held


def _fit_regimes(
    network: BrainAndLabelNetwork,
    regimes: Sequence[Regime],
    seed: int,
    given: tuple[Any, ...],
    items: Any,
) -> dict[str, BrainAndLabelNetwork]:
    """Each regime from where labels alone led with this seed."""
    frozen = clone(network).set_params(regime="frozen", seed=seed).fit(*given, items=items)
    fitted = {"frozen": frozen}
    for regime in regimes[1:]:
        start = {"network": frozen.label_network_, "label_epochs": 0, "classes": frozen.classes_}
        layers = frozen.model_.layers
        one = clone(network).set_params(regime=regime, seed=seed, layers=layers, **start)
        fitted[regime] = one.fit(*given, items=items)
    return fitted


def _row(
    network: BrainAndLabelNetwork,
    regime: str,
    r: Floats,
    named: npt.NDArray[np.str_],
    names: npt.NDArray[np.str_],
) -> dict[str, Any]:
    return {
        "seed": network.seed,
        "regime": regime,
        "brain": float(np.nanmean(r)) if np.isfinite(r).any() else 0.0,
        "label": float(balanced_accuracy_score(names, named)),
        "best_epoch": network.best_epoch_,
        "left_out": network.left_out_,
    }


def _embedded(
    networks: dict[str, BrainAndLabelNetwork],
    shown: tuple[npt.NDArray[Any], ...],
    names: npt.NDArray[np.str_],
    seed: int,
) -> pd.DataFrame | None:
    if len(names) < FEWEST_EMBEDDED:
        return None
    before = read(networks["frozen"].first_, tensors_of(shown))[2].numpy()
    layers = {"first": before} | {name: one.transform(shown) for name, one in networks.items()}
    columns: dict[str, Any] = {"label": names}
    for name, values in layers.items():
        columns[f"{name}_x"], columns[f"{name}_y"] = embed(values, seed).T
    return pd.DataFrame(columns)
