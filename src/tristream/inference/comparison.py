"""Does one model predict better than another? Paired, by voxel and by region.

Both models predict the same test data, so that their correlations with it differ by the sum over
blocks of time of the product of the data with the difference of the (normed) predictions. If
neither predicts better, each block's part may as well have the other sign: signs are flipped block
by block, all voxels alike. Ten blocks have 1,024 patterns of signs. With fewer, the blocks of the
difference change places against the data, whose null is narrower: that the difference has nothing
to do with the data. In a film both nulls are widened, see :mod:`tristream.inference.widening`.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from scipy.stats import false_discovery_control

from tristream.align.exchange import FEWEST_DISTINCT, Exchange
from tristream.config.settings.inference import CompareSettings
from tristream.encode.encoding_file import Encoding, read_encoding
from tristream.encode.jackknife import block_sums
from tristream.errors import UserError
from tristream.inference import wording
from tristream.inference.comparison_file import (
    KIND,
    ComparedModels,
    Difference,
    write_comparison,
)
from tristream.inference.permutation import (
    TOLERANCE,
    Placed,
    PredictedRun,
    circular_products,
    exchange_of_runs,
    permuted_sums,
    unit_length,
)
from tristream.inference.procedures import Procedure, register
from tristream.inference.table_files import WHOLE
from tristream.inference.tested_runs import NESTED, TIME
from tristream.inference.widening import lost_by_shifts, widening
from tristream.space import grayordinates
from tristream.space.atlas import Regions
from tristream.store import Omission, Provenance

Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]
STATISTIC = "difference of test correlations, mean over test runs, two-sided"


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
    widening : tuple of float
        How many times wider the null of each run was made.
    """

    difference: Floats
    p: Floats
    null_max: Floats
    region_difference: Floats
    region_p: Floats
    widening: tuple[float, ...] = ()


@dataclass(frozen=True)
class Done:
    """What a comparison did: the facts of its sentences."""

    compared: ComparedModels
    runs: Sequence[PredictedRun]
    moves: Exchange
    tr: float
    procedure: str
    widening: Sequence[float]


class PairedTest(Procedure[Done]):
    """A test of the difference of two models."""

    flipped: bool
    too_narrow: str

    def methods(self, done: Done) -> tuple[str, ...]:
        """What was compared, how the null arose, which corrections were made."""
        compared = done.compared
        over = f", mean over {len(done.runs)} test runs" if len(done.runs) > 1 else ""
        found = compared.found
        regions = len(found.regions) - 1 if found else 0
        corrected = wording.rate(done.procedure, compared.fdr, "all voxels")
        by_region = (
            [
                "The mean difference over the voxels of each region of the Harvard-Oxford atlas "
                "[@desikan2006] was tested by the same rearrangements and corrected over regions."
            ]
            if regions
            else []
        )
        return (
            f"Models {compared.first} and {compared.second} were compared on the same test data "
            f"by the difference of their test correlations{over}, two-sided, by "
            f"{self.moved(done)}, all voxels alike.",
            wording.p_value(sides=2),
            *wording.widened(done.widening, self.why_narrow(done)),
            f"{corrected}.",
            *by_region,
        )

    def why_narrow(self, done: Done) -> str:
        """Why the null had to be widened."""
        return self.too_narrow if self.flipped else self.too_narrow + wording.projected(done.runs)

    @abstractmethod
    def moved(self, done: Done) -> str:
        """What was rearranged, and how often: the end of a sentence."""


@register
class FlippedSigns(PairedTest):
    """If neither model predicts better, a block's part of the difference may have either sign."""

    null = "signs of the difference flipped block by block"
    flipped = True
    too_narrow = "Neighbouring blocks of a film depend on each other, and their signs do not"

    def moved(self, done: Done) -> str:
        """Signs of blocks."""
        compared = done.compared
        blocks = sum(len(np.unique(run.unit)) for run in done.runs)
        what = wording.units(compared.unit, done.moves, done.tr)
        number = wording.drawn(compared.n_permutations, compared.n_distinct, "patterns of signs")
        return f"flipping the sign of the difference in each of {blocks} {what} ({number})"


