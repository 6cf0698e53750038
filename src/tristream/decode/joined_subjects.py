"""Samples of several subjects: each is decoded by what is fitted to the others.

Subjects who met the same stimuli may share responses to them that labels don't explain. A decoder
that is fitted to others' responses to a stimulus would know it again. So two things hold here, as
within a subject: no fit gets showings of what it is tested on, and under the null hypothesis what
several subjects met moves alike in all of them.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tristream.decode.decoding_samples import Joined, Samples
from tristream.errors import UserError
from tristream.space.grid import places_in_common
from tristream.store import Omission

Ints = npt.NDArray[np.integer]


def join_subjects(
    subjects: Mapping[str, Samples], places: Mapping[str, Ints] | None = None
) -> Samples:
    """Samples of several subjects, for :func:`tristream.decode.decoding.decode`.

    An item is itself in all subjects. Blocks belong to their run: those of one label are numbered
    there in the order in which they came, so that subjects who met them in other orders agree.

    Parameters
    ----------
    subjects : mapping of str to Samples
        Two at least, by name; from :func:`tristream.decode.labelled_arrays.labelled` or
        :func:`tristream.decode.decoding_samples.read_samples`. Runs of one name are the same run.
    places : mapping of str to ndarray of int of shape (voxels,), optional
        Where each subject's columns lie, by a number that is the same in all. Columns that not all
        have are left out. Default: columns stand for each other by their order, of all or of the
        same ones.

    Returns
    -------
    Samples
        Runs are named ``sub-NAME/RUN``.

    Raises
    ------
    UserError
        If there is one subject, they share no voxel, or what they met differs in kind or label.
    """
    if len(subjects) < 2:
        raise UserError("leave-one-subject-out needs two subjects at least; choose more")
    columns, omitted = _common(subjects, places)
    classes = sorted({label for one in subjects.values() for label in one.classes})
    parts, names, runs = list(subjects.values()), list[Hashable](), list[str]()
    for subject, one in subjects.items():
        _check_kind(subject, one, parts[0])
        names += _shown(one)
        runs += [f"sub-{subject}/{run}" for run in one.runs]
    counts = {key: _ends([len(getattr(one, key)) for one in parts]) for key in ("label", "runs")}
    label = np.array([classes.index(one.classes[c]) for one in parts for c in one.label])
    thing = _numbers(names)
    _check_labels(thing, label, names, classes)
    joined = Joined(
        subjects=list(subjects),
        subject=np.repeat(np.arange(len(parts)), [len(one.runs) for one in parts]),
        same_run=_numbers([key for one in parts for key in _run_names(one)]),
        thing=thing,
    )
    first = parts[0]
    return replace(
        first,
        x=np.concatenate([one.x[:, own] for one, own in zip(parts, columns, strict=True)]),
        unit=np.concatenate([p.unit + at for p, at in zip(parts, counts["label"], strict=True)]),
        label=label,
        run=np.concatenate([p.run + at for p, at in zip(parts, counts["runs"], strict=True)]),
        length=np.concatenate([one.length for one in parts]),
        item=thing,
        item_names=[],
        unit_names=[name for one in parts for name in one.unit_names],
        classes=classes,
        runs=runs,
        test=np.concatenate([one.test for one in parts]),
        repeat=[""] * len(runs),
        simulated=any(one.simulated for one in parts),
        omitted=tuple(dict.fromkeys(o for one in parts for o in one.omitted)) + omitted,
        ijk=first.ijk[columns[0]] if len(first.ijk) else first.ijk,
        column=first.column[columns[0]] if len(first.column) else first.column,
        joined=joined,
    )


def people_divisions(
    samples: Samples, joined: Joined, groups: int | None
) -> Iterator[tuple[Ints, Ints]]:
    """Training samples of all other subjects, and test samples of one.

    Where others met what a subject met, its runs are tested one by one (or in groups), so that what
    others met in their other runs is left to train on. The decoder takes from training samples what
    shows the same as the test samples.

    Raises
    ------
    UserError
        If a subject has no test run, `groups` don't fit the runs, or others met nothing besides.
    """
    run = samples.sample_run
    thing = joined.thing[samples.unit]
    held = samples.test[run]
    if samples.test.any() and groups is not None:
        raise UserError(
            f"`folds: {groups}` divides all runs, but some are held out for good by `split`; take "
            "out one of them"
        )
    for number, name in enumerate(joined.subjects):
        mine = joined.subject[run] == number
        others = ~mine & ~held if samples.test.any() else ~mine
        for test in _tested(samples, joined, mine, held, thing, groups):
            if not test.any():
                raise UserError(f"sub-{name} has no labelled sample of a held-out run")
            if not (others & ~np.isin(thing, thing[test])).any():
                raise UserError(
                    f"sub-{name}: others met nothing besides what it is tested on, so that a "
                    "decoder would know stimuli again; leave-one-subject-out needs several runs, "
                    "or other stimuli for each subject"
                )
            yield np.flatnonzero(others), np.flatnonzero(test)


def _tested(
    samples: Samples,
    joined: Joined,
    mine: npt.NDArray[np.bool_],
    held: npt.NDArray[np.bool_],
    thing: Ints,
    groups: int | None,
) -> list[npt.NDArray[np.bool_]]:
    """What of one subject is tested at a time."""
    if samples.test.any():
        return [mine & held]
    if not np.isin(thing[mine], thing[~mine]).any():
        return [mine]
    part = joined.same_run[samples.sample_run]
    own = np.unique(part[mine])
    if groups is not None and groups > len(own):
        raise UserError(
            f"`folds: {groups}` are more than the {len(own)} runs of a subject, and a run is never "
            f"divided; give {len(own)} at most"
        )
    number = groups or len(own)
    place = np.searchsorted(own, part) % number
    return [mine & (place == k) for k in range(number)]


def _common(
    subjects: Mapping[str, Samples], places: Mapping[str, Ints] | None
) -> tuple[list[Ints], tuple[Omission, ...]]:
    """Each subject's columns that all have, in one order."""
    widths = {name: one.x.shape[1] for name, one in subjects.items()}
    if places is None:
        if len(set(widths.values())) > 1:
            counts = ", ".join(f"{width:,} of sub-{name}" for name, width in widths.items())
            raise UserError(f"subjects have different numbers of voxels: {counts}; say where")
        column = next(iter(subjects.values())).column
        for name, one in subjects.items():
            if not np.array_equal(one.column, column):
                raise UserError(
                    f"sub-{name}: other voxels are left than of the subject before it, so that "
                    "their order tells nothing; give `places`, such as each one's `column`"
                )
        return list(map(np.arange, widths.values())), ()
    for name, width in widths.items():
        if len(places[name]) != width:
            raise UserError(f"places: {len(places[name])} for {width} voxels of sub-{name}")
    found = places_in_common([places[name] for name in subjects])
    shared, fewest = len(found[0]), min(widths.values())
    if not shared:
        raise UserError("the subjects share no voxel; bring them into one space")
    if shared == max(widths.values()):
        return found, ()
    what = f"voxels beside {shared:,} ({fewest:,} has the subject with the fewest)"
    return found, (Omission(what, "not all subjects have them"),)


