"""Genre from the brain through a network: its last layer is predicted, and its head names it.

The other way is to decode genre directly. Both are given the same samples and divisions, and are
tested under the same permutations of what was heard.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tristream.config.decoders import DecoderDesign
from tristream.decode.decoding import decode, divisions
from tristream.decode.decoding_samples import Samples
from tristream.decode.feature_decoder import FeatureDecoder
from tristream.decode.identification import profile_correlation
from tristream.decode.item_exchange import Matched, item_exchange, matched
from tristream.decode.labelled_arrays import labelled
from tristream.errors import UserError
from tristream.genre.description import read_description

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Head:
    """The linear layer from a network's last layer to the scores of its classes.

    Attributes
    ----------
    weight : ndarray of shape (classes, units)
    bias : ndarray of shape (classes,)
    classes : tuple of str
    """

    weight: Floats
    bias: Floats
    classes: tuple[str, ...]

    def scores(self, last: Floats) -> Floats:
        """Scores before softmax, (n, classes)."""
        return np.asarray(last) @ self.weight.T + self.bias


@dataclass(frozen=True)
class ThroughNetwork:
    """Genre named through a network, and directly.

    Attributes
    ----------
    tested : ndarray of int of shape (n,)
        Samples that were tested.
    last : ndarray of shape (n, units)
        Their predicted last layer.
    through, direct : Matched
        Share of samples that are named rightly, mean over what was heard.
    difference, error : float
        Through less direct: mean over what was heard, and its standard error.
    own : float
        What the head makes of the true last layer: no decoding of it is expected to do better.
    profile : Matched
        Correlation of predicted with true units over what was heard, mean over units.
    predicted, predicted_directly : list of str
        What each sample is called.
    """

    tested: Ints
    last: Floats
    through: Matched
    direct: Matched
    difference: float
    error: float
    own: float
    profile: Matched
    predicted: list[str]
    predicted_directly: list[str]


def read_head(folder: Path, test_sounds: Mapping[str, str]) -> Head:
    """The head of a trained network that has not heard the music of the test runs.

    Parameters
    ----------
    folder : Path
        What :func:`tristream.genre.train_network.train_genre_network` wrote.
    test_sounds : dict of str to str
        Path or name, and sha256, of each sound that test runs present:
        :func:`tristream.genre.kept_out.heard_in_test_runs`.

    Raises
    ------
    UserError
        If one of these sounds trained the network, or its training was not kept from it.
    """
    from tristream.genre.network_folder import load_network

    description = read_description(folder)
    for name, digest in test_sounds.items():
        if digest in description.trained_on:
            raise UserError(f"{folder}: was trained on {name}, which a test run presents")
        if digest not in description.kept_out:
            raise UserError(
                f"{folder}: its training was not kept from {name}, which a test run presents; "
                "train it again with --keep-out or --keep-out-tests-of"
            )
    network, shape = load_network(folder)
    weight, bias = (one.double().numpy() for one in (network.head.weight, network.head.bias))
    return Head(weight, bias, shape.classes)


def decode_through(
    x: Floats,
    last: Floats,
    labels: Sequence[str],
    runs: Sequence[Any],
    head: Head,
    *,
    items: Sequence[Any] | None = None,
    test: Sequence[Any] = (),
    voxels: int | None = 500,
    alpha: float | Literal["cv"] = "cv",
    direct: DecoderDesign | None = None,
    permutations: int = 10_000,
    seed: int = 0,
    device: str = "auto",
) -> ThroughNetwork:
    """Predict the last layer from the brain, name the genre by the head, and decode it directly.

    Parameters
    ----------
    x : ndarray of shape (n, voxels)
        Responses, one a presentation.
    last : ndarray of shape (n, units)
        The network's last layer for what was heard.
    labels, runs : sequence of length n
        Genres, by the names that the head has; runs.
    head : Head
        From :func:`read_head`.
    items : sequence of length n, optional
        What was heard; no decoder is fitted to showings of what it is tested on. Default: each
        presentation was of something else.
    test : sequence, optional
        Runs that are held out for good. Default: every run in turn, without p values and
        intervals.
    voxels, alpha : int or None; float or 'cv'
        Of the :class:`~tristream.decode.feature_decoder.FeatureDecoder`.
    direct : DecoderDesign, optional
        The decoder of genre. Default: the ridge classifier, its penalty searched.
    permutations, seed : int
        Of the null: what was heard changes identity among items shown in the same runs.
    device : str
        Of the feature decoder.

    Raises
    ------
    UserError
        If the head lacks a genre or has other units, or the samples can't be decoded.
    """
    last = np.asarray(last, np.float64)
    if last.shape != (len(x), head.weight.shape[1]):
        raise UserError(
            f"last: has shape {last.shape}; it is one row of {head.weight.shape[1]} units for each "
            f"of {len(x)} samples"
        )
    samples = labelled(x, labels, runs, items=items, test=test)
    if absent := sorted(set(samples.classes) - set(head.classes)):
        raise UserError(
            f"labels: {absent[0]!r} is not a genre of the network ({', '.join(head.classes)}); "
            "train one that has it, or drop the label"
        )
    columns = [head.classes.index(name) for name in samples.classes]
    item = np.arange(len(last))
    if items is not None:
        item = np.unique(np.asarray(items).astype(str), return_inverse=True)[1]
    predicted, tested = _predict(samples, item, last, voxels, alpha, device)
    design = direct or DecoderDesign(kind="ridge", samples="blocks", permutations=0)
    ours = head.scores(predicted)[:, columns].argmax(1)
    theirs = decode(samples, design.model_copy(update={"permutations": 0}), "genre").predicted
    right = samples.y[tested]
    if len(np.unique(item[tested])) < 2:
        raise UserError("items: one alone is tested; to set items apart takes two at least")
    names, place = np.unique(item[tested], return_inverse=True)
    run = samples.sample_run[tested]
    exchange = item_exchange([place[run == one] for one in np.unique(run)])
    null = (exchange, permutations, seed, not samples.test.any())
    of_item = right[np.unique(place, return_index=True)[1]]
    tables = [_table(one, place, of_item) for one in (ours, theirs)]
    through, directly = (matched(table, *null) for table in tables)
    gain = np.diagonal(tables[0] - tables[1])
    _, profile = profile_correlation(_means(predicted, place), _means(last[tested], place), *null)
    own = head.scores(last[tested])[:, columns].argmax(1)
    return ThroughNetwork(
        tested=tested,
        last=predicted,
        through=through,
        direct=directly,
        difference=float(gain.mean()),
        error=float(gain.std(ddof=1) / np.sqrt(len(names))),
        own=float(np.diagonal(_table(own, place, of_item)).mean()),
        profile=profile,
        predicted=[samples.classes[one] for one in ours],
        predicted_directly=[samples.classes[one] for one in theirs],
    )


def _predict(
    samples: Samples,
    item: Ints,
    last: Floats,
    voxels: int | None,
    alpha: float | Literal["cv"],
    device: str,
) -> tuple[Floats, Ints]:
    """The last layer of all tested samples, and which they are."""
    predicted = np.zeros_like(last)
    tested = np.zeros(len(last), bool)
    for every, test in divisions(samples, None):
        train = every[~np.isin(item[every], item[test])]
        decoder = FeatureDecoder(voxels=voxels, alpha=alpha, device=device)
        try:
            decoder.fit(samples.x[train], last[train], runs=samples.sample_run[train])
        except ValueError as error:
            raise UserError(f"x: {error}") from None
        predicted[test] = decoder.predict(samples.x[test])
        tested[test] = True
    where = np.flatnonzero(tested)
    return predicted[where], where


def _means(values: Floats, place: Ints) -> Floats:
    """Means over the showings of each item."""
    total = np.zeros((place.max() + 1, values.shape[1]))
    np.add.at(total, place, values)
    return total / np.bincount(place)[:, None]


def _table(named: Ints, place: Ints, of_item: Ints) -> Floats:
    """Share of item i's samples that would be right if it were item j, (items, items)."""
    return _means((named[:, None] == of_item[None]).astype(float), place)
