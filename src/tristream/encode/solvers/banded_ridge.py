"""Banded (multiple-kernel) ridge regression by random search, in dual form.

A candidate is a weighting `gamma` of the bands' kernels and a ridge penalty `alpha`; each voxel
takes the candidate with the best cross-validated score, and is fitted under it (Dupré la Tour,
Eickenberg, Nunez-Elizalde & Gallant 2022, NeuroImage 264:119728).
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from tristream.encode.solvers import exact, gradient, skeleton
from tristream.encode.solvers.averaging import Average, Averaged
from tristream.encode.solvers.folds import Folds, Groups
from tristream.encode.solvers.low_rank import Span
from tristream.encode.solvers.make_problem import checked_weight, make_problem, room_for
from tristream.encode.solvers.nodes import Progress, fast_type
from tristream.encode.solvers.operators import Operators
from tristream.encode.solvers.problem import Floats, Problem
from tristream.encode.solvers.scores import R2, TINY, Correlation, Score
from tristream.encode.solvers.shared_choice import Regions
from tristream.encode.solvers.verify import BestCandidates

if TYPE_CHECKING:
    from tristream.encode.disk_arrays import DiskArrays

# Voxels whose dual weights are brought to the targets' scale at a time.
RESTORED = 2048
# Above this estimate the short search is not good enough.
MOST_LOSS = skeleton.MOST_LOSS


class ExactSearchWarning(UserWarning):
    """The short search would have lost more than it may, or can't be; the long one was taken."""


@dataclass(frozen=True)
class Choice:
    """The candidate of each voxel.

    Attributes
    ----------
    gamma, alpha : Tensor of int of shape (voxels,)
        Indices into the candidates.
    score : Tensor of shape (voxels,)
        Cross-validated score of the choice, mean over folds.
    """

    gamma: torch.Tensor
    alpha: torch.Tensor
    score: torch.Tensor


@dataclass(frozen=True)
class Fit:
    """A fitted model of every voxel.

    Attributes
    ----------
    choice : Choice
    duals : Tensor of shape (n, voxels)
        Dual weights; under an intercept they add up to zero.
    intercept : Tensor of shape (voxels,)
    estimated_loss : float
        About the mean score that is lost at most: what exact scoring of the shortlists gained over
        the interpolated best or, after more rounds, over the round before; and what candidates that
        were not verified seem to be better. 0 for ``exact``.
    rank : int
        Candidates that were scored on all voxels.
    solver : {'exact', 'skeleton'}
        The one that ran.
    dtype : str
        Type in which candidates were searched.
    average : Averaged or None
        The mean of near-best candidates, with ``select="average"``.
    """

    choice: Choice
    duals: torch.Tensor
    intercept: torch.Tensor
    estimated_loss: float
    rank: int
    solver: str
    dtype: str
    average: Averaged | None = None


@dataclass(frozen=True)
class GradientFit:
    """A fitted model of every voxel, band weights found by :mod:`gradient`.

    Attributes
    ----------
    gamma : Tensor of shape (bands, voxels)
        Band weights, adding up to one.
    alpha, score, start : Tensor of shape (voxels,)
        Penalty; cross-validated score, exact;
        that of equal weights under their best penalty, never above `score`.
    duals : Tensor of shape (n, voxels)
    intercept : Tensor of shape (voxels,)
    weightings : int
        Pairs of band weights and penalty that were met.
    """

    gamma: torch.Tensor
    alpha: torch.Tensor
    score: torch.Tensor
    start: torch.Tensor
    duals: torch.Tensor
    intercept: torch.Tensor
    weightings: int


