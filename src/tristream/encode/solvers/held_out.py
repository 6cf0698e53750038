"""Predictions of a ridge model for groups of samples that it was not fitted on.

Samples have an orthonormal basis, their left singular vectors L, in which ridge on all of them is a
filter s / (s + alpha) of each squared singular value s. With D the filters, M a group's rows of L
and c = L'y over the other samples, the group's predictions without itself are

    M (D⁻¹ − M'M)⁻¹ c  =  (I − M D M')⁻¹ M D c

(Woodbury; leave-one-out's formula for a group): one decomposition does for all groups. An
intercept, fitted anew without the group, stretches the group's mean in M by the root of n over the
other samples' number; what comes out, stretched once more, is the distance from their mean.

Where the other samples hardly determine a direction that the group has, the inverse grows, and with
it rounding. Past a limit the others have a decomposition of their own; so have they where that is
cheaper, because groups or voxels are few or features are not many.
"""

from dataclasses import dataclass

import numpy as np
import torch

# By how much an inverse may multiply rounding, root mean square over the group.
GROWTH = 50
# Where it multiplies less, inverses have the targets' own type.
CALM = 10
# An eigendecomposition takes as long as so many times k³ multiplications in float64.
EIGEN = 10


@dataclass(frozen=True)
class Spectrum:
    """All samples under one band weighting.

    Attributes
    ----------
    basis : Tensor of shape (n, k), float64
        Left singular vectors.
    values : Tensor of shape (k,), float64
        Squared singular values.
    vectors : Tensor of shape (p, k), float64
        Right singular vectors, times the roots of the features' band weights.
    """

    basis: torch.Tensor
    values: torch.Tensor
    vectors: torch.Tensor

    @classmethod
    def of(cls, x: torch.Tensor, gram: torch.Tensor, root: torch.Tensor) -> "Spectrum":
        """Of features (n, p), float64, their products, and the root of each one's band weight."""
        used = root > 0
        scale = root[used]
        values, vectors = _eigen(gram[used][:, used] * torch.outer(scale, scale))
        turned = torch.zeros(len(root), len(values), dtype=x.dtype, device=x.device)
        turned[used] = scale[:, None] * vectors
        return cls(x @ (turned * values.rsqrt()), values, turned)


@dataclass(frozen=True)
class Group:
    """A held-out group under one band weighting; q is the least of its samples and k.

    Attributes
    ----------
    rows : slice
        Its samples.
    train : int
        Number of all others.
    own : Tensor of shape (rows, k)
        Its rows of the basis.
    root : Tensor of shape (q, k), float64
        M above, or the triangle of its QR.
    turn : Tensor of shape (q, q), float64
        From what the inverse gives to predictions: for R² distances from the training mean, for
        correlation from the predictions' own.
    axes : Tensor of shape (rows, q) or None
        The axes of these; None if they are the samples.
    """

    rows: slice
    train: int
    own: torch.Tensor
    root: torch.Tensor
    turn: torch.Tensor
    axes: torch.Tensor | None

    @classmethod
    def of(
        cls, basis: torch.Tensor, rows: slice, intercept: bool, centred: bool, dtype: torch.dtype
    ) -> "Group":
        """Of a basis (n, k), float64, for targets of type `dtype`."""
        own = basis[rows]
        count, train = len(own), len(basis) - len(own)
        unit = torch.eye(count, dtype=own.dtype, device=own.device)
        mean = torch.full_like(unit, 1 / count)
        more = (len(basis) / train) ** 0.5 - 1 if intercept else 0.0
        root, axes = own + more * own.mean(0), None
        turn = unit - mean if centred else unit + more * mean
        if count > own.shape[1]:
            axes, root = torch.linalg.qr(root)
            axes, turn = torch.linalg.qr(turn @ axes)
            axes = axes.to(dtype)
        return cls(rows, train, own.to(dtype), root, turn, axes)


