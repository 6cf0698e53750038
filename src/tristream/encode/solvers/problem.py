"""What is solved: kernels, targets, folds and candidates, in the form that the solvers share."""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from tristream.encode.solvers.folds import Folds, Splits
from tristream.encode.solvers.sample_weights import less_constant, root_of
from tristream.encode.solvers.shared_choice import Regions

if TYPE_CHECKING:
    from tristream.encode.disk_arrays import DiskArrays

Floats = npt.NDArray[np.floating]
Step = Callable[[slice], None]
SMALLEST_CHUNK = 16
# Targets of which statistics are taken, or copies made, at a time.
PART = 256
# Rows of kernels that are mixed at a time: a CPU keeps them in its cache.
ROWS = {"cpu": 128}
# What centring leaves of a constant kernel, as a share of its trace.
CONSTANT = {torch.float64: 1e-12, torch.float32: 1e-5}


class Targets:
    """Targets as rows, standardised: what a chunk of them costs is all the memory they take.

    The source may stay on the CPU, or on disk as a memory map, while chunks go to the device.
    Without NaN and infinities; a model's R² and correlation don't depend on a target's scale.

    Parameters
    ----------
    source : Tensor of shape (n, voxels)
        As given.
    folds : Folds or Splits
    intercept : bool
        Take each target's mean; else only its scale is changed.
    device : torch.device
        Where chunks go.
    root : Tensor of shape (n,), optional
        Root of each sample's weight, samples as given; rows are multiplied by it.

    Attributes
    ----------
    mean, scale : Tensor of shape (voxels,)
        Taken from every target.
    weight : Tensor of shape (voxels, folds)
        1 / total sum of squares of a target in a fold; 0 where it doesn't vary.
    root : Tensor of shape (n,) or None
        Of the samples in the folds' order.
    """

    def __init__(
        self,
        source: torch.Tensor,
        folds: Folds | Splits,
        intercept: bool,
        device: torch.device,
        root: torch.Tensor | None = None,
    ) -> None:
        self.source = source
        self.folds = folds
        self.device = device
        self.order = None
        if isinstance(folds, Folds) and not folds.sorted:
            self.order = torch.from_numpy(folds.order).to(source.device)
        self.root = None
        if root is not None:
            self.root = (root if self.order is None else root[self.order.cpu()]).to(device)
        voxels = source.shape[1]
        self.mean = torch.zeros(voxels, dtype=source.dtype, device=device)
        self.scale = torch.ones(voxels, dtype=source.dtype, device=device)
        self.weight = torch.zeros(voxels, len(folds.pairs()), dtype=source.dtype, device=device)
        self._tests = [torch.from_numpy(test).to(device) for _, test in folds.pairs()]
        bad = 0
        for start in range(0, voxels, PART):
            bad += self._describe(slice(start, start + PART), intercept)
        if bad:
            raise ValueError(f"{bad} of {voxels} voxels hold NaN or infinite values")

    def _describe(self, part: slice, intercept: bool) -> int:
        """Statistics of some targets; how many of them are not finite."""
        y = self._raw(part)
        if intercept:
            # Constant targets become zeros exactly.
            constant = y.amax(1) == y.amin(1)
            mean = y.mean(1) if self.root is None else self._weighted(y)
            self.mean[part] = torch.where(constant, y[:, 0], mean)
        y = y - self.mean[part, None]
        rows = y if self.root is None else y * self.root.to(y.dtype)
        scale = rows.abs().amax(1)
        scale = scale * (rows / scale[:, None]).square().mean(1).sqrt()
        self.scale[part] = torch.where(scale > 0, scale, 1.0)
        y = y / self.scale[part, None]
        for f, test in enumerate(self._tests):
            own = y[:, test]
            varies = own.amax(1) > own.amin(1)
            root = self.constant(test)
            if root is not None:
                own = own * root.to(own.dtype)
            spread = less_constant(own, root).square().sum(1)
            varies &= spread > 0
            self.weight[part, f] = torch.where(varies, 1 / spread, 0.0)
        return int((~torch.isfinite(y).all(1)).sum())

    def _weighted(self, y: torch.Tensor) -> torch.Tensor:
        """Weighted mean of targets (voxels, n)."""
        assert self.root is not None
        weight = self.root.square().to(y.dtype)
        return (y @ weight) / weight.sum()

    def constant(self, rows: slice | torch.Tensor) -> torch.Tensor | None:
        """What an intercept multiplies in some samples, in the folds' order; None: ones."""
        return root_of(self.root, rows)

    def _raw(self, index: slice | torch.Tensor) -> torch.Tensor:
        """Targets as given, one a row, samples in the folds' order."""
        if isinstance(index, torch.Tensor):
            index = index.to(self.source.device)
        by_target = self.source.T
        if by_target.is_contiguous():
            y = by_target[index]
            return (y if self.order is None else y[:, self.order]).to(self.device)
        y = self.source[:, index]
        if self.order is not None:
            y = y[self.order]
        return y.to(self.device).T

    def rows(self, index: slice | torch.Tensor) -> torch.Tensor:
        """Some targets, (voxels, n), standardised, contiguous."""
        if self._cache is not None:
            return self._cache[index]
        y = self._raw(index) - self.mean[index, None]
        if self.root is not None:
            y.mul_(self.root.to(y.dtype))
        return y.div_(self.scale[index, None]).contiguous()

    _cache: torch.Tensor | None = None

    def keep(self) -> None:
        """Hold all rows on the device from now on; gathering them is then quick."""
        rows = torch.empty(self.voxels, self.folds.size, dtype=self.dtype, device=self.device)
        for start in range(0, self.voxels, PART):
            part = slice(start, start + PART)
            rows[part] = self.rows(part)
        self._cache = rows

    def turned(self, rows: torch.Tensor, folds: Folds, root: torch.Tensor) -> "Targets":
        """The same targets by rows (voxels, samples) in other coordinates, and their folds.

        `root`, (samples,), is what a constant of one became in every sample.
        """
        out = copy(self)
        out.folds, out._cache, out.root = folds, rows, root
        return out

    @property
    def kept(self) -> bool:
        """Whether all rows are held."""
        return self._cache is not None

    @property
    def voxels(self) -> int:
        """Number of targets."""
        return self.source.shape[1]

    @property
    def dtype(self) -> torch.dtype:
        """Type of the targets."""
        return self.source.dtype


