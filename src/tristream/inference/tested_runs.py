"""The parts of a tested model that are permuted, and how many rearrangements a test asks for."""

from tristream.encode.encoding_file import Encoding
from tristream.inference.permutation import Null, PredictedRun
from tristream.inference.widening import widened

FEWEST_DISTINCT = 1000
TIME = "time"
"""The exchangeable unit of a film: blocks of time, cut at arbitrary moments."""


def runs_of(encoding: Encoding, unit: str = "", null: Null = "blocks") -> list[PredictedRun]:
    """Test runs of an encoding; the null of blocks of time is widened."""
    runs = [
        PredictedRun(test.y, test.prediction, test.unit, projection=test.projection)
        for test in encoding.tests.values()
    ]
    return [widened(run, null) for run in runs] if unit == TIME else runs