@register
class BlocksOfDifference(PairedTest):
    """Too few blocks for signs: the difference has nothing to do with the data."""

    null = "blocks of the difference of predictions permuted within the test run"
    flipped = False
    too_narrow = wording.CUT

    def moved(self, done: Done) -> str:
        """Blocks of the difference."""
        compared = done.compared
        what = wording.units(compared.unit, done.moves, done.tr)
        number = wording.drawn(compared.n_permutations, compared.n_distinct)
        return (
            f"permuting {what} of the difference of the predictions within "
            f"{wording.within(done.runs)}{wording.alike(done.moves)} ({number})"
        )


def compare_encodings(
    first: Path,
    second: Path,
    settings: CompareSettings,
    regions: Path | None,
    output: Path,
    code: str = "",
) -> None:
    """Compare two models of a subject and write the `comparison` file.

    Parameters
    ----------
    first, second : Path
        Encoding files with the same test runs and voxels.
    settings : CompareSettings
        What is exchangeable, permutations, seed, false discovery rate.
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
    one, fit = _read(first)
    other, other_fit = _read(second)
    _check_same(one, other, first, second)
    runs = differences(one, other)
    flips = 2 ** sum(len(np.unique(run.unit)) for run in runs)
    test: PairedTest = FlippedSigns() if flips >= FEWEST_DISTINCT else BlocksOfDifference()
    moves = exchange_of_runs(runs, settings.unit)
    distinct = flips if test.flipped else moves.distinct
    why = "" if distinct >= FEWEST_DISTINCT else wording.too_few(moves, settings.unit)
    if one.about["scheme"] == NESTED:
        # Every run is training data, too: .15 to .22 of true nulls were rejected at .05.
        why = f"under {NESTED} the folds share runs, and signs of their predictions are not free"
    compared = ComparedModels(
        first=one.about["model"],
        second=other.about["model"],
        statistic=STATISTIC,
        null=test.null,
        unit=settings.unit,
        n_distinct=distinct,
        n_permutations=0 if why else settings.permutations,
        seed=settings.seed,
        fdr=settings.fdr,
        ijk=one.ijk,
        grayordinates=one.grayordinates,
    )
    omitted = tuple(Omission(what, why) for what in ("p", "q") if why)
    methods: tuple[str, ...] = (wording.refused(why),)
    if not why:
        parts = _parts(one, regions)
        compared, widths = _tested(compared, runs, moves, parts, settings, test.flipped)
        done = Done(compared, runs, moves, float(one.about["tr"]), settings.procedure, widths)
        methods = test.methods(done)
    simulated = fit.simulated or other_fit.simulated
    provenance = Provenance(KIND, simulated, settings.key(), code, omitted, methods)
    write_comparison(output, compared, provenance)


def _read(path: Path) -> tuple[Encoding, Provenance]:
    """An encoding with its test runs in memory, which are else read each time."""
    encoding, provenance = read_encoding(path)
    return replace(encoding, tests=dict(encoding.tests)), provenance


def _tested(
    compared: ComparedModels,
    runs: Sequence[PredictedRun],
    moves: Exchange,
    parts: Mapping[str, Mask],
    settings: CompareSettings,
    flipped: bool,
) -> tuple[ComparedModels, tuple[float, ...]]:
    """What was found, and how much wider the null of each run was made."""
    wide = settings.unit == TIME
    result = compare(runs, moves, parts, settings.permutations, settings.seed, flipped, wide)
    found = Difference(
        difference=result.difference,
        p=result.p,
        q=false_discovery_control(result.p, method=settings.procedure),
        null_max=result.null_max,
        regions=list(parts),
        region_voxels=np.array([int(mask.sum()) for mask in parts.values()]),
        region_difference=result.region_difference,
        region_p=result.region_p,
        region_q=false_discovery_control(result.region_p, method=settings.procedure),
    )
    return replace(compared, found=found), result.widening


def differences(one: Encoding, other: Encoding) -> list[PredictedRun]:
    """Test runs whose prediction is the first model's less the second's, each of length one."""
    return [
        PredictedRun(
            a.y,
            unit_length(a.prediction) - unit_length(other.tests[name].prediction),
            a.unit,
            projection=a.projection,
            item=a.item,
        )
        for name, a in one.tests.items()
    ]


def compare(
    runs: Sequence[PredictedRun],
    moves: Exchange,
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
    moves : Exchange
        Their units that may change places.
    regions : mapping
        Name to voxels (voxels,).
    permutations, seed : int
        Of the draw.
    flipped : bool
        Flip signs of blocks, else permute blocks.
    widen : bool
        Whether blocks are blocks of time, cut at arbitrary moments.
    chunk : int
        Voxels at a time.
    """
    orders = _signs(runs, permutations, seed) if flipped else moves.draw(0, permutations, seed)
    wider = [_wider(run, moves.of_run(k), flipped) if widen else 1.0 for k, run in enumerate(runs)]
    voxels = runs[0].y.shape[1]
    difference, p = np.empty(voxels), np.empty(voxels)
    null_max = np.zeros(permutations)
    # Sums over the voxels of each region: observed first.
    sums = {name: np.zeros(1 + permutations) for name in regions}
    for start in range(0, voxels, chunk):
        part = slice(start, min(start + chunk, voxels))
        seen, null = _null(runs, moves, orders, wider, part, flipped)
        difference[part] = seen
        p[part] = (1 + (np.abs(null) >= np.abs(seen) - TOLERANCE).sum(0)) / (1 + permutations)
        null_max = np.maximum(null_max, np.abs(null).max(1))
        both = np.vstack([seen, null])
        for name, mask in regions.items():
            sums[name] += both[:, mask[part]].sum(1)
    means = np.array([sums[name] / mask.sum() for name, mask in regions.items()])
    observed, null = means[:, :1], means[:, 1:]
    reached = (np.abs(null) >= np.abs(observed) - TOLERANCE).sum(1)
    by_region = observed[:, 0], (1 + reached) / (1 + permutations)
    return Compared(difference, p, null_max, *by_region, tuple(wider))