def dirichlet_candidates(number: int, bands: int, seed: int = 0) -> np.ndarray:
    """Band weightings to try: all bands alike, each band alone, then random ones.

    Parameters
    ----------
    number : int
        How many in all; a single band has one.
    bands : int
        How many bands.
    seed : int
        Of the random ones, which are Dirichlet with concentration 0.1 and 1 in turn: sparse
        and dense mixtures.

    Returns
    -------
    ndarray of shape (number, bands), rows adding up to one
    """
    fixed = np.vstack([np.full((1, bands), 1 / bands), np.eye(bands)]) if bands > 1 else np.eye(1)
    if bands == 1 or number <= len(fixed):
        return fixed[:number]
    rng = np.random.default_rng(seed)
    concentration = np.resize([0.1, 1.0], number - len(fixed))
    drawn = [rng.dirichlet(np.full(bands, c)) for c in concentration]
    return np.vstack([fixed, *drawn])


def fit(
    kernels: torch.Tensor | Sequence[torch.Tensor],
    targets: torch.Tensor,
    groups: Groups,
    gammas: Floats,
    alphas: Floats,
    *,
    intercept: bool = True,
    score: str = "r2",
    solver: str = "skeleton",
    select: str = "best",
    regions: npt.NDArray[np.generic] | None = None,
    sample_weight: Floats | None = None,
    memory: int | None = None,
    device: str | torch.device | None = None,
    arrays: "DiskArrays | None" = None,
    progress: Progress = iter,
) -> Fit:
    """Choose band weights and penalty of every voxel by cross-validation, and fit it.

    Parameters
    ----------
    kernels : Tensor of shape (bands, n, n), or sequence of (n, n)
        Positive semidefinite.
    targets : Tensor of shape (n, voxels), float32 or float64
        May lie on another device, or on disk (a tensor over a memory map); chunks are moved.
        With float64 everything is computed in it.
    groups : ndarray of shape (n,), or sequence of (train, test)
        Runs, of which each is left out in turn; or the rows of every fold. Where these do not
        part the samples, or train on less than the rest, the solver is ``exact``.
    gammas : ndarray of shape (candidates, bands)
        Band weights to try, not negative.
    alphas : ndarray of shape (penalties,)
        Positive.
    intercept : bool
        Fit one, not penalised, anew in every fold.
    score : {'r2', 'correlation'}
        What is maximised, as a mean over folds. A fold in which a voxel does not vary counts
        zero. Equal scores go to the larger penalty.
    solver : {'skeleton', 'exact'}
        ``exact`` scores every candidate on every voxel, operators in float64. ``skeleton`` scores
        a few, interpolates the others and verifies each voxel's shortlist; it loses 1e-5 to
        4e-5 of mean score and takes a twentieth of the time. Where it would lose more (few voxels
        and many bands), it warns and goes on as ``exact``.
    select : {'best', 'average'}
        ``average`` makes the mean of near-best candidates' models, too, see
        :mod:`tristream.encode.solvers.averaging`; it holds dual weights for each band.
    regions : ndarray of shape (voxels,), optional
        A label for every voxel: those of one label take the same candidate, the one with the best
        mean score over them, or the same mean of candidates. Voxels that vary in no fold do not
        count. The solver is ``exact``; asked for ``skeleton``, it warns.
    sample_weight : ndarray of shape (n,), optional
        Positive; what multiplies each sample's squared error, in fits and in scores. Takes the
        solver ``exact``, and `groups` that part the samples.
    memory : int, optional
        Bytes for what is kept only to save time: a copy of the targets in the order that products
        want, and operators. By default that copy, up to 2 GiB; on CUDA 40 % of the device.
    device : str, optional
        Where to compute; by default where the kernels are.
    arrays : DiskArrays, optional
        Makes the dual weights, which may be more than memory holds; by default they are in memory.
    progress : callable, optional
        Wraps the long loops, e.g. ``tqdm``.

    Raises
    ------
    ValueError
        If shapes do not agree, a target or a kernel is not finite (naming how many voxels, or
        the band), there are fewer than two folds, or a penalty is not positive.
    """
    if solver not in ("exact", "skeleton"):
        raise ValueError(f"solver {solver!r} is neither 'exact' nor 'skeleton'")
    if select not in ("best", "average"):
        raise ValueError(f"select {select!r} is neither 'best' nor 'average'")
    averaged = select == "average"
    where = torch.device(device) if device is not None else kernels[0].device
    weight = checked_weight(sample_weight, len(targets), solver)
    problem = make_problem(
        kernels, targets, groups, gammas, alphas, intercept, score, where, weight
    )
    if weight is not None and not isinstance(problem.folds, Folds):
        raise ValueError("sample_weight takes folds that each leave a group of samples out")
    shared = None
    if regions is not None:
        shared = Regions.of(regions, (problem.targets.weight > 0).any(1))
    problem = replace(problem, arrays=arrays, regions=shared)
    room = room_for(memory, where, targets)
    if targets.nbytes <= room:
        problem.targets.keep()
        room -= targets.nbytes
    return solve(problem, solver, averaged, room, progress)


