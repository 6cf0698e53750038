"""Where a volume stands in sparse acquisition: in the middle of the scan, not of the TR."""

from pathlib import Path

import pytest

from tristream.bold.pause import middle_in_words, middle_of_scan
from tristream.errors import UserError

PATH = Path("sub-01_bold.json")


@pytest.mark.parametrize(("pause", "start"), [(1.7, 0.385), (0, 1.235), ("1.7", 0.385)])
def test_the_scan_comes_before_the_pause(pause: object, start: float) -> None:
    """ds003717 scans for 0.77 of its 2.47 s."""
    found, assumed = middle_of_scan(PATH, {"DelayTime": pause}, 2.47, "nothing says it")
    assert found == pytest.approx(start)
    assert ("DelayTime" in assumed.why) == bool(pause)
    assert ("0.77 s of scan" in middle_in_words(found, 2.47)) == bool(pause)


def test_without_a_pause_it_is_the_middle_of_the_repetition_time() -> None:
    assert middle_of_scan(PATH, {}, 2.0, "")[0] == 1.0


@pytest.mark.parametrize("pause", [2.0, 1700, -0.1, "long", None])
def test_a_pause_that_leaves_no_scan(pause: object) -> None:
    with pytest.raises(UserError, match=r"sub-01_bold.json: DelayTime .* not within the TR of 2 s"):
        middle_of_scan(PATH, {"DelayTime": pause}, 2.0, "")
