"""The null of leave-one-run-out in designs of events: features change places, folds are refitted.

Every run is test data once and training data otherwise, so what is rearranged goes through all
folds. The features of blocks, or of items in all runs alike, change places, times and data stay
(why: :mod:`tristream.inference.moved_features`), and every fold is fitted again, under the
hyperparameters of all its voxels (:mod:`tristream.inference.shared_hyperparameters`).

Features are needed by their inner products alone: with K = U U' the kernel of undelayed features of
all bands under their weights, U takes the place of the features. Of items it has few columns.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg.lapack import dpstrf
from tqdm import tqdm

from tristream.align.exchange import Exchange
from tristream.encode.band_responses import response_taps
from tristream.encode.bands import Form
from tristream.encode.convolution import convolved
from tristream.encode.encoding_file import Encoding
from tristream.encode.fit_inputs import Floats, Ints
from tristream.encode.kernel_frame import Frame
from tristream.encode.shown_features import presented, regained, switched
from tristream.encode.solvers.kernels import project_rows
from tristream.encode.training_features import TrainingFeatures
from tristream.inference.permutation import unit_length
from tristream.inference.resolution import StoredNull
from tristream.inference.shared_hyperparameters import SharedHyperparameters

LIMIT = 1 - 1e-6
# Directions of features with less than this share of the largest variance are rounding.
SMALLEST = 1e-9
# Numbers of all permutations that are fitted at a time, for each of a few arrays: 4 MB, which a
# processor holds at hand.
AT_ONCE = 2**19


def refitted_features(
    encoding: Encoding, path: Path, moves: Exchange, permutations: int, seed: int = 0
) -> StoredNull:
    """Every voxel's correlation with features exchanged and all folds refitted.

    Parameters
    ----------
    encoding, path, moves, permutations, seed
        As of :func:`refitted_features_z`.
    """
    z = refitted_features_z(encoding, path, moves, permutations, seed)
    return StoredNull.of(np.tanh(z), moves.distinct)


def refitted_features_z(
    encoding: Encoding, path: Path, moves: Exchange, permutations: int, seed: int = 0
) -> npt.NDArray[np.float32]:
    """Fisher z of test correlations, with features as they are and exchanged.

    Parameters
    ----------
    encoding : Encoding
        Banded ridge of linear kernels, tested by leave-one-run-out.
    path : Path
        Its file, for messages.
    moves : Exchange
        The units of all volumes of the runs, see
        :func:`tristream.inference.moved_features.exchange_of_items`.
    permutations : int
        How many to draw.
    seed : int
        Of the draw.

    Returns
    -------
    ndarray of shape (1 + permutations, voxels)
        Mean over runs; the first is the observed one.

    Raises
    ------
    UserError
        If the training features are gone or have changed.
    """
    encoding = encoding.in_memory()
    sources = _sources(encoding, moves, permutations, seed)
    read = TrainingFeatures(encoding, path)
    spaces = encoding.about["layout"].values()
    features = {label: read(label) for layers in spaces for own in layers for label in own}
    total = np.zeros((1 + permutations, len(encoding.ijk)), np.float32)
    names = list(encoding.tests)
    for name in tqdm(names, desc="refit", unit="run", mininterval=5, file=sys.stderr):
        fold = _Fold.of(encoding, name, features)
        for start in range(0, 1 + permutations, fold.at_once):
            part = slice(start, start + fold.at_once)
            total[part] += fold.z({run: own.part(part) for run, own in sources.items()})
    return total / np.float32(len(names))


@dataclass(frozen=True)
class _Sources:
    """Where features of a run come from: a volume for each `volumes` (permutations, volumes), and a
    presentation for each of `presentations` (permutations, presentations + 1)."""

    volumes: Ints
    presentations: Ints

    def part(self, part: slice) -> tuple[Ints, Ints]:
        """Of some permutations."""
        return self.volumes[part], self.presentations[part]


def _sources(
    encoding: Encoding, moves: Exchange, permutations: int, seed: int
) -> dict[str, _Sources]:
    """For each run; the first order is as it is."""
    drawn = moves.draw(0, permutations, seed)
    out = {}
    for k, (name, test) in enumerate(encoding.tests.items()):
        run = test.first
        # Without shares the only presentation is that of nothing.
        sets = moves.sets if run.shares.size else ()
        numbered = tuple(one.numbered(k, test.filled) for one in sets)
        pairs = (moves, len(run.unit)), (replace(moves, sets=numbered), run.shares.shape[1] + 1)
        orders = (np.vstack([np.arange(n), own.shown(drawn, k, n)]) for own, n in pairs)
        out[name] = _Sources(*orders)
    return out


@dataclass(frozen=True)
class _RunFeatures:
    """What stands in the place of a run's features in one fold.

    Attributes
    ----------
    timed : Tensor of shape (lead + volumes, columns)
        Of features of volumes.
    items : Tensor of shape (presentations + 1, columns)
        Of features that are switched on with a presentation; the last of nothing.
    basis : Tensor of shape (volumes, q)
        What is projected out.
    rows : ndarray of int of shape (samples,)
        Used volumes.
    taps : ndarray of shape (taps, lags)
    """

    timed: torch.Tensor
    items: torch.Tensor
    basis: torch.Tensor
    rows: Ints
    taps: Floats

    def delayed(self, values: torch.Tensor) -> torch.Tensor:
        """At the used volumes (samples, taps, columns), of values (lead + volumes, columns)."""
        place, lead = torch.arange(len(values)), len(values) - len(self.basis)
        moved = torch.stack([convolved(values, place, tap)[lead:] for tap in self.taps], dim=1)
        own = project_rows(moved.flatten(1), [self.basis])[torch.from_numpy(self.rows)]
        return own.view(len(own), *moved.shape[1:])

    def taken(self, shown: torch.Tensor, sources: tuple[Ints, Ints]) -> torch.Tensor:
        """Delayed features with others in their place, (permutations, samples, taps * columns).

        Parameters
        ----------
        shown : Tensor of shape (samples, taps, presentations + 1)
            :meth:`delayed` of the shares of presentations.
        sources : tuple of ndarray of int
            From :meth:`_Sources.part`.
        """
        volumes, presentations = (torch.from_numpy(own) for own in sources)
        items = self.items[presentations]
        size = len(items), len(shown), shown.shape[1] * items.shape[2]
        parts = [(shown.flatten(0, 1) @ items).view(size)]
        if self.timed.shape[1]:
            lead = len(self.timed) - volumes.shape[1]
            moved = (torch.cat([self.timed[:lead], self.timed[lead:][own]]) for own in volumes)
            parts.append(torch.stack([self.delayed(one).flatten(1) for one in moved]))
        return torch.cat(parts, dim=2)


@dataclass(frozen=True)
class _Fold:
    """One run left out.

    Attributes
    ----------
    runs : dict of str to tuple of _RunFeatures and Tensor
        Training runs, then the test run, with their delayed shares.
    alpha : float
    train : Tensor of shape (training samples, voxels)
        Data less their mean.
    test : Tensor of shape (test samples, voxels)
        Data, each voxel less its mean and of length one.
    """

    runs: dict[str, tuple[_RunFeatures, torch.Tensor]]
    alpha: float
    train: torch.Tensor
    test: torch.Tensor

    @cached_property
    def at_once(self) -> int:
        """Permutations at a time: many small ones, or one that is large."""
        if self.sums is None:
            return 1
        columns = next(own.items.shape[1] * shown.shape[1] for own, shown in self.runs.values())
        return max(AT_ONCE // (columns * (self.train.shape[1] + len(self.train)) or 1), 1)

    @cached_property
    def sums(self) -> "_Sums | None":
        """If all training runs have features of presentations alone, and few of these."""
        *training, _ = self.runs.items()
        few = all(not own.timed.shape[1] and s[0].numel() <= len(s) for _, (own, s) in training)
        columns = next(own.items.shape[1] * s.shape[1] for own, s in self.runs.values())
        if not few or columns > len(self.train):
            return None
        y = self.train.split([len(shown) for _, (_, shown) in training])
        products = [
            (shown.flatten(1).T @ part).view(*shown.shape[1:], part.shape[1]).transpose(0, 1)
            for (_, (_, shown)), part in zip(training, y, strict=True)
        ]
        of_run = {name: _RunSums.of(shown) for name, (_, shown) in training}
        return _Sums(of_run, torch.cat(products))

    @classmethod
    def of(
        cls, encoding: Encoding, name: str, features: Mapping[str, Mapping[str, Floats]]
    ) -> "_Fold":
        about, tests = encoding.about, encoding.tests
        train = [other for other in tests if other != name]
        form, components = Form.of(about), about["components"] or None
        frame = Frame(
            encoding.fitted.runs, train, [name], about["delays"], components, basis=form.basis
        )
        whole = {run: tests[run].first for run in (*train, name)}
        taps = response_taps(encoding)
        shared = SharedHyperparameters.of(tests[name], encoding.fitted.cv)
        leads = {label: form.lead(label, about["delays"]) for label in features}
        lead = max(leads.values())
        position = torch.cat([torch.arange(lead + length) for length in frame.lengths])
        width = frame.columns + lead * len(train)
        timed, items = torch.zeros(2, len(position), width, dtype=torch.float64)
        for gamma, spaces in zip(shared.gamma, about["layout"].values(), strict=True):
            for layers in spaces:
                for label in layers:
                    own = frame.undelayed(label, features[label], "linear", leads[label])
                    _, scale = frame.scaled(own)
                    # Before its own lead a layer is at its mean, which is zero.
                    known = torch.nonzero(position >= lead - leads[label])[:, 0]
                    share = gamma / (len(spaces) * len(layers) * scale)
                    kernel = items if switched(whole, features[label]) else timed
                    kernel[known[:, None], known[known < width]] += share * own.kernel
        lengths = [lead + length for length in frame.lengths]
        parts = [_factor(kernel).split(lengths) for kernel in (timed, items)]
        runs = {}
        for (own_name, run), basis, own, on in zip(whole.items(), frame.bases, *parts, strict=True):
            back = torch.from_numpy(regained(run, lead))
            rows = encoding.fitted.runs[own_name].rows
            one = _RunFeatures(own, back @ on, basis, rows, taps)
            runs[own_name] = one, one.delayed(torch.from_numpy(presented(run, lead)))
        y = np.concatenate([tests[other].y for other in train]).astype(np.float64)
        return cls(
            runs,
            shared.alpha,
            torch.from_numpy(y - y.mean(0)),
            torch.from_numpy(unit_length(tests[name].y)),
        )

    def z(self, sources: Mapping[str, tuple[Ints, Ints]]) -> npt.NDArray[np.float32]:
        """Fisher z (permutations, voxels), with features taken from `sources`."""
        name, (run, shown) = list(self.runs.items())[-1]
        test = run.taken(shown, sources[name])
        weights = self._weights(sources)
        # Less its mean over the test, as the data are.
        test = test - test.mean(1, keepdim=True)
        length = ((test.mT @ test @ weights) * weights).sum(1).clamp(min=0).sqrt()
        product = ((test.mT @ self.test) * weights).sum(1)
        r = torch.where(length > 0, product / length, 0.0)
        return np.asarray(torch.arctanh(r.clamp(-LIMIT, LIMIT)).numpy(), np.float32)

    def _weights(self, sources: Mapping[str, tuple[Ints, Ints]]) -> torch.Tensor:
        """Ridge weights (permutations, columns, voxels) of training features from `sources`."""
        *training, _ = self.runs.items()
        if self.sums is None:
            taken = [run.taken(shown, sources[name]) for name, (run, shown) in training]
            train = torch.cat(taken, dim=1)
            return _ridge(train - train.mean(1, keepdim=True), self.train, self.alpha)
        items = {name: run.items[torch.from_numpy(sources[name][1])] for name, (run, _) in training}
        sums = [self.sums.of_run[name].taken(own) for name, own in items.items()]
        gram, total = (torch.stack(parts).sum(0) for parts in zip(*sums, strict=True))
        shown = torch.cat(list(items.values()), dim=1)
        # As one large product: small ones, for each permutation and tap, take several times longer.
        product = shown.mT.flatten(0, 1) @ self.sums.products.flatten(1)
        size = len(shown), shown.shape[2], *self.sums.products.shape[1:]
        product = product.view(size).transpose(1, 2).flatten(1, 2)
        gram = gram - total[:, :, None] * total[:, None] / len(self.train)
        return _solved(gram, product, self.alpha)


@dataclass(frozen=True)
class _RunSums:
    """Sums over the samples of a run.

    Attributes
    ----------
    shares : Tensor of shape (taps, presentations + 1)
        Of delayed shares of presentations.
    squares : Tensor of shape (taps, presentations + 1, taps, presentations + 1)
        Of their products with each other.
    """

    shares: torch.Tensor
    squares: torch.Tensor

    @classmethod
    def of(cls, shown: torch.Tensor) -> "_RunSums":
        """Of delayed shares (samples, taps, presentations + 1)."""
        size, flat = shown.shape[1:], shown.flatten(1)
        return cls(shown.sum(0), (flat.T @ flat).view(*size, *size))

    def taken(self, items: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Gram matrices and sums of :meth:`_RunFeatures.taken`, of features `items` of the
        presentations, (permutations, presentations + 1, columns)."""
        taps, presentations = self.shares.shape
        columns = taps * items.shape[2]
        half = self.squares.flatten(0, 2) @ items
        half = half.view(len(items), taps, presentations, columns)
        gram = (items.mT[:, None] @ half).view(len(items), columns, columns)
        return gram, (self.shares @ items).flatten(1)


