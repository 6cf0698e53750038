"""Networks from voxels to an embedding, trained to find which item a response belongs to."""

from collections.abc import Iterator
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, RegressorMixin

from tristream.decode.by_units import new_samples
from tristream.decode.contrastive_training import Member, Pairs, Training, train
from tristream.decode.feature_decoder import ALPHAS, checked_samples
from tristream.decode.unit_ridge import moments
from tristream.device import choose_device

Floats = npt.NDArray[np.floating]
MEMORY = 2**28


class ContrastiveDecoder(RegressorMixin, BaseEstimator):
    """Networks that bring a response close to the embedding of what was shown.

    Each network adds a hidden layer and a linear map to a ridge regression, and all are trained by
    a contrastive loss on the correlation, over units, of outputs with embeddings: a response must
    be more like its own item than like the other items of its batch, and an item more like its own
    response. Each leaves out one run of those that `fit` gets: of the ridge penalties and of the
    epochs, that which finds the items of this run best is kept, and epoch 0 is the ridge alone.
    Items that this run shows are not trained by that network; where these are more than half of
    all, it is a fifth of them, drawn at random, that count. Outputs of all are averaged.

    Voxels and units are z-scored, and both sides rotated to their principal axes, by all samples
    that `fit` gets. Test samples are not among its arguments, so that nothing can be stopped or
    chosen by them.

    Parameters
    ----------
    loss : {'infonce', 'siglip'}
        Softmax over the items and over the responses of a batch (van den Oord et al. 2018;
        Radford et al. 2021), or a logistic loss of each pair (Zhai et al. 2023).
    mixco : bool
        Mix pairs of responses, and what each must be like, at random (Kim et al. 2020).
    hidden : int
        Units of the hidden layer; 0: none.
    dropout : float
        Share of them that each sample loses in training.
    epochs, patience : int
        The most epochs, and how many without improvement end the training.
    learning_rate : float
        Of AdamW.
    batch : int
        The most samples of a batch.
    seeds : int
        Networks; network k leaves out the k-th run of a random order, and begins again after the
        last.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    seed : int
        Of runs, first weights, batches, mixing and dropout.

    Attributes
    ----------
    members_ : tuple of Member
        Of each network its left-out run, penalty, best epoch and losses of the left-out run.
    y_mean_, y_scale_ : ndarray of shape (units,)
        What units were z-scored by.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = rng.standard_normal((80, 8))
    >>> X = y @ rng.standard_normal((8, 30)) + rng.standard_normal((80, 30))
    >>> decoder = ContrastiveDecoder(seeds=2, device="cpu")
    >>> decoder = decoder.fit(X[:60], y[:60], runs=np.repeat([0, 1, 2], 20))
    >>> decoder.predict(X[60:]).shape
    (20, 8)
    """

    def __init__(
        self,
        loss: Literal["infonce", "siglip"] = "infonce",
        mixco: bool = True,
        hidden: int = 128,
        dropout: float = 0.5,
        epochs: int = 60,
        patience: int = 8,
        learning_rate: float = 3e-4,
        batch: int = 512,
        seeds: int = 3,
        device: str = "auto",
        seed: int = 0,
    ) -> None:
        self.loss: Literal["infonce", "siglip"] = loss
        self.mixco = mixco
        self.hidden = hidden
        self.dropout = dropout
        self.epochs = epochs
        self.patience = patience
        self.learning_rate = learning_rate
        self.batch = batch
        self.seeds = seeds
        self.device = device
        self.seed = seed

    def fit(self, X: Any, y: Any, runs: npt.ArrayLike) -> Self:
        """Train the networks.

        Parameters
        ----------
        X : array of shape (n, voxels)
            Training samples: volumes, trials or averages of them.
        y : array of shape (n, units)
            True features of the samples; samples of equal features are of one item.
        runs : array of shape (n,)
            Run of each sample; two different ones at least.

        Raises
        ------
        ValueError
            If arrays don't fit each other or are not finite, no voxel varies, there is one run,
            fewer than two units, or a left-out run that shows one item, or all but one.
        """
        x, target = checked_samples(X, y)
        if target.shape[1] < 2:
            raise ValueError("y has one unit; a correlation over units needs two at least")
        number = np.unique(np.asarray(runs), return_inverse=True)[1]
        if len(number) != len(x):
            raise ValueError(f"{len(number)} runs are given for {len(x)} samples")
        if number.max() == 0:
            raise ValueError(
                "all samples are of one training run; a contrastive decoder needs two, one of "
                "which is left out to end the training"
            )
        self.n_features_in_ = x.shape[1]
        self.x_mean_, self.x_scale_ = moments(x)
        if not (np.ptp(x, axis=0) > 0).any():
            raise ValueError("no voxel varies over the training samples")
        self.y_mean_, self.y_scale_ = moments(target)
        item = np.unique(target, axis=0, return_inverse=True)[1].ravel()
        wanted, self._norm = _directions((target - self.y_mean_) / self.y_scale_)
        self._y_axes = _axes(wanted)
        self._x_axes = _axes((x - self.x_mean_) / self.x_scale_)
        scores = self._scores(x)
        self._size = float(np.sqrt((scores**2).sum(1).mean()))
        pairs = Pairs(
            self._tensor(scores / self._size), self._tensor(wanted @ self._y_axes.T), item, number
        )
        how = Training(
            loss=self.loss,
            mixco=self.mixco,
            hidden=self.hidden,
            dropout=self.dropout,
            epochs=self.epochs,
            patience=self.patience,
            learning_rate=self.learning_rate,
            batch=self.batch,
            # A penalty of z-scored voxels, for scores of mean squared norm 1.
            alphas=tuple(alpha / self._size**2 for alpha in ALPHAS),
        )
        order = np.random.default_rng(self.seed).permutation(number.max() + 1)
        self.members_: tuple[Member, ...] = tuple(
            train(pairs, int(order[k % len(order)]), how, (self.seed, k)) for k in range(self.seeds)
        )
        return self

    def predict(self, X: Any) -> Floats:
        """Features of new samples, (n, units), in the units' own scale."""
        out = np.empty((len(X), len(self.y_mean_)))
        for units, part in self.predict_units(X):
            out[:, units] = part
        return out

    def predict_units(self, X: Any) -> Iterator[tuple[slice, Floats]]:
        """The same by chunks of units, for layers whose predictions don't fit in memory."""
        x = new_samples(X, self.n_features_in_)
        scores = self._tensor(self._scores(x) / self._size)
        with torch.no_grad():
            outputs = [member.network.eval()(scores) for member in self.members_]
        mean = torch.stack(outputs).mean(0).cpu().numpy().astype(np.float64)
        size = max(1, MEMORY // (8 * (len(mean) + mean.shape[1])))
        for start in range(0, len(self.y_mean_), size):
            units = slice(start, start + size)
            part = self._norm * (mean @ self._y_axes[:, units])
            yield units, part * self.y_scale_[units] + self.y_mean_[units]

    def _scores(self, x: Floats) -> Floats:
        return np.asarray(((x - self.x_mean_) / self.x_scale_) @ self._x_axes.T)

    def _tensor(self, values: Floats) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(values, np.float32))
        return tensor.to(choose_device(self.device))


def _directions(values: Floats) -> tuple[Floats, float]:
    """Rows without their means, of length one, and their mean length before."""
    centred = values - values.mean(1, keepdims=True)
    length = np.sqrt((centred**2).sum(1, keepdims=True))
    return centred / np.where(length > 0, length, 1), float(length.mean())


def _axes(rows: Floats) -> Floats:
    """Orthonormal axes of what rows span, (axes, columns): no product of theirs is lost."""
    small = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
    values, vectors = np.linalg.eigh(small)
    kept = values > 1e-9 * values[-1]
    if len(rows) > rows.shape[1]:
        return np.asarray(vectors[:, kept].T)
    return np.asarray((vectors[:, kept] / np.sqrt(values[kept])).T @ rows)
