"""Does one model predict better than another? Paired, per voxel and per region.

Both models predict the same test data, so that their correlations with it differ by the sum over
blocks of time of the product of the data with the difference of the (normed) predictions. If
neither predicts better, each block's part may as well have the other sign: signs are flipped block
by block, all voxels alike. Ten blocks have 1,024 patterns of signs. With fewer, the blocks of the
difference change places against the data, whose null is narrower: that the difference has nothing
to do with the data. In a film both nulls are widened, see :mod:`tristream.inference.widening`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import false_discovery_control

from tristream.config.inference import Inference
from tristream.encode.ceiling import block_sums
from tristream.encode.encoding_file import Encoding, read_encoding
from tristream.errors import UserError
from tristream.inference.encoding import FEWEST_DISTINCT, MANY, TIME
from tristream.inference.permutation import (
    TOLERANCE,
    PredictedRun,
    circular_products,
    distinct_permutations,
    draw,
    movable_rows,
    permuted_sums,
    unit_length,
)
from tristream.inference.tables import WHOLE
from tristream.inference.widening import lost_by_shifts, widening
from tristream.space import grayordinates
from tristream.space.atlas import Regions
from tristream.store import Omission, Provenance, create_h5, write_strings

Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]
KIND = "comparison"
STATISTIC = "difference of test correlations, mean over test runs, two-sided"
FLIPPED = "signs of the difference flipped block by block"
PERMUTED = "blocks of the difference of predictions permuted within the test run"


@dataclass(frozen=True)
class Compared:
    """Differences of correlations, and their null.

    Attributes
    ----------
    difference : ndarray of shape (voxels,)
        Correlation of the first model less that of the second, mean over runs.
    p : ndarray of shape (voxels,)
        Two-sided, (1 + permutations that reach the observed) / (1 + permutations).
    null_max : ndarray of shape (permutations,)
        Largest absolute difference over voxels.
    region_difference, region_p : ndarray of shape (regions,)
        Of the mean over the voxels of each region.
    """

    difference: Floats
    p: Floats
    null_max: Floats
    region_difference: Floats
    region_p: Floats


def compare_encodings(
    first: Path,
    second: Path,
    settings: Inference,
    unit: str,
    regions: Path | None,
    output: Path,
    code: str = "",
) -> None:
    """Compare two models of a subject and write the `comparison` file.

    Parameters
    ----------
    first, second : Path
        Encoding files with the same test runs and voxels.
    settings : Inference
        Permutations, seed, false discovery rate.
    unit : str
        Name of the exchangeable unit; ``time`` for a film.
    regions : Path or None
        Labels of the atlas, for voxels in MNI space.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If the two were not tested on the same data.
    """
    one, said = read_encoding(first)
    other, said_other = read_encoding(second)
    _check_same(one, other, first, second)
    runs = differences(one, other)
    flips = 2 ** sum(len(np.unique(run.unit)) for run in runs)
    flipped = flips >= FEWEST_DISTINCT
    distinct = flips if flipped else distinct_permutations(runs)
    why = (
        ""
        if distinct >= FEWEST_DISTINCT
        else f"{distinct} distinct permutations; {FEWEST_DISTINCT} are asked for"
    )
    omitted = tuple(Omission(what, why) for what in ("p", "q") if why)
    parts = _regions(one, regions)
    provenance = Provenance(
        KIND,
        said.simulated or said_other.simulated,
        {"inference": settings.model_dump(mode="json")},
        code,
        omitted,
    )
    with create_h5(output, provenance) as file:
        file.attrs["first"], file.attrs["second"] = one.about["model"], other.about["model"]
        file.attrs["n_distinct"] = min(distinct, MANY)
        file.attrs["null"] = FLIPPED if flipped else PERMUTED
        file.attrs["statistic"], file.attrs["unit"] = STATISTIC, unit
        file.attrs["seed"], file.attrs["fdr"] = settings.seed, settings.fdr
        file["ijk"] = one.ijk
        grayordinates.write(file, one.grayordinates)
        if why:
            return
        result = compare(runs, parts, settings.permutations, settings.seed, flipped, unit == TIME)
        file.attrs["n_permutations"] = len(result.null_max)
        file["difference"] = result.difference.astype(np.float32)
        file["p"], file["null_max"] = result.p, result.null_max
        file["q"] = false_discovery_control(result.p, method=settings.procedure)
        write_strings(file, "regions/names", list(parts))
        file["regions/voxels"] = [int(mask.sum()) for mask in parts.values()]
        file["regions/difference"] = result.region_difference
        file["regions/p"] = result.region_p
        file["regions/q"] = false_discovery_control(result.region_p, method=settings.procedure)


def differences(one: Encoding, other: Encoding) -> list[PredictedRun]:
    """Test runs whose prediction is the first model's less the second's, each of length one."""
    return [
        PredictedRun(
            a.y,
            unit_length(a.prediction) - unit_length(other.tests[name].prediction),
            a.unit,
            projection=a.projection,
        )
        for name, a in one.tests.items()
    ]


def compare(
    runs: Sequence[PredictedRun],
    regions: Mapping[str, Mask],
    permutations: int,
    seed: int,
    flipped: bool,
    widen: bool,
    chunk: int = 512,
) -> Compared:
    """Test the mean over runs of <y, difference of predictions>.

    Parameters
    ----------
    runs : sequence of PredictedRun
        From :func:`differences`.
    regions : mapping
        Name to voxels (voxels,).
    permutations, seed : int
        Of the draw.
    flipped : bool
        Flip signs of blocks, else permute blocks.
    widen : bool
        Whether blocks are stretches of a film.
    chunk : int
        Voxels at a time.
    """
    orders = _signs(runs, permutations, seed) if flipped else draw(runs, permutations, seed)
    wider = [_wider(run, flipped) if widen else 1.0 for run in runs]
    voxels = runs[0].y.shape[1]
    difference, p = np.empty(voxels), np.empty(voxels)
    null_max = np.zeros(permutations)
    # Sums over the voxels of each region: observed first.
    sums = {name: np.zeros(1 + permutations) for name in regions}
    for start in range(0, voxels, chunk):
        part = slice(start, min(start + chunk, voxels))
        seen, null = _null(runs, orders, wider, part, flipped)
        difference[part] = seen
        p[part] = (1 + (np.abs(null) >= np.abs(seen) - TOLERANCE).sum(0)) / (1 + permutations)
        null_max = np.maximum(null_max, np.abs(null).max(1))
        both = np.vstack([seen, null])
        for name, mask in regions.items():
            sums[name] += both[:, mask[part]].sum(1)
    means = np.array([sums[name] / mask.sum() for name, mask in regions.items()])
    observed, null = means[:, :1], means[:, 1:]
    reached = (np.abs(null) >= np.abs(observed) - TOLERANCE).sum(1)
    return Compared(difference, p, null_max, observed[:, 0], (1 + reached) / (1 + permutations))


def _null(
    runs: Sequence[PredictedRun],
    orders: Sequence[npt.NDArray],
    wider: Sequence[float],
    part: slice,
    flipped: bool,
) -> tuple[Floats, Floats]:
    """Differences as observed (voxels,) and permuted (permutations, voxels), means over runs."""
    seen, null = [], []
    for run, order, factor in zip(runs, orders, wider, strict=True):
        y, prediction = unit_length(run.y[:, part]), run.prediction[:, part]
        if flipped:
            blocks = block_sums(y * prediction, run.unit)
            seen.append(blocks.sum(0))
            null.append(factor * (order @ blocks))
        else:
            one, many = permuted_sums(y, prediction, movable_rows(run.unit), order, factor)
            seen.append(one)
            null.append(many)
    return np.mean(seen, axis=0), np.mean(null, axis=0)


def _signs(runs: Sequence[PredictedRun], permutations: int, seed: int) -> list[npt.NDArray]:
    rng = np.random.default_rng(seed)
    counts = [len(np.unique(run.unit)) for run in runs]
    return [rng.choice([-1.0, 1.0], (permutations, count)) for count in counts]


def _wider(run: PredictedRun, flipped: bool, chunk: int = 512) -> float:
    """How much wider the null is than that of the blocks, at least one."""
    if not flipped:
        return widening(run)
    shifted = signs = 0.0
    for start in range(0, run.y.shape[1], chunk):
        part = run.part(slice(start, start + chunk))
        y = unit_length(part.y)
        shifted += float((circular_products(y, part.prediction) ** 2).mean(0).sum())
        signs += float((block_sums(y * part.prediction, run.unit) ** 2).sum())
    share = lost_by_shifts(run, chunk)
    return float(np.sqrt(max(1.0, share * shifted / signs))) if signs > 0 else 1.0


def _regions(encoding: Encoding, regions: Path | None) -> dict[str, Mask]:
    parts = {WHOLE: np.ones(len(encoding.ijk), bool)}
    if regions is not None:
        atlas = Regions.read(regions)
        xyz = encoding.ijk @ encoding.affine[:3, :3].T + encoding.affine[:3, 3]
        label = atlas.at(xyz)
        parts |= {atlas.name(int(one)): label == one for one in np.unique(label) if one >= 0}
    return parts


def _check_same(one: Encoding, other: Encoding, first: Path, second: Path) -> None:
    same = np.array_equal(one.ijk, other.ijk) and list(one.tests) == list(other.tests)
    same = same and grayordinates.same(one.grayordinates, other.grayordinates)
    same = same and all(
        a.y.shape == b.y.shape and np.allclose(a.y, b.y) and np.array_equal(a.unit, b.unit)
        for a, b in zip(one.tests.values(), other.tests.values(), strict=True)
    )
    if not same:
        raise UserError(
            f"{second}: was not tested on the data of {first} (voxels, runs or volumes differ); "
            "compare models of the same subject and dataset"
        )
