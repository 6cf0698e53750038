"""From undelayed features to one kernel a band: standardise, delay, project, select, balance."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from tristream.align.delays import spm_basis
from tristream.encode.convolution import convolved_kernel
from tristream.encode.fit_inputs import Floats, Ints, Layout
from tristream.encode.nonlinear import KERNELS, KernelMap, Kind
from tristream.encode.solvers.kernels import (
    Scaler,
    centre,
    delayed_kernel,
    linear_kernel,
    principal_kernel,
    project_rows,
)
from tristream.errors import UserError
from tristream.phrases import listed

NOTHING_SHOWN = (
    "Before a run's first volume, when nothing was shown, features of labels and images were zero."
)


class Rows(Protocol):
    """What is needed of a run: the basis projected out of it, and its used volumes."""

    @property
    def projection(self) -> Floats: ...

    @property
    def rows(self) -> Ints: ...


@dataclass(frozen=True)
class Form:
    """What kernels are made of beyond delayed linear features.

    Attributes
    ----------
    kernels : dict of str to {'linear', 'rbf', 'polynomial'}
        Band to its kernel; linear if not named.
    basis : ndarray of shape (k, lags), optional
        Haemodynamic basis that takes the place of the delays.
    items : frozenset of str
        ``space/layer`` of labels and images. Before a run's start nothing was shown: their features
        are zero there, not at their mean, which would be an item of its own.
    """

    kernels: Mapping[str, Kind] = field(default_factory=dict)
    basis: Floats | None = None
    items: frozenset[str] = frozenset()

    @classmethod
    def of(cls, about: Mapping[str, Any]) -> "Form":
        """From a model's `kernels`, `hrf`, `items` and `tr`: the attributes of an encoding."""
        basis = spm_basis(float(about["tr"])) if about["hrf"] == "spm" else None
        return cls(dict(about["kernels"]), basis, frozenset(about["items"]))

    def lead(self, label: str, delays: Sequence[int]) -> int:
        """Volumes before a run's start whose features count, and are not at their mean."""
        if label not in self.items:
            return 0
        return max(delays) if self.basis is None else self.basis.shape[1] - 1

    def methods(self, about: Mapping[str, Any]) -> list[str]:
        """How the features of an encoding entered its kernels: sentences from its attributes."""
        reduced = ""
        if about["components"]:
            reduced = f", reduced to at most {about['components']} principal components"
        tr = float(about["tr"])
        if self.basis is not None:
            time = (
                "convolved with SPM's canonical haemodynamic response and its derivatives by time "
                f"and dispersion [@friston1998], within runs (TR {tr:g} s)"
            )
        elif any(about["delays"]):
            seconds = listed(f"{delay * tr:g}" for delay in about["delays"])
            time = f"delayed by {seconds} s, within runs (TR {tr:g} s)"
        else:
            time = "taken without delay"
        alike = ""
        if any(len(labels) > 1 for labels in labels_of(about).values()):
            alike = "; layers of a space, and spaces of a band, weigh alike"
        sentences = [
            f"Features were standardised over the training samples{reduced} and {time}{alike}."
        ]
        if about["projected"]:
            sentences.append(
                "What was projected out of the BOLD of a run was projected out of its features."
            )
        if self.items and (self.basis is not None or any(about["delays"])):
            sentences.append(NOTHING_SHOWN)
        curved = [(band, kind) for band, kind in self.kernels.items() if kind != "linear"]
        return sentences + [f"Band {band} had {KERNELS[kind]}." for band, kind in curved]


def labels_of(about: Mapping[str, Any]) -> dict[str, list[str]]:
    """Band to its ``space/layer``, from the attributes of an encoding."""
    return {
        band: [label for layers in spaces for label in layers]
        for band, spaces in about["layout"].items()
    }


LINEAR = Form()


@dataclass(frozen=True)
class BandKernels:
    """Kernels of the bands, centred and balanced on the training volumes.

    Attributes
    ----------
    train : Tensor of shape (bands, n, n), float64
        Mean diagonal one.
    test : dict of str to Tensor of shape (bands, m, n)
        A test run's used volumes against the training volumes.
    constant : dict of str to int
        ``space/layer`` to columns left out because they don't vary in training.
    """

    train: torch.Tensor
    test: dict[str, torch.Tensor]
    constant: dict[str, int]


