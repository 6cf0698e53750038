"""Score the penalties of a ridge model on voxels, in full where one may be a voxel's best.

With float64, or of few voxels, all are scored in full. Under float32 all penalties are looked at
first, in bfloat16 where that is quicker, mixed from the predictions of a few operators; those that
may be the best are then scored in float32. A sample of voxels, scored in full, tells how large
predictions are, and which penalties are so far below the best that a rougher look will do. So it is
known of each penalty and voxel how wrong its score may be at first sight, and none that may be the
best is left out.
"""

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from tristream.encode.solvers.held_out import Group, Predictor, Spectrum, condense
from tristream.encode.solvers.nodes import fast_type
from tristream.encode.solvers.sample_weights import less_constant

Score = Literal["r2", "correlation"]
# Mixing may change scores by so much, or by this share of what a penalty falls short of the best of
# every voxel of the sample.
MIXED = 4.5e-4
SHORT = 0.5
# What is wrong in predictions lies along what they miss by chance only: so much of it at most, over
# the root of the samples, where root mean square is 1.
ALONG = 4.5
# Penalties are left to be mixed of others where that makes predictions miss no more than this share
# of what they may; fewer operators may make them miss the rest, squares being what adds up.
OTHERS = 0.5
# Rounding may change a score by so many times the type's precision, over the root of the samples,
# times the length of predictions and of residuals over that of data. Root mean square: half of it.
ROUNDED = 1.0
# Times the type's precision: what is left of a weighted constant less its mean.
ROUNDING = 16
# Numbers held by one block of predictions, 1.6 MB in float32: near the cache.
BLOCK = 400_000
# Voxels of a block are a multiple of these: other numbers take a tenth longer in bfloat16.
ROWS = 64


@dataclass(frozen=True)
class Search:
    """What one band weighting asks of voxels.

    Attributes
    ----------
    groups, predictors
        One a held-out group.
    score : {'r2', 'correlation'}
    intercept : bool
    sights : list of tuple of Tensor
        For each group what stands for all penalties at first sight: operators (m, q, l), in the
        type of products, and the mixing (m, penalties) of what they predict. Without, all penalties
        are scored in full.
    slack : Tensor of shape (penalties,)
        How wrong a score may be at first sight, for voxels as in the sample.
    size : float
        Sum of squares of coordinates over that of held-out data, mean of the sample. Where it is
        more, R² may be more wrong.
    least : Tensor of shape (penalties,)
        Length of predictions over that of held-out data, least of the sample. Where it is less,
        correlation may be more wrong.
    """

    groups: list[Group]
    predictors: list[Predictor]
    score: Score
    intercept: bool
    sights: list[tuple[torch.Tensor, torch.Tensor]]
    slack: torch.Tensor
    size: float
    least: torch.Tensor

    @classmethod
    def of(
        cls,
        spectrum: Spectrum,
        rows: Sequence[slice],
        penalties: torch.Tensor,
        voxels: int,
        intercept: bool,
        score: Score,
        dtype: torch.dtype,
        sample: torch.Tensor | None,
        weights: torch.Tensor | None = None,
    ) -> "Search":
        """Of all samples, groups as `rows`; perhaps with a sample (n, some) of the voxels, and with
        weights (n,) of the samples."""
        basis, values, centred = spectrum.basis, spectrum.values, score == "correlation"
        groups = [Group.of(basis, r, intercept, centred, dtype, weights) for r in rows]
        predictors = [Predictor(g, values, penalties, voxels, centred) for g in groups]
        none = torch.zeros_like(penalties, dtype=dtype)
        full = cls(groups, predictors, score, intercept, [], none, 0.0, none)
        # Where training data determine no more than they are, scores of small penalties are noise
        # that a sample of voxels does not bound.
        known = min(len(basis) - len(g.own) for g in groups)
        determined = basis.shape[1] <= known
        return full._with_sights(sample) if sample is not None and determined else full

    def _with_sights(self, sample: torch.Tensor) -> "Search":
        held = held_out_data(sample, self)[0]
        varies = torch.nonzero(torch.stack([own.spread > 0 for own in held]).all(0))[:, 0]
        if 2 * len(varies) < sample.shape[1]:
            return self
        held = [own.part(varies) for own in held]
        largest = max(range(len(held)), key=lambda g: held[g].inside.shape[1])
        pilot, predictor = held[largest], self.predictors[largest]
        predicted = _predicted(pilot, predictor)
        along = min(ALONG / len(sample) ** 0.5, 1.0)
        wrong, allowed, strength, least = _tolerance(predicted, pilot, self.score, along)
        scaled = (predicted / pilot.spread.sqrt()[:, None]).flatten(1)
        nodes = predictor.nodes(scaled, OTHERS * allowed * len(varies) ** 0.5)
        quick, rest = fast_type(sample.device, sample.dtype), (1 - OTHERS**2) ** 0.5
        sights = []
        for own, predictor in zip(held, self.predictors, strict=True):
            few, mixing = condense(*predictor.operators(nodes), own.power(), rest * allowed)
            sights.append((few.to(quick), mixing))
        rounded = ROUNDED * torch.finfo(quick).eps / len(sample) ** 0.5
        slack = (wrong + rounded * strength).to(sample.dtype)
        size = float(torch.stack([own.size() for own in held]).mean())
        return dataclasses.replace(
            self,
            sights=sights,
            slack=slack,
            size=max(size, torch.finfo(sample.dtype).tiny),
            least=least.to(sample.dtype),
        )