def solve(
    problem: Problem,
    solver: str,
    averaged: bool,
    room: int,
    progress: Progress = iter,
    span: Span | None = None,
) -> Fit:
    """The same of a problem that was put together.

    Parameters
    ----------
    problem : Problem
    solver : {'skeleton', 'exact'}
    averaged : bool
        Average near-best candidates, too.
    room : int
        Bytes for operators that are kept.
    progress : callable
    span : Span, optional
        The space of the kernels, if it is known.
    """
    folds = problem.folds
    if problem.regions is not None:
        if solver == "skeleton":
            warnings.warn(
                "the short search finds each voxel's candidates, not a region's, so all are scored "
                "on every voxel, which takes several times as long",
                ExactSearchWarning,
                stacklevel=3,
            )
        return _exact(problem, progress, averaged)
    if solver == "exact" or not isinstance(folds, Folds) or not _worth_it(problem):
        return _exact(problem, progress, averaged, span)
    span = span or Span.of(problem)
    operators = Operators(problem, accurate=False, memory=room, span=span)
    dtype = fast_type(problem.device, problem.targets.dtype)
    found = skeleton.search(problem, folds, operators, _scorer(problem), dtype, progress, averaged)
    if found.estimated_loss > MOST_LOSS:
        warnings.warn(
            f"interpolating the scores of {problem.candidates} candidates would lose about "
            f"{found.estimated_loss:.1e} of the mean score (allowed: {MOST_LOSS:.0e}), so "
            "all are scored on every voxel, which takes several times as long",
            ExactSearchWarning,
            stacklevel=3,
        )
        del found
        return _exact(problem, progress, averaged, span if span and span.whole else None)
    average = _averaged(problem, found.average)
    fitted = _result(problem, found.best, found.estimated_loss, found.rank, "skeleton", dtype)
    return replace(fitted, average=average)


def fit_gradient(
    kernels: torch.Tensor | Sequence[torch.Tensor],
    targets: torch.Tensor,
    groups: Groups,
    alphas: Floats,
    *,
    intercept: bool = True,
    score: str = "r2",
    memory: int | None = None,
    device: str | torch.device | None = None,
    arrays: "DiskArrays | None" = None,
    progress: Progress = iter,
) -> GradientFit:
    """Band weights and penalty of every voxel by steps from equal weights, see :mod:`gradient`.

    Parameters
    ----------
    kernels, targets, groups, intercept, score, memory, device, arrays, progress
        As of :func:`fit`; `groups` must part the samples.
    alphas : ndarray of shape (penalties,)
        Of equal weights, to start from; steps are not bound to them.

    Raises
    ------
    ValueError
        As of :func:`fit`; and if folds overlap.
    """
    where = torch.device(device) if device is not None else kernels[0].device
    gammas = np.full((1, len(kernels)), 1 / len(kernels))
    problem = make_problem(kernels, targets, groups, gammas, alphas, intercept, score, where)
    problem = replace(problem, arrays=arrays)
    if not isinstance(problem.folds, Folds):
        raise ValueError("solver 'gradient' takes folds that each leave a group of samples out")
    room = room_for(memory, where, targets)
    if targets.nbytes <= room:
        problem.targets.keep()
        room -= targets.nbytes
    steps = gradient.search(problem, problem.folds, _scorer(problem), room, progress)
    weightings = len(steps.problem.gammas)
    found = _result(steps.problem, steps.best, 0.0, weightings, "gradient", targets.dtype)
    weights = torch.as_tensor(steps.problem.gammas, device=where)[found.choice.gamma].T
    total = weights.sum(0)
    for start in range(0, problem.targets.voxels, RESTORED):
        part = slice(start, start + RESTORED)
        found.duals[:, part] *= total[part].to(found.duals.dtype)
        problem.forget()
    penalty = 1 / total
    for end in (alphas.min(), alphas.max()):
        # Steps end there but for rounding.
        penalty[torch.isclose(penalty, torch.tensor(end).to(penalty))] = end
    return GradientFit(
        weights / total,
        penalty,
        found.choice.score,
        steps.start,
        found.duals,
        found.intercept,
        weightings,
    )


