"""All subjects of one comparison of two models.

For other stimuli, the signs of units are flipped as in each subject alone
(:mod:`tristream.inference.paired_tests`), a unit's sign alike in all subjects who were shown it:
what makes one model better on a stimulus may do so in everybody.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.align.exchange import sign_units, why_too_short
from tristream.align.samples import read_samples
from tristream.config.settings.inference import GroupSettings
from tristream.encode.encoding_file import Encoding, read_encoding
from tristream.inference import wording
from tristream.inference.comparison_file import ComparedModels, read_comparison
from tristream.inference.group import Shared, infer_subjects
from tristream.inference.group_models import mean_run, where_of, why_apart
from tristream.inference.group_subjects import Measure, Subject, common_places
from tristream.inference.paired_tests import (
    difference,
    differences,
    parts_of_units,
    recurring,
)
from tristream.inference.people import LEVEL
from tristream.inference.permutation import PredictedRun, exchange_of_runs
from tristream.inference.shared_stimuli import ShownRun
from tristream.inference.sign_flips import SignFlips, patterns
from tristream.inference.sign_widening import sign_widening
from tristream.inference.tested_runs import NESTED, RIDGE, lengths
from tristream.store import Omission, Provenance

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Compared:
    """Two models of one subject.

    Attributes
    ----------
    first, second : Encoding
    paths : tuple of Path
        Their files.
    samples : DataFrame
        The subject's sample index.
    """

    first: Encoding
    second: Encoding
    paths: tuple[Path, Path]
    samples: pd.DataFrame

    @property
    def runs(self) -> dict[str, PredictedRun]:
        """Test runs whose prediction is the difference of the two."""
        return dict(zip(self.first.tests, differences(self.first, self.second), strict=True))

    @property
    def difference(self) -> npt.NDArray[np.float64]:
        """Difference of the correlations, mean over runs, (voxels,)."""
        return difference(list(self.runs.values()))

    def units(self, names: dict[Hashable, int], settings: GroupSettings) -> list[Ints]:
        """Unit of each sample, one array a run; `names` has the numbers that all subjects share."""
        tests = list(self.first.tests.values())
        own = sign_units(settings.unit, [t.unit for t in tests], [t.item for t in tests])
        number: dict[int, int] = {}
        for test, units in zip(tests, own, strict=True):
            shown = ShownRun.of(test, self.samples, settings.unit)
            for sample in np.flatnonzero(test.unit >= 0):
                name = shown.unit[int(sample)]
                number[int(units[sample])] = names.setdefault(name, len(names))
            if int(units[0]) not in number:
                # A run without any presentation is one unit.
                number[int(units[0])] = names.setdefault((test.runs[0],), len(names))
        return [np.array([number[int(unit)] for unit in units]) for units in own]


def infer_comparisons(
    firsts: Sequence[Path],
    seconds: Sequence[Path],
    comparisons: Sequence[Path],
    samples: Sequence[Path],
    settings: GroupSettings,
    output: Path,
    regions: Path | None = None,
    code: str = "",
) -> None:
    """Write the `group` file of one comparison.

    Parameters
    ----------
    firsts, seconds, comparisons, samples : sequence of Path
        Encodings of the two models, their comparison, the sample index: one of each a subject.
    settings : GroupSettings
        What is exchangeable, permutations, seed, procedure.
    output : Path
        The file to write.
    regions : Path, optional
        Labels of the atlas, for voxels in MNI space.
    code : str
        Fingerprint for the provenance.
    """
    pairs, subjects = [], []
    for first, second, compared, table in zip(firsts, seconds, comparisons, samples, strict=True):
        pair = Compared(_read(first), _read(second), (first, second), read_samples(table)[0])
        pairs.append(pair)
        subjects.append(_subject(pair, *read_comparison(compared)))
    one, other = (pairs[0].first.about["model"], pairs[0].second.about["model"])
    measure = Measure(
        f"difference of test correlations of models {one} and {other}",
        sides=2,
        anywhere=f", corrected for all voxels, in favour of {one}",
    )
    shared, subjects = _with_nulls(subjects, pairs, settings)
    infer_subjects(subjects, measure, shared, settings, output, regions, code)


def _read(path: Path) -> Encoding:
    encoding, _ = read_encoding(path, whole=False)
    return encoding.in_memory()


def _subject(pair: Compared, compared: ComparedModels, provenance: Provenance) -> Subject:
    difference, found = pair.difference, compared.found
    row: dict[str, float] = {"voxels": len(difference), "mean": float(difference.mean())}
    row |= {"significant": -1, "significant_fwe": -1, "p_any": float("nan")}
    p = None
    if found is not None:
        better = found.difference > 0
        # Prevalence is that of one direction: opposite effects do not add up to agreement.
        p = np.where(better, found.p / 2, 1 - found.p / 2)
        row["significant"] = int(((found.q <= compared.fdr) & better).sum())
        row["significant_fwe"] = int(((found.p_fwe <= LEVEL) & better).sum())
        row["p_any"] = float(np.where(better, found.p_fwe, 1.0).min())
    why = next((o.why for o in provenance.omitted if o.what == "p"), "")
    name, where = str(pair.first.about["subject"]), where_of(pair.first)
    return Subject(name, difference, row, p, why, provenance.simulated, where)


def _with_nulls(
    subjects: Sequence[Subject], pairs: Sequence[Compared], settings: GroupSettings
) -> tuple[Shared, list[Subject]]:
    """What changes its sign alike in all subjects, and the subjects with their values under it."""
    nested = any(pair.first.about["scheme"] == NESTED for pair in pairs)
    kinds = [m.about.get("model_kind", RIDGE) for pair in pairs for m in (pair.first, pair.second)]
    if nested and any(kind != RIDGE for kind in kinds):
        why = f"under {NESTED} what test data add as training data is known for {RIDGE} alone"
        return Shared(why=why), list(subjects)
    short = (why_too_short(settings.unit, lengths(pair.first.tests)) for pair in pairs)
    if why := why_apart(settings) or next(filter(None, short), ""):
        return Shared(why=why), list(subjects)
    names: dict[Hashable, int] = {}
    units = [pair.units(names, settings) for pair in pairs]
    moves = exchange_of_runs(list(pairs[0].runs.values()), settings.unit)
    what = wording.units(settings.unit, moves, float(pairs[0].first.about["tr"]))
    wider = _widening(subjects, pairs, units, settings, nested)
    shared = Shared(
        patterns(len(names), 2),
        f"flipping the sign of the difference in each of {len(names)} {what}",
        widening=wider,
        too_narrow="Units of one run share noise, and their signs do not",
    )
    if shared.refusal or len(subjects) < 2:
        return shared, list(subjects)
    nulls = [
        _signs(pair, own, len(names), factor, settings.seed, nested)
        for pair, own, factor in zip(pairs, units, wider, strict=True)
    ]
    return shared, [replace(s, null=null) for s, null in zip(subjects, nulls, strict=True)]


def _signs(
    pair: Compared, units: Sequence[Ints], count: int, wider: float, seed: int, nested: bool
) -> SignFlips:
    """Parts of all subjects' units in one subject; units that it was not shown have none."""
    width = np.full(len(pair.first.ijk), wider)
    if nested:
        # Not above: it brings torch, which the other test does without.
        from tristream.encode.unit_parts import width as without_pairs
        from tristream.inference.fold_parts import parts_of_pair

        parts: Floats = np.zeros((count, len(width)))
        total = parts_of_pair(pair.first, pair.second, pair.paths, units, seed)
        parts[: total.units] = total.summing_to(pair.difference)
        # As in each subject alone.
        counted = float(not recurring(units))
        width *= without_pairs(parts, counted * total.pairs)
    else:
        parts = parts_of_units(list(pair.runs.values()), units, count)
    return SignFlips(parts, width, seed, sides=1)


