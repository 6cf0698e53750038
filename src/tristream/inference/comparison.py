"""Does one model predict better than another? Paired, by voxel and by region.

Both models predict the same test data. How the difference of their correlations is tested follows
from the scheme and the number of units (:mod:`tristream.inference.paired_tests`).
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import false_discovery_control

from tristream.align.exchange import sign_units, why_too_short
from tristream.config.settings.inference import CompareSettings
from tristream.encode.encoding_file import Encoding, read_encoding
from tristream.errors import UserError
from tristream.inference import wording
from tristream.inference.comparison_file import (
    KIND,
    ComparedModels,
    Difference,
    write_comparison,
)
from tristream.inference.inference_file import Draws
from tristream.inference.paired_tests import Done, Pair, PairedTest, chosen_test
from tristream.inference.region_means import Mask, members
from tristream.inference.resolution import Resolution, resolve
from tristream.inference.tested_runs import lengths
from tristream.space import grayordinates
from tristream.store import Omission, Provenance

STATISTIC = "difference of test correlations, mean over test runs, two-sided"
WITHOUT_P = ("p", "p_fwe", "q")


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
    tests = list(one.tests.values())
    units = sign_units(settings.unit, [t.unit for t in tests], [t.item for t in tests])
    pair = Pair(one, other, (first, second), tuple(units), settings.unit)
    test = chosen_test(pair)
    why = why_too_short(pair.unit, lengths(one.tests)) or test.refusal(pair)
    compared = ComparedModels(
        first=one.about["model"],
        second=other.about["model"],
        statistic=STATISTIC,
        null=test.null,
        unit=settings.unit,
        n_distinct=test.distinct(pair),
        n_permutations=0 if why else settings.permutations,
        seed=settings.seed,
        fdr=settings.fdr,
        ijk=one.ijk,
        grayordinates=one.grayordinates,
    )
    omitted = tuple(Omission(what, why) for what in WITHOUT_P if why)
    methods: tuple[str, ...] = (wording.refused(why),)
    if not why:
        compared = _tested(compared, test, pair, members(one, regions), settings)
        methods = test.methods(Done(compared, pair, settings.procedure))
    simulated = fit.simulated or other_fit.simulated
    provenance = Provenance(KIND, simulated, settings.key(), code, omitted, methods)
    write_comparison(output, compared, provenance)


def _read(path: Path) -> tuple[Encoding, Provenance]:
    """An encoding with its test runs in memory, which are else read each time."""
    encoding, provenance = read_encoding(path, whole=False)
    return encoding.in_memory(), provenance


def _tested(
    compared: ComparedModels,
    test: PairedTest,
    pair: Pair,
    regions: Mapping[str, Mask],
    settings: CompareSettings,
) -> ComparedModels:
    """What was found, under a null as wide as it should be."""
    voxels, by_region, wider = test.nulls(pair, regions, settings.seed)
    plan = Resolution.of(settings)
    result, of_regions = resolve(voxels, plan), resolve(by_region, plan)
    found = Difference(
        difference=voxels.signed,
        p=result.p,
        p_fwe=result.p_fwe,
        q=false_discovery_control(result.p, method=settings.procedure),
        null_max=result.null_max,
        regions=list(regions),
        region_voxels=np.array([int(mask.sum()) for mask in regions.values()]),
        region_difference=by_region.signed,
        region_p=of_regions.p,
        region_p_fwe=of_regions.p_fwe,
        region_q=false_discovery_control(of_regions.p, method=settings.procedure),
    )
    return replace(compared, widening=wider, found=found, draws=Draws.of(result))


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