@dataclass(frozen=True)
class _Sums:
    """Sums over training samples, of which those of any order of features follow.

    Data have a mean of zero over all runs, so that products with centred features are these.

    Attributes
    ----------
    of_run : dict of str to _RunSums
    products : Tensor of shape (presentations + 1 of all runs, taps, voxels)
        Of delayed shares with the data.
    """

    of_run: dict[str, _RunSums]
    products: torch.Tensor


def _factor(kernel: torch.Tensor) -> torch.Tensor:
    """A matrix whose inner products of rows with training rows are a kernel (m, n), (m, rank).

    By Cholesky with pivots, which ends at the rank: labels have as many columns as classes.
    """
    own = kernel[: kernel.shape[1]]
    if not kernel.any():
        return kernel[:, :0]
    lower, pivots, rank, _ = dpstrf(
        own.numpy(), tol=SMALLEST * float(own.diagonal().max()), lower=1
    )
    root = torch.from_numpy(lower[:rank, :rank]).tril()
    rows = kernel[:, torch.from_numpy(pivots[:rank].astype(np.int64) - 1)]
    return torch.linalg.solve_triangular(root, rows.T, upper=False).T.contiguous()


def _ridge(x: torch.Tensor, y: torch.Tensor, alpha: float) -> torch.Tensor:
    """Weights of ridge regression on each x, by the smaller system, (…, columns, voxels)."""
    if x.shape[-1] <= x.shape[-2]:
        return _solved(x.mT @ x, x.mT @ y, alpha)
    return x.mT @ _solved(x @ x.mT, y, alpha)


def _solved(gram: torch.Tensor, y: torch.Tensor, alpha: float) -> torch.Tensor:
    """(gram + alpha I)^-1 y of each gram, in the memory of `gram`."""
    diagonal = gram.diagonal(dim1=-2, dim2=-1)
    diagonal.add_((SMALLEST * diagonal.sum(-1, keepdim=True)).clamp(min=alpha))
    return torch.cholesky_solve(y, torch.linalg.cholesky(gram))