def _null(
    runs: Sequence[PredictedRun],
    moves: Exchange,
    orders: Sequence[npt.NDArray],
    wider: Sequence[float],
    part: slice,
    flipped: bool,
) -> tuple[Floats, Floats]:
    """Differences as observed (voxels,) and permuted (permutations, voxels), means over runs."""
    seen, null = [], []
    for number, (run, factor) in enumerate(zip(runs, wider, strict=True)):
        y, prediction = unit_length(run.y[:, part]), run.prediction[:, part]
        if flipped:
            blocks = block_sums(y * prediction, run.unit)
            seen.append(blocks.sum(0))
            null.append(factor * (orders[number] @ blocks))
        else:
            one, many = permuted_sums(y, prediction, moves.of_run(number), orders, factor)
            seen.append(one)
            null.append(many)
    return np.mean(seen, axis=0), np.mean(null, axis=0)


def _signs(runs: Sequence[PredictedRun], permutations: int, seed: int) -> list[npt.NDArray]:
    rng = np.random.default_rng(seed)
    counts = [len(np.unique(run.unit)) for run in runs]
    return [rng.choice([-1.0, 1.0], (permutations, count)) for count in counts]


def _wider(run: PredictedRun, units: Placed, flipped: bool, chunk: int = 512) -> float:
    """How much wider the null is than that of the blocks, at least one."""
    if not flipped:
        return widening(run, units)
    shifted = signs = 0.0
    for start in range(0, run.y.shape[1], chunk):
        part = run.part(slice(start, start + chunk))
        y = unit_length(part.y)
        shifted += float((circular_products(y, part.prediction) ** 2).mean(0).sum())
        signs += float((block_sums(y * part.prediction, run.unit) ** 2).sum())
    share = lost_by_shifts(run, chunk)
    return float(np.sqrt(max(1.0, share * shifted / signs))) if signs > 0 else 1.0


def _parts(encoding: Encoding, regions: Path | None) -> dict[str, Mask]:
    """All voxels, and those of each region."""
    parts = {WHOLE: np.ones(len(encoding.ijk), bool)}
    if regions is not None:
        parts |= Regions.read(regions).members(apply_affine(encoding.affine, encoding.ijk))
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
