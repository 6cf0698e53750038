"""Banded ridge of very many samples, from features: no kernel of samples is made.

In the space of the features' directions (:mod:`feature_space`), with samples turned into few
(:mod:`compression`), the search of :mod:`banded_ridge` is that of a problem with about as many
samples in each group as there are directions. Weights are those of features.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from tristream.encode.solvers import banded_ridge, space_loss
from tristream.encode.solvers.banded_ridge import MOST_LOSS, Choice
from tristream.encode.solvers.compression import Turning
from tristream.encode.solvers.feature_space import FeatureSpace
from tristream.encode.solvers.folds import Folds, Groups, make_folds
from tristream.encode.solvers.low_rank import Span
from tristream.encode.solvers.nodes import Progress
from tristream.encode.solvers.problem import Floats, Problem, Targets
from tristream.encode.solvers.ridge import PrimalAverage


class DirectionsWarning(UserWarning):
    """The directions that were kept lose more score than the search may."""


@dataclass(frozen=True)
class FeatureFit:
    """A fitted model of every voxel.

    Attributes
    ----------
    choice : Choice
    weights : Tensor of shape (p, voxels)
        Of the features as given, bands one after the other.
    intercept : Tensor of shape (voxels,)
    estimated_loss : float
        Of the search in the space, as of :class:`banded_ridge.Fit`.
    solver : {'exact', 'skeleton'}
    left_out : ndarray of shape (bands,)
        Share of each band's trace that the space leaves out; zeros of all directions.
    loss : float
        CV score that this costs, measured: see :mod:`space_loss`; 0 of all directions.
    average : PrimalAverage or None
    """

    choice: Choice
    weights: torch.Tensor
    intercept: torch.Tensor
    estimated_loss: float
    solver: str
    left_out: Floats
    loss: float
    average: PrimalAverage | None = None


@dataclass(frozen=True)
class SpannedProblem(Problem):
    """One whose kernels are (q, q), within the space in which it is solved, and centred."""

    @property
    def traces(self) -> Floats:
        """Trace of every band's kernel."""
        return np.array([float(k.trace()) for k in self.kernels])

    def shift(self, band: int) -> torch.Tensor:
        """Nothing was taken from kernels of centred features."""
        return torch.zeros(self.samples, dtype=torch.float64, device=self.device)


def fit(
    features: Sequence[torch.Tensor],
    targets: torch.Tensor,
    groups: Groups,
    gammas: Floats,
    alphas: Floats,
    *,
    directions: int | None = None,
    intercept: bool = True,
    score: str = "r2",
    solver: str = "skeleton",
    select: str = "best",
    memory: int = 0,
    progress: Progress = iter,
) -> FeatureFit:
    """Choose band weights and penalty of every voxel by cross-validation, and fit it.

    Parameters
    ----------
    features : sequence of Tensor of shape (n, p_b)
        One a band; where they lie is where is computed.
    targets, groups, gammas, alphas, intercept, score, solver, select, progress
        As of :func:`banded_ridge.fit`; groups must part the samples.
    directions : int, optional
        Keep so many, the leading ones of all bands alike. What that loses is measured, with a
        :class:`DirectionsWarning` where it is more than a search may lose. By default all are
        kept, which takes fewer features than samples.
    memory : int
        Bytes for operators that are held.

    Raises
    ------
    ValueError
        If folds overlap, features are not fewer than samples and no number of directions is
        given, a target is not finite, or a penalty is far too small.
    """
    n, p = len(targets), sum(x.shape[1] for x in features)
    folds = make_folds(groups, n)
    if not isinstance(folds, Folds):
        raise ValueError("features in their space take folds that each leave a group out")
    approximate = directions is not None and directions < min(p, n - 1)
    if p + intercept >= n and not approximate:
        raise ValueError(
            f"{p} features of {n} samples: all of their directions save nothing; say how many to "
            f"keep, fewer than {n - 1}"
        )
    if approximate:
        assert directions is not None
        space = FeatureSpace.leading(features, folds, intercept, directions, targets.dtype)
    else:
        space = FeatureSpace.whole(features, folds, intercept)
    given = Targets(targets, folds, intercept, features[0].device)
    turning, basis = Turning.of(space.basis, folds)
    kernels = space.kernels()
    none = kernels.new_zeros(len(kernels))
    span = Span(basis, kernels, none, turning.turned, intercept, whole=True, root=turning.root)
    problem = SpannedProblem(
        kernels, gammas, alphas, turning.turned, turning.targets(given), intercept, score
    )
    found = banded_ridge.solve(problem, solver, select == "average", memory, progress, span)
    fitted = _of_features(found, space, basis, gammas)
    if not approximate:
        return fitted
    candidates = found.choice.gamma * len(alphas) + found.choice.alpha
    problem = replace(problem, targets=given, folds=folds)
    loss = space_loss.measure(features, space, problem, candidates)
    if not loss <= MOST_LOSS:
        warnings.warn(
            f"{directions} directions lose {loss:.1e} of the mean CV score (a search may lose "
            f"{MOST_LOSS:.0e}), and leave out {', '.join(f'{s:.1%}' for s in space.left_out)} of "
            "the variance of the bands; keep more `directions`",
            DirectionsWarning,
            stacklevel=2,
        )
    return replace(fitted, loss=loss)


def _of_features(
    found: banded_ridge.Fit, space: FeatureSpace, basis: torch.Tensor, gammas: Floats
) -> FeatureFit:
    """Weights of features in place of dual weights of turned samples."""
    bands = len(space.loadings)
    axes = basis.T.to(found.duals.dtype)
    gamma = torch.as_tensor(gammas, device=axes.device)[found.choice.gamma].T.to(axes.dtype)
    inside = axes @ found.duals
    weights = space.weights([inside * own for own in gamma])
    average = None
    if found.average is not None:
        mean = found.average
        own_weights = space.weights([axes @ mean.duals[b] * mean.gamma[b] for b in range(bands)])
        average = PrimalAverage(
            mean.gamma,
            own_weights,
            mean.intercept - space.level(own_weights).to(mean.intercept.dtype),
            mean.number,
            mean.temperature,
        )
    return FeatureFit(
        found.choice,
        weights,
        found.intercept - space.level(weights).to(found.intercept.dtype),
        found.estimated_loss,
        found.solver,
        space.left_out,
        0.0,
        average,
    )