def _exact(problem: Problem, progress: Progress, averaged: bool, span: Span | None = None) -> Fit:
    """Every candidate scored on every voxel."""
    operators = Operators(problem, accurate=True, memory=0, span=span)
    best, average = exact.search(problem, operators, _scorer(problem), progress, averaged)
    dtype = problem.targets.dtype
    fitted = _result(problem, best, 0.0, problem.candidates, "exact", dtype)
    return replace(fitted, average=_averaged(problem, average))


def _scorer(problem: Problem) -> Score:
    return R2(problem) if problem.score == "r2" else Correlation(problem)


def _worth_it(problem: Problem) -> bool:
    """Whether voxels and folds can distinguish as many candidates as there would be nodes."""
    columns = problem.targets.voxels * len(problem.folds.pairs())
    rank = skeleton.start_rank(problem)
    return problem.candidates <= rank or columns >= 2 * rank


def _result(
    problem: Problem,
    best: BestCandidates,
    estimated_loss: float,
    rank: int,
    solver: str,
    dtype: torch.dtype,
) -> Fit:
    """Back in the samples' order and the targets' scale."""
    targets = problem.targets
    chosen = best.candidate
    # Voxels that never vary score zero under all candidates.
    dead = ~(targets.weight > 0).any(1)
    best.score[dead] = 0
    if problem.regions is None:
        chosen[dead] = int(np.argmax(problem.alphas))
    penalties = len(problem.alphas)
    weights = torch.as_tensor(problem.gammas, device=chosen.device)[chosen // penalties].T
    intercept = targets.mean + targets.scale * best.offset
    for start in range(0, targets.voxels, RESTORED):
        part = slice(start, start + RESTORED)
        duals = _restored(problem, best.duals[part], targets.scale[part])
        if problem.intercept:
            # Of kernels as given, not centred.
            for band, own in enumerate(weights.to(duals.dtype)[:, part]):
                intercept[part] -= duals @ problem.shift(band).to(duals.dtype) * own
        if problem.root is not None:
            # Of kernels as given, not multiplied by the root of weights.
            duals.mul_(problem.root.to(duals.dtype))
        problem.forget()
    choice = Choice(chosen // penalties, chosen % penalties, best.score)
    name = str(dtype).removeprefix("torch.")
    return Fit(choice, best.duals.T, intercept, estimated_loss, rank, solver, name)


def _restored(problem: Problem, duals: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Dual weights (voxels, n), changed in place: samples as given, of targets as given."""
    duals.mul_(scale[:, None])
    if isinstance(problem.folds, Folds) and not problem.folds.sorted:
        duals[:, torch.from_numpy(problem.folds.order).to(duals.device)] = duals.clone()
    return duals


def _averaged(problem: Problem, average: Average | None) -> Averaged | None:
    """The mean model in the samples' order and the targets' scale."""
    if average is None:
        return None
    targets = problem.targets
    total, gamma = average.weights.total, average.gamma.T
    intercept = targets.mean + targets.scale * average.offset / total
    # A band without weight has no dual weights.
    share = torch.where(gamma > TINY, targets.scale / gamma, 0.0)
    gamma = gamma / total
    for band, whole in enumerate(average.duals):
        for start in range(0, targets.voxels, RESTORED):
            part = slice(start, start + RESTORED)
            duals = _restored(problem, whole[part], share[band, part])
            if problem.intercept:
                intercept[part] -= duals @ problem.shift(band).to(duals.dtype) * gamma[band, part]
            if problem.root is not None:
                duals.mul_(problem.root.to(duals.dtype))
            problem.forget()
    number, members = total.square() / average.weights.squares, average.members()
    duals, temperature = average.duals.mT, average.weights.temperature
    return Averaged(gamma, duals, intercept, number, *members, temperature)


def fit_stack(
    kernels: torch.Tensor | Sequence[torch.Tensor],
    targets: Sequence[torch.Tensor],
    groups: Groups,
    gammas: Floats,
    alphas: Floats,
    **options,
) -> list[Fit]:
    """Fit several subjects who share kernels as one stack of voxels.

    That holds for subjects of one stimulus timeline whose BOLD had the same projection and
    censoring. What is done once a stack: probing, and the operators of all candidates.

    Parameters
    ----------
    kernels, groups, gammas, alphas, **options
        As of :func:`fit`.
    targets : sequence of Tensor of shape (n, voxels of the subject)

    Returns
    -------
    list of Fit, one a subject
    """
    stack = fit(kernels, torch.cat(list(targets), 1), groups, gammas, alphas, **options)
    sizes = [y.shape[1] for y in targets]
    parts = zip(
        stack.choice.gamma.split(sizes),
        stack.choice.alpha.split(sizes),
        stack.choice.score.split(sizes),
        stack.duals.split(sizes, 1),
        stack.intercept.split(sizes),
        strict=True,
    )
    averages: Sequence[Averaged | None] = [None] * len(sizes)
    if stack.average is not None:
        averages = stack.average.split(sizes)
    return [
        replace(stack, choice=Choice(g, a, s), duals=duals, intercept=intercept, average=average)
        for (g, a, s, duals, intercept), average in zip(parts, averages, strict=True)
    ]


def refit(
    kernels: torch.Tensor | Sequence[torch.Tensor],
    targets: torch.Tensor,
    gammas: Floats,
    alphas: Floats,
    choice: Choice,
    intercept: bool = True,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Dual weights and intercept of every voxel under its own candidate.

    Parameters
    ----------
    kernels, targets, gammas, alphas, intercept
        As for :func:`fit`.
    choice : Choice
        Candidate of each voxel.

    Returns
    -------
    duals : Tensor of shape (n, voxels)
        Adding up to zero over n.
    intercept : Tensor of shape (voxels,)
    """
    halves = np.arange(len(targets)) % 2  # No score is asked for.
    device = kernels[0].device
    problem = make_problem(kernels, targets, halves, gammas, alphas, intercept, "r2", device)
    operators = Operators(problem, accurate=True, memory=0)
    chosen = choice.gamma * len(problem.alphas) + choice.alpha
    best = exact.refit(problem, operators, _scorer(problem), chosen)
    found = _result(problem, best, 0.0, 0, "exact", targets.dtype)
    return found.duals, found.intercept


def predict(kernels: torch.Tensor, duals: torch.Tensor, gamma: torch.Tensor) -> torch.Tensor:
    """Each band's prediction, without the intercept; they add up to the model's.

    Parameters
    ----------
    kernels : Tensor of shape (bands, m, n)
        Between new and training volumes.
    duals : Tensor of shape (n, voxels), or (bands, n, voxels)
    gamma : Tensor of shape (bands, voxels)
        Band weights of each voxel.

    Returns
    -------
    Tensor of shape (bands, m, voxels), in the type of `duals`
    """
    kernels = kernels.to(duals.dtype)
    own = duals if duals.ndim == 3 else duals.expand(len(kernels), *duals.shape)
    return torch.stack([k @ d * g for k, d, g in zip(kernels, own, gamma, strict=True)])
