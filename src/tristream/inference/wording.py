"""Sentences that tests have in common: how many rearrangements, of what, and which corrections."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from tristream import phrases
from tristream.align.exchange import FEWEST_DISTINCT, Exchange
from tristream.inference.inference_file import MANY, Draws, TestedModel
from tristream.inference.permutation import Moves, PredictedRun

PROCEDURES = {
    "bh": "Benjamini and Hochberg [@benjamini1995]",
    "by": "Benjamini and Yekutieli [@benjamini2001]",
}
UNITS = {
    "block": "whole blocks of one label",
    "round": "whole blocks of one label, within rounds that show every label once",
    "item": "whole items (each with all its showings)",
}


def counted(number: int) -> str:
    """``1,000``, or ``more than 10^15``."""
    return f"{number:,}" if number < MANY else "more than 10^15"


def units(unit: str, moves: Moves, tr: float) -> str:
    """What is moved as a whole, with the length of blocks of time as they were in these runs."""
    if unit in UNITS or not isinstance(moves, Exchange):
        return UNITS.get(unit, "blocks of time")
    seconds = sorted({length * tr for one in moves.sets for length in one.lengths.values()})
    return f"blocks of {phrases.listed([f'{s:g}' for s in seconds])} s"


def alike(moves: Moves) -> str:
    """That what was shown in several runs moves as one, where anything was."""
    over = isinstance(moves, Exchange) and moves.over_runs
    return ", alike in all runs that show the same" if over else ""


def too_few(moves: Exchange, unit: str) -> str:
    """Why there are no p values where there are too few rearrangements."""
    distinct = moves.distinct
    what = phrases.counted(moves.units, "item" if unit == "item" else "block")
    within = f" in {moves.runs} runs" if moves.runs > 1 else ""
    smallest = f"{1 / distinct:.2f}" if distinct < 100 else f"{1 / distinct:.1g}"
    return (
        f"{what} can change places{within}: the smallest possible p is {smallest} "
        f"({phrases.counted(distinct, 'distinct rearrangement')}; {FEWEST_DISTINCT} are asked for)"
    )


def too_few_signs(units: int, distinct: int, unit: str) -> str:
    """Why there are no p values where there are too few patterns of signs."""
    what = phrases.counted(units, "item" if unit == "item" else "block")
    return (
        f"{what} can change signs: {phrases.counted(distinct, 'distinct pattern')}; "
        f"{FEWEST_DISTINCT} are asked for"
    )


def within(runs: Sequence[object], what: str = "test run") -> str:
    """``the test run``, or ``each test run``."""
    return f"the {what}" if len(runs) == 1 else f"each {what}"


def drawn(used: int, distinct: int, what: str = "rearrangements") -> str:
    """How many of the possible rearrangements were used, when they were drawn at random."""
    return f"{counted(used)} {what}, drawn at random from {counted(distinct)} distinct ones"


def p_value(sides: int = 1) -> str:
    """How p follows from the rearrangements."""
    size = "large" if sides == 1 else "far from zero"
    return (
        f"p is the share of values at least as {size} as the observed one, which counts among them "
        "[@phipson2010]."
    )


class Drawn(Protocol):
    """A test, and how many rearrangements it drew."""

    @property
    def draws(self) -> Draws | None: ...

    @property
    def n_permutations(self) -> int: ...

    @property
    def fdr(self) -> float: ...


def went_on(tested: Drawn) -> list[str]:
    """Which voxels got more rearrangements, and whose p comes from a fitted tail."""
    draws, first = tested.draws, tested.n_permutations
    out: list[str] = []
    if draws is None:
        return out
    voxels = len(draws.permutations)
    if draws.most > first:
        out.append(
            f"All voxels got {counted(first)}. Those that fewer than 70 of them reached went on "
            "with four times as many, and so on until which voxels are significant was decided "
            f"[@besag1991]: {draws.stopped:,} of {voxels:,} voxels stopped before the largest "
            f"number, {counted(draws.most)}."
        )
    few = (
        f"There were fewer rearrangements than the {counted(draws.needed)} with which a voxel can "
        "be significant alone"
    )
    whose = "others" if draws.tail.any() else "voxels that fewer than 10 reached"
    others = f"{draws.no_tail:,} {whose}"
    if draws.tail.any():
        left = f"; for {others} no tail fitted" if draws.no_tail else ""
        out.append(
            f"{few}, so the p of {int(draws.tail.sum()):,} voxels that fewer than 10 reached was "
            "taken from a generalised Pareto distribution fitted to the largest values "
            f"[@knijnenburg2009; @winkler2016]{left}."
        )
    elif draws.no_tail:
        out.append(f"{few}, and for {others} no tail could be fitted to the largest values.")
    return out


def alone(tested: Drawn) -> list[str]:
    """That a voxel cannot be significant alone, where it cannot."""
    draws = tested.draws
    if draws is None or draws.fewest <= 1:
        return []
    voxels = len(draws.permutations)
    if draws.fewest > voxels:
        return [
            f"Whatever the data are, no voxel can reach q = {tested.fdr:g}: the smallest possible "
            f"p is {draws.smallest_p:.2g}."
        ]
    return [
        f"A single voxel cannot reach q = {tested.fdr:g}: the smallest possible p is "
        f"{draws.smallest_p:.2g}, with which {draws.fewest:,} of the {voxels:,} voxels must be "
        "significant together."
    ]


def extended(tested: TestedModel, cluster_z: float) -> list[str]:
    """How clusters and enhanced voxels were tested."""
    ways = {
        "cluster_mass": f"clusters above {cluster_z:g} by their mass [@bullmore1999]",
        "tfce": "voxels by threshold-free cluster enhancement (E = 0.5, H = 2, steps of 0.1) "
        "[@smith2009]",
    }
    if not tested.spatial:
        return []
    return [
        "The statistic was standardised over each voxel's rearrangements; in these maps were "
        f"tested {phrases.listed([ways[name] for name in tested.spatial])}, neighbours sharing a "
        "face or an edge of the mesh, by the largest value in each of "
        f"{counted(tested.n_permutations)} rearrangements, to control the family-wise error."
    ]


def rate(procedure: str, fdr: float | None, over: str) -> str:
    """Control of the false discovery rate; without `fdr`, a reader of the file chooses the rate."""
    to = "for the false discovery rate" if fdr is None else f"to a false discovery rate of {fdr:g}"
    return f"p values were corrected over {over} {to} by the procedure of {PROCEDURES[procedure]}"


def refused(why: str) -> str:
    """The sentence of a test that was not done."""
    return f"No p values were computed: {why}."


CUT = "Blocks of a film are cut at arbitrary moments, where data and prediction go on"
SEAM = "A shifted film has a seam, where its end and its beginning meet"
PROJECTED = ", and what is moved has components again that were projected out of the data"


def widened(factors: Sequence[float], too_narrow: str) -> list[str]:
    """That the null was made wider, why, and by how much; nothing where it was not."""
    growth = 100 * (np.asarray(factors, float) - 1)
    if not (growth > 0.05).any():
        return []
    low, high = growth.min(), growth.max()
    size = f"{low:.1f} to {high:.1f} %" if high - low > 0.05 else f"{high:.1f} %"
    return [
        f"{too_narrow}; this makes the null too narrow [@kunsch1989]. It was therefore widened "
        "about its mean until its variance, as a mean over voxels, was that of the correlation of "
        "two such series without signal [@afyouni2019].",
        f"The standard deviation of the null grew by {size}.",
    ]


def signs_widened(factor: float) -> list[str]:
    """That a null of signs was made wider, and by how much; nothing where it was not."""
    growth = 100 * (factor - 1)
    if growth <= 0.05:
        return []
    return [
        "Units of one run share noise, and their signs do not; the null was therefore widened "
        "until its variance, as a mean over voxels, was that of a difference without signal "
        f"[@afyouni2019]. The standard deviation of the null grew by {growth:.1f} %."
    ]


def made(voxels: int, regions: int = 0) -> str:
    """How many tests were made: corrections are made within each kind of them."""
    also = f" and {phrases.counted(regions, 'region')}" if regions else ""
    return f"These are tests of {phrases.counted(voxels, 'voxel')}{also}."


def projected(runs: Sequence[PredictedRun]) -> str:
    """What a projection adds to the reasons for a null that is too narrow."""
    return PROJECTED if any(r.projection is not None and r.projection.size for r in runs) else ""
