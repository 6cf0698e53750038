"""The parts of a tested model that are permuted."""

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