def band_kernels(
    features: Callable[[str], Mapping[str, Floats]],
    layout: Layout,
    runs: Mapping[str, Rows],
    train: Sequence[str],
    test: Sequence[str],
    delays: Sequence[int],
    components: int | None = None,
    device: str = "cpu",
    form: Form = LINEAR,
) -> BandKernels:
    """Kernels of all bands for one division into training and test runs.

    Columns are standardised by the used training volumes, optionally reduced to principal
    components fitted on them, delayed inside each run, and projected like the BOLD of their run.
    Then unused volumes go, the training mean is taken, and each layer is scaled to mean diagonal
    one, so that layers weigh alike in their space and spaces in their band. Before a run's start
    standardised features are zero, their mean; those of items are what zero is when standardised,
    for nothing was shown. A nonlinear kernel is
    one of delayed features, and what is projected and centred is its own feature space.

    Parameters
    ----------
    features : callable
        ``space/layer`` to run to array (volumes, p).
    layout : dict
        Band to spaces to ``space/layer``.
    runs : dict of str to Run
        Every run named in `train` and `test`.
    train, test : sequence of str
        Names of runs.
    delays : sequence of int
        In volumes.
    components : int, optional
        Principal components kept of each layer.
    device : str
        Where the kernels lie.
    form : Form
        Nonlinear kernels, or a haemodynamic basis instead of the delays.

    Raises
    ------
    UserError
        If a layer does not vary over the training volumes.
    """
    lengths = [len(runs[name].projection) for name in (*train, *test)]
    columns = sum(lengths[: len(train)])
    bases = [
        torch.as_tensor(runs[name].projection, dtype=torch.float64, device=device)
        for name in (*train, *test)
    ]
    used = _offset_rows(runs, (*train, *test), lengths)
    kept = np.concatenate(used[: len(train)])
    fitted_on = torch.zeros(columns, dtype=torch.bool, device=device)
    fitted_on[torch.from_numpy(kept)] = True
    constant: dict[str, int] = {}

    def layer(label: str, kind: Kind) -> torch.Tensor:
        by_run = features(label)
        lead = form.lead(label, delays)
        x = np.concatenate([np.pad(by_run[n], ((lead, 0), (0, 0))) for n in (*train, *test)])
        position = torch.cat([torch.arange(lead + n, device=device) for n in lengths])
        volumes = position >= lead
        scaler = Scaler.fit(x[volumes.cpu().numpy()][kept])
        constant[label] = int((~scaler.varies).sum())
        # A nonlinear kernel asks for the length of every row: its kernel with itself.
        width = columns + lead * len(train) if kind == "linear" else len(x)
        kernel = linear_kernel(x, width, scaler, device)
        if components:
            fitted = torch.zeros(width, dtype=torch.bool, device=device)
            fitted[torch.nonzero(volumes)[:columns][fitted_on, 0]] = True
            kernel = principal_kernel(kernel, fitted, components)
        if form.basis is None:
            kernel = delayed_kernel(kernel, position, position[:width], delays)
        else:
            kernel = convolved_kernel(kernel, position, position[:width], form.basis)
        if lead:
            kernel = kernel[volumes][:, volumes[:width]]
        if kind != "linear":
            kernel = _mapped(kernel, kind, kept, columns, label)
        kernel = project_rows(kernel, bases)
        kernel = project_rows(kernel.T, bases[: len(train)]).T
        kernel = kernel[torch.from_numpy(np.concatenate(used)).to(device)][:, fitted_on]
        centred = centre(kernel, kernel[: len(kept)])
        scale = float(centred[: len(kept)].trace()) / len(kept)
        if not scale > 1e-9 * int(scaler.varies.sum()):
            raise UserError(
                f"features {label}: nothing varies over the training volumes once confounds are "
                "projected out; leave the space out of the model"
            )
        return centred / scale

    stacked = torch.stack(
        [
            _mean(
                [
                    _mean([layer(label, form.kernels.get(band, "linear")) for label in s])
                    for s in spaces
                ]
            )
            for band, spaces in layout.items()
        ]
    )
    parts = stacked.split([len(kept), *(len(rows) for rows in used[len(train) :])], dim=1)
    return BandKernels(parts[0], dict(zip(test, parts[1:], strict=True)), constant)


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


def _mean(kernels: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack(kernels).mean(0)


def _offset_rows(
    runs: Mapping[str, Rows], names: Sequence[str], lengths: Sequence[int]
) -> list[npt.NDArray[np.int64]]:
    """Used volumes of each run, counted over all runs one after the other."""
    starts = np.cumsum([0, *lengths[:-1]])
    return [runs[name].rows + start for name, start in zip(names, starts, strict=True)]
