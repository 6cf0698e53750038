"""What a test over subjects says of itself, for the methods section."""

from collections.abc import Sequence
from dataclasses import dataclass

from tristream.inference import wording
from tristream.inference.group_file import GroupLevel, GroupTest
from tristream.inference.group_subjects import Measure
from tristream.inference.procedures import Procedure, register
from tristream.phrases import counted


@dataclass(frozen=True)
class Moved:
    """What was moved alike in all subjects, and how many times wider each null was made, why."""

    what: str = ""
    widening: Sequence[float] = ()
    too_narrow: str = wording.CUT


@dataclass(frozen=True)
class Done:
    """What was done at the group level: the facts of its sentences.

    Attributes
    ----------
    group : GroupLevel
    procedure : str
        Of the false discovery rate.
    measure : Measure
        What was averaged over subjects.
    moved : Moved
    """

    group: GroupLevel
    procedure: str
    measure: Measure
    moved: Moved = Moved()

    def test(self, question: str) -> GroupTest | None:
        """The test of ``stimuli`` or ``people``, of voxels if there are any."""
        for part in (self.group.voxels, self.group.regions):
            if part is not None and (found := getattr(part.means, question)) is not None:
                return found
        return None

    @property
    def where(self) -> str:
        """Of what means over subjects were tested."""
        voxels, regions = self.group.voxels, self.group.regions
        parts = []
        if voxels is not None:
            parts.append("in each voxel that all subjects have")
        if regions is not None and (len(regions.names) > 1 or voxels is None):
            one = len(regions.names) == 1
            parts.append("over all voxels of a subject" if one else "as a mean over each region")
        return " and ".join(parts)

    @property
    def tested(self) -> str:
        """``one-sided`` or ``two-sided``, and the corrections."""
        return "one-sided" if self.measure.sides == 1 else "two-sided"


@register
class CountedSubjects(Procedure[Done]):
    """Each subject is tested on its own, and those with an effect are counted."""

    null = "none: significant subjects are counted"

    def methods(self, done: Done) -> tuple[str, ...]:
        """What was counted, and the prevalence that follows."""
        group = done.group
        if group.count is None:
            return (f"The {group.measure} was averaged over subjects, {done.where}.",)
        number = counted(len(group.subjects), "subject")
        who = f"those with p at most {group.level:g} were counted"
        if group.voxels is not None:
            who = (
                f"those whose best voxel was significant at {group.level:g}"
                f"{done.measure.anywhere}, were counted, and in each voxel that all subjects have, "
                f"those with p at most {group.level:g}, uncorrected"
            )
        return (
            f"Of {number}, {who}.",
            "The share of the population that would show the effect was estimated from the count, "
            f"with a uniform prior and an interval of {group.credible:.0%} highest posterior "
            "density [@ince2021].",
        )


@register
class FlippedSubjects(Procedure[Done]):
    """Under the null hypothesis a subject's value may as well have the other sign."""

    null = "signs of the subjects' values flipped"

    def methods(self, done: Done) -> tuple[str, ...]:
        """What was flipped, how often, what it generalises over."""
        test = done.test("people")
        assert test is not None
        number = len(done.group.subjects)
        how = (
            f"all {2**number:,} patterns once"
            if test.used == 2**number
            else wording.drawn(test.used - 1, 2**number, "patterns")
        )
        return (
            f"Whether the effect holds for other people was tested {done.where}: the mean over "
            f"subjects of the {done.group.measure} over its standard error, {done.tested}, by "
            f"flipping the signs of the {number} subjects ({how}), all voxels alike "
            f"[@nichols2002]; {_corrected(done)}.",
            *_together(done, "people", "patterns of signs"),
            "This test generalises over people and holds for these stimuli alone"
            f"{done.measure.shared} [@westfall2016].",
        )


@register
class SharedRearrangement(Procedure[Done]):
    """Under the null hypothesis stimuli have nothing to do with responses, shared or not."""

    null = "the same rearrangement of exchange units in all subjects"

    def methods(self, done: Done) -> tuple[str, ...]:
        """What was moved, how often, what it generalises over."""
        test = done.test("stimuli")
        assert test is not None
        number = wording.drawn(test.used, test.distinct)
        return (
            f"Whether the effect holds for other stimuli in these {len(done.group.subjects)} "
            f"subjects was tested {done.where}: the mean over subjects of the "
            f"{done.group.measure}, {done.tested}, by {done.moved.what}, alike in all subjects "
            f"({number}), so that what subjects share stays shared [@westfall2016]; "
            f"{_corrected(done)}.",
            *_resolved(test),
            *_together(done, "stimuli", "rearrangements"),
            *wording.widened(done.moved.widening, done.moved.too_narrow),
            "This test generalises over stimuli and holds for these subjects alone.",
        )


def _resolved(test: GroupTest) -> list[str]:
    """That voxels got more rearrangements than all did, and that tails were fitted."""
    text = []
    if test.most > test.used:
        text.append(
            f"Voxels that so many did not decide got up to {test.most:,} [@besag1991], until "
            "further ones could not change which are significant."
        )
    if test.tails:
        text.append(
            f"For {counted(test.tails, 'voxel')}, p comes from a generalised Pareto tail "
            "[@knijnenburg2009]."
        )
    return text


def _together(done: Done, question: str, what: str) -> list[str]:
    """How many voxels, or regions, must pass together where one cannot do so alone."""
    text, parts = [], ((done.group.voxels, "voxel"), (done.group.regions, "region"))
    for part, one in parts:
        test: GroupTest | None = getattr(part.means, question) if part is not None else None
        if test is None or test.fewest <= 1:
            continue
        smallest = f"the smallest possible p is {test.smallest:.2g}"
        text.append(
            f"The {what} do not suffice for a single {one}: {test.fewest:,} must be significant "
            f"together ({smallest})."
            if test.fewest <= len(test.p)
            else f"Whatever the data are, no {one} can pass the false discovery rate: {smallest}."
        )
    return text


def _corrected(done: Done) -> str:
    over = "all voxels" if done.group.voxels is not None else "regions"
    return (
        f"{wording.rate(done.procedure, None, over)}, and for the family-wise error by comparing "
        "with the largest of each rearrangement"
    )


def methods_of(done: Done) -> tuple[str, ...]:
    """All sentences of a group file."""
    tests: list[Procedure[Done]] = [CountedSubjects()]
    if done.test("stimuli") is not None:
        tests.append(SharedRearrangement())
    if done.test("people") is not None:
        tests.append(FlippedSubjects())
    return tuple(sentence for test in tests for sentence in test.methods(done))
