"""What a derived space learns from the training rows of its parents, and what it makes of a row.

Every method is a pair of functions: one goes over the training rows and gives named arrays, the
other turns rows of the parents into layers with nothing but these arrays.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.cross_decomposition import CCA, PLSCanonical
from sklearn.decomposition import IncrementalPCA
from sklearn.preprocessing import StandardScaler

from tristream.config.fusion import (
    Concatenation,
    Fusion,
    JointEmbedding,
    Paired,
    PrincipalComponents,
)
from tristream.errors import UserError
from tristream.features.fusion import embedding
from tristream.features.fusion.fused_file import Arrays

Array = npt.NDArray[np.float64]
# Variance below this share of a column's squared mean is rounding.
CONSTANT = 1e-12


@dataclass(frozen=True)
class Rows:
    """Training rows of the parents.

    Attributes
    ----------
    blocks : callable
        Gives, each time it is called, all rows in order: arrays (rows, p), one for each parent.
    times : ndarray of shape (n,)
        Seconds of media time; NaN for labels and images.
    stimulus : ndarray of shape (n,)
        Number of the film or sound that a row belongs to.
    reach : float
        Seconds to either side of a time that went into its row.
    where : str
        ``fusion.SPACE``, for messages.
    """

    blocks: Callable[[], Iterator[list[Array]]]
    times: Array
    stimulus: npt.NDArray[np.intp]
    reach: float
    where: str

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True)
class Learned:
    """Arrays that make layers of rows, and numbers that tell how the fit went."""

    arrays: Arrays
    quality: dict[str, Any] = field(default_factory=dict)


def learn(block: Fusion, rows: Rows) -> Learned:
    """Fit a derived space.

    Raises
    ------
    UserError
        If the training rows are too few.
    """
    if isinstance(block, Concatenation):
        return Learned(scaling(rows, block.scale))
    if len(rows) < 2:
        raise UserError(f"{rows.where}: {len(rows)} training samples; a fit needs at least 2")
    if isinstance(block, PrincipalComponents):
        return _learn_components(block, rows)
    return _learn_pair(block, rows)


def layers_of(block: Fusion, arrays: Arrays, parts: Sequence[Array]) -> dict[str, Array]:
    """Layers (rows, p) of rows of the parents, from what was learned."""
    scaled = _scaled(arrays, parts)
    if isinstance(block, Concatenation):
        return {"concatenated": np.concatenate(scaled, axis=1)}
    if isinstance(block, PrincipalComponents):
        return {"components": np.concatenate(scaled, axis=1) @ arrays["components"].T}
    reduced = [x @ arrays[f"reduce/{i}"].T for i, x in enumerate(scaled)]
    if isinstance(block, JointEmbedding):
        first, second = embedding.embed(block, arrays, reduced)
    else:
        first, second = (
            (z - arrays[f"mean/{i}"]) @ arrays[f"directions/{i}"] for i, z in enumerate(reduced)
        )
    return {"first": first, "second": second, "shared": (first + second) / 2}


def sentence(block: Fusion) -> str:
    """What a method makes of its parents, for a methods section."""
    parents = " and ".join(block.parents)
    match block:
        case Concatenation():
            scales = {
                "band": ", each scaled to a total variance of 1 in the training samples",
                "columns": ", columns z-scored and each parent scaled to a total variance of 1",
                "none": ", as they are",
            }
            return f"{parents} side by side{scales[block.scale]}"
        case PrincipalComponents():
            return (
                f"{block.components} principal components [@pedregosa2011] of {parents} side by "
                "side, each scaled to a total variance of 1"
            )
        case JointEmbedding():
            how = (
                f"a joint embedding ({block.components} dimensions) of {parents}: two networks "
                "trained to match simultaneous samples by InfoNCE [@oord2018]"
            )
        case _:
            how = {
                "cca": f"{block.components} canonical directions [@hotelling1936] of {parents}",
                "pls": f"{block.components} directions of {parents} that covary most (canonical "
                "partial least squares [@wegelin2000])",
            }[block.method]
    return f"{how}, after z-scoring and reduction of each to {block.reduce} principal components"


def scaling(rows: Rows, scale: str) -> Arrays:
    """Mean and factor of each column of each parent: ``centre/I`` and ``factor/I``.

    ``band``: one factor, so that the parent's variances add up to 1. ``columns``: every column of
    the parent has the same variance and they add up to 1; columns that don't vary become zero.
    ``none``: nothing is changed.
    """
    arrays: Arrays = {}
    scalers: list[StandardScaler] = []
    for parts in rows.blocks():
        scalers = scalers or [StandardScaler() for _ in parts]
        for scaler, part in zip(scalers, parts, strict=True):
            scaler.partial_fit(part)
    for i, scaler in enumerate(scalers):
        mean, variance = np.asarray(scaler.mean_), np.asarray(scaler.var_)
        varies = variance > CONSTANT * (mean**2 + CONSTANT)
        total = variance[varies].sum()
        if scale == "none":
            mean, factor = np.zeros_like(mean), np.ones_like(mean)
        elif scale == "band":
            factor = np.full_like(mean, 1 / np.sqrt(total) if total > 0 else 0.0)
        else:
            spread = np.sqrt(variance * max(varies.sum(), 1))
            factor = np.divide(1.0, spread, out=np.zeros_like(mean), where=varies)
        arrays |= {f"centre/{i}": mean, f"factor/{i}": factor}
    return arrays


def _scaled(arrays: Arrays, parts: Sequence[Array]) -> list[Array]:
    return [(x - arrays[f"centre/{i}"]) * arrays[f"factor/{i}"] for i, x in enumerate(parts)]


def _learn_components(block: PrincipalComponents, rows: Rows) -> Learned:
    arrays = scaling(rows, "band")
    blocks = (np.concatenate(_scaled(arrays, parts), axis=1) for parts in rows.blocks())
    components, variance = principal(blocks, block.components, len(rows))
    _check_enough(len(components), block.components, "components", rows)
    explained = variance / len([k for k in arrays if k.startswith("centre/")])
    return Learned(
        {**arrays, "components": components}, {"explained_variance": explained.round(6).tolist()}
    )


def _learn_pair(block: Paired, rows: Rows) -> Learned:
    arrays = scaling(rows, "columns")
    for i in (0, 1):
        blocks = (_scaled(arrays, parts)[i] for parts in rows.blocks())
        arrays[f"reduce/{i}"] = principal(blocks, block.reduce, len(rows))[0]
    reduced = [
        np.concatenate(z)
        for z in zip(
            *(
                [x @ arrays[f"reduce/{i}"].T for i, x in enumerate(_scaled(arrays, parts))]
                for parts in rows.blocks()
            ),
            strict=True,
        )
    ]
    if isinstance(block, JointEmbedding):
        learned = embedding.train(block, reduced, rows.times, rows.stimulus, rows.reach, rows.where)
        return Learned({**arrays, **learned.arrays}, learned.quality)
    return _directions(block, arrays, reduced, rows)


def _directions(block: Paired, arrays: Arrays, reduced: Sequence[Array], rows: Rows) -> Learned:
    """Canonical directions; each time course has variance 1 on training."""
    most = min(len(rows) - 1, *(z.shape[1] for z in reduced))
    _check_enough(most, block.components, "components", rows)
    kind = CCA if block.method == "cca" else PLSCanonical  # type: ignore[attr-defined]
    # Components are to keep their variances: scaled to 1, covariance would be correlation.
    fit = kind(n_components=block.components, scale=False, max_iter=2000, tol=1e-8).fit(*reduced)
    scores = []
    for i, (z, turned) in enumerate(
        zip(reduced, (fit.x_rotations_, fit.y_rotations_), strict=True)
    ):
        mean = z.mean(axis=0)
        directions = turned / ((z - mean) @ turned).std(axis=0)
        arrays |= {f"mean/{i}": mean, f"directions/{i}": directions}
        scores.append((z - mean) @ directions)
    correlations = (scores[0] * scores[1]).mean(axis=0)
    return Learned(arrays, {"training_correlations": correlations.round(6).tolist()})


def principal(blocks: Iterator[Array], components: int, rows: int) -> tuple[Array, Array]:
    """Principal components of rows that come in blocks, and their variances.

    Twice as many are carried from block to block as are kept: what an incremental fit loses, it
    loses at the end of the list.

    Parameters
    ----------
    blocks : iterator of ndarray of shape (n, p)
        Centred rows.
    components : int
        How many to keep; fewer if there are fewer rows or columns.
    rows : int
        Rows of all blocks together.

    Returns
    -------
    components : ndarray of shape (k, p)
    variances : ndarray of shape (k,)
    """
    fit, waiting = None, []
    for block in blocks:
        carried = min(2 * components + 10, rows, block.shape[1])
        fit = fit or IncrementalPCA(n_components=carried)
        waiting.append(block)
        if sum(map(len, waiting)) >= carried:
            fit.partial_fit(np.concatenate(waiting))
            waiting = []
    if fit is None:
        raise ValueError("no rows")
    if waiting:
        fit.partial_fit(np.concatenate(waiting))
    return fit.components_[:components], fit.explained_variance_[:components]


def _check_enough(there: int, wanted: int, what: str, rows: Rows) -> None:
    if there < wanted:
        raise UserError(
            f"{rows.where}.{what}: {wanted} wanted, but {len(rows)} training samples of the "
            f"parents allow {there}; ask for fewer"
        )
