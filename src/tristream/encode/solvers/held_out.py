"""Predictions of a ridge model for groups of samples that it was not fitted on.

Samples have an orthonormal basis, their left singular vectors L, in which ridge on all of them is a
filter s / (s + alpha) of each squared singular value s. With D the filters, M a group's rows of L
and c = L'y over the other samples, the group's predictions without itself are

    M (D⁻¹ − M'M)⁻¹ c  =  (I − M D M')⁻¹ M D c

(Woodbury; leave-one-out's formula for a group): one decomposition does for all groups. An
intercept, fitted anew without the group, multiplies the group's mean in M by the root of n over
the other samples' number; what comes out, multiplied once more, is the distance from their mean.

Where the other samples hardly determine a direction that the group has, the inverse grows, and with
it rounding. Past a limit the others have a decomposition of their own; so have they where that is
cheaper, because groups or voxels are few or features are not many.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tristream.encode.solvers.interpolation import coefficients
from tristream.encode.solvers.sample_weights import less_constant

# By how much an inverse may multiply rounding, root mean square over the group.
GROWTH = 50
# Where it multiplies less, inverses have the targets' own type.
CALM = 10
# An eigendecomposition takes as long as so many times k³ multiplications in float64.
EIGEN = 10
# Squared singular values of training data go down to a fraction of the least of all samples, or too
# far below the least penalty to matter. Functions of them are fitted at so many.
BELOW = 1e3
FLAT = 1e2
POINTS = 300
# Rows of operators that are held in float64.
ROWS = 16


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
    def of(cls, x: torch.Tensor, products: torch.Tensor, root: torch.Tensor) -> "Spectrum":
        """Of features (n, p), float64, their products, and the root of each one's band weight."""
        used = root > 0
        scale = root[used]
        values, vectors = _eigen(products[used][:, used] * torch.outer(scale, scale))
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
    train : float
        Number of all others; sum of their weights, where samples have some.
    own : Tensor of shape (rows, k)
        Its rows of the basis.
    root : Tensor of shape (q, k), float64
        M above, or the triangle of its QR.
    shift : float
        What of the mean is added to what the inverse gives, to make predictions: for R² distances
        from the training mean, for correlation from the predictions' own.
    axes : Tensor of shape (rows, q) or None
        The axes of predictions; None if they are the samples.
    turn : Tensor of shape (q, q), float64, or None
        With axes: from what the inverse gives to predictions.
    constant : Tensor of shape (rows,) or None
        Root of its samples' weights; None: all are one.
    """

    rows: slice
    train: float
    own: torch.Tensor
    root: torch.Tensor
    shift: float
    axes: torch.Tensor | None
    turn: torch.Tensor | None
    constant: torch.Tensor | None = None

    @classmethod
    def of(
        cls,
        basis: torch.Tensor,
        rows: slice,
        intercept: bool,
        centred: bool,
        dtype: torch.dtype,
        weights: torch.Tensor | None = None,
    ) -> "Group":
        """Of a basis (n, k), float64, for targets of type `dtype`; perhaps `weights` (n,)."""
        own, constant = basis[rows], None
        count, total = len(own), float(len(basis))
        train = total - count
        if weights is not None:
            total = float(weights.sum())
            train, constant = total - float(weights[rows].sum()), weights[rows].sqrt()
        more = (total / train) ** 0.5 - 1 if intercept else 0.0
        shift = -1.0 if centred else more
        root, axes, turn = _shifted(own, more, constant), None, None
        if count > own.shape[1]:
            axes, root = torch.linalg.qr(root)
            axes, turn = torch.linalg.qr(_shifted(axes, shift, constant))
            axes = axes.to(dtype)
        if constant is not None:
            constant = constant.to(dtype)
        return cls(rows, train, own.to(dtype), root, shift, axes, turn, constant)

    def turned(self, given: torch.Tensor) -> torch.Tensor:
        """From what the inverse gives (q, some) to predictions (q, some)."""
        if self.turn is None:
            return _shifted(given, self.shift, self.constant)
        return self.turn.to(given.dtype) @ given


def _shifted(columns: torch.Tensor, by: float, constant: torch.Tensor | None) -> torch.Tensor:
    """Columns of a group's samples, and so much of what is constant in them."""
    return columns + by * (columns - less_constant(columns, constant, 0))


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
    penalties : Tensor of shape (penalties,)
    whiten : Tensor of shape (k, l) or None
        From c to coordinates along the training data's own singular vectors; None if c serves.
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
        self.penalties = penalties
        self.whiten: torch.Tensor | None = None
        self._group, self._values = group, values
        self._scale = filters.amax(1) if directions and k else torch.ones_like(penalties)
        self._inverses: dict[int, torch.Tensor] = {}
        self._growth = torch.full_like(penalties, torch.inf)
        # In float64, half as many in float32: products, inverses; else eigenvectors, coordinates.
        cheap = len(penalties) * q**2 * (3 * k + 4 * q) < EIGEN * k**3 + voxels * k**2
        if not (k and cheap and self._invertible()):
            self._inverses.clear()
            size = values.sqrt()
            inside = held * size
            own, vectors = _eigen(torch.diag(values) - gram(inside))
            self.whiten = (size[:, None] * vectors * own.rsqrt()).to(dtype)
            held = group.turned(inside) @ vectors
            filters = own.sqrt() / (own + penalties[:, None])
        self._held, self._filters = held.to(dtype), (filters / self._scale[:, None]).to(dtype)

    def predict(self, coordinates: torch.Tensor, penalty: int) -> torch.Tensor:
        """Predictions (voxels, q) under one penalty, from coordinates (voxels, l)."""
        predicted = coordinates @ (self._held * self._filters[penalty]).T
        return predicted if self.whiten is not None else predicted @ self._inverse(penalty).T

    def operators(self, nodes: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """From coordinates to predictions, under some penalties or, where that is cheap, under all.

        Returns
        -------
        operators : Tensor of shape (m, q, l)
        mixing : Tensor of shape (m, penalties), float64
            What of them makes the operator of each penalty.
        """
        if self.whiten is not None:
            return self._held * self._filters[:, None], torch.diag(torch.ones_like(self.penalties))
        inverses = torch.stack([self._inverse(a) for a in nodes])
        return inverses @ (self._held * self._filters[list(nodes), None]), self._mixing(nodes)

    def nodes(self, predicted: torch.Tensor, allowed: torch.Tensor) -> list[int]:
        """Penalties whose predictions make those of all others.

        Parameters
        ----------
        predicted : Tensor of shape (penalties, numbers)
            Of some voxels.
        allowed : Tensor of shape (penalties,), float64
            How far off they may be, as root of their sum of squares.
        """
        if self.whiten is not None:
            return list(range(len(predicted)))
        known = torch.linalg.qr(predicted.double().T, mode="r").R.T
        out = [int(self.penalties.argmin())]
        while len(out) < len(known):
            wrong = torch.linalg.vector_norm(self._mixing(out).T @ known[out] - known, dim=1)
            worst = int((wrong / allowed).argmax())
            if wrong[worst] <= allowed[worst]:
                break
            out = sorted([*out, worst])
        return out

    def _mixing(self, nodes: Sequence[int]) -> torch.Tensor:
        """What of predictions under some penalties makes those under all, (nodes, penalties).

        Under a penalty a, data along a singular vector of the training data are multiplied by
        s / (s² + a); these functions are fitted to each other over all that s² can be.
        """
        least = max(float(self._values[0]) / BELOW, float(self.penalties.min()) / FLAT)
        along = np.geomspace(least, max(float(self._values[-1]), least), POINTS)
        squares = torch.as_tensor(along, device=self._values.device)
        curves = squares.sqrt() / (squares + self.penalties[:, None])
        unit = curves.amax(1)
        mixed = coefficients(curves / unit[:, None], nodes).T
        size, known = unit / self._scale, list(nodes)
        mixed = mixed * size / size[known, None]
        mixed[:, known] = torch.diag(torch.ones_like(size[known]))
        return mixed

    def _invertible(self) -> bool:
        """Whether rounding does not grow too much under the smallest penalty."""
        least = int(self.penalties.argmin())
        self._inverse(least)
        return bool(self._growth[least] < GROWTH)

    def _inverse(self, penalty: int) -> torch.Tensor:
        """The inverse under a penalty, turned to predictions.

        Rounding grows less than under smaller penalties that came before.
        """
        if penalty not in self._inverses:
            group, calm = self._group, bool(self._growth[penalty] < CALM)
            dtype = group.own.dtype
            root = group.root.to(dtype) if calm else group.root
            filters = self._values / (self._values + self.penalties[penalty])
            inner = -gram((root * filters.sqrt().to(root.dtype)).T)
            inner.diagonal().add_(1)
            factor, failed = torch.linalg.cholesky_ex(inner)
            inverse = torch.cholesky_inverse(factor)
            growth = float(torch.linalg.vector_norm(inverse)) / len(inverse) ** 0.5
            above = self.penalties >= self.penalties[penalty]
            self._growth[above] = torch.inf if int(failed) else growth
            self._inverses[penalty] = group.turned(inverse.to(dtype))
        return self._inverses[penalty]


def condense(
    operators: torch.Tensor, mixing: torch.Tensor, power: torch.Tensor, allowed: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Fewer operators, of which predictions under all penalties can be mixed.

    Penalties close to each other, or beyond the spectrum, predict nearly the same: as functions of
    the penalty, predictions have a low rank, found here by singular values.

    Parameters
    ----------
    operators : Tensor of shape (nodes, q, l)
    mixing : Tensor of shape (nodes, penalties), float64
    power : Tensor of shape (l,)
        Mean squares of coordinates.
    allowed : Tensor of shape (penalties,)
        Root mean square, over voxels, of how far predictions may be off.

    Returns
    -------
    operators : Tensor of shape (m, q, l)
    mixing : Tensor of shape (m, penalties)
    """
    root, scaled = power.double().sqrt(), mixing / allowed
    common = torch.zeros(len(mixing), len(mixing), dtype=root.dtype, device=root.device)
    for part in operators.split(ROWS, 1):
        flat = (part * root).flatten(1)
        common += flat @ flat.T
    squares, vectors = torch.linalg.eigh(scaled.T @ common @ scaled)
    # Ascending: how far penalties are off, squared, without these and all smaller ones.
    missed = (squares.clamp_min(0) * vectors.square()).cumsum(1).amax(0)
    vectors, dtype = vectors[:, missed > 1].T, operators.dtype
    few = (vectors @ scaled.T).to(dtype) @ operators.flatten(1)
    return few.view(len(few), *operators.shape[1:]), (vectors * allowed).to(dtype)


def gram(x: torch.Tensor) -> torch.Tensor:
    """Products of features (n, p) with each other, (p, p)."""
    if x.device.type == "cpu":
        # numpy computes half of them, the others being the same.
        values = x.numpy()
        return torch.from_numpy(values.T @ values)
    return x.T @ x


def _eigen(products: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Eigenvalues and vectors of what the data determine; directions lost in rounding go."""
    if products.device.type == "cpu":
        # numpy's LAPACK takes three quarters of the time of torch's, on an AMD processor.
        values, vectors = (torch.from_numpy(part) for part in np.linalg.eigh(products.numpy()))
    else:
        values, vectors = torch.linalg.eigh(products)
    if not len(values):
        return values, vectors
    kept = values > values[-1].clamp_min(0) * len(values) * torch.finfo(values.dtype).eps
    return values[kept], vectors[:, kept]
