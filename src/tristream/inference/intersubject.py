"""Inter-subject correlation: how much of a subject's BOLD others share, who were shown the same.

Where nothing is shown twice there is no noise ceiling from repeats. The mean of all others holds
the part of the response that people share, and noise; so its correlation with a subject's data
(Hasson et al. 2004; Nastase et al. 2019) is a *lower bound* of what a perfect model of that subject
would reach: responses of the subject alone are missing, and the others' noise is not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.align.samples import read_samples
from tristream.config.settings.inference import GroupSettings
from tristream.encode.encoding_file import Encoding, HeldOut, read_encoding
from tristream.encode.jackknife import FEWEST_UNITS, Groups, groups_of, interval, z_left_out
from tristream.inference.group_models import where_of, why_apart
from tristream.inference.group_subjects import Subject, common_places
from tristream.inference.intersubject_file import KIND, Intersubject, write_intersubject
from tristream.phrases import counted
from tristream.store import Omission, Provenance

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
WHAT = "inter-subject correlation"


@dataclass(frozen=True)
class _Shared:
    """What the subjects have in common.

    Attributes
    ----------
    places : list of ndarray of int
        Voxels of each subject.
    rows : dict of str to list of ndarray of int
        Test to the places of each subject's samples there.
    groups : Groups
        What intervals leave out.
    """

    places: list[Ints]
    rows: dict[str, list[Ints]]
    groups: Groups


def correlate_subjects(
    encodings: Sequence[Path],
    samples: Sequence[Path],
    settings: GroupSettings,
    output: Path,
    code: str = "",
) -> None:
    """Write the `intersubject` file of one dataset.

    Parameters
    ----------
    encodings, samples : sequence of Path
        One model of each subject, whose test data are taken as they were scored, and the sample
        index, which names what was shown.
    settings : GroupSettings
        Timelines.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance.
    """
    read = [read_encoding(path, whole=False) for path in encodings]
    simulated = any(provenance.simulated for _, provenance in read)
    opened = [encoding for encoding, _ in read]
    shared = _shared(opened, [read_samples(path)[0] for path in samples], settings)
    if isinstance(shared, Omission):
        why = (f"Subjects were not compared with each other: {shared.why}.",)
        given = Provenance(KIND, simulated, settings.key(), code, (shared,), why)
        write_intersubject(output, None, given)
        return
    found = _correlated(opened, shared)
    omitted = []
    if not shared.groups.enough:
        few = f"{len(shared.groups)} exchange units of test data; {FEWEST_UNITS} are asked for"
        omitted.append(Omission(f"intervals of the {WHAT}", few))
    methods = _sentences(found, shared.groups)
    given = Provenance(KIND, simulated, settings.key(), code, tuple(omitted), methods)
    write_intersubject(output, found, given)


def _shared(
    opened: Sequence[Encoding], tables: Sequence[pd.DataFrame], settings: GroupSettings
) -> _Shared | Omission:
    """Voxels and samples that all have; or why there are none."""
    if len(opened) < 2:
        return Omission(WHAT, "there is 1 subject")
    if why := why_apart(settings):
        return Omission(WHAT, why)
    subjects = [
        Subject(str(one.about["subject"]), one.scores.r, {}, None, "", False, where_of(one))
        for one in opened
    ]
    places = common_places(subjects)
    if isinstance(places, Omission):
        return Omission(WHAT, places.why)
    rows: dict[str, list[Ints]] = {}
    units: list[Ints] = []
    items: list[Ints] = []
    for name in opened[0].tests:
        if any(name not in one.tests for one in opened):
            continue
        tests = [one.tests[name] for one in opened]
        own, common = _rows(tests)
        first = [tests[0].unit[own[0]], tests[0].item[own[0]]]
        names = [_names(*pair, common) for pair in zip(tests, tables, strict=True)]
        for subject, test, shown, chosen in zip(subjects, tests, names, own, strict=True):
            same = np.array_equal(test.unit[chosen], first[0]) and shown == names[0]
            if not same:
                return Omission(WHAT, f"sub-{subject.name} was shown other things in {name}")
        if len(common) > 2:
            rows[name] = own
            units.append(first[0])
            items.append(first[1])
    if not rows:
        return Omission(WHAT, "the subjects have no sample of the test in common")
    return _Shared(places, rows, groups_of(opened[0].about.get("exchange", "time"), units, items))


def _rows(tests: Sequence[HeldOut]) -> tuple[list[Ints], Ints]:
    """Places of the samples that all subjects have, in each subject's data, and their volumes."""
    common = reduce(np.intersect1d, [test.rows for test in tests])
    return [np.searchsorted(test.rows, common) for test in tests], common


def _names(test: HeldOut, table: pd.DataFrame, rows: Ints) -> list[str]:
    """What rows of a test run show: numbers of items are those of one subject."""
    run = table[table["run"] == test.runs[0]].set_index("row")
    return list(run.loc[rows, "item"])


def _correlated(opened: Sequence[Encoding], shared: _Shared) -> Intersubject:
    """Each subject with the mean of the others, every subject's voxels of one variance."""
    total: dict[str, Floats] = {}
    for place in range(len(opened)):
        for name, y in _data(opened, shared, place).items():
            total[name] = total.get(name, 0) + y
    each, means = [], []
    for place in range(len(opened)):
        own = _data(opened, shared, place)
        z, left_out = z_left_out([(own[n], total[n] - own[n]) for n in own], shared.groups)
        each.append(interval(z, left_out, shared.groups).tanh())
        mean = np.asarray(np.tanh(z).mean())[None]
        means.append(interval(mean, np.tanh(left_out).mean(1)[:, None], shared.groups))
    first, chosen = opened[0], shared.places[0]
    return Intersubject(
        subjects=[str(one.about["subject"]) for one in opened],
        ijk=first.ijk[chosen],
        affine=first.affine,
        shape=np.asarray(first.shape),
        r=type(each[0]).joined(each, None),
        mean=type(means[0]).joined(means, 0),
        samples=sum(len(own[0]) for own in shared.rows.values()),
        grayordinates=first.grayordinates and first.grayordinates.take(chosen),
    )


def _data(opened: Sequence[Encoding], shared: _Shared, place: int) -> Mapping[str, Floats]:
    """One subject's test data of the common samples and voxels, z-scored."""
    found = {}
    for name, rows in shared.rows.items():
        y = opened[place].tests[name].y[rows[place]][:, shared.places[place]]
        y = y - y.mean(0)
        deviation = y.std(0)
        found[name] = np.divide(y, deviation, out=np.zeros_like(y), where=deviation > 0)
    return found


def _sentences(found: Intersubject, groups: Groups) -> tuple[str, ...]:
    text = (
        f"The test data of each of {counted(len(found.subjects), 'subject')} were correlated with "
        f"the mean of the others' over {found.samples:,} samples that all have (inter-subject "
        "correlation [@hasson2004; @nastase2019]), a lower bound of the noise ceiling of r: what a "
        "subject responds alone is missing, and the others' noise is not averaged out."
    )
    if not groups.enough:
        return (text,)
    return (
        text,
        f"Its 95 % intervals are those of a jackknife over {counted(len(groups), 'group')} of "
        "exchange units [@efron1993].",
    )
