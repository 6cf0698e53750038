"""What a kind of encoding model offers: a fit, and sentences about what was fitted."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tristream.config.models import EncodingDesign
from tristream.encode.bands import labels_of
from tristream.encode.encoding_file import Encoding
from tristream.encode.fit_inputs import Floats, Inputs
from tristream.encode.mixture import Mixture
from tristream.encode.residuals import Residuals
from tristream.phrases import listed

Progress = Callable[[Iterable[int]], Iterable[int]]


@dataclass(frozen=True)
class Model:
    """A fitted model.

    Attributes
    ----------
    gamma : ndarray of shape (bands, voxels)
        Band weights, of a mean of models theirs; of a network NaN.
    alpha : ndarray of shape (voxels,), of stacking (bands, voxels)
        Penalties, of a mean of models the best one's; of a network NaN.
    cv : ndarray of shape (voxels,)
        R² of left-out training runs, of a mean of models the best one's.
    dual : ndarray of shape (n, voxels), of stacking and of means of models (bands, n, voxels)
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
    mixture : Mixture or None
        The models of banded ridge whose mean is a voxel's; None where it is one.
    predict_best : callable or None
        As `predict`, all bands together, by the best of these models, (rows, voxels).
    residuals : callable or None
        What banded ridge leaves of the training data.
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
    mixture: Mixture | None = None
    predict_best: Callable[[Sequence[str]], Floats] | None = None
    residuals: Callable[[], Residuals] | None = None

    def edge(self, grid: Floats) -> float:
        """Share of penalties that are the smallest or the largest of the grid."""
        return float(np.isin(self.alpha, [grid.min(), grid.max()]).mean())


@dataclass(frozen=True)
class ModelKind:
    """A kind of encoding model. It can't be made, and so not be registered, without `methods`.

    Attributes
    ----------
    fit : callable
        Inputs, design, names of training runs, names of test runs, device, progress to a model; see
        :func:`tristream.encode.models.fit_model`.
    methods : callable
        What was fitted and how it was chosen: sentences from what an encoding holds.
    """

    fit: Callable[[Inputs, EncodingDesign, Sequence[str], Sequence[str], str, Progress], Model]
    methods: Callable[[Encoding], list[str]]


def penalties(model: EncodingDesign) -> Floats:
    """The grid of alphas, relative to kernels whose mean diagonal is one."""
    return np.logspace(model.alphas.lowest, model.alphas.highest, model.alphas.number)


def bands_in_words(encoding: Encoding) -> str:
    """``the bands sound (musicnn/cnn1, …) and picture (…)``."""
    labels = labels_of(encoding.about)
    named = [f"{band} ({', '.join(own)})" for band, own in labels.items()]
    return f"the band{'s' * (len(named) > 1)} {listed(named)}"


def left_out_in_words(encoding: Encoding) -> str:
    """The folds of the search for hyperparameters."""
    runs = len(encoding.fitted.runs)
    if encoding.about["scheme"] == "holdout":
        return f"leaving out each of the {runs} training runs in turn"
    return f"for each test run by leaving out each of the other {runs - 1} runs in turn"
