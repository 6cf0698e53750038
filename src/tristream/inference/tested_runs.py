"""The parts of a tested model that are permuted, and whether its folds can be fitted again."""

from collections.abc import Mapping, Sequence

from tristream.align.exchange import Exchange, Unit, why_too_short
from tristream.encode.encoding_file import Encoding, HeldOut
from tristream.inference.permutation import Moves, PredictedRun
from tristream.inference.widening import widened

TIME: Unit = "time"
"""The exchangeable unit of a film: blocks of time, cut at arbitrary moments."""
NESTED = "leave-one-run-out"
RIDGE = "banded_ridge"
# Their predictions are sums over delays of what the features of single volumes add.
ADDITIVE = (RIDGE, "stacking")


def runs_of(encoding: Encoding) -> list[PredictedRun]:
    """Test runs of an encoding, their null not widened."""
    return [run_of(test) for test in encoding.tests.values()]


def run_of(test: HeldOut) -> PredictedRun:
    """One test run, its null not widened."""
    return PredictedRun(
        *(test.y, test.prediction, test.unit),
        projection=test.projection,
        item=test.item,
        shows=test.shows,
    )


def lengths(tests: Mapping[str, HeldOut]) -> dict[str, int]:
    """Test run to its samples."""
    return {name: len(test.unit) for name, test in tests.items()}


def widened_runs(runs: Sequence[PredictedRun], moves: Moves, unit: str) -> list[PredictedRun]:
    """The same with nulls as wide as they should be: that of blocks of time is widened."""
    if unit != TIME:
        return list(runs)
    return [
        widened(run, moves.of_run(k) if isinstance(moves, Exchange) else None)
        for k, run in enumerate(runs)
    ]


def features_can_move(encoding: Encoding) -> bool:
    """Whether it is known what would be predicted, had other items been shown.

    Of linear kernels it is; folds are fitted again, under leave-one-run-out, by banded ridge alone.
    """
    if not all(test.whole for test in encoding.tests.values()):
        return False
    about = encoding.about
    known = (RIDGE,) if about["scheme"] == NESTED else ADDITIVE
    linear = {*about["kernels"].values()} <= {"linear"}
    return linear and about.get("model_kind", RIDGE) in known


def answers_reach_on(encoding: Encoding) -> bool:
    """Whether volumes of an item hold the answer to the one before; single trials do not."""
    about = encoding.about
    return about["hrf"] != "fir" or any(about["delays"])


def why_not_refitted(encoding: Encoding, moves: Exchange, unit: Unit) -> str:
    """Why folds can't be fitted again to rearranged data; empty where they can.

    Volumes of an item hold the end of the answer to the one before. Moved as they are, they take
    it along, in training runs, too: 45 % of voxels that answer items, whatever these are, passed at
    .05. Of linear kernels features are exchanged instead (:func:`features_can_move`).
    """
    if encoding.about.get("model_kind", RIDGE) != RIDGE:
        return f"the null of {NESTED} refits every fold, which is written for {RIDGE} alone"
    if not moves.over_runs or not answers_reach_on(encoding):
        return why_too_short(unit, lengths(encoding.tests))
    return (
        f"items are shown in several runs, and under {NESTED} volumes that move take along answers "
        "to the item before; take linear kernels, hold runs out, or estimate single trials "
        "(`trials:`)"
    )
