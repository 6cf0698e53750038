"""Predictions of a test run by what was shown at each delay, not yet moved in time.

A prediction is the sum over delays d of what the features of the volume d before add,

    p(t) = Σ_d g_d(t − d),   g_d(s) = Σ_b γ_b K_b,d(s, training) a,

less what is projected out and a constant, with a the dual weights of a voxel and K_b,d the kernel
of undelayed test features with training features at that delay. So what would be predicted had
another item been shown at the same time follows from the g_d of that item. Under a haemodynamic
basis its functions take the place of the delays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from tristream.encode.band_responses import response_taps, transposed
from tristream.encode.bands import Form
from tristream.encode.disk_arrays import columns
from tristream.encode.dual_weights import read_dual_weights
from tristream.encode.encoding_file import Encoding, HeldOut, TrainingRun
from tristream.encode.fit_inputs import Floats, Ints
from tristream.encode.kernel_frame import Frame
from tristream.encode.shown_features import presented, regained, switched
from tristream.encode.training_features import TrainingFeatures

# Share of the largest square sum over rows below which single precision holds nothing.
NEGLIGIBLE = 1e-13


@dataclass(frozen=True)
class TapPredictions:
    """A test run's predictions by delay.

    Attributes
    ----------
    timed : Tensor of shape (bands, taps, lead + volumes, training samples), float32
        Kernels of features of volumes.
    items : Tensor of shape (bands, taps, presentations + 1, training samples), float32
        Kernels of features that are switched on with a presentation; the last of nothing.
    gamma : ndarray of shape (bands, voxels)
    dual : ndarray of shape (training samples, voxels), or (bands, training samples, voxels)
    taps : ndarray of shape (taps, lags)
    lead : int
        Volumes before the start.
    test : HeldOut
    """

    timed: torch.Tensor
    items: torch.Tensor
    gamma: Floats
    dual: Floats
    taps: Floats
    lead: int
    test: HeldOut

    def weights(self, voxels: Ints) -> torch.Tensor:
        """Dual weights times band weights, (bands, training samples, voxels)."""
        bands = self.dual if self.dual.ndim == 3 else self.dual[None]
        dual = np.stack([columns(band, voxels) for band in bands])
        return torch.from_numpy(dual * self.gamma[:, None, voxels]).float()

    def of_volumes(self, weights: torch.Tensor) -> npt.NDArray[np.float32]:
        """What the timed features of each volume add, (taps, lead + volumes, voxels)."""
        return _predicted(self._timed, weights)

    def of_presentations(self, weights: torch.Tensor) -> npt.NDArray[np.float32]:
        """What each presentation adds while it is on, (taps, presentations + 1, voxels)."""
        return _predicted(self._items, weights)

    @cached_property
    def _timed(self) -> list["_Product"]:
        return [_Product.of(kernels) for kernels in self.timed]

    @cached_property
    def _items(self) -> list["_Product"]:
        return [_Product.of(kernels) for kernels in self.items]

    def against(self, data: Floats) -> npt.NDArray[np.float64]:
        """What undelayed predictions are multiplied with, where delayed ones are with the data.

        Parameters
        ----------
        data : ndarray of shape (time, voxels)
            At the samples of the test.

        Returns
        -------
        ndarray of shape (taps, lead + volumes, voxels)
        """
        runs = list(self.test.whole.values())
        full = np.zeros((len(runs[0].unit), data.shape[1]))
        full[self.test.rows] = data
        cleaned = [full - run.projection @ (run.projection.T @ full) for run in runs]
        led = np.pad(np.mean(cleaned, axis=0), ((self.lead, 0), (0, 0)))
        return np.stack([transposed(led, response) for response in self.taps])

    @cached_property
    def presented(self) -> npt.NDArray[np.float64]:
        """Shares of each presentation and of nothing, (lead + volumes, presentations + 1)."""
        return presented(next(iter(self.test.whole.values())), self.lead)


@dataclass(frozen=True)
class _Product:
    """Kernels of a band as a product over fewer columns than they have rows, where there is one.

    Rows of kernels of linear features are sums of no more parts than the features have columns.

    Attributes
    ----------
    left : Tensor of shape (rows, parts) or None
        None: each row is a part.
    right : Tensor of shape (taps, parts, training samples)
    """

    left: torch.Tensor | None
    right: torch.Tensor

    @classmethod
    def of(cls, kernels: torch.Tensor) -> "_Product":
        """From kernels (taps, rows, training samples)."""
        _, rows, samples = kernels.shape
        flat = kernels.double().swapaxes(0, 1).flatten(1)
        size, parts = torch.linalg.eigh(flat @ flat.T)
        parts = parts[:, size > NEGLIGIBLE * size.max()] if rows else parts
        if parts.shape[1] * (rows + samples) >= rows * samples:
            return cls(None, kernels)
        return cls(parts.float(), (parts.T @ kernels.double()).float())

    def __matmul__(self, weights: torch.Tensor) -> torch.Tensor:
        """With weights (training samples, voxels), (taps, rows, voxels)."""
        taps, parts, _ = self.right.shape
        found = (self.right.flatten(0, 1) @ weights).view(taps, parts, weights.shape[1])
        return found if self.left is None else self.left @ found


def _predicted(bands: Sequence[_Product], weights: torch.Tensor) -> npt.NDArray[np.float32]:
    pairs = zip(bands, weights, strict=True)
    return sum((band @ own for band, own in pairs), start=torch.zeros(())).numpy()


def tap_predictions(encoding: Encoding, path: Path) -> list[TapPredictions]:
    """Predictions by delay of each test run of a model that was fitted to other runs.

    Parameters
    ----------
    encoding : Encoding
        Of linear kernels. Its dual weights are read from their file when they are asked for.
    path : Path
        Its file.

    Raises
    ------
    UserError
        If the dual weights are gone, or the features are or have changed since.
    """
    tests = list(encoding.tests.values())
    dual, taps = read_dual_weights(path, encoding.fitted), response_taps(encoding)
    kernels, lead = _kernels(encoding, path, tests, taps)
    return [
        TapPredictions(timed, items, encoding.fitted.gamma, dual, taps, lead, test)
        for test, (timed, items) in zip(tests, kernels, strict=True)
    ]


def _kernels(
    encoding: Encoding, path: Path, tests: Sequence[HeldOut], taps: Floats
) -> tuple[list[tuple[torch.Tensor, torch.Tensor]], int]:
    """For each test the kernels of volumes and of presentations, means over repeats; the lead."""
    about, fitted, form = encoding.about, encoding.fitted, Form.of(encoding.about)
    whole = {name: run for test in tests for name, run in test.whole.items()}
    new = {
        name: TrainingRun(np.arange(len(run.unit)), run.projection, run.stimulated)
        for name, run in whole.items()
    }
    runs = {**fitted.runs, **new}
    components = about["components"] or None
    frame = Frame(runs, list(fitted.runs), list(new), about["delays"], components, basis=form.basis)
    read, layout = TrainingFeatures(encoding, path), about["layout"].values()
    leads = {
        label: form.lead(label, about["delays"])
        for spaces in layout
        for layers in spaces
        for label in layers
    }
    lead = max(leads.values())
    volumes = {name: lead + len(run.unit) for name, run in whole.items()}
    shape = len(layout), len(taps)
    samples = len(frame.kept)
    timed = {name: torch.zeros(*shape, 0, samples) for name in whole}
    items = {name: torch.zeros(*shape, 0, samples) for name in whole}
    back = {name: torch.from_numpy(regained(run, lead)).float() for name, run in whole.items()}
    for band, spaces in enumerate(layout):
        for layers in spaces:
            for label in layers:
                features = read.of(label, runs)
                own = frame.undelayed(label, features, "linear", leads[label])
                _, scale = frame.scaled(own)
                share = 1 / (len(spaces) * len(layers) * scale)
                part = (share * frame.by_tap(own, taps)).float()
                by_item = switched(whole, features)
                lengths = [n - lead + leads[label] for n in volumes.values()]
                for name, rows in zip(whole, part.split(lengths, dim=1), strict=True):
                    # Before its own lead a layer is at its mean, which predicts nothing.
                    full = torch.nn.functional.pad(rows, (0, 0, lead - leads[label], 0))
                    into, rows = (items, back[name] @ full) if by_item else (timed, full)
                    if not into[name].shape[2]:
                        into[name] = torch.zeros(*shape, rows.shape[1], samples)
                    into[name][band] += rows
    means = [
        tuple(torch.stack([of[name] for name in test.whole]).mean(0) for of in (timed, items))
        for test in tests
    ]
    return [(one, other) for one, other in means], lead
