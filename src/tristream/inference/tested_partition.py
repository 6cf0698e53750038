"""Do bands explain variance that others don't, and do they share any?

A band's unique variance, and what several bands share, are differences of test R². Each
exchangeable unit adds its part to them (:mod:`tristream.encode.partition.parts_by_unit`), and where
none is expected a part may as well have the other sign. The null hypothesis is that the *expected*
value is not above zero, one-sided. A band without use makes the prediction worse, so that its
unique variance is expected below zero, and the test errs on the safe side. Shared variance above
zero says that any of the bands can explain it in place of the others, not which of them does. What
is below zero (suppression, or a prediction made worse) is not tested.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import false_discovery_control

from tristream.align.exchange import FEWEST_DISTINCT
from tristream.config.settings.inference import PartitionTestSettings
from tristream.encode.encoding_file import read_scores
from tristream.encode.partition.partition_file import StoredPartition, read_partition
from tristream.encode.partition.parts_by_unit import PartsByUnit
from tristream.errors import UserError
from tristream.inference import wording
from tristream.inference.inference_file import Draws
from tristream.inference.procedures import Procedure, register
from tristream.inference.region_means import Mask, members, region_means
from tristream.inference.resolution import Resolution, Resolved, resolve
from tristream.inference.sign_flips import SignFlips, patterns
from tristream.inference.tested_partition_file import (
    KIND,
    TestedPartition,
    TestedSet,
    write_partition_test,
)
from tristream.phrases import counted
from tristream.store import Omission, Provenance

Floats = npt.NDArray[np.floating]
STATISTIC = "unique or shared test R², mean over test runs, one-sided"
WITHOUT_P = ("p", "p_fwe", "q")
ROLES = "what a unit adds as test data, and as training data of the other folds [@efron1981]"


@dataclass(frozen=True)
class Drawn:
    """A set's draws, as sentences want them."""

    draws: Draws
    n_permutations: int
    fdr: float


@register
class SignsOfVariance(Procedure[tuple[StoredPartition, TestedPartition]]):
    """Where nothing is expected, a unit's part of a variance may have either sign."""

    null = "signs of the parts of unique and shared variance flipped unit by unit"

    def methods(self, done: tuple[StoredPartition, TestedPartition]) -> tuple[str, ...]:
        """What was tested, how the null arose, which corrections were made."""
        stored, tested = done
        by_unit = stored.by_unit
        assert by_unit is not None
        units = counted(by_unit.parts.shape[1], f"exchangeable unit ({tested.unit})")
        if by_unit.parts.shape[1] > 1:
            units = f"{by_unit.parts.shape[1]} exchangeable units ({tested.unit})"
        both = f" ({ROLES})" if by_unit.pairs is not None else ""
        drawn = wording.drawn(tested.n_permutations, tested.n_distinct, "patterns of signs")
        regions = len(tested.regions) - 1
        widening = max(one.widening for one in tested.found.values())
        sentences = [
            f"Whether unique and shared variance are above zero was tested one-sided by flipping "
            f"the signs of the parts{both} of {units} ({drawn}), all voxels alike.",
            "The null hypothesis is that the expected variance is not above zero; a band without "
            "use makes the prediction worse, which the test is conservative for.",
            wording.p_value(),
            *wording.signs_widened(widening),
            f"{wording.rate(tested.procedure, tested.fdr, 'all voxels of a set of bands')}, and "
            "for the family-wise error by comparing each voxel with the largest of each "
            "rearrangement [@nichols2002].",
        ]
        if regions:
            sentences.append(
                "The mean over the voxels of each region of the Harvard-Oxford atlas "
                "[@desikan2006] was tested by the same rearrangements and corrected over regions."
            )
        for name, one in tested.found.items():
            drawn_of = Drawn(one.draws, tested.n_permutations, tested.fdr)
            own = [*wording.went_on(drawn_of), *wording.alone(drawn_of)]
            sentences += [f"Of {name}: {text[0].lower()}{text[1:]}" for text in own]
        sets = f", each for {counted(len(tested.found), 'set')} of bands"
        made = wording.made(len(stored.ijk), regions).removesuffix(".")
        return (*sentences, f"{made}{sets}.")


