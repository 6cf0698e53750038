"""All subjects of one measure: two questions, each with a test of its own.

*Would other stimuli do the same in these subjects?* One rearrangement of exchange units goes
through all subjects who met the same stimuli (:mod:`tristream.inference.shared_stimuli`).

*Would other people do the same, given these stimuli?* Significant subjects are counted, and from
eight on signs are flipped (:mod:`tristream.inference.people`).

Neither answers the other. Where people share responses that the features do not explain, the second
finds an effect and the first does not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import false_discovery_control

from tristream.align.exchange import FEWEST_DISTINCT
from tristream.config.settings.inference import GroupSettings
from tristream.inference import wording
from tristream.inference.group_file import (
    KIND,
    CommonVoxels,
    GroupLevel,
    GroupRegions,
    GroupTest,
    Means,
    write_group,
)
from tristream.inference.group_methods import Done, Moved, methods_of
from tristream.inference.group_subjects import Measure, Subject, common_places, common_regions
from tristream.inference.people import (
    CREDIBLE,
    FEWEST_SUBJECTS,
    LEVEL,
    prevalence,
    prevalences,
    sign_flip,
)
from tristream.inference.resolution import Resolution, resolve
from tristream.inference.shared_stimuli import MeanOverSubjects, SubjectNull, over_regions
from tristream.phrases import counted
from tristream.store import Omission, Provenance

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
STIMULI = "group test for other stimuli"
PEOPLE = "group test for other people"


@dataclass(frozen=True)
class Shared:
    """What moves alike in all subjects.

    Attributes
    ----------
    distinct : int
        Rearrangements that there are.
    moved : str
        What was moved, in words: the end of a sentence.
    why : str
        Why nothing is; empty where it does.
    widening : tuple of float
        How many times wider the null of each run was made.
    too_narrow : str
        Why it was.
    used : int
        Rearrangements that are there; 0 where as many are drawn as the settings ask for.
    """

    distinct: int = 1
    moved: str = ""
    why: str = ""
    widening: tuple[float, ...] = ()
    too_narrow: str = wording.CUT
    used: int = 0

    @property
    def refusal(self) -> str:
        """Why the question about other stimuli is not answered; empty where it is."""
        if self.why or self.distinct >= FEWEST_DISTINCT:
            return self.why
        distinct = counted(self.distinct, "distinct rearrangement")
        return f"{distinct} in all subjects alike; {FEWEST_DISTINCT} are asked for"


def infer_subjects(
    subjects: Sequence[Subject],
    measure: Measure,
    shared: Shared,
    settings: GroupSettings,
    output: Path,
    regions: Path | None = None,
    code: str = "",
) -> None:
    """Write the `group` file of one measure.

    Parameters
    ----------
    subjects : sequence of Subject
    measure : Measure
        What is averaged over them.
    shared : Shared
        What moves alike in all of them.
    settings : GroupSettings
        Permutations, seed, procedure.
    output : Path
        The file to write.
    regions : Path, optional
        Labels of the atlas, for voxels in MNI space.
    code : str
        Fingerprint for the provenance.
    """
    number, omitted = len(subjects), list[Omission]()
    refused = next((s.why for s in subjects if s.p is None), "")
    if refused:
        omitted.append(Omission("counts of significant subjects, prevalence", refused))
    for one in subjects:
        if one.without:
            what = f"{counted(one.without, 'voxel')} of sub-{one.name}, and with it of all subjects"
            omitted.append(Omission(what, f"there is no {measure.name}"))
    places = common_places(subjects)
    if isinstance(places, Omission) and subjects[0].where is not None:
        omitted.append(places)
    if why := (shared.refusal if number > 1 else "there is 1 subject"):
        omitted.append(Omission(STIMULI, why))
    if number < FEWEST_SUBJECTS:
        why = f"{counted(number, 'subject')}; from {FEWEST_SUBJECTS} on, signs are flipped"
        omitted.append(Omission(PEOPLE, why))
    table = pd.DataFrame([dict(subject.row) for subject in subjects])
    count = None if refused else int((table["p_any"] <= LEVEL).sum())
    tests = _Tests(subjects, measure, shared, settings)
    group = GroupLevel(
        measure=measure.name,
        subjects=[subject.name for subject in subjects],
        table=table,
        level=LEVEL,
        credible=CREDIBLE,
        seed=settings.seed,
        count=count,
        prevalence=None if count is None else prevalence(count, number),
        voxels=None if isinstance(places, Omission) else _voxels(subjects, places, tests),
        regions=_regions(subjects, regions, tests),
    )
    moved = Moved(shared.moved, shared.widening, shared.too_narrow)
    done = Done(group, settings.procedure, measure, moved)
    simulated = any(subject.simulated for subject in subjects)
    write_group(
        output,
        group,
        Provenance(KIND, simulated, settings.key(), code, tuple(omitted), methods_of(done)),
    )


@dataclass(frozen=True)
class _Tests:
    """Both tests, of voxels or of regions."""

    subjects: Sequence[Subject]
    measure: Measure
    shared: Shared
    settings: GroupSettings

    @property
    def used(self) -> int:
        """Rearrangements of exchange units."""
        return self.shared.used or self.settings.permutations

    def means(self, values: Floats, stimuli: GroupTest | None) -> Means:
        """Mean and spread of `values` (subjects, n), and the test for other people."""
        number = len(values)
        spread = values.std(0, ddof=1) if number > 1 else np.full(values.shape[1], np.nan)
        people = None
        if number >= FEWEST_SUBJECTS:
            p, p_fwe, smallest = sign_flip(
                values, self.settings.permutations, self.settings.seed, self.measure.sides
            )
            used = round(self.measure.sides / smallest)
            people = self._test(p, p_fwe, smallest, used, 2**number)
        return Means(self.measure.back(values.mean(0)), spread, stimuli, people)

    def stimuli_voxels(self, places: Sequence[Ints]) -> GroupTest | None:
        """The test for other stimuli in voxels."""
        if (nulls := self._nulls()) is None:
            return None
        settings, distinct = self.settings, self.shared.distinct
        plan = Resolution(self.used, settings.most_permutations, settings.fdr, settings.procedure)
        null = MeanOverSubjects(nulls, places, distinct, self.measure.sides)
        found = resolve(null, plan)
        smallest = 1 / (1 + found.most)
        test = self._test(found.p, found.p_fwe, smallest, len(found.null_max), distinct)
        return replace(test, most=found.most, tails=int(found.tail.sum()), fewest=found.fewest)

    def stimuli_regions(self, members: Sequence[npt.NDArray[np.bool_]]) -> GroupTest | None:
        """The test for other stimuli in regions."""
        if (nulls := self._nulls()) is None:
            return None
        found = over_regions(nulls, members, self.used, self.measure.sides)
        smallest = 1 / (1 + self.used)
        return self._test(found.p, found.p_fwe, smallest, self.used, self.shared.distinct)

    def _nulls(self) -> list[SubjectNull] | None:
        nulls = [one.null for one in self.subjects if one.null is not None]
        there = len(nulls) == len(self.subjects) > 1 and not self.shared.refusal
        return nulls if there else None

    def _test(
        self, p: Floats, p_fwe: Floats, smallest: float, used: int, distinct: int
    ) -> GroupTest:
        settings = self.settings
        q = false_discovery_control(p, method=settings.procedure)
        plan = Resolution(fdr=settings.fdr, procedure=settings.procedure)
        fewest = max(1, math.ceil(smallest / plan.threshold(1, len(p)) - 1e-9))
        return GroupTest(p, p_fwe, q, smallest, used, distinct, fewest=fewest)


def _voxels(subjects: Sequence[Subject], places: Sequence[Ints], tests: _Tests) -> CommonVoxels:
    """The voxels that all subjects have."""
    first = subjects[0].where
    assert first is not None
    counts = shares = None
    found = [s.p[own] for s, own in zip(subjects, places, strict=True) if s.p is not None]
    if len(found) == len(subjects):
        # Uncorrected: what is counted is how many subjects agree.
        counts = np.sum([p <= LEVEL for p in found], axis=0)
        shares = prevalences(counts, len(subjects))
    values = np.stack([s.values[own] for s, own in zip(subjects, places, strict=True)])
    where = first.grayordinates
    return CommonVoxels(
        ijk=first.ijk[places[0]],
        affine=first.affine,
        shape=first.shape,
        grayordinates=where.take(places[0]) if where else None,
        means=tests.means(values, tests.stimuli_voxels(places)),
        count=counts,
        prevalence=shares,
    )


def _regions(subjects: Sequence[Subject], regions: Path | None, tests: _Tests) -> GroupRegions:
    """Means over regions that all subjects have."""
    members = common_regions(subjects, regions)
    by_subject = [np.stack(own) for own in zip(*members.values(), strict=True)]
    values = np.stack(
        [
            inside @ one.values / inside.sum(1)
            for one, inside in zip(subjects, by_subject, strict=True)
        ]
    )
    return GroupRegions(
        names=list(members),
        voxels=np.stack([inside.sum(1) for inside in by_subject]),
        by_subject=values,
        means=tests.means(values, tests.stimuli_regions(by_subject)),
    )
