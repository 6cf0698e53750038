"""Subjects of one timeline whose volumes stand at other times: told before BOLD, with a remedy."""

from pathlib import Path

import pytest

from tristream.bold.check_subject import KIND as CHECKED
from tristream.bold.check_subject import RunTimes
from tristream.bold.timing import common_times, write_timing
from tristream.config.settings.bold import TimingSettings
from tristream.errors import UserError
from tristream.store import Provenance, read_json, write_json

RUNS: RunTimes = {"run-1": (300, 0.75), "run-2": (280, 0.75)}


@pytest.mark.parametrize("odd", ["01", "02", "04"])
@pytest.mark.parametrize(
    ("times", "shown"),
    [
        ((298, 0.75), r"298 volumes that stand 0\.75 s into their TR"),
        ((300, 0.5), r"300 volumes that stand 0\.5 s into their TR"),
    ],
)
def test_who_differs_is_named_whoever_comes_first(
    odd: str, times: tuple[int, float], shown: str
) -> None:
    given = {subject: {**RUNS} for subject in ("01", "02", "03", "04")}
    given[odd]["run-1"] = times
    with pytest.raises(UserError, match=rf"d: sub-{odd} run-1 has {shown}, but sub-") as caught:
        common_times("d", list(given), given)
    told = str(caught.value)
    assert "have 300 volumes that stand 0.75 s into" in told
    assert "a timeline of its own (`timelines:` in the descriptor)" in told
    assert "`subjects:` in config.yaml" in told
    assert "\n" not in told


def test_all_who_differ_are_named() -> None:
    given = {subject: {**RUNS} for subject in "abcde"}
    given["a"]["run-2"] = given["d"]["run-2"] = (281, 0.75)
    with pytest.raises(UserError, match=r"sub-a run-2 .* \(so do not sub-d\);"):
        common_times("d", list(given), given)


def test_rounding_and_runs_that_some_lack_are_no_difference() -> None:
    given = {"a": {"run-1": (300, 0.7500004)}, "b": {**RUNS}, "c": {"run-2": (280, 0.75)}}
    assert common_times("d", list(given), given) == RUNS


def test_timelines_are_compared_apart(tmp_path: Path) -> None:
    given = {"01": RUNS, "02": RUNS, "03": {"run-1": (100, 0.0)}}
    paths = []
    for subject, runs in given.items():
        paths.append(tmp_path / f"{subject}.json")
        content = {
            "subject": subject,
            "volumes": {run: n for run, (n, _) in runs.items()},
            "start_times": {run: start for run, (_, start) in runs.items()},
            "doubts": [],
            "prints": {},
        }
        write_json(paths[-1], content, Provenance(CHECKED, True))
    settings = TimingSettings(dataset="d", timelines={"01": "main", "02": "main", "03": "other"})
    write_timing(settings, paths, tmp_path / "timing.json")
    stored, provenance = read_json(tmp_path / "timing.json", "timing")
    assert stored["timelines"]["main"] == {"run-1": [300, 0.75], "run-2": [280, 0.75]}
    assert stored["timelines"]["other"] == {"run-1": [100, 0.0]}
    assert provenance.simulated
    together = settings.model_copy(update={"timelines": dict.fromkeys(given, "main")})
    with pytest.raises(UserError, match=r"sub-03 run-1 has 100 volumes"):
        write_timing(together, paths, tmp_path / "none.json")
    assert not (tmp_path / "none.json").exists()
