"""What the estimators take: bands, targets, folds, penalties; checked, and as tensors."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator
from sklearn.model_selection import check_cv
from sklearn.utils.validation import check_array, validate_data

from tristream.encode.solvers.folds import leaves_out

Floats = npt.NDArray[np.floating]
Groups = npt.NDArray[Any] | list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]
Bands = Mapping[str, Any] | Sequence[Any]
"""Names to columns of one array, or columns alone: slices or arrays of indices; or the name of
each column's band."""
# Of the largest entry of a kernel: how far it may be from its transpose.
SYMMETRIC = 1e-3
ROWS = 512
STEPS = (
    "bands are columns of X as `fit` gets it: after a step that delays features each band has its "
    "columns at all delays"
)


def is_banded(X: Any) -> bool:
    """Whether `X` is a sequence of matrices, one a band."""
    matrices = [getattr(x, "ndim", 0) == 2 for x in X] if isinstance(X, list | tuple) else []
    return bool(matrices) and all(matrices)


def read_bands(
    estimator: BaseEstimator, X: Any, bands: Bands | None, reset: bool
) -> tuple[list[str], list[torch.Tensor]]:
    """Names and matrices (n, p_b) of the bands.

    Parameters
    ----------
    estimator : BaseEstimator
        Learns (`reset`) or knows the number of columns.
    X : array or Tensor of shape (n, p), or sequence of them, one a band
    bands : dict or sequence, optional
        Which columns of a single matrix are a band; all are one by default.
    reset : bool
        Whether this is the fit.

    Raises
    ------
    ValueError
        If a band is not a matrix of finite numbers, or not as in the fit; it names the band.
    """
    if is_banded(X):
        if bands is not None:
            raise ValueError("`bands` divides one matrix; leave it out for a list of matrices")
        names = [str(i) for i in range(len(X))]
        parts = [_matrix(x, f"band {name}") for name, x in zip(names, X, strict=True)]
        rows = {len(x) for x in parts}
        if len(rows) > 1:
            raise ValueError(f"bands have different numbers of samples: {[len(x) for x in parts]}")
        _remember(estimator, [x.shape[1] for x in parts], reset)
        return names, parts
    if isinstance(X, torch.Tensor):
        whole = _matrix(X, "X")
        _remember(estimator, [whole.shape[1]], reset)
    else:
        # Rows of float32 may be many: no copy.
        checked = validate_data(
            estimator, X, reset=reset, dtype=[np.float64, np.float32], ensure_min_samples=1
        )
        whole = _tensor(checked)
        _remember(estimator, [whole.shape[1]], reset)
    if bands is None:
        return ["0"], [whole]
    columns = _columns(bands, whole.shape[1])
    return list(columns), [whole[:, torch.from_numpy(own)] for own in columns.values()]


def _columns(bands: Bands, width: int) -> dict[str, npt.NDArray[np.int64]]:
    """Name to columns of each band, every column in one band."""
    every = np.arange(width)
    if not isinstance(bands, Mapping):
        if all(np.ndim(b) == 0 and not isinstance(b, slice) for b in bands):
            labels = np.asarray(bands)
            if len(labels) != width:
                raise ValueError(
                    f"bands names the band of {len(labels)} columns, and X has {width}: {STEPS}"
                )
            bands = {str(name): np.flatnonzero(labels == name) for name in dict.fromkeys(labels)}
        else:
            bands = {str(i): b for i, b in enumerate(bands)}
    named = {name: every[own] for name, own in bands.items()}
    for name, own in named.items():
        if own.ndim != 1 or not len(own):
            raise ValueError(f"band {name} has no columns among the {width} of X")
    used = np.bincount(np.concatenate(list(named.values())), minlength=width)
    if (used != 1).any():
        what = f"in no band: {int((used == 0).sum())}, in several: {int((used > 1).sum())}"
        raise ValueError(f"every column of X belongs to one band ({what}, of {width}); {STEPS}")
    return named


def _tensor(x: Floats) -> torch.Tensor:
    """The same memory as a tensor, where torch can take it."""
    return torch.from_numpy(np.require(x, requirements=["C", "W"]))


