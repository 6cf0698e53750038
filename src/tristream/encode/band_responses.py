"""Primal weights of a fitted model, made when asked for: haemodynamic responses of regions.

The encoders store dual weights a of the training volumes. With Z a layer's standardised features
and S_d the shift by d volumes within each run, the weights of the layer at delay d are

    w_d = c Z' S_d' (I − Q Q') a,   c = gamma / (number of layers · scale of the layer's kernel),

and predictions are Σ_d (I − Q Q') S_d Z w_d, as far as centring. Under a haemodynamic basis the
rows of its functions take the place of the shifts, and weights at delays are mixtures of them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.encode.bands import Form
from tristream.encode.disk_arrays import columns
from tristream.encode.dual_weights import read_dual_weights
from tristream.encode.encoding_file import Encoding, read_encoding
from tristream.encode.fit_inputs import Floats, Ints
from tristream.encode.label_image import regions_of
from tristream.encode.solvers.kernels import Scaler
from tristream.encode.training_features import TrainingFeatures
from tristream.encode.voxel_curves import OMITTED, VoxelCurves, best_voxels
from tristream.errors import UserError
from tristream.store import Omission, Provenance, write_table

KIND = "weights"
# Voxels whose dual weights are read at a time.
BLOCK = 2048
# Products of a weight and a feature, some seconds, for curves that a fit keeps.
MOST_PRODUCTS = 5e10
FEWEST_VOXELS = 20
COLUMNS = {
    "region": "label of the region; `all` for every voxel that is predicted",
    "band": "band of the model",
    "delay": "volumes",
    "seconds": "delay in seconds",
    "voxels": "voxels of the region whose cross-validated R² is above the threshold",
    "norm": "length of a voxel's weights at this delay, mean over voxels",
    "curve": "response along a voxel's strongest pattern of features, its sum positive, of length "
    "one over delays, mean over voxels",
}


@dataclass(frozen=True)
class Curves:
    """Responses of one band.

    Attributes
    ----------
    norm, curve : ndarray of shape (delays, voxels)
        As in the table, for each voxel.
    """

    norm: npt.NDArray[np.float64]
    curve: npt.NDArray[np.float64]


def primal_weights(
    encoding: Encoding,
    dual: Floats,
    features: Callable[[str], Mapping[str, Floats]],
    band: str,
    voxels: Ints,
) -> dict[str, npt.NDArray[np.float64]]:
    """Weights of one band for some voxels.

    Parameters
    ----------
    encoding : Encoding
        A ridge model of linear kernels, without principal components.
    dual : ndarray of shape (n, voxels), or (bands, n, voxels)
        Its dual weights, see :func:`tristream.encode.dual_weights.read_dual_weights`.
    features : callable
        ``space/layer`` to training run to undelayed features, see
        :class:`tristream.encode.training_features.TrainingFeatures`.
    band : str
        Name of the band.
    voxels : ndarray of int
        Which voxels.

    Returns
    -------
    dict of ``space/layer`` to ndarray of shape (delays or basis functions, columns, voxels)
        For standardised features; constant columns have weight zero.
    """
    weights = _duals(encoding, dual, band, voxels)
    return {one.label: one.weights(weights) for one in _layers(encoding, features, band)}


@dataclass(frozen=True)
class _Duals:
    """Dual weights of a band.

    Attributes
    ----------
    by_run : dict of str to ndarray of shape (volumes, voxels)
        See :func:`_spread`.
    gamma : ndarray of shape (voxels,)
    """

    by_run: dict[str, Floats]
    gamma: Floats

    def only(self, voxels: slice) -> "_Duals":
        """Those of some voxels."""
        own = {name: dual[:, voxels] for name, dual in self.by_run.items()}
        return _Duals(own, self.gamma[voxels])


def _duals(encoding: Encoding, dual: Floats, band: str, voxels: Ints) -> _Duals:
    fitted, index = encoding.fitted, encoding.bands.index(band)
    own = dual[index] if dual.ndim == 3 else dual
    spread = _spread(encoding, columns(own, voxels).astype(np.float64))
    return _Duals(spread, fitted.gamma[index, voxels])


@dataclass(frozen=True)
class _Layer:
    """A layer's training features, ready for any voxels.

    Attributes
    ----------
    label : str
        ``space/layer``.
    standard : dict of str to ndarray of shape (volumes, varying columns)
        Standardised, by run.
    varies : ndarray of bool of shape (columns,)
    lead : int
        Volumes before each run at which nothing was shown.
    share : float
        Of the layer in the kernel of its band.
    taps : ndarray of shape (delays or basis functions, lags)
    """

    label: str
    standard: Mapping[str, Floats]
    varies: npt.NDArray[np.bool_]
    lead: int
    share: float
    taps: npt.NDArray[np.float64]

    def weights(self, duals: _Duals) -> npt.NDArray[np.float64]:
        """Primal weights, (delays or basis functions, columns, voxels)."""
        found = np.zeros((len(self.taps), len(self.varies), len(duals.gamma)))
        for name, z in self.standard.items():
            led = np.pad(duals.by_run[name], ((self.lead, 0), (0, 0)))
            for k, response in enumerate(self.taps):
                found[k, self.varies] += z.T @ transposed(led, response)
        return found * self.share * duals.gamma


def _layers(
    encoding: Encoding, features: Callable[[str], Mapping[str, Floats]], band: str
) -> Iterator[_Layer]:
    """The layers of a band, one after the other."""
    about, taps = encoding.about, response_taps(encoding)
    spaces = about["layout"][band]
    for layers in spaces:
        for label in layers:
            lead = Form.of(about).lead(label, about["delays"])
            standard, varies = _standardised(encoding, features(label), lead)
            share = 1 / (len(spaces) * len(layers) * _kernel_scale(encoding, standard, taps))
            yield _Layer(label, standard, varies, lead, share, taps)


def _compact(layers: Iterable[_Layer]) -> list[_Layer]:
    """Layers that begin alike as one, of no more columns than volumes.

    Weights have other columns, and the same inner products over them: those of features Z depend on
    Z Z' alone, which is R' R with the QR decomposition of Z'.
    """
    roots: dict[int, _Layer] = {}
    for layer in layers:
        names = list(layer.standard)
        ends = np.cumsum([len(layer.standard[name]) for name in names])[:-1]
        root = layer.share * np.concatenate([layer.standard[name] for name in names]).T
        if layer.lead in roots:
            before = roots[layer.lead].standard
            root = np.concatenate([np.concatenate([before[name] for name in names]).T, root])
        if root.shape[0] > root.shape[1]:
            root = np.asarray(np.linalg.qr(root, mode="r"))
        standard = dict(zip(names, np.split(root.T, ends), strict=True))
        varies = np.ones(len(root), bool)
        roots[layer.lead] = replace(layer, standard=standard, varies=varies, share=1.0)
    return list(roots.values())


def response_taps(encoding: Encoding) -> npt.NDArray[np.float64]:
    """Weight of each lag, (delays or basis functions, lags)."""
    basis = Form.of(encoding.about).basis
    if basis is not None:
        return np.asarray(basis, float)
    delays = encoding.about["delays"]
    return np.eye(max(delays) + 1)[list(delays)]


def _spread(encoding: Encoding, dual: Floats) -> dict[str, Floats]:
    """Dual weights of all volumes of each run, what was projected out of them taken away."""
    out: dict[str, Floats] = {}
    start = 0
    for name, run in encoding.fitted.runs.items():
        full = np.zeros((len(run.projection), dual.shape[1]))
        full[run.rows] = dual[start : start + len(run.rows)]
        start += len(run.rows)
        out[name] = full - run.projection @ (run.projection.T @ full)
    return out


def _standardised(
    encoding: Encoding, by_run: Mapping[str, Floats], lead: int
) -> tuple[dict[str, Floats], npt.NDArray[np.bool_]]:
    """Features of each run, after `lead` volumes at which nothing was shown."""
    runs = encoding.fitted.runs
    scaler = Scaler.fit(np.concatenate([by_run[name][run.rows] for name, run in runs.items()]))
    varies = scaler.varies
    standard = {
        name: (
            np.pad(by_run[name][:, varies].astype(np.float64), ((lead, 0), (0, 0)))
            - scaler.mean[varies]
        )
        / scaler.scale[varies]
        for name in runs
    }
    return standard, varies


def _kernel_scale(encoding: Encoding, standard: Mapping[str, Floats], taps: Floats) -> float:
    """Mean diagonal of the layer's training kernel: mean power of its projected features."""
    runs = encoding.fitted.runs
    number = sum(len(run.rows) for run in runs.values())
    power = 0.0
    for response in taps:
        columns = [
            _projected(
                _convolved(z, response)[-len(runs[name].projection) :], runs[name].projection
            )[runs[name].rows]
            for name, z in standard.items()
        ]
        joined = np.concatenate(columns)
        power += float(((joined - joined.mean(0)) ** 2).sum())
    return power / number