class Predictor:
    """Predicts a held-out group under every penalty.

    Parameters
    ----------
    group : Group
    values : Tensor of shape (k,)
        Squared singular values of all samples.
    penalties : Tensor of shape (penalties,)
    voxels : int
        How many will be predicted.
    directions : bool
        The scale of predictions is free: under large penalties they then do not vanish.

    Attributes
    ----------
    whiten : Tensor of shape (k, l) or None
        From c to coordinates along the training data's own singular vectors; None if c serves.
    growth : Tensor of shape (penalties,)
        What multiplies rounding; 1 with own singular vectors.
    """

    def __init__(
        self,
        group: Group,
        values: torch.Tensor,
        penalties: torch.Tensor,
        voxels: int,
        directions: bool,
    ) -> None:
        dtype = group.own.dtype
        held, filters = group.root, values / (values + penalties[:, None])
        q, k = held.shape
        scale = filters.amax(1, keepdim=True) if directions and k else 1.0
        self.whiten: torch.Tensor | None = None
        self.growth = torch.ones_like(penalties)
        self._inverses: list[torch.Tensor] = []
        # In float64, half as many in float32: products, inverses; else eigenvectors, coordinates.
        cheap = len(penalties) * q**2 * (3 * k + 4 * q) < EIGEN * k**3 + voxels * k**2
        if not (cheap and self._invert(group, filters)):
            self._inverses.clear()
            self.growth.fill_(1)
            size = values.sqrt()
            inside = held * size
            own, vectors = _eigen(torch.diag(values) - inside.T @ inside)
            self.whiten = (size[:, None] * vectors * own.rsqrt()).to(dtype)
            held = group.turn @ inside @ vectors
            filters = own.sqrt() / (own + penalties[:, None])
        self._held, self._filters = held.to(dtype), (filters / scale).to(dtype)

    def operators(self) -> torch.Tensor:
        """From coordinates to predictions, (penalties, q, l)."""
        filtered = self._held * self._filters[:, None]
        return filtered if self.whiten is not None else torch.stack(self._inverses) @ filtered

    def predict(self, coordinates: torch.Tensor, penalty: int) -> torch.Tensor:
        """Predictions (voxels, q) under one penalty, from coordinates (voxels, l)."""
        predicted = coordinates @ (self._held * self._filters[penalty]).T
        return predicted @ self._inverses[penalty].T if self.whiten is None else predicted

    def _invert(self, group: Group, filters: torch.Tensor) -> bool:
        """Keep the inverse for each penalty, turned to predictions.

        The smallest penalty first: rounding grows less under larger ones. False if it would grow
        too much.
        """
        root, turn, growth = group.root, group.turn.to(group.own.dtype), np.inf
        found: dict[int, torch.Tensor] = {}
        for a in torch.argsort(filters.sum(1), descending=True).tolist():
            if growth < CALM:
                root = root.to(turn.dtype)
            inner = (root * -filters[a].to(root.dtype)) @ root.T
            inner.diagonal().add_(1)
            factor, failed = torch.linalg.cholesky_ex(inner)
            inverse = torch.cholesky_inverse(factor)
            growth = float(torch.linalg.vector_norm(inverse)) / len(inverse) ** 0.5
            if int(failed) or not growth < GROWTH:
                return False
            self.growth[a] = growth
            found[a] = turn @ inverse.to(turn.dtype)
        self._inverses = [found[a] for a in range(len(filters))]
        return True


def condense(
    operators: torch.Tensor, weight: torch.Tensor, same: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Few operators of which all can be mixed.

    Penalties close to each other, or beyond the spectrum, predict nearly the same: as functions of
    the penalty, predictions have a low rank, found here by singular values.

    Parameters
    ----------
    operators : Tensor of shape (penalties, q, l)
    weight : Tensor of shape (penalties,)
        How much it matters what is missed.
    same : float
        Share of the largest singular value below which they are left out.

    Returns
    -------
    operators : Tensor of shape (m, q, l)
    mixing : Tensor of shape (m, penalties)
    """
    flat = operators.flatten(1)
    weight = weight.to(flat.dtype)
    squares, vectors = torch.linalg.eigh((flat @ flat.T).double() * torch.outer(weight, weight))
    vectors = vectors[:, squares > same**2 * squares[-1:]].T.to(flat.dtype)
    few = ((vectors * weight) @ flat).view(len(vectors), *operators.shape[1:])
    return few, vectors / weight


def _eigen(gram: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Eigenvalues and vectors of what the data determine; directions lost in rounding go."""
    values, vectors = torch.linalg.eigh((gram + gram.T) / 2)
    if not len(values):
        return values, vectors
    kept = values > values[-1].clamp_min(0) * len(values) * torch.finfo(values.dtype).eps
    return values[kept], vectors[:, kept]