@dataclass(frozen=True)
class Problem:
    """One fit.

    Candidate `c` is band weighting ``c // penalties`` with penalty ``c % penalties``.

    Attributes
    ----------
    kernels : Tensor of shape (bands, n, n), or sequence of (n, n)
        As given.
    gammas : ndarray of shape (weightings, bands)
    alphas : ndarray of shape (penalties,)
    folds : Folds or Splits
    targets : Targets
    intercept : bool
        Whether the model has one, not penalised.
    score : {'r2', 'correlation'}
    arrays : DiskArrays or None
        Where dual weights lie, on a CPU; None: in memory.
    regions : Regions or None
        Targets that take one candidate together; None: each its own.
    root : Tensor of shape (n,) or None
        Root of each sample's weight, samples as given; kernels are multiplied by it already, on
        either side.
    """

    kernels: torch.Tensor | Sequence[torch.Tensor]
    gammas: Floats
    alphas: Floats
    folds: Folds | Splits
    targets: Targets
    intercept: bool
    score: str
    arrays: "DiskArrays | None" = None
    regions: Regions | None = None
    root: torch.Tensor | None = None

    def zeros(self, *shape: int) -> torch.Tensor:
        """Zeros of the targets' type, many of which may lie on disk."""
        if self.arrays is None or self.device.type != "cpu":
            return torch.zeros(*shape, dtype=self.targets.dtype, device=self.device)
        dtype = torch.zeros(0, dtype=self.targets.dtype).numpy().dtype
        return torch.from_numpy(self.arrays.zeros(shape, dtype))

    def forget(self) -> None:
        """Let go of what :meth:`zeros` has in memory of what lies on disk."""
        if self.arrays is not None:
            self.arrays.forget()

    @property
    def samples(self) -> int:
        """n."""
        return self.folds.size

    @property
    def candidates(self) -> int:
        """Weightings times penalties."""
        return len(self.gammas) * len(self.alphas)

    @property
    def device(self) -> torch.device:
        """Where it is solved."""
        return self.targets.device

    def penalty(self, candidate: int) -> float:
        """Alpha of a candidate."""
        return float(self.alphas[candidate % len(self.alphas)])

    def weighting(self, candidate: int) -> Floats:
        """Gamma of a candidate, zero for bands that don't vary."""
        return self.gammas[candidate // len(self.alphas)] * (self.traces != 0)

    @cached_property
    def traces(self) -> Floats:
        """Trace of every band's kernel, centred under an intercept; 0 where that is rounding."""
        out = []
        for kernel in self.kernels:
            trace = float(kernel.diagonal().sum(dtype=torch.float64))
            centred = trace
            if self.intercept:
                centred -= self._constant_part(kernel)
            out.append(centred if abs(centred) > CONSTANT[kernel.dtype] * abs(trace) else 0.0)
        return np.array(out)

    def _constant_part(self, kernel: torch.Tensor) -> float:
        """What the constant has of a kernel's trace."""
        if self.root is None:
            return float(kernel.sum(dtype=torch.float64)) / len(kernel)
        root = self.root.to(kernel)
        return float(root @ kernel @ root / (root @ root))

    def trace(self, candidate: int) -> float:
        """Trace of a candidate's kernel, an upper bound of its largest eigenvalue."""
        return float(self.weighting(candidate) @ self.traces)

    @cached_property
    def near(self) -> list[torch.Tensor]:
        """Kernels as given, where the problem is solved."""
        return [k.to(self.device) for k in self.kernels]

    def kernel(self, candidate: int, dtype: torch.dtype) -> torch.Tensor:
        """Kernel of a candidate in the folds' order, of the type asked for; a new tensor.

        Under an intercept it is centred, which changes nothing but the intercept and rounding.
        """
        return self.mixed(self.weighting(candidate), dtype)

    def mixed(self, weights: Floats, dtype: torch.dtype) -> torch.Tensor:
        """The same of any band weights.

        It is made a few rows at a time: copies of all bands in that type would be large.
        """
        n = self.samples
        mean = torch.as_tensor(weights, device=self.device) @ self._means
        root = None if self.root is None else self.root.to(mean)
        middle = float(mean.mean() if root is None else root @ mean / (root @ root))
        kind = torch.promote_types(self.near[0].dtype, dtype)
        out = torch.empty(n, n, dtype=dtype, device=self.device)
        few = ROWS.get(self.device.type, n)
        for start in range(0, n, few):
            rows = slice(start, start + few)
            mixed = mix_sparse([k[rows].to(kind) for k in self.near], weights)
            if self.intercept and root is None:
                mixed.sub_(mean).sub_(mean[rows, None]).add_(middle)
            elif self.intercept and root is not None:
                own = root[rows, None]
                mixed.sub_(own * mean).sub_(mean[rows, None] * root).add_(middle * own * root)
            out[rows] = mixed
        if isinstance(self.folds, Splits) or self.folds.sorted:
            return out
        order = torch.from_numpy(self.folds.order).to(self.device)
        return out[order][:, order]

    @cached_property
    def _means(self) -> torch.Tensor:
        """Mean row of each band's kernel, (bands, n), samples as given; under weights what
        multiplies the constant in each column."""
        if self.root is None:
            return torch.stack([k.mean(0, dtype=torch.float64) for k in self.near])
        root = self.root.to(self.device, torch.float64)
        return torch.stack([root @ k.double() / (root @ root) for k in self.near])

    def shift(self, band: int) -> torch.Tensor:
        """What centring took from each column of a band's kernel, (n,), samples as given."""
        return self._means[band]


def mix_sparse(kernels: Sequence[torch.Tensor], gamma: Floats) -> torch.Tensor:
    """Kernels under weights, added up; those of weight zero cost nothing."""
    out: torch.Tensor | None = None
    for kernel, weight in zip(kernels, gamma.tolist(), strict=True):
        if weight:
            out = kernel * weight if out is None else out.add_(kernel, alpha=weight)
    return torch.zeros_like(kernels[0]) if out is None else out


def in_chunks(voxels: int, chunk: int, step: Step) -> int:
    """Call `step` with slices of voxels; where CUDA runs out of memory, with smaller ones.

    Parameters
    ----------
    voxels : int
        How many there are.
    chunk : int
        How many at a time, to begin with.
    step : callable
        What to do with a slice; may be called again with a part of it.

    Returns
    -------
    int
        The chunk that fitted.
    """
    start = 0
    while start < voxels:
        try:
            step(slice(start, min(start + chunk, voxels)))
        except torch.OutOfMemoryError:
            if chunk <= SMALLEST_CHUNK:
                raise
            torch.cuda.empty_cache()
            chunk //= 2
        else:
            start += chunk
    return chunk
