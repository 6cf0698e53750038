"""The parts of a tested model that are permuted, and whether its folds can be fitted again."""

from collections.abc import Sequence

from tristream.align.exchange import Exchange, Unit
from tristream.encode.encoding_file import Encoding
from tristream.inference.permutation import Moves, PredictedRun
from tristream.inference.widening import widened

TIME: Unit = "time"
"""The exchangeable unit of a film: blocks of time, cut at arbitrary moments."""
NESTED = "leave-one-run-out"
RIDGE = "banded_ridge"


def runs_of(encoding: Encoding) -> list[PredictedRun]:
    """Test runs of an encoding, their null not widened."""
    return [
        PredictedRun(test.y, test.prediction, test.unit, projection=test.projection, item=test.item)
        for test in encoding.tests.values()
    ]


def widened_runs(runs: Sequence[PredictedRun], moves: Moves, unit: str) -> list[PredictedRun]:
    """The same with nulls as wide as they should be: that of blocks of time is widened."""
    if unit != TIME:
        return list(runs)
    return [
        widened(run, moves.of_run(k) if isinstance(moves, Exchange) else None)
        for k, run in enumerate(runs)
    ]


def why_not_refitted(encoding: Encoding, moves: Exchange) -> str:
    """Why folds can't be fitted again to rearranged data; empty where they can.

    Volumes of an item hold the end of the answer to the one before. Moved as they are, they take
    it along, in training runs, too: 45 % of voxels that answer items, whatever these are, passed at
    .05 (docs/calibration.md). Single trials have no such volumes.
    """
    about = encoding.about
    if about.get("model_kind", RIDGE) != RIDGE:
        return f"the null of {NESTED} refits every fold, which is written for {RIDGE} alone"
    if not moves.over_runs or (about["hrf"] == "fir" and not any(about["delays"])):
        return ""
    return (
        f"items are shown in several runs, and under {NESTED} volumes that move take along answers "
        "to the item before; hold runs out, or estimate single trials (`trials:`)"
    )