def _projected(x: Floats, basis: Floats) -> Floats:
    return x - basis @ (basis.T @ x)


def _convolved(x: Floats, response: Floats) -> Floats:
    """Σ_d h(d) x(t − d)."""
    out = np.zeros_like(x, dtype=np.float64)
    for lag in np.flatnonzero(response[: len(x)]):
        out[lag:] += response[lag] * x[: len(x) - lag]
    return out


def transposed(x: Floats, response: Floats) -> Floats:
    """Σ_d h(d) x(t + d), the transpose of the convolution."""
    return _convolved(x[::-1], response)[::-1]


def response_curves(
    encoding: Encoding,
    dual: Floats,
    features: Callable[[str], Mapping[str, Floats]],
    band: str,
    voxels: Ints,
    chunk: int = 256,
) -> Curves:
    """How strongly a band's features drive each voxel at each delay.

    The weights of a voxel, delays by features, are summed up by their length at each delay, and by
    the first singular vector over delays, which keeps the sign of an undershoot. Features of
    several layers count together.

    Parameters
    ----------
    encoding, dual, features, band, voxels
        As for :func:`primal_weights`.
    chunk : int
        Voxels at a time.
    """
    taps, layers = response_taps(encoding), _compact(_layers(encoding, features, band))
    # (voxels, k, k): inner products over features of the weights at two delays.
    gram = np.zeros((len(voxels), len(taps), len(taps)))
    for first in range(0, len(voxels), BLOCK):
        block = slice(first, first + BLOCK)
        duals, found = _duals(encoding, dual, band, voxels[block]), gram[block]
        for layer in layers:
            for start in range(0, len(found), chunk):
                own = slice(start, start + chunk)
                w = layer.weights(duals.only(own))
                found[own] += np.einsum("kpv,lpv->vkl", w, w, optimize=True)
    if Form.of(encoding.about).basis is not None:
        gram = taps.T @ gram @ taps
    _, vectors = np.linalg.eigh(gram)
    strongest = vectors[..., -1].T
    return Curves(
        np.sqrt(np.einsum("vkk->kv", gram).clip(0)),
        strongest * np.where(strongest.sum(0) < 0, -1, 1),
    )


