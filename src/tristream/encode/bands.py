"""From undelayed features to one kernel a band: standardise, delay, project, select, balance."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from tristream.align.delays import spm_basis
from tristream.encode.fit_inputs import Floats, Layout
from tristream.encode.kernel_frame import Frame, Rows
from tristream.encode.nonlinear import KERNELS, Kind
from tristream.phrases import listed

NOTHING_SHOWN = (
    "Before a run's first volume, when nothing was shown, features of labels and images were zero."
)


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
    frame = Frame(runs, train, test, delays, components, device, form.basis)
    constant: dict[str, int] = {}

    def layer(label: str, kind: Kind) -> torch.Tensor:
        own = frame.undelayed(label, features(label), kind, form.lead(label, delays))
        constant[label] = own.constant
        return frame.balanced(own, kind)

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
    counts = [len(rows) for rows in frame.used]
    parts = stacked.split([len(frame.kept), *counts[len(train) :]], dim=1)
    return BandKernels(parts[0], dict(zip(test, parts[1:], strict=True)), constant)


def _mean(kernels: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack(kernels).mean(0)