def infer_partition(
    partition: Path,
    encoding: Path,
    settings: PartitionTestSettings,
    regions: Path | None,
    output: Path,
    code: str = "",
) -> None:
    """Test unique and shared variance and write the `partition-test` file.

    Parameters
    ----------
    partition : Path
        Unique and shared variance of one subject and model.
    encoding : Path
        The model of all bands, for the places of the voxels.
    settings : PartitionTestSettings
        Permutations, seed, false discovery rate.
    regions : Path or None
        Labels of the atlas, for voxels in MNI space.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If partition and model are not of the same voxels.
    """
    stored, fitted = read_partition(partition)
    scored, _ = read_scores(encoding)
    if not np.array_equal(stored.ijk, scored.ijk):
        raise UserError(
            f"{partition}: has other voxels than {encoding}; delete the first and run again"
        )
    parts, by_unit = members(scored, regions), stored.by_unit
    why = _refusal(stored, fitted)
    test = SignsOfVariance()
    tested = TestedPartition(
        statistic=STATISTIC,
        null=test.null,
        unit=by_unit.unit if by_unit else "",
        n_distinct=patterns(by_unit.parts.shape[1], 1) if by_unit else 0,
        n_permutations=0 if why else settings.permutations,
        seed=settings.seed,
        fdr=settings.fdr,
        procedure=settings.procedure,
        regions=list(parts),
        region_voxels=np.array([int(mask.sum()) for mask in parts.values()]),
    )
    omitted = tuple(Omission(what, why) for what in WITHOUT_P if why)
    methods: tuple[str, ...] = (wording.refused(why),)
    if by_unit is not None and not why:
        found = {
            name: _of_set(by_unit, place, parts, settings) for place, name in enumerate(stored.sets)
        }
        tested = replace(tested, found=found)
        methods = test.methods((stored, tested))
    provenance = Provenance(KIND, fitted.simulated, settings.key(), code, omitted, methods)
    write_partition_test(output, tested, provenance)


def _refusal(stored: StoredPartition, provenance: Provenance) -> str:
    """Why there are no p values; empty where there are."""
    if stored.by_unit is None:
        return next((o.why for o in provenance.omitted if o.what == "parts by unit"), "no parts")
    units = stored.by_unit.parts.shape[1]
    if (distinct := patterns(units, 1)) >= FEWEST_DISTINCT:
        return ""
    return wording.too_few_signs(units, distinct, stored.by_unit.unit)


def _of_set(
    by_unit: PartsByUnit, place: int, regions: Mapping[str, Mask], settings: PartitionTestSettings
) -> TestedSet:
    """The test of one set of bands."""
    widening = float(by_unit.widening[place])
    plan = Resolution.of(settings)
    parts = by_unit.parts[place]
    pairs = None if by_unit.pairs is None else by_unit.pairs[place]
    result = _resolved(parts, pairs, widening, plan, settings.seed)
    means = region_means(parts, regions)
    of_pairs = None if pairs is None else region_means(pairs, regions)
    of_regions = _resolved(means, of_pairs, widening, plan, settings.seed)
    return TestedSet(
        p=result.p,
        p_fwe=result.p_fwe,
        q=false_discovery_control(result.p, method=settings.procedure),
        null_max=result.null_max,
        region_value=means.sum(0),
        region_p=of_regions.p,
        region_p_fwe=of_regions.p_fwe,
        region_q=false_discovery_control(of_regions.p, method=settings.procedure),
        widening=widening,
        draws=Draws.of(result),
    )


def _resolved(
    parts: Floats, pairs: Floats | None, widening: float, plan: Resolution, seed: int
) -> Resolved:
    """One-sided p of the sums of parts."""
    wide = np.full(parts.shape[1], widening)
    if pairs is not None:
        # Not above: it brings torch, which tests of held-out runs do without.
        from tristream.encode.unit_parts import width

        wide *= width(parts, pairs)
    return resolve(SignFlips(parts, wide, seed, sides=1), plan)
