"""A problem from what a fit is given: everything checked and put together."""

from collections.abc import Sequence

import numpy as np
import torch

from tristream.encode.solvers.folds import Groups, make_folds
from tristream.encode.solvers.problem import Floats, Problem, Targets

# Bytes, on a CPU, of a copy of the targets. Holding all operators for a second use would save a
# tenth of the time and take most of the memory.
COPY = 2**31
# Share of a CUDA device's memory for both.
CUDA_SHARE = 0.4


def make_problem(
    kernels: torch.Tensor | Sequence[torch.Tensor],
    targets: torch.Tensor,
    groups: Groups,
    gammas: Floats,
    alphas: Floats,
    intercept: bool,
    score: str,
    device: torch.device,
    weight: torch.Tensor | None = None,
) -> Problem:
    """What is solved, see :func:`tristream.encode.solvers.banded_ridge.fit`.

    Parameters
    ----------
    kernels, targets, groups, gammas, alphas, intercept, score, device
        As given there.
    weight : Tensor of shape (n,), float64, optional
        Of the samples, from :func:`checked_weight`.

    Raises
    ------
    ValueError
        If shapes do not agree, values are not finite, or a penalty is not positive.
    """
    gammas, alphas = np.asarray(gammas, float), np.asarray(alphas, float)
    n = len(targets)
    if targets.ndim != 2 or not targets.shape[1]:
        raise ValueError(f"targets of shape {tuple(targets.shape)}: expected (n, voxels)")
    if targets.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"targets are {targets.dtype}: expected float32 or float64")
    if score not in ("r2", "correlation"):
        raise ValueError(f"score {score!r} is neither 'r2' nor 'correlation'")
    for band, kernel in enumerate(kernels):
        if kernel.shape != (n, n):
            raise ValueError(
                f"the kernel of band {band} has shape {tuple(kernel.shape)} for {n} samples"
            )
        if kernel.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"the kernel of band {band} is {kernel.dtype}: expected a float type")
        # A sum is as finite as its terms.
        if not bool(torch.isfinite(kernel.sum(0)).all()):
            raise ValueError(f"the kernel of band {band} holds NaN or infinite values")
    if gammas.ndim != 2 or gammas.shape[1] != len(kernels) or not len(gammas):
        raise ValueError(f"band weights of shape {gammas.shape} for {len(kernels)} bands")
    if not (np.isfinite(gammas).all() and gammas.min() >= 0):
        raise ValueError("band weights must be finite and not negative")
    if not (alphas.ndim == 1 and len(alphas) and np.isfinite(alphas).all() and alphas.min() > 0):
        raise ValueError("penalties must be positive")
    folds, root = make_folds(groups, n), None
    if weight is not None:
        root = weight.to(device).sqrt()
        kernels = [k.to(device, torch.float64) * root * root[:, None] for k in kernels]
    rows = Targets(targets, folds, intercept, device, root)
    return Problem(kernels, gammas, alphas, folds, rows, intercept, score, root=root)


def checked_weight(weight: Floats | None, samples: int, solver: str) -> torch.Tensor | None:
    """Weights of samples, (n,), float64; None if none are given.

    Raises
    ------
    ValueError
        If the solver takes none, or they are not positive numbers, one a sample.
    """
    if weight is None:
        return None
    if solver != "exact":
        raise ValueError(f"sample_weight takes solver 'exact', not {solver!r}")
    if weight.shape != (samples,) or not (np.isfinite(weight) & (weight > 0)).all():
        raise ValueError(f"sample_weight must be {samples} positive numbers")
    return torch.from_numpy(np.asarray(weight, float))


def room_for(memory: int | None, device: torch.device, targets: torch.Tensor) -> int:
    """Bytes for what is kept only to save time: `memory`, or what the device allows."""
    if memory is not None:
        return memory
    if device.type == "cuda":
        return int(CUDA_SHARE * torch.cuda.get_device_properties(device).total_memory)
    return targets.nbytes if targets.nbytes <= COPY else 0