def _widening(
    subjects: Sequence[Subject],
    pairs: Sequence[Compared],
    units: Sequence[Sequence[Ints]],
    settings: GroupSettings,
    nested: bool,
) -> tuple[float, ...]:
    """How many times wider each subject's null is made: as that of the mean over subjects."""
    places = common_places(subjects)
    names = list(pairs[0].first.tests)
    if isinstance(places, Omission) or not _same_samples(pairs, units):
        return tuple(
            sign_widening(list(pair.runs.values()), own, settings.unit, distant=not nested)
            for pair, own in zip(pairs, units, strict=True)
        )
    means = [
        mean_run(
            (differences(pair.first, pair.second, [name])[0] for pair in pairs),
            [pair.first.tests[name].rows for pair in pairs],
            places,
        )
        for name in names
    ]
    factor = sign_widening(means, units[0], settings.unit, distant=not nested)
    return (factor,) * len(pairs)


def _same_samples(pairs: Sequence[Compared], units: Sequence[Sequence[Ints]]) -> bool:
    """Whether all subjects were tested on the same samples of the same units."""
    first = pairs[0].first.tests
    return all(
        list(pair.first.tests) == list(first)
        and all(np.array_equal(pair.first.tests[name].rows, first[name].rows) for name in first)
        and all(np.array_equal(a, b) for a, b in zip(own, units[0], strict=True))
        for pair, own in zip(pairs, units, strict=True)
    )
