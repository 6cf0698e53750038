"""Score every candidate on a few voxels and half of the samples, to learn how candidates depend.

The scores themselves only tell which candidates to prune and which are near a probe's best; which
candidates are linear combinations of which carries over to all voxels and samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from tristream.encode.solvers.folds import Folds
from tristream.encode.solvers.low_rank import Span
from tristream.encode.solvers.problem import Problem, mix_sparse
from tristream.encode.solvers.sample_weights import level, spanned

VOXELS = 300
# Runs are halved only while a probe keeps this many samples.
FEWEST_SAMPLES = 200
SEED = 0


@dataclass(frozen=True)
class Probe:
    """What the probes say of all candidates.

    Attributes
    ----------
    surfaces : list of Tensor of shape (candidates, folds times voxels)
        One a kind of plane.
    voxels : int
    """

    surfaces: list[torch.Tensor]
    voxels: int

    @property
    def score(self) -> torch.Tensor:
        """Mean over folds, (candidates, voxels)."""
        score = self.surfaces[0]
        if len(self.surfaces) > 1:
            score = score * self.surfaces[1].clamp_min(1e-30).rsqrt()
        folds = score.view(len(score), -1, self.voxels)
        return folds.mean(1) if folds.shape[1] > 1 else folds[:, 0]

    def only(self, candidates: torch.Tensor) -> "Probe":
        """Of some candidates."""
        if len(candidates) == len(self.surfaces[0]):
            return self
        return Probe([s[candidates] for s in self.surfaces], self.voxels)


def probe(problem: Problem, folds: Folds, span: Span | None = None) -> Probe:
    """Scores of all candidates on a few voxels, by eigendecompositions in the targets' type.

    Parameters
    ----------
    problem : Problem
    folds : Folds
        Its folds.
    span : Span, optional
        The space that kernels lie in.
    """
    targets = problem.targets
    generator = torch.Generator().manual_seed(SEED)
    varying = torch.nonzero((targets.weight > 0).any(1).cpu())[:, 0]
    chosen = varying[torch.randperm(len(varying), generator=generator)[:VOXELS]]
    y = targets.rows(chosen.to(problem.device))
    # Turned samples have no halves.
    few = folds.size if targets.root is None else 0
    pieces = [_first_half(s, few) for s in folds.slices]
    wanted = -(-VOXELS // max(len(chosen), 1))
    left_out = _middle(pieces)[: min(wanted, len(pieces))]
    kinds = 2 if problem.score == "correlation" else 1
    shape = (problem.candidates, len(left_out) * len(y))
    surfaces = [torch.empty(shape, dtype=y.dtype, device=problem.device) for _ in range(kinds)]
    parts = zip(*(s.split(len(y), 1) for s in surfaces), strict=True)
    for f, out in zip(left_out, parts, strict=True):
        train = np.concatenate([p for i, p in enumerate(pieces) if i != f])
        shrink = len(train) / (folds.size - len(pieces[f]))
        _fold(problem, folds, span, y, train, pieces[f], shrink, out)
    return Probe(surfaces, len(y))


def _first_half(group: slice, samples: int) -> npt.NDArray[np.int64]:
    """The first half of a group: neighbours in time stay neighbours."""
    rows = np.arange(group.start, group.stop)
    return rows if samples < 2 * FEWEST_SAMPLES else rows[: max(2, -(-len(rows) // 2))]


def _middle(pieces: list[npt.NDArray[np.int64]]) -> list[int]:
    """Groups, those of middling size first."""
    sizes = np.array([len(p) for p in pieces])
    return np.argsort(np.abs(sizes - np.median(sizes)), kind="stable").tolist()


def _fold(
    problem: Problem,
    folds: Folds,
    span: Span | None,
    y: torch.Tensor,
    train: npt.NDArray[np.int64],
    test: npt.NDArray[np.int64],
    shrink: float,
    out: Sequence[torch.Tensor],
) -> None:
    """Fill `out`, a (candidates, voxels) a kind of plane, of one left-out group.

    <y, p> and <p, p> over <y, y>; of R² twice the one less the other. Penalties shrink with the
    number of training samples.
    """
    rows = torch.from_numpy(np.concatenate([train, test])).to(problem.device)
    n = len(train)
    own, new = y[:, rows[:n]], y[:, rows[n:]]
    if problem.intercept:
        here, there = (problem.targets.constant(part) for part in (rows[:n], rows[n:]))
        mean = level(own, here)
        own, new = own - spanned(mean, here, own), new - spanned(mean, there, new)
    length = new.square().sum(1).clamp_min(1e-30)
    directed = problem.score == "correlation"
    if directed:
        new = new - new.mean(1, keepdim=True)
        length = new.square().sum(1).clamp_min(1e-30)
    alphas = torch.as_tensor(problem.alphas * shrink, dtype=y.dtype, device=problem.device)
    if span is not None and span.basis.shape[1] < n:
        kernels, axes = span.halves(rows[:n], rows[n:])
        own = own @ axes.to(y.dtype)
    else:
        given = torch.from_numpy(folds.order).to(problem.device)[rows]
        kernels = [
            _contrast(k[given[:, None], given[:n]], n, problem.intercept) for k in problem.near
        ]
    kernels = [kernel.to(y.dtype) for kernel in kernels]
    size = kernels[0].shape[1]
    for g in range(len(problem.gammas)):
        gamma = problem.weighting(g * len(alphas))
        kernel = mix_sparse(kernels, gamma)
        diagonal = float(kernel[:size].diagonal().sum()) / n
        values, vectors = torch.linalg.eigh(kernel[:size])
        values = values.clamp_min_(1e-7 * float(values[-1]))
        basis = kernel[size:] @ vectors
        if directed:
            basis = basis - basis.mean(0)
        gain = 1 / (values + alphas[:, None])
        if directed and diagonal > 0:
            gain = gain * ((alphas + diagonal) / diagonal)[:, None]
        operator = (gain[:, None] * basis).flatten(0, 1).T
        # Test samples on the last axis: sums over it run in cache.
        predicted = (own @ vectors @ operator).view(len(y), len(alphas), len(test))
        along = torch.bmm(predicted, new[:, :, None])[:, :, 0].T / length
        square = torch.linalg.vector_norm(predicted, dim=2).square().T / length
        own_rows = slice(g * len(alphas), (g + 1) * len(alphas))
        if directed:
            out[0][own_rows], out[1][own_rows] = along, square
        else:
            out[0][own_rows] = 2 * along - square


def _contrast(kernel: torch.Tensor, train: int, intercept: bool) -> torch.Tensor:
    """Kernel (samples, train), its first rows the training ones, centred on these if asked."""
    if not intercept:
        return kernel
    mean = kernel[:train].mean(0)
    return (kernel - mean).sub_(kernel.mean(1, keepdim=True)).add_(mean.mean())
