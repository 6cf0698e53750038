"""Whether volumes of subjects who share a timeline stand at the same times, before BOLD is read.

Features are brought to the times of volumes once for all of a timeline, so that a subject who was
scanned otherwise would be told at the first fit.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from tristream.bold.check_subject import RunTimes, read_checked
from tristream.config.settings.bold import TimingSettings
from tristream.errors import UserError
from tristream.store import Provenance, write_json

KIND = "timing"


def write_timing(
    settings: TimingSettings, checked: Sequence[Path], output: Path, code: str = ""
) -> None:
    """Compare subjects and write the file of kind ``timing``: volumes of each timeline's runs.

    Parameters
    ----------
    settings : TimingSettings
        Who saw which timeline.
    checked : sequence of Path
        Files of kind ``checked``, of all these subjects.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        As :func:`common_times`.
    """
    read = [read_checked(path) for path in checked]
    times = {one.subject: one.times for one in read}
    found = timelines_of(settings, times)
    content = {name: {run: list(known) for run, known in runs.items()} for name, runs in found}
    simulated = any(one.simulated for one in read)
    provenance = Provenance(KIND, simulated, settings.key(), code)
    write_json(output, {"timelines": content}, provenance)


def timelines_of(
    settings: TimingSettings, times: Mapping[str, RunTimes]
) -> list[tuple[str, RunTimes]]:
    """Each timeline with the times that its subjects share; see :func:`common_times`."""
    return [
        (name, common_times(settings.dataset, settings.seen_by(name), times))
        for name in dict.fromkeys(settings.timelines.values())
    ]


def common_times(dataset: str, subjects: Sequence[str], times: Mapping[str, RunTimes]) -> RunTimes:
    """Volumes of each run and where the first of them stands, which all subjects share.

    Parameters
    ----------
    dataset : str
    subjects : sequence of str
        Those of one timeline.
    times : dict of subject to dict of run to (int, float)
        Number of volumes (0 where only sidecars are here), and second of its acquisition for
        which one stands.

    Raises
    ------
    UserError
        Names the subjects that differ from most others, and what to do.
    """
    runs = dict.fromkeys(run for subject in subjects for run in times[subject])
    common: RunTimes = {}
    for run in runs:
        own = {s: times[s][run] for s in subjects if run in times[s]}
        given = {s: (volumes, round(start, 3)) for s, (volumes, start) in own.items()}
        common[run] = Counter(given.values()).most_common(1)[0][0]
        odd = [subject for subject, known in given.items() if known != common[run]]
        if odd:
            others = [f"sub-{subject}" for subject in given if subject not in odd]
            raise UserError(
                f"{dataset}: sub-{odd[0]} {run} has {_shown(given[odd[0]])}, but "
                f"{', '.join(others[:3])}{', …' * (len(others) > 3)} have {_shown(common[run])}"
                f"{_more(odd[1:])}; features are brought to the volumes once for all of a "
                "timeline: give who differs a timeline of its own (`timelines:` in the "
                "descriptor), or leave it out of `subjects:` in config.yaml"
            )
    return common


def _shown(times: tuple[int, float]) -> str:
    volumes, start = times
    return f"{volumes or ''} volumes that stand {start:g} s into their TR".lstrip()


def _more(subjects: Sequence[str]) -> str:
    return f" (so do not {', '.join(f'sub-{s}' for s in subjects)})" if subjects else ""