def _shown(samples: Samples) -> list[Hashable]:
    """What each unit shows, by a name that is the same in all subjects."""
    if samples.exchange == "item" and not samples.one_item:
        return [samples.item_names[number] for number in samples.item]
    runs, before = _run_names(samples), dict[Hashable, int]()
    names: list[Hashable] = []
    for run, label in zip(samples.run.tolist(), samples.label.tolist(), strict=True):
        place = before.get((run, label), 0)
        before[run, label] = place + 1
        names.append((runs[run], samples.classes[label], place))
    return names


def _run_names(samples: Samples) -> list[str]:
    """Runs that repeat each other have one name."""
    return [again or run for again, run in zip(samples.repeat, samples.runs, strict=True)]


def _numbers(names: Sequence[Any]) -> Ints:
    """The number of each name, in the order of their first."""
    known: dict[Any, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in names], np.intp)


def _ends(sizes: Sequence[int]) -> list[int]:
    """Where each part begins."""
    return [0, *np.cumsum(sizes)[:-1].tolist()]


def _check_kind(name: str, one: Samples, first: Samples) -> None:
    for what in ("exchange", "rows", "one_item"):
        ours, theirs = getattr(one, what), getattr(first, what)
        if ours != theirs:
            raise UserError(f"sub-{name}: {what} is {ours}, of other subjects {theirs}")


def _check_labels(
    thing: Ints, label: Ints, names: Sequence[Hashable], classes: Sequence[str]
) -> None:
    first = np.unique(thing, return_index=True)[1]
    if (mixed := label != label[first][thing]).any():
        place = int(mixed.argmax())
        own, other = classes[label[place]], classes[label[first][thing][place]]
        raise UserError(
            f"item {names[place]!r} is {own} in one subject and {other} in another; what is "
            "permuted must have one label"
        )