def curves_of_best(
    encoding: Encoding, dual: Floats, features: Callable[[str], Mapping[str, Floats]]
) -> VoxelCurves | Omission:
    """Responses over delays of the voxels that training data predict best.

    Parameters
    ----------
    encoding, dual, features
        As for :func:`primal_weights`.

    Returns
    -------
    VoxelCurves or Omission
        Of 2,000 voxels or fewer, so that they take some seconds.
    """
    if why := weightless(encoding):
        return Omission(OMITTED, why)
    samples, columns = _size(encoding, features)
    most = int(MOST_PRODUCTS / (samples * columns * len(delays_of(encoding))))
    if most < FEWEST_VOXELS:
        why = (
            f"weights of {columns:,} columns over {samples:,} samples take long to make; "
            "`tristream encode weights` writes them by region"
        )
        return Omission(OMITTED, why)
    places = best_voxels(encoding.fitted.cv, most)
    lengths, curves = [], []
    for band in encoding.bands:
        found = response_curves(encoding, dual, features, band, places)
        length = np.sqrt((found.norm**2).sum(0))
        lengths.append(length)
        curves.append(np.where(length > 0, found.curve, np.nan))
    # To the millisecond: in floats, 3 * 0.7 is not 2.1.
    seconds = (encoding.about["tr"] * np.array(delays_of(encoding))).round(3)
    return VoxelCurves(places, seconds, np.array(lengths), np.array(curves))


