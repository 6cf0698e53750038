"""Least squares and ridge for the trials of one run, under one haemodynamic response.

What is in the model without being a trial (events that are not samples, components of the noise
pool) is taken out by the theorem of Frisch, Waugh and Lovell, through normal equations: with X the
trials' columns, W an orthonormal basis of the rest and y the BOLD, the equations for the trials are
X'(I − WW')X b = X'(I − WW')y. A basis that grows by one component of noise is then W with one more
column, and no number of components needs a decomposition of volumes.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tristream.bold.fractional_ridge import shrunk

Array = npt.NDArray[np.float64]
Signals = npt.NDArray[np.floating]

# Of the largest eigenvalue of the normal equations: directions below are not estimated.
ESTIMATED = 1e-10
# A column of which those before it leave less than this share of its length adds nothing to them.
INDEPENDENT = 1e-6


@dataclass(frozen=True)
class Design:
    """Expected responses of one run, after the projection that its BOLD went through.

    Attributes
    ----------
    trials : ndarray of shape (volumes, trials)
        A zero column for a trial that can't be estimated.
    others : ndarray of shape (volumes, lengths)
        Events that are modelled without being samples.
    """

    trials: Array
    others: Array


@dataclass(frozen=True)
class Rotated:
    """Solved normal equations, in the basis of right singular vectors of what is left of X.

    Attributes
    ----------
    vectors : ndarray of shape (trials, trials)
    squares : ndarray of shape (trials,)
        Squared singular values; zero where a direction is not estimated.
    weights : ndarray of shape (trials, voxels)
        Least-squares weights in that basis.
    """

    vectors: Array
    squares: Array
    weights: Array

    def estimates(self, penalties: float | Array = 0.0) -> Array:
        """Ridge estimates of the trials, (trials, voxels), under a penalty or one a voxel."""
        squares = self.squares[:, None]
        return np.asarray(self.vectors @ (shrunk(squares, np.asarray(penalties)) * self.weights))

    @property
    def explained(self) -> Array:
        """Sum of squares that the trials explain, (voxels,)."""
        return np.asarray(self.squares @ self.weights**2)


class TrialFit:
    """The trials of one run under one response.

    Parameters
    ----------
    design : Design
    noise : ndarray of shape (volumes, components)
        Components of the noise pool, to be added in their order.
    """

    def __init__(self, design: Design, noise: Array) -> None:
        self._trials = design.trials
        self._others = design.others.shape[1]
        self._rest = nested_basis(np.hstack([design.others, noise]))
        self._gram = design.trials.T @ design.trials
        self._shared = design.trials.T @ self._rest

    def products(self, bold: Signals) -> tuple[Array, Array]:
        """What :meth:`solve` needs of BOLD (volumes, voxels): X'y and W'y."""
        return (
            np.asarray(self._trials.T.astype(bold.dtype) @ bold, np.float64),
            np.asarray(self._rest.T.astype(bold.dtype) @ bold, np.float64),
        )

    def solve(self, products: tuple[Array, Array], components: int) -> Rotated:
        """With the first so many components of noise in the model."""
        used = self._others + components
        shared = self._shared[:, :used]
        squares, vectors = np.linalg.eigh(self._gram - shared @ shared.T)
        known = squares > ESTIMATED * max(float(squares.max(initial=0.0)), np.finfo(float).tiny)
        rotated = vectors.T @ (products[0] - shared @ products[1][:used])
        weights = np.where(known[:, None], rotated, 0) / np.where(known, squares, 1)[:, None]
        return Rotated(vectors, np.where(known, squares, 0), weights)

    def explained(self, bold: Signals) -> Array:
        """Sum of squares that trials and other events explain, (voxels,), without noise."""
        products = self.products(bold)
        others = np.asarray((products[1][: self._others] ** 2).sum(axis=0))
        return others + self.solve(products, 0).explained


def nested_basis(columns: Array) -> Array:
    """Orthonormal columns of which the first n span the first n columns; zero where one adds none.

    Parameters
    ----------
    columns : ndarray of shape (volumes, n)
    """
    basis = np.zeros_like(columns)
    for n, column in enumerate(columns.T):
        left = column - basis[:, :n] @ (basis[:, :n].T @ column)
        left -= basis[:, :n] @ (basis[:, :n].T @ left)
        size = np.linalg.norm(left)
        if size > INDEPENDENT * np.linalg.norm(column):
            basis[:, n] = left / size
    return basis
