"""Kernels other than linear, from the linear kernel of the same features.

The squared distance of two rows is |x|² + |z|² − 2 <x, z>, so that a nonlinear kernel needs no
features where a linear one is at hand: with the kernel of delayed features, a sum of shifted
kernels, this is the distance of delayed features, a sum of shifted distances.
"""

from dataclasses import dataclass
from typing import Literal

import torch

Kind = Literal["linear", "rbf", "polynomial", "cosine", "sigmoid"]
DEGREE = 2
KERNELS: dict[Kind, str] = {
    "linear": "a linear kernel",
    "rbf": "a Gaussian kernel as wide as the median distance of training samples",
    "polynomial": f"a polynomial kernel of degree {DEGREE}",
    "cosine": "a kernel of the cosine of two samples' features",
    "sigmoid": "a sigmoid kernel",
}
"""Kinds of kernel, and what a methods section calls them under their defaults."""
# Rows whose pairwise distances give the median.
ROWS = 2000


@dataclass(frozen=True)
class KernelMap:
    """What turns a linear kernel into another one, with what was learnt from training rows.

    Attributes
    ----------
    kind : {'linear', 'rbf', 'polynomial', 'cosine', 'sigmoid'}
    scale : float
        RBF: the median of the squared distances of training rows. Polynomial and sigmoid: their
        mean squared length.
    degree : int
        Of the polynomial.
    """

    kind: Kind
    scale: float = 1.0
    degree: int = DEGREE

    @classmethod
    def fit(cls, kind: Kind, train: torch.Tensor, degree: int = DEGREE) -> "KernelMap":
        """Learn the scale.

        Parameters
        ----------
        kind : {'linear', 'rbf', 'polynomial', 'cosine', 'sigmoid'}
        train : Tensor of shape (n, n)
            Linear kernel of the training rows.
        degree : int

        Raises
        ------
        ValueError
            If the kind is unknown, or the rows do not vary.
        """
        if kind not in KERNELS:
            raise ValueError(f"kernel {kind!r} is none of {', '.join(KERNELS)}")
        if kind in ("linear", "cosine"):
            return cls(kind)
        norms = train.diagonal()
        if kind in ("polynomial", "sigmoid"):
            scale = float(norms.mean())
        else:
            rows = torch.linspace(0, len(train) - 1, min(len(train), ROWS)).long().to(train.device)
            apart = _distances(train[rows][:, rows], norms[rows], norms[rows])
            above = torch.triu_indices(len(rows), len(rows), 1, device=train.device)
            scale = float(apart[above[0], above[1]].median()) if len(rows) > 1 else 0.0
        if not scale > 0:
            raise ValueError(f"a {kind} kernel needs rows that vary, and most of these are equal")
        return cls(kind, scale, degree)

    def __call__(
        self, kernel: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor
    ) -> torch.Tensor:
        """The nonlinear kernel.

        RBF: exp(−d² / (2 median d²)), the median heuristic (Gretton et al. 2012, JMLR 13:723).
        Polynomial: (1 + <x, z> / mean |x|²) to the power `degree`. Cosine: <x, z> / (|x| |z|), 0
        for a row of zeros. Sigmoid: tanh(1 + <x, z> / mean |x|²), which has negative eigenvalues.

        Parameters
        ----------
        kernel : Tensor of shape (m, n)
            Linear.
        rows, columns : Tensor of shape (m,), (n,)
            Squared lengths of the features of rows and columns.
        """
        if self.kind == "linear":
            return kernel
        if self.kind == "polynomial":
            return (1 + kernel / self.scale) ** self.degree
        if self.kind == "sigmoid":
            return torch.tanh(1 + kernel / self.scale)
        if self.kind == "cosine":
            lengths = torch.outer(rows, columns).sqrt()
            return torch.where(lengths > 0, kernel / lengths, torch.zeros_like(kernel))
        return torch.exp(-_distances(kernel, rows, columns) / (2 * self.scale))


def _distances(kernel: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Squared distances, (m, n)."""
    return (rows[:, None] + columns - 2 * kernel).clamp_min(0)