def _size(encoding: Encoding, features: Callable[[str], Mapping[str, Floats]]) -> tuple[int, int]:
    """Training samples of a model, and columns of its bands as :func:`_compact` leaves them."""
    runs = encoding.fitted.runs
    first, columns = next(iter(runs)), 0
    volumes = sum(len(run.projection) for run in runs.values())
    for spaces in encoding.about["layout"].values():
        own = sum(features(label)[first].shape[1] for layers in spaces for label in layers)
        columns += min(own, volumes)
    return sum(len(run.rows) for run in runs.values()), columns


def write_responses(
    encoding: Path,
    output: Path,
    regions: Path | None = None,
    threshold: float = 0.0,
    code: str = "",
) -> None:
    """Write the haemodynamic responses of a model's bands, by region, as a table.

    Parameters
    ----------
    encoding : Path
        A ridge model; its dual weights and aligned training features must be where they were.
    output : Path
        A TSV.
    regions : Path, optional
        A NIfTI image of integer labels in the space of the BOLD, 0 outside.
    threshold : float
        Voxels of a cross-validated R² above it take part.
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If the model has no weights of features, or its features are gone or have changed.
    """
    fitted, provenance = read_encoding(encoding, whole=False)
    _check(fitted, encoding)
    dual = read_dual_weights(encoding, fitted.fitted)
    source = TrainingFeatures(fitted, encoding)
    labels = regions_of(fitted, regions)
    chosen = {name: own & (fitted.fitted.cv > threshold) for name, own in labels.items()}
    used = np.flatnonzero(chosen["all"])
    if not len(used):
        raise UserError(f"{encoding}: no voxel has a cross-validated R² above {threshold:g}")
    delays, tr = delays_of(fitted), fitted.about["tr"]
    rows = []
    for band in fitted.bands:
        curves = response_curves(fitted, dual, source, band, used)
        for name, mask in chosen.items():
            own = mask[used]
            for k, delay in enumerate(delays if own.any() else []):
                numbers = (int(own.sum()), curves.norm[k, own].mean(), curves.curve[k, own].mean())
                rows.append((name, band, delay, delay * tr, *numbers))
    config = {"model": fitted.about["model"], "threshold": threshold}
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    write_table(output, table, Provenance(KIND, provenance.simulated, config, code), COLUMNS)


def delays_of(encoding: Encoding) -> Sequence[int]:
    """Delays of the curves, in volumes."""
    if Form.of(encoding.about).basis is not None:
        return range(response_taps(encoding).shape[1])
    delays: Sequence[int] = encoding.about["delays"]
    return delays


def weightless(encoding: Encoding) -> str:
    """Why a model has no weights of features at delays; empty where it has."""
    about = encoding.about
    if about["model_kind"] == "tcn":
        return "a network has no weights at delays; choose a ridge model"
    nonlinear = [band for band, kind in about["kernels"].items() if kind != "linear"]
    if nonlinear:
        return f"band {nonlinear[0]} is nonlinear and has no weights of features"
    if about["components"]:
        return "was fitted to principal components; its features have no weights of their own"
    return ""


def _check(encoding: Encoding, path: Path) -> None:
    if why := weightless(encoding):
        raise UserError(f"{path}: {why}")
