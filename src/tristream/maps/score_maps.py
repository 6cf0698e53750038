"""Scores of an encoding and their significance at each voxel, and what maps derive from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine

from tristream.encode.ceiling import Ceiling
from tristream.encode.encoding_file import read_scores
from tristream.errors import UserError
from tristream.inference.inference_file import TestedModel, read_inference
from tristream.maps.transparency import by_rate
from tristream.space.grayordinates import Grayordinates
from tristream.store import Omission

Floats = npt.NDArray[np.floating]
MIN_CEILING = 0.2


def normalized(r: Floats, ceiling: Ceiling) -> Floats:
    """r divided by its ceiling, unclipped; NaN where the ceiling can't carry a division.

    That is where the ceiling is at most 0.2, or its lower bound not above 0. For maps alone: noise
    picks the voxels, too, and makes their ratio too small (:mod:`tristream.encode.over_ceiling`).
    """
    return _over(r, ceiling.r, ceiling.low)


def _over(r: Floats, ceiling: Floats, low: Floats) -> Floats:
    out = np.full_like(r, np.nan)
    np.divide(r, ceiling, out=out, where=(ceiling > MIN_CEILING) & (low > 0))
    return out


@dataclass(frozen=True)
class Scores:
    """Scores at n places (voxels or vertices).

    Attributes
    ----------
    r, r2 : (n,)
        Test correlation and R².
    band_r2 : (B, n)
        R² split over the bands by the product measure; sums to `r2` over the bands.
    bands : tuple of str
        Names of the B bands.
    ceiling, ceiling_low : (n,) or None
        Noise ceiling of r and its lower bound; None without repeats.
    low : (n,) or None
        Lower end of the 95 % interval of `r`; None with too few exchange units.
    """

    r: Floats
    r2: Floats
    band_r2: Floats
    bands: tuple[str, ...]
    ceiling: Floats | None = None
    ceiling_low: Floats | None = None
    low: Floats | None = None

    @property
    def normalized(self) -> Floats | None:
        """:func:`normalized` of the places; None without ceiling."""
        if self.ceiling is None or self.ceiling_low is None:
            return None
        return _over(self.r, self.ceiling, self.ceiling_low)

    def stacked(self) -> Floats:
        """All measured scores as rows, for a projection that treats them alike."""
        rows = [self.r, self.r2, *self.band_r2]
        if self.ceiling is not None and self.ceiling_low is not None:
            rows += [self.ceiling, self.ceiling_low]
        if self.low is not None:
            rows.append(self.low)
        return np.stack(rows)

    def unstacked(self, rows: Floats) -> "Scores":
        """The inverse of :meth:`stacked`, at other places."""
        last = 2 + len(self.bands)
        scores = Scores(rows[0], rows[1], rows[2:last], self.bands)
        if self.ceiling is not None:
            scores = replace(scores, ceiling=rows[last], ceiling_low=rows[last + 1])
        return scores if self.low is None else replace(scores, low=rows[-1])


def best_stream(
    band_r2: Floats, bands: Sequence[str], competing: Sequence[str]
) -> npt.NDArray[np.int16]:
    """Index + 1 (in `competing`) of the band with the largest share of R²; 0 where none is above 0.

    Parameters
    ----------
    band_r2 : (B, n)
        Split R².
    bands : sequence of str
        Names of the B rows.
    competing : sequence of str
        The bands to compare.
    """
    shares = band_r2[[list(bands).index(band) for band in competing]]
    shares = np.where(np.isfinite(shares), shares, -np.inf)
    best = shares.argmax(axis=0)
    won = np.take_along_axis(shares, best[None], axis=0)[0] > 0
    return np.where(won, best + 1, 0).astype(np.int16)


@dataclass(frozen=True)
class Voxels:
    """Scores in their image grid.

    Attributes
    ----------
    scores : Scores
        n voxels.
    ijk : (n, 3)
        Voxel indices.
    affine : (4, 4)
        Voxel to millimetres.
    shape : tuple of int
        Image shape.
    q, significant : (n,) or None
        From the inference; None where it was refused.
    opacity : (n,) or None
        What figures are drawn with, see :mod:`tristream.maps.transparency`; None as `q`.
    rate : float
        The false discovery rate that was chosen.
    corrected : mapping of str to ndarray of shape (n,)
        Family-wise p by the test's name; empty where there are none.
    variance : mapping of str to (ndarray of shape (n,), str)
        Unique and shared variance and their p, and what they mean; empty where not asked for.
    simulated : bool
        Whether the BOLD was simulated.
    omitted : tuple of Omission
        What is missing and why.
    grayordinates : Grayordinates or None
        Structures, where not all places are voxels; `ijk` of a vertex is (vertex, 0, 0).
    """

    scores: Scores
    ijk: npt.NDArray[np.int32]
    affine: Floats
    shape: tuple[int, int, int]
    q: Floats | None
    significant: npt.NDArray[np.bool_] | None
    simulated: bool
    omitted: tuple[Omission, ...]
    grayordinates: Grayordinates | None = None
    opacity: npt.NDArray[np.float32] | None = None
    rate: float = 0.05
    corrected: Mapping[str, Floats] = field(default_factory=dict)
    variance: Mapping[str, tuple[Floats, str]] = field(default_factory=dict)

    def part(self, chosen: npt.NDArray[np.bool_]) -> "Voxels":
        """Some of the places."""
        return replace(
            self,
            scores=self.scores.unstacked(self.scores.stacked()[:, chosen]),
            ijk=self.ijk[chosen],
            q=None if self.q is None else self.q[chosen],
            significant=None if self.significant is None else self.significant[chosen],
            grayordinates=self.grayordinates and self.grayordinates.take(chosen),
            opacity=None if self.opacity is None else self.opacity[chosen],
            corrected={name: p[chosen] for name, p in self.corrected.items()},
            variance={name: (v[chosen], what) for name, (v, what) in self.variance.items()},
        )

    @property
    def xyz(self) -> Floats:
        """Coordinates in mm, (n, 3)."""
        return np.asarray(apply_affine(self.affine, self.ijk))

    def volume(self, values: npt.ArrayLike, fill: float = np.nan) -> npt.NDArray:
        """`values` (n,) in their places of the image, `fill` elsewhere."""
        values = np.asarray(values)
        image = np.full(self.shape, fill, dtype=values.dtype)
        image[tuple(self.ijk.T)] = values
        return image


def read(encoding: Path, inference: Path) -> Voxels:
    """Read the scores of one subject and model.

    Raises
    ------
    UserError
        If a file is missing or damaged, or the two are not of the same voxels.
    """
    scored, fit = read_scores(encoding)
    tested, inferred = read_inference(inference)
    found, ceiling = tested.found, scored.ceiling
    if found is not None and len(found.q) != len(scored.ijk):
        raise UserError(
            f"{inference}: has {len(found.q)} voxels, {encoding} has {len(scored.ijk)}; "
            "delete the first and run again"
        )
    scores = Scores(
        r=scored.scores.r,
        r2=scored.scores.r2,
        band_r2=scored.scores.band_r2,
        bands=tuple(scored.bands),
        ceiling=ceiling.r if ceiling else None,
        ceiling_low=ceiling.low if ceiling else None,
        low=scored.scores.low,
    )
    i, j, k = (int(n) for n in scored.shape)
    return Voxels(
        scores=scores,
        ijk=scored.ijk,
        affine=scored.affine,
        shape=(i, j, k),
        q=found.q if found else None,
        significant=found.significant if found else None,
        simulated=fit.simulated or inferred.simulated,
        omitted=tuple(dict.fromkeys(fit.omitted + inferred.omitted)),
        grayordinates=scored.grayordinates,
        opacity=_opacity(tested),
        rate=tested.fdr,
        corrected={
            **({"p_fwe": found.p_fwe} if found else {}),
            **{f"p_{name}": test.p for name, test in tested.spatial.items()},
        },
    )


def _opacity(tested: TestedModel) -> npt.NDArray[np.float32] | None:
    if (found := tested.found) is None:
        return None
    q = found.q_by if tested.procedure == "by" else found.q
    return by_rate(q, found.significant, tested.fdr)