@dataclass(frozen=True)
class HeldOutData:
    """Voxels in one held-out group.

    Attributes
    ----------
    coordinates : Tensor of shape (voxels, l)
        Training data, as predictors want them.
    inside : Tensor of shape (voxels, q)
        The group's data along the axes of predictions.
    outside, spread : Tensor of shape (voxels,)
        Sum of squares of the group's data beyond these axes, and about their mean.
    """

    coordinates: torch.Tensor
    inside: torch.Tensor
    outside: torch.Tensor
    spread: torch.Tensor

    def part(self, voxels: torch.Tensor) -> "HeldOutData":
        """The same for some voxels."""
        every = (self.coordinates, self.inside, self.outside, self.spread)
        return HeldOutData(*(values.index_select(0, voxels) for values in every))

    def power(self) -> torch.Tensor:
        """Mean square of each coordinate, data having a spread of 1, (l,)."""
        return (self.coordinates.square() / self.spread[:, None]).mean(0)

    def size(self) -> torch.Tensor:
        """Sum of squares of coordinates, data having a spread of 1, (voxels,)."""
        squares = torch.linalg.vector_norm(self.coordinates, dim=1).square()
        return torch.where(self.spread > 0, squares / self.spread, 0.0)


def held_out_data(y: torch.Tensor, search: Search) -> tuple[list[HeldOutData], torch.Tensor]:
    """Voxels (n, voxels) in every group, and their products with the basis, (voxels, k)."""
    products = [y[group.rows].T @ group.own for group in search.groups]
    whole = functools.reduce(torch.add, products)
    held = []
    for product, group, predictor in zip(products, search.groups, search.predictors, strict=True):
        theirs = y[group.rows]
        known = torch.sub(whole, product, out=product)
        target, one = theirs, group.constant
        if search.intercept:
            level = (theirs.sum(0) if one is None else one @ theirs) / -group.train
            known.addr_(level, group.own.sum(0) if one is None else one @ group.own)
            target = theirs - (level if one is None else one[:, None] * level)
        if search.score == "correlation":
            target = less_constant(theirs, one, 0)
        if predictor.whiten is not None:
            known = known @ predictor.whiten
        # Rounding of the mean must not look like variance.
        spread = less_constant(target, one, 0).square().sum(0)
        if one is None:
            varies = target.amax(0) > target.amin(0)
        else:
            # Times their weights, constants vary; without their mean nothing but rounding is left.
            rounding = ROUNDING * torch.finfo(theirs.dtype).eps
            varies = spread > rounding**2 * theirs.square().sum(0)
        spread = torch.where(varies, spread, 0.0)
        inside, outside = target, torch.zeros_like(spread)
        if group.axes is not None:
            inside = group.axes.T @ target
            outside = target.square().sum(0) - inside.square().sum(0)
        held.append(HeldOutData(known, inside.T.contiguous(), outside, spread))
    return held, whole


def scores(
    held: Sequence[HeldOutData], search: Search, best: torch.Tensor, margin: float = 0.0
) -> torch.Tensor:
    """Mean score over groups of every penalty and voxel, (penalties, voxels).

    -inf for some that are `margin` below the best of a voxel, or below `best`.
    """
    if not search.sights:
        return torch.stack(_in_every_group(held, search)).mean(0)
    looks = [
        _first_sight(*sight, own, search) for sight, own in zip(search.sights, held, strict=True)
    ]
    first = torch.stack([seen for seen, _ in looks]).mean(0)
    wrong = torch.stack([more for _, more in looks]).mean(0).clamp_min(1) * search.slack[:, None]
    likely = first + wrong >= torch.maximum((first - wrong).amax(0), best) - margin
    chosen = [torch.nonzero(row)[:, 0] for row in likely]
    out = torch.where(likely, 0.0, -torch.inf).to(first.dtype)
    # Group by group: what is held of one stays in the cache.
    for own, predictor in zip(held, search.predictors, strict=True):
        for a, voxels in enumerate(chosen):
            if len(voxels):
                found = _in_full(own.part(voxels), predictor, search.score, a)
                out[a].index_add_(0, voxels, found)
    return out.div_(len(held))


def by_group(y: torch.Tensor, search: Search) -> torch.Tensor:
    """Score of every penalty for targets (n, voxels) in every group, (penalties, voxels, groups).

    Of a search without sights.
    """
    return torch.stack(_in_every_group(held_out_data(y, search)[0], search), 2)