def _matrix(x: Any, name: str) -> torch.Tensor:
    """A matrix of finite numbers; a tensor stays where it is."""
    if not isinstance(x, torch.Tensor):
        checked = check_array(x, dtype=[np.float64, np.float32], ensure_all_finite=False)
        x = _tensor(checked)
    x = x.detach()
    if x.ndim != 2:
        raise ValueError(f"{name} is not a matrix: its shape is {tuple(x.shape)}")
    if not x.is_floating_point():
        x = x.double()
    if x.dtype not in (torch.float32, torch.float64):
        x = x.float()  # What is centred would be rounded.
    if not bool(torch.isfinite(x).all()):
        columns = int((~torch.isfinite(x).all(0)).sum())
        raise ValueError(f"{name} has NaN or infinite values in {columns} of {x.shape[1]} columns")
    return x


def _remember(estimator: Any, widths: list[int], reset: bool) -> None:
    if reset:
        estimator.n_features_in_ = sum(widths)
        estimator._widths_ = widths
    elif widths != estimator._widths_:
        raise ValueError(
            f"X has {widths} features a band, but {type(estimator).__name__} was fitted with "
            f"{estimator._widths_}"
        )


def read_targets(y: Any, samples: int) -> tuple[torch.Tensor, bool]:
    """Targets (n, voxels), float32 or float64; and whether they were a vector, one voxel.

    Raises
    ------
    ValueError
        If their number does not fit or values are missing; it names the count of voxels.
    """
    y, vector = read_columns(y, samples)
    missing = missing_columns(y)
    if missing.any():
        what = "NaN" if bool(torch.isnan(y).any()) else "infinity"
        kind = str(y.dtype).removeprefix("torch.")
        raise ValueError(
            f"Input y contains {what} or a value too large for dtype('{kind}'). "
            f"It is in {int(missing.sum())} of {len(missing)} voxels; leave these out, or pass "
            "over them with nan_targets='skip'"
        )
    return y, vector


def read_present(y: Any, samples: int) -> tuple[torch.Tensor, bool, npt.NDArray[np.bool_]]:
    """The same of targets without missing values; and which have some, (voxels,).

    Raises
    ------
    ValueError
        If their number does not fit, or all have missing values.
    """
    y, vector = read_columns(y, samples)
    missing = missing_columns(y)
    if missing.all():
        raise ValueError(f"all {len(missing)} targets hold NaN or infinite values")
    present = torch.from_numpy(np.flatnonzero(~missing)).to(y.device)
    return y[:, present] if missing.any() else y, vector, missing


def missing_columns(y: torch.Tensor) -> npt.NDArray[np.bool_]:
    """Columns (n, voxels) that hold NaN or infinite values, (voxels,)."""
    return (~torch.isfinite(y).all(0)).cpu().numpy()


def read_columns(y: Any, samples: int) -> tuple[torch.Tensor, bool]:
    """Targets as :func:`read_targets` gives them, whatever their values.

    Raises
    ------
    ValueError
        If their number does not fit.
    """
    if not isinstance(y, torch.Tensor):
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        y = check_array(
            y,
            ensure_2d=False,
            dtype=[np.float64, np.float32],
            ensure_all_finite=False,
            input_name="y",
        )
        y = _tensor(y)
    y = y.detach()
    if not y.is_floating_point():
        y = y.double()
    if y.dtype not in (torch.float32, torch.float64):
        y = y.float()
    vector = y.ndim == 1
    if vector:
        y = y[:, None]
    if y.ndim != 2 or not y.shape[1]:
        raise ValueError(f"y has shape {tuple(y.shape)}; it takes (samples, voxels)")
    if len(y) != samples:
        raise ValueError(f"X has {samples} samples, y has {len(y)}")
    return y, vector


def read_regions(regions: Any, missing: npt.NDArray[np.bool_]) -> npt.NDArray[np.generic] | None:
    """Label of each target that is not `missing`; None where no two are in one region.

    Raises
    ------
    ValueError
        If there are not as many labels as targets, or a label is missing.
    """
    if regions is None:
        return None
    labels = np.asarray(regions)
    if labels.shape != missing.shape:
        raise ValueError(
            f"regions of shape {labels.shape} for {len(missing)} targets: it takes a label each"
        )
    if labels.dtype.kind not in "biufUS":
        raise ValueError(f"regions must be numbers or names, not of type {labels.dtype}")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError(f"regions holds NaN for {int((~np.isfinite(labels)).sum())} targets")
    labels = labels[~missing]
    return None if len(np.unique(labels)) == len(labels) else labels


