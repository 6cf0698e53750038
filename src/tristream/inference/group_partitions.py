"""All subjects of one band's unique variance.

For other stimuli, the signs of exchange units are flipped as in each subject alone
(:mod:`tristream.inference.tested_partition`), a unit's sign alike in all subjects.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tristream.align.exchange import Unit, sign_units
from tristream.config.settings.inference import GroupSettings
from tristream.encode.encoding_file import read_encoding, read_scores
from tristream.encode.neighbours import products_of_neighbours
from tristream.encode.partition.partition_file import StoredPartition, read_partition
from tristream.encode.partition.parts_by_unit import PartsByUnit
from tristream.errors import UserError
from tristream.inference.group import Shared, infer_subjects
from tristream.inference.group_models import where_of
from tristream.inference.group_subjects import Measure, Subject, common_places
from tristream.inference.people import LEVEL
from tristream.inference.sign_flips import SignFlips, patterns
from tristream.inference.tested_partition_file import TestedSet, read_partition_test
from tristream.store import Omission

Ints = npt.NDArray[np.integer]
UNITS = {
    "block": "blocks of one label",
    "round": "blocks of one label, within rounds that show every label once",
    "item": "items",
    "time": "blocks of time",
}


def infer_partitions(
    partitions: Sequence[Path],
    tests: Sequence[Path],
    encodings: Sequence[Path],
    band: str,
    settings: GroupSettings,
    output: Path,
    regions: Path | None = None,
    code: str = "",
) -> None:
    """Write the `group` file of the unique variance of one band.

    Parameters
    ----------
    partitions, tests, encodings : sequence of Path
        One of each a subject, in the same order; the encodings say where the voxels lie.
    band : str
        Whose variance.
    settings : GroupSettings
        Permutations, seed, procedure.
    output : Path
        The file to write.
    regions : Path, optional
        Labels of the atlas, for voxels in MNI space.
    code : str
        Fingerprint for the provenance.
    """
    stored, subjects = [], []
    for paths in zip(partitions, tests, encodings, strict=True):
        one, subject = _subject(*paths, band)
        stored.append(one)
        subjects.append(subject)
    place = stored[0].sets.index(band)
    by_unit = [one.by_unit for one in stored if one.by_unit is not None]
    shared = _shared(by_unit, len(stored), settings)
    if not shared.refusal and (why := _apart(encodings, by_unit[0].unit)):
        shared = Shared(why=why)
    if not shared.refusal:
        factors = _widening(subjects, by_unit, place, encodings[0])
        shared = replace(shared, widening=factors)
        pairs = zip(by_unit, factors, strict=True)
        nulls = [_signs(one, place, factor, settings.seed) for one, factor in pairs]
        subjects = [replace(s, null=null) for s, null in zip(subjects, nulls, strict=True)]
    measure = Measure(f"unique variance (R²) of band {band}")
    infer_subjects(subjects, measure, shared, settings, output, regions, code)


def _subject(
    partition: Path, test: Path, encoding: Path, band: str
) -> tuple[StoredPartition, Subject]:
    stored, provenance = read_partition(partition)
    tested, given = read_partition_test(test)
    scored, _ = read_scores(encoding)
    if not np.array_equal(stored.ijk, scored.ijk):
        raise UserError(f"{partition}: has other voxels than {encoding}; run `encode partition`")
    unique = stored.found.parts.value[stored.sets.index(band)]
    found: TestedSet | None = tested.found.get(band)
    row = {
        "voxels": len(unique),
        "mean": float(unique.mean()),
        "significant": -1 if found is None else int((found.q <= tested.fdr).sum()),
        "significant_fwe": -1 if found is None else int((found.p_fwe <= LEVEL).sum()),
        "p_any": float("nan") if found is None else float(found.p_fwe.min()),
    }
    why = given.omitted[0].why if found is None and given.omitted else ""
    name, where = str(scored.about["subject"]), where_of(scored)
    p = None if found is None else found.p
    return stored, Subject(name, unique, row, p, why, provenance.simulated, where)


def _shared(by_unit: Sequence[PartsByUnit], subjects: int, settings: GroupSettings) -> Shared:
    """What changes its sign alike in all subjects: the same number is the same unit."""
    if len(by_unit) < subjects:
        return Shared(why="what each unit adds is not known in all subjects")
    names = sorted(set(settings.timelines.values()))
    if len(names) > 1:
        return Shared(
            why="units are numbered alike where all met the same at the same times, and subjects "
            f"have the timelines {', '.join(names)}"
        )
    counts = {one.parts.shape[1] for one in by_unit}
    if len(counts) > 1:
        return Shared(why="subjects were tested on unequal numbers of units")
    (count,) = counts
    return Shared(
        patterns(count, 1),
        f"flipping the sign of what each of {count} {UNITS[by_unit[0].unit]} adds",
        too_narrow="Units of one run share noise, and their signs do not",
    )


def _apart(encodings: Sequence[Path], unit: Unit) -> str:
    """Why the same number is not the same unit in all subjects; empty where it is.

    Units are numbered over the runs that a subject has, so that where subjects lack different runs,
    or all of a unit is censored in one of them, equal counts are counts of other units.
    """
    first: dict[str, Numbered] = {}
    name = ""
    for path in encodings:
        subject, own = _numbered(path, unit)
        if not first:
            first, name = own, subject
        if list(own) != list(first) or not all(own[run].agrees(first[run]) for run in own):
            return f"sub-{subject} was tested on other units than sub-{name}"
    return ""


@dataclass(frozen=True)
class Numbered:
    """Numbers of the units of one test run, and the rows that its samples are."""

    rows: Ints
    unit: Ints

    def agrees(self, other: "Numbered") -> bool:
        """Whether samples that both have are of the same units."""
        _, own, its = np.intersect1d(self.rows, other.rows, return_indices=True)
        return len(own) > 0 and np.array_equal(self.unit[own], other.unit[its])


def _numbered(path: Path, unit: Unit) -> tuple[str, dict[str, Numbered]]:
    """A subject's label, and units of its test runs, which are opened one after the other."""
    encoding, _ = read_encoding(path, whole=False)
    found = [(name, test.rows, test.unit, test.item) for name, test in encoding.tests.items()]
    names, rows, showings, items = zip(*found, strict=True)
    pairs = zip(rows, sign_units(unit, showings, items), strict=True)
    own = dict(zip(names, (Numbered(*pair) for pair in pairs), strict=True))
    return str(encoding.about["subject"]), own


