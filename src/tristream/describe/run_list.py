"""Subjects and runs of a dataset, as its file names tell."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

BOLD = re.compile(
    r"sub-(?P<subject>[A-Za-z0-9]+)/(?:ses-[A-Za-z0-9]+/)?func/sub-(?P=subject)_(?P<run>[^/]+)"
    r"_bold\.nii(?:\.gz)?"
)
PREPROCESSED = re.compile(
    r"(?:[^/]+/)*?sub-(?P<subject>[A-Za-z0-9]+)/(?:ses-[A-Za-z0-9]+/)?func/sub-(?P=subject)_"
    r"(?P<run>(?:(?!space-)[^/])+?)(?:_space-[^/]+)?_desc-preproc_bold\.nii(?:\.gz)?"
)
NUMBER = re.compile(r"(?<=run-)\d+(?=$|_)")


@dataclass(frozen=True)
class RunList:
    """The runs that exist.

    Attributes
    ----------
    of : dict of subject to list of str
        BIDS entities of each run without the subject, in the order of :attr:`runs`.
    runs : list of str
        All of them, in natural order.
    """

    of: dict[str, list[str]]
    runs: list[str]

    @classmethod
    def among(cls, pairs: Iterable[tuple[str, str]]) -> "RunList":
        """Of pairs of subject and run."""
        own: dict[str, set[str]] = {}
        for subject, run in pairs:
            own.setdefault(subject, set()).add(run)
        runs = sorted(set().union(*own.values()) if own else (), key=natural)
        of = {s: [run for run in runs if run in own[s]] for s in sorted(own, key=natural)}
        return cls(of, runs)

    def only(self, runs: Collection[str]) -> "RunList":
        """Those of some runs, and the subjects who have one."""
        return RunList.among((s, run) for s, own in self.of.items() for run in own if run in runs)

    @property
    def missing(self) -> dict[str, list[str]]:
        """Subject to the runs that it lacks."""
        lacks = {s: [run for run in self.runs if run not in own] for s, own in self.of.items()}
        return {subject: runs for subject, runs in lacks.items() if runs}


def find_runs(listed: Iterable[str]) -> RunList:
    """Runs by their raw images; of a folder of derivatives alone by what was preprocessed."""
    there = sorted(listed)
    raw = [(m["subject"], m["run"]) for path in there if (m := BOLD.fullmatch(path))]
    if raw:
        return RunList.among(raw)
    made = (PREPROCESSED.fullmatch(path) for path in there)
    return RunList.among((m["subject"], m["run"]) for m in made if m)


def tasks_of(runs: Iterable[str]) -> list[str]:
    """Tasks of some runs, each once."""
    return list(dict.fromkeys(entity(run, "task") for run in runs))


def entity(run: str, name: str) -> str:
    """The value of an entity of a run; empty if it has none."""
    match = re.search(rf"(?:^|_){name}-([A-Za-z0-9]+)", run)
    return match[1] if match else ""


def natural(text: str) -> list[tuple[int, str]]:
    """A key that sorts ``run-2`` before ``run-10``."""
    parts = re.findall(r"\d+|\D+", text)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def compact(runs: Sequence[str]) -> list[str]:
    """Runs with consecutive numbers as ranges, ``task-film_run-{01..08}``; expands to the same."""
    out: list[str] = []
    index = 0
    while index < len(runs):
        end = index
        while end + 1 < len(runs) and _follows(runs[end], runs[end + 1]):
            end += 1
        first, last = NUMBER.search(runs[index]), NUMBER.search(runs[end])
        if end > index and first and last:
            text = f"{{{first[0]}..{last[0]}}}"
            out.append(runs[index][: first.start()] + text + runs[index][first.end() :])
        else:
            out.append(runs[index])
        index = end + 1
    return out


def _follows(run: str, other: str) -> bool:
    """Whether `other` is `run` with the next number, written with as many digits."""
    one, two = NUMBER.search(run), NUMBER.search(other)
    if not one or not two or NUMBER.sub("", run) != NUMBER.sub("", other):
        return False
    return two[0] == str(int(one[0]) + 1).zfill(len(one[0]))


def ranged(labels: Sequence[str]) -> list[str]:
    """Subject labels with consecutive numbers as ranges, ``{01..06}``."""
    names = [f"run-{label}" for label in labels]
    return [name.removeprefix("run-") for name in compact(names)]
