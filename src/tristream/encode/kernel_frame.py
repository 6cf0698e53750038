"""The kernel of a layer between all volumes of training and test runs, step by step.

First undelayed, as features of volumes are exchanged by tests; then delayed, projected, and of the
used volumes alone, as models are fitted to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from tristream.encode.convolution import convolved, convolved_kernel
from tristream.encode.fit_inputs import Floats, Ints
from tristream.encode.nonlinear import KernelMap, Kind
from tristream.encode.solvers.kernels import (
    Scaler,
    centre,
    delayed_kernel,
    linear_kernel,
    principal_kernel,
    project_rows,
)
from tristream.errors import UserError


class Rows(Protocol):
    """What is needed of a run: the basis projected out of it, and its used volumes."""

    @property
    def projection(self) -> Floats: ...

    @property
    def rows(self) -> Ints: ...


@dataclass(frozen=True)
class Undelayed:
    """Kernel of the features of one layer as they are shown.

    Attributes
    ----------
    label : str
        ``space/layer``.
    kernel : Tensor of shape (m, n), float64
        All volumes, those of training runs first, against those of training runs. Each run begins
        with `lead` volumes before its start.
    position : Tensor of int of shape (m,)
        Place in the run, from 0.
    lead : int
    constant, varying : int
        Columns of the features that don't vary in training and were left out, and those that do.
    """

    label: str
    kernel: torch.Tensor
    position: torch.Tensor
    lead: int
    constant: int
    varying: int

    @property
    def volumes(self) -> torch.Tensor:
        """Rows that are volumes of their run."""
        return self.position >= self.lead


@dataclass(frozen=True)
class Frame:
    """What becomes of undelayed kernels.

    Attributes
    ----------
    runs : mapping of str to Rows
    train, test : sequence of str
        Names of runs.
    delays : sequence of int
        In volumes.
    components : int or None
        Principal components kept of a layer.
    device : str
    basis : ndarray of shape (k, lags), optional
        Haemodynamic basis that takes the place of the delays.
    """

    runs: Mapping[str, Rows]
    train: Sequence[str]
    test: Sequence[str]
    delays: Sequence[int]
    components: int | None = None
    device: str = "cpu"
    basis: Floats | None = None

    @cached_property
    def lengths(self) -> list[int]:
        """Volumes of each run, training runs first."""
        return [len(self.runs[name].projection) for name in (*self.train, *self.test)]

    @property
    def columns(self) -> int:
        """Volumes of training runs."""
        return sum(self.lengths[: len(self.train)])

    @cached_property
    def bases(self) -> list[torch.Tensor]:
        """What is projected out of each run."""
        return [
            torch.as_tensor(self.runs[name].projection, dtype=torch.float64, device=self.device)
            for name in (*self.train, *self.test)
        ]

    @cached_property
    def used(self) -> list[npt.NDArray[np.int64]]:
        """Used volumes of each run, counted over all runs one after the other."""
        starts = np.cumsum([0, *self.lengths[:-1]])
        names = (*self.train, *self.test)
        return [self.runs[n].rows + start for n, start in zip(names, starts, strict=True)]

    @cached_property
    def kept(self) -> npt.NDArray[np.int64]:
        """Used volumes of all training runs."""
        return np.concatenate(self.used[: len(self.train)])

    @property
    def fitted_on(self) -> torch.Tensor:
        """Which volumes of the training runs are used, (columns,)."""
        chosen = torch.zeros(self.columns, dtype=torch.bool, device=self.device)
        chosen[torch.from_numpy(self.kept)] = True
        return chosen

    def undelayed(
        self, label: str, by_run: Mapping[str, Floats], kind: Kind, lead: int
    ) -> Undelayed:
        """Kernel of standardised features, or of their first principal components.

        Parameters
        ----------
        label : str
            ``space/layer``.
        by_run : mapping of str to ndarray of shape (volumes, p)
        kind : {'linear', 'rbf', 'polynomial'}
            What will be made of it.
        lead : int
            Volumes before a run's start at which features are zero (standardised).
        """
        names = (*self.train, *self.test)
        x = np.concatenate([np.pad(by_run[n], ((lead, 0), (0, 0))) for n in names])
        position = torch.cat([torch.arange(lead + n, device=self.device) for n in self.lengths])
        volumes = position >= lead
        scaler = Scaler.fit(x[volumes.cpu().numpy()][self.kept])
        # A nonlinear kernel asks for the length of every row: its kernel with itself.
        width = self.columns + lead * len(self.train) if kind == "linear" else len(x)
        kernel = linear_kernel(x, width, scaler, self.device)
        if self.components:
            fitted = torch.zeros(width, dtype=torch.bool, device=self.device)
            fitted[torch.nonzero(volumes)[: self.columns][self.fitted_on, 0]] = True
            kernel = principal_kernel(kernel, fitted, self.components)
        varying = int(scaler.varies.sum())
        return Undelayed(label, kernel, position, lead, len(scaler.varies) - varying, varying)

    def balanced(self, own: Undelayed, kind: Kind = "linear") -> torch.Tensor:
        """Kernel of delayed features of used volumes, its mean diagonal in training one.

        Raises
        ------
        UserError
            If the layer does not vary over the training volumes.
        """
        kernel, _ = self.scaled(own, kind)
        return kernel

    def scaled(self, own: Undelayed, kind: Kind = "linear") -> tuple[torch.Tensor, float]:
        """As :meth:`balanced`, and the mean diagonal by which it was divided."""
        width = own.kernel.shape[1]
        position = own.position, own.position[:width]
        if self.basis is None:
            kernel = delayed_kernel(own.kernel, *position, self.delays)
        else:
            kernel = convolved_kernel(own.kernel, *position, self.basis)
        if own.lead:
            kernel = kernel[own.volumes][:, own.volumes[:width]]
        if kind != "linear":
            kernel = _mapped(kernel, kind, self.kept, self.columns, own.label)
        kernel = project_rows(kernel, self.bases)
        kernel = project_rows(kernel.T, self.bases[: len(self.train)]).T
        used = torch.from_numpy(np.concatenate(self.used)).to(self.device)
        kernel = kernel[used][:, self.fitted_on]
        centred = centre(kernel, kernel[: len(self.kept)])
        scale = float(centred[: len(self.kept)].trace()) / len(self.kept)
        if not scale > 1e-9 * own.varying:
            raise UserError(
                f"features {own.label}: nothing varies over the training volumes once confounds "
                "are projected out; leave the space out of the model"
            )
        return centred / scale, scale

    def by_tap(self, own: Undelayed, taps: Floats) -> torch.Tensor:
        """Kernels of test volumes as they are shown with training volumes at each delay.

        The prediction at a test volume is the sum over taps of the prediction from the features
        that many volumes before, less what is projected out and a constant.

        Parameters
        ----------
        own : Undelayed
            Of a linear kernel.
        taps : ndarray of shape (k, lags)
            Weight of each lag, of each delay or basis function.

        Returns
        -------
        Tensor of shape (k, test volumes with their lead, used training volumes)
        """
        width = own.kernel.shape[1]
        columns = own.kernel[width:].T.contiguous()
        parts = []
        for response in np.asarray(taps, float):
            moved = convolved(columns, own.position[:width], response)[own.volumes[:width]]
            parts.append(project_rows(moved, self.bases[: len(self.train)])[self.fitted_on].T)
        return torch.stack(parts)


def _mapped(
    kernel: torch.Tensor, kind: Kind, kept: npt.NDArray[np.int64], columns: int, label: str
) -> torch.Tensor:
    """Nonlinear kernel (m, columns) of the features of a linear one (m, m)."""
    norms = kernel.diagonal().clone()
    rows = torch.from_numpy(kept).to(kernel.device)
    try:
        learnt = KernelMap.fit(kind, kernel[rows][:, rows])
    except ValueError as error:
        raise UserError(f"features {label}: {error}") from None
    return learnt(kernel[:, :columns], norms, norms[:columns])