def read_groups(cv: Any, runs: Any, samples: int) -> Groups:
    """Run of each sample; or, where a splitter does not leave groups out, its (train, test) rows.

    Parameters
    ----------
    cv : int, array of shape (samples,), splitter, or iterable of (train, test)
        A number makes as many contiguous folds.
    runs : array of shape (samples,), optional
        Goes before `cv`, or to the splitter if `cv` is one.
    samples : int

    Returns
    -------
    ndarray of shape (samples,), or list of (train, test)

    Raises
    ------
    ValueError
        If there are fewer samples than folds, or the folds do not fit the samples.
    """
    splits = hasattr(cv, "split")
    if runs is not None and not splits:
        return _labels(runs, samples)
    if isinstance(cv, int | np.integer):
        if cv < 2:
            raise ValueError(f"cv={cv}: cross-validation needs at least two groups")
        if samples < 2 * cv:
            raise ValueError(
                f"n_samples={samples} is too few for cv={cv} folds of two samples at least"
            )
        return np.arange(samples) * int(cv) // samples
    listed = isinstance(cv, list | tuple) and bool(cv) and all(map(np.isscalar, cv))
    if listed or isinstance(cv, np.ndarray):
        return _labels(cv, samples)
    rows = list(check_cv(cv).split(np.zeros((samples, 1)), groups=runs))
    if not rows:
        raise ValueError("cv holds no folds; a generator is used up by its first fit: give a list")
    labels = np.full(samples, -1)
    for number, (train, test) in enumerate(rows):
        parts = leaves_out(train, test, samples)
        if not parts or (labels[test] >= 0).any():
            return rows
        labels[test] = number
    return labels if (labels >= 0).all() else rows


def _labels(runs: Any, samples: int) -> npt.NDArray[Any]:
    labels = np.asarray(runs)
    if labels.shape != (samples,):
        raise ValueError(f"runs of {labels.shape} samples, X has {samples}")
    if len(np.unique(labels)) < 2:
        raise ValueError("cross-validation needs at least two groups; all samples are of one run")
    return labels


def is_symmetric(kernel: torch.Tensor) -> bool:
    """Whether a kernel (n, n) equals its transpose but for rounding."""
    # A few rows at a time: another matrix of this size may be too many.
    rows = zip(kernel.split(ROWS), kernel.split(ROWS, 1), strict=True)
    off = max(float((some - own.T).double().abs().max()) for some, own in rows)
    return off <= SYMMETRIC * float(kernel.abs().max())


def check_definite(names: Sequence[str], kernels: Sequence[torch.Tensor], least: float) -> None:
    """Refuse kernels (n, n) that are too far from positive for the `least` penalty.

    That is the penalty divided by the largest sum of band weights. The least eigenvalue of a
    weighted sum is no less than that of the least ones (Weyl), and that of a part of the samples,
    as folds take it, no less than that of all (Cauchy); nor does centring make it less.

    Raises
    ------
    ValueError
        It names the band.
    """
    for name, kernel in zip(names, kernels, strict=True):
        own = kernel.double()
        # A third of the time of eigenvalues; these tell rounding from what is negative.
        shifted = own + least * torch.eye(len(own), dtype=own.dtype, device=own.device)
        if int(torch.linalg.cholesky_ex(shifted).info) == 0:
            continue
        values = torch.linalg.eigvalsh(own)
        rounding = float(values.abs().max()) * len(values) * torch.finfo(kernel.dtype).eps
        if float(values[0]) < -rounding:
            raise ValueError(
                f"band {name}: the kernel has negative eigenvalues down to {float(values[0]):.3g}; "
                "the least penalty, relative to the largest band weights, must be above that"
            )


def read_alphas(alphas: Iterable[float] | float) -> Floats:
    """Penalties as an array.

    Raises
    ------
    ValueError
        If there is none, or one is not positive and finite.
    """
    grid = np.atleast_1d(np.asarray(alphas, dtype=float))
    if not grid.size or grid.ndim != 1 or not (np.isfinite(grid) & (grid > 0)).all():
        raise ValueError(f"alphas must be positive numbers, not {alphas!r}")
    return grid