def _widening(
    subjects: Sequence[Subject], by_unit: Sequence[PartsByUnit], place: int, encoding: Path
) -> tuple[float, ...]:
    """How many times wider each subject's null is made: as that of the mean over subjects.

    What subjects share may depend on its own past more than what is each one's own, and weighs most
    in the mean. Items, of which a part is the sum over showings, are widened as in each subject
    alone; so are voxels of which subjects have none in common.
    """
    places, unit = common_places(subjects), by_unit[0].unit
    if isinstance(places, Omission) or unit == "item":
        return tuple(float(one.widening[place]) for one in by_unit)
    pairs = zip(by_unit, places, strict=True)
    mean = np.mean([one.parts[place][:, own].astype(float) for one, own in pairs], axis=0)
    neighbours = 0.0
    for run in _numbered(encoding, unit)[1].values():
        # Units as they follow each other.
        order = run.unit[np.sort(np.unique(run.unit, return_index=True)[1])]
        neighbours += products_of_neighbours(mean[order], np.arange(len(order)), order).sum()
    squares = (mean**2).sum()
    factor = float(np.sqrt(max(1.0, 1 + neighbours / squares))) if squares > 0 else 1.0
    return (factor,) * len(by_unit)


def _signs(by_unit: PartsByUnit, place: int, widening: float, seed: int) -> SignFlips:
    parts = by_unit.parts[place]
    wide = np.full(parts.shape[1], widening)
    if by_unit.pairs is not None:
        # Not above: it brings torch, which tests of held-out runs do without.
        from tristream.encode.unit_parts import width

        wide *= width(parts, by_unit.pairs[place])
    return SignFlips(parts, wide, seed, sides=1)
