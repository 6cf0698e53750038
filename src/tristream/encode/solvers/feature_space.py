"""The directions that the features of all bands have over samples, without a kernel of samples.

With an orthonormal basis Q (n, q), band b is X_b = Q T_b, its kernel Q S_b Q' with S_b = T_b T_b',
and weights of features are w_b = gamma_b T_b' Q'd of dual weights d. With fewer features than
samples Q comes from their QR decomposition and nothing is left out. Else the leading directions of
all bands, each scaled to a trace of one, are found by products with random vectors and two power
iterations (Halko, Martinsson & Tropp 2011, SIAM Rev 53:217): a Nyström-like approximation, which
leaves a share of every band's trace out. What that costs in score: :mod:`space_loss`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tristream.encode.solvers.folds import Folds
from tristream.encode.solvers.problem import Floats

# Random vectors beside those wanted, and power iterations.
MORE, POWERS = 50, 2
SEED = 0
# What centring leaves of a constant band, as a share of its sum of squares.
CONSTANT = 1e-12


@dataclass(frozen=True)
class FeatureSpace:
    """Directions of all bands.

    Attributes
    ----------
    basis : Tensor of shape (n, q), float64
        Orthonormal, samples in the folds' order; under an intercept the first column is constant.
    loadings : list of Tensor of shape (q, p_b)
        T_b; zeros of a band that does not vary.
    means : list of Tensor of shape (p_b,), float64
        What was taken from the features: their mean under an intercept, or zeros.
    left_out : ndarray of shape (bands,)
        Share of each band's trace that is left out.
    """

    basis: torch.Tensor
    loadings: list[torch.Tensor]
    means: list[torch.Tensor]
    left_out: Floats

    @classmethod
    def whole(
        cls, features: Sequence[torch.Tensor], folds: Folds, intercept: bool
    ) -> "FeatureSpace":
        """All directions, of fewer features than samples.

        Parameters
        ----------
        features : sequence of Tensor of shape (n, p_b)
        folds : Folds
        intercept : bool
        """
        bands, means, _ = centred_bands(features, folds, intercept, torch.float64)
        one = bands[0].new_ones(folds.size, int(intercept))
        widths = [one.shape[1], *(x.shape[1] for x in bands)]
        basis, loadings = torch.linalg.qr(torch.cat([one, *bands], 1))
        return cls(basis, list(loadings.split(widths, 1)[1:]), means, np.zeros(len(bands)))

    @classmethod
    def leading(
        cls,
        features: Sequence[torch.Tensor],
        folds: Folds,
        intercept: bool,
        directions: int,
        dtype: torch.dtype,
    ) -> "FeatureSpace":
        """The leading directions, all bands alike.

        Parameters
        ----------
        features, folds, intercept
            As above.
        directions : int
            How many, less than there are samples.
        dtype : torch.dtype
            Of products with features.
        """
        bands, means, squares = centred_bands(features, folds, intercept, dtype)
        share = [1 / s if s > 0 else 0.0 for s in squares]
        drawn = min(directions + MORE, folds.size - 1)
        generator = torch.Generator().manual_seed(SEED)
        found = torch.randn(folds.size, drawn, dtype=dtype, generator=generator)
        found = found.to(bands[0].device)
        for _ in range(1 + POWERS):
            seen = torch.zeros_like(found)
            for x, s in zip(bands, share, strict=True):
                seen.addmm_(x, x.T @ found, alpha=s)
            found = torch.linalg.qr(seen).Q
        one = torch.ones(folds.size, int(intercept), dtype=torch.float64, device=found.device)
        basis = torch.linalg.qr(torch.cat([one, found.double()], 1)).Q
        one, found = basis[:, : int(intercept)], basis[:, int(intercept) :]
        inside = [found.T.to(dtype) @ x for x in bands]
        products = torch.zeros(drawn, drawn, dtype=torch.float64, device=found.device)
        for own, s in zip(inside, share, strict=True):
            products += s * (own @ own.T).double()
        kept = torch.linalg.eigh(products).eigenvectors[:, -directions:].flip(1)
        loadings = [kept.T @ own.double() for own in inside]
        held = [float(own.square().sum()) for own in loadings]
        left = [1 - h / s if s > 0 else 0.0 for h, s in zip(held, squares, strict=True)]
        above = torch.zeros(int(intercept), 1, dtype=torch.float64, device=found.device)
        return cls(
            torch.cat([one, found @ kept], 1),
            [torch.cat([above.expand(-1, own.shape[1]), own]) for own in loadings],
            means,
            np.array(left),
        )

    def kernels(self) -> torch.Tensor:
        """S_b of every band, (bands, q, q)."""
        return torch.stack([own @ own.T for own in self.loadings])

    def weights(self, inside: Sequence[torch.Tensor]) -> torch.Tensor:
        """Weights of features (p, voxels), of Q'd of each band times its weights (q, voxels)."""
        pairs = zip(self.loadings, inside, strict=True)
        return torch.cat([own.T.to(d.dtype) @ d for own, d in pairs])

    def level(self, weights: torch.Tensor) -> torch.Tensor:
        """What the features' means add to predictions, (voxels,)."""
        return torch.cat(self.means) @ weights.double()


def centred_bands(
    features: Sequence[torch.Tensor], folds: Folds, intercept: bool, dtype: torch.dtype
) -> tuple[list[torch.Tensor], list[torch.Tensor], list[float]]:
    """Bands in the folds' order, new tensors of a type; their means; their sums of squares.

    Under an intercept less their mean. Bands that do not vary are zeros.
    """
    order = torch.from_numpy(folds.order).to(features[0].device)
    bands, means, squares = [], [], []
    for given in features:
        mean = given.mean(0, dtype=torch.float64) * float(intercept)
        x = (given if folds.sorted else given[order]).to(dtype, copy=True)
        raw = _squares(x)
        x -= mean.to(dtype)
        square = _squares(x)
        if square <= CONSTANT * raw:
            square = 0.0
            x.zero_()
        bands.append(x)
        means.append(mean)
        squares.append(square)
    return bands, means, squares


def _squares(x: torch.Tensor) -> float:
    return float(torch.linalg.vector_norm(x, dim=0).double().square().sum())