def _in_every_group(held: Sequence[HeldOutData], search: Search) -> list[torch.Tensor]:
    """Score of every penalty and voxel, one (penalties, voxels) a group."""
    return [
        torch.stack([_in_full(own, predictor, search.score, a) for a in range(len(search.slack))])
        for own, predictor in zip(held, search.predictors, strict=True)
    ]


def _in_full(held: HeldOutData, predictor: Predictor, score: Score, penalty: int) -> torch.Tensor:
    """Score in one group under one penalty, (voxels,)."""
    return _score(predictor.predict(held.coordinates, penalty), held, score)


def _predicted(held: HeldOutData, predictor: Predictor) -> torch.Tensor:
    """Predictions under every penalty, (penalties, voxels, q)."""
    count = len(predictor.penalties)
    return torch.stack([predictor.predict(held.coordinates, a) for a in range(count)])


def _tolerance(
    predicted: torch.Tensor, held: HeldOutData, score: Score, along: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """How rough a first look may be at each penalty, by predictions for a sample in one group.

    Returns
    -------
    wrong : Tensor of shape (penalties,), float64
        By how much mixing may change the score.
    allowed : Tensor of shape (penalties,), float64
        And by how much predictions, root mean square over voxels, data having a spread of 1.
    strength : Tensor of shape (penalties,), float64
        What multiplies rounding.
    least : Tensor of shape (penalties,), float64
        How long predictions are at least.
    """
    found = torch.stack([_score(own, held, score) for own in predicted]).double()
    length = torch.linalg.vector_norm(predicted, dim=2).double() / held.spread.sqrt()
    least = length.amin(1).clamp_min(torch.finfo(predicted.dtype).tiny)
    wrong = (SHORT * (found.amax(0) - found).amin(1)).clamp_min(MIXED)
    if score == "correlation":
        # It changes by what is wrong over the length of predictions, and by rounding wherever.
        return wrong, wrong / along * least, length.mean(1) / least, least
    # Where e is wrong and r is left, R² changes by 2 e r + e².
    left = (1 - found).clamp_min(0)
    rest = along * left.mean(1).sqrt()
    allowed = wrong / ((rest**2 + wrong).sqrt() + rest)
    return wrong, allowed, (length * left.sqrt()).amax(1), least


def _first_sight(
    operators: torch.Tensor, mixing: torch.Tensor, held: HeldOutData, search: Search
) -> tuple[torch.Tensor, torch.Tensor]:
    """Score of every penalty and voxel in one group, and what multiplies slack.

    By inner products of what the operators predict and the data, in which all scores are quadratic.
    """
    flat = operators.flatten(0, 1)
    count, axes = operators.shape[:2]
    data = mixing.new_full((1, mixing.shape[1]), -1.0 if search.score == "r2" else 0.0)
    signs = torch.cat([mixing, data])
    both = (signs[:, None] * signs).flatten(0, 1)
    common = held.inside.new_empty(len(held.inside), count)
    left = held.inside.new_empty(len(held.inside), mixing.shape[1])
    step = max(1, BLOCK // max(len(flat), 1) // ROWS) * ROWS
    for start in range(0, len(held.inside), step):
        few = slice(start, start + step)
        inside = held.inside[few]
        rows = inside.new_empty(len(inside), count + 1, axes)
        product = held.coordinates[few].to(flat.dtype) @ flat.T
        rows[:, :count] = product.view(len(inside), count, axes)
        rows[:, count] = inside
        inner = rows @ rows.mT
        common[few] = inner[:, -1, :-1]
        left[few] = inner.flatten(1) @ both
    spread = held.spread[:, None]
    if search.score == "correlation":
        tiny = torch.finfo(left.dtype).tiny
        length = (left / spread.clamp_min(tiny)).clamp_min(tiny).sqrt()
        return _ratio(common @ mixing, left, spread).T, (search.least / length).T.clamp_min(1)
    return _explained(left + held.outside[:, None], spread).T, held.size() / search.size


def _score(predicted: torch.Tensor, held: HeldOutData, score: Score) -> torch.Tensor:
    """Score of predictions (voxels, q), (voxels,)."""
    if score == "correlation":
        common = (predicted * held.inside).sum(1)
        return _ratio(common, predicted.square().sum(1), held.spread)
    left = torch.linalg.vector_norm(held.inside - predicted, dim=1).square()
    return _explained(left + held.outside, held.spread)


def _explained(left: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
    """R², 0 where the data do not vary."""
    return torch.where(spread > 0, 1 - left / spread, 0.0)


def _ratio(common: torch.Tensor, power: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
    """Correlation, 0 where the data or predictions do not vary."""
    norm = (power.clamp_min(0) * spread).sqrt()
    return torch.where(norm > 0, common / norm, 0.0)
