"""Designs on which the error rates of tests are measured: shipped datasets, and made-up ones.

A design is what a descriptor and its events files say: what is shown when, which runs test, what is
exchangeable. Those of shipped datasets are read from their real events.
"""

import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from helpers import REPOSITORY
from tristream.config.events import EventReading, Events
from tristream.config.load import descriptor
from tristream.config.runs import Exchange, Split, Trims
from tristream.config.sources import ArchiveSource
from tristream.config.trials import Trials
from tristream.fetch.archive import fetch_archive
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.simulate.preset import load_preset
from tristream.stimuli.events import events_of_subject
from tristream.stimuli.run_parts import dealt_out
from tristream.stimuli.timelines import Event, Timeline

DESCRIPTORS = REPOSITORY / "workflow" / "datasets"
LEAVE_OUT = Split(scheme="leave-one-run-out")
HELD_OUT = Split(scheme="holdout", test=["test*"])
# After the last event (s), where the number of volumes is not known.
LEAD_OUT = 12.0


@dataclass(frozen=True)
class Design:
    """What one subject is shown, and how the runs are used.

    Attributes
    ----------
    name : str
    tr : float
        Seconds.
    timeline : dict of run to list of Event
    split, exchange, trims, trials
        As in a descriptor.
    delays : tuple of int
        Of encoding models, in TR.
    delay : float
        Of decoders, in seconds.
    volumes : dict of run to int
        Where they are not to follow from the events.
    decoded : bool
        Whether labels are there to be decoded.
    samples : {"events", "all"}
        As in a descriptor.
    """

    name: str
    tr: float
    timeline: Timeline
    split: Split
    exchange: Exchange
    delays: tuple[int, ...]
    delay: float = 5.0
    trials: Trials | None = None
    trims: Trims = field(default_factory=Trims)
    volumes: dict[str, int] = field(default_factory=dict)
    decoded: bool = True
    samples: Literal["events", "all"] = "events"

    @property
    def reading(self) -> EventReading:
        """How its events would be read."""
        runs = list(self.timeline)
        return EventReading(
            dataset="calibration", runs=runs, missing={}, events=Events(), stimuli=[]
        )

    @property
    def scheme(self) -> str:
        """``holdout`` or ``leave-one-run-out``."""
        return self.split.scheme

    def times(self, run: str) -> np.ndarray:
        """Seconds at which the volumes of a run stand: the middle of each TR."""
        end = max(event.end for event in self.timeline[run]) + LEAD_OUT
        volumes = self.volumes.get(run, int(np.ceil(end / self.tr)))
        return self.tr * (np.arange(self.trims.start, volumes) + 0.5)


DESIGNS: dict[str, Callable[[Path], Design]] = {}


def design(name: str) -> Callable[[Callable[[Path], Design]], Callable[[Path], Design]]:
    """Add a function, of the folder of downloads, to `DESIGNS`."""

    def add(make: Callable[[Path], Design]) -> Callable[[Path], Design]:
        DESIGNS[name] = make
        return make

    return add


@cache
def _events(dataset: str, subject: str, folder: Path) -> Receipt:
    """The real events files of a subject, unpacked."""
    root = folder / "openneuro"
    with tarfile.open(REPOSITORY / "tests/data/openneuro_events.tar.gz") as archive:
        names = [n for n in archive.getnames() if n.startswith(f"{dataset}/sub-{subject}/")]
        archive.extractall(root, [archive.getmember(n) for n in names], filter="data")
    files = tuple(FetchedFile(n.removeprefix(f"{dataset}/"), 0) for n in sorted(names))
    return Receipt(dataset, None, {}, "", root / dataset, dataset, "", files, False)


def shipped(
    name: str,
    subject: str,
    folder: Path,
    delays: Sequence[int],
    keep: Sequence[str] = ("*",),
    delay: float = 5.0,
    volumes: int = 0,
) -> Design:
    """A descriptor that ships, on the real events of one subject.

    Parameters
    ----------
    name, subject : str
    folder : Path
        Where events are unpacked.
    delays : sequence of int
        Of encoding models, in TR.
    keep : sequence of str
        Patterns of the runs that take part: more of them only take longer.
    delay : float
        Of decoders, in seconds.
    volumes : int
        Of each run; after the last event by default.
    """
    dataset = descriptor(name, [DESCRIPTORS], Path("config.yaml"))
    events = events_of_subject(EventReading.of(dataset), subject, _events(name, subject, folder))
    kept = {run: own for run, own in events.items() if any(fnmatchcase(run, k) for k in keep)}
    return Design(
        name=name,
        tr=dataset.tr,
        timeline=kept,
        split=dataset.split,
        exchange=dataset.exchange,
        delays=tuple(delays),
        delay=0.0 if dataset.trials else delay,
        trials=dataset.trials,
        trims=dataset.trims,
        volumes=dict.fromkeys(kept, volumes) if volumes else {},
    )


@design("bunny")
def bunny(_: Path) -> Design:
    """The demo's film: clips shown twice in their run, a test clip in two runs."""
    dataset, preset = descriptor("bunny", [DESCRIPTORS], Path("config.yaml")), load_preset("bunny")
    timeline = {
        run.run: [
            Event(onset, run.duration, "bbb", "film", f"bbb@{run.media_start:g}", run.media_start)
            for onset in preset.onsets(run)
        ]
        for run in preset.runs
        if run.run not in ("task-training_run-04", "task-training_run-05", "task-training_run-06")
    }
    return Design(
        name="bunny",
        tr=preset.tr,
        timeline=timeline,
        split=dataset.split,
        exchange=dataset.exchange,
        delays=(2, 4, 6),
        trims=dataset.trims,
        decoded=False,
    )


@design("ds000105")
def objects_in_blocks(folder: Path) -> Design:
    """Blocks of one label between rests; every label in every run. Six of twelve runs."""
    return shipped("ds000105", "1", folder, (1, 2, 3), ["*run-0[1-6]"], volumes=121)


@design("ds001246")
def objects_in_trials(folder: Path) -> Design:
    """Images as trials: 50 test images in each of many runs, in other orders."""
    keep = ["ses-perceptionTraining01_*_run-0[1-6]", "ses-perceptionTest01_*_run-*"]
    keep += ["ses-perceptionTest02_*_run-0[1-2]"]
    return shipped("ds001246", "01", folder, (0,), keep, volumes=178)


@design("ds003717")
def words(folder: Path) -> Design:
    """Groups of five words of one condition, leave one run out; runs differ in length."""
    return shipped("ds003717", "01", folder, (1, 2, 3), ["*SESS0[1-4]"])


@design("ds003720")
def music(folder: Path) -> Design:
    """Clips without pause, each test clip four times in its run."""
    keep = ["task-Training_run-0[1-2]", "task-Test_*"]
    return shipped("ds003720", "001", folder, (2, 3, 4), keep, volumes=410)


@design("localizer")
def localizer(folder: Path) -> Design:
    """One scan of brief events, cut into four parts: too short for anything."""
    dataset = descriptor("localizer", [DESCRIPTORS], Path("config.yaml"))
    assert isinstance(dataset.source, ArchiveSource)
    root, files = fetch_archive(dataset.source, folder)
    listing = Receipt("localizer", None, {}, "", root, "", "", tuple(files), False)
    events = events_of_subject(EventReading.of(dataset), "1", listing)
    volumes = dict.fromkeys(events, dataset.layout.volumes)
    return Design(
        name="localizer",
        tr=dataset.tr,
        timeline=events,
        split=dataset.split,
        exchange=dataset.exchange,
        delays=(1, 2),
        volumes=volumes,
    )


def made(
    name: str,
    runs: Sequence[Sequence[tuple[str, str, float, float]]],
    unit: str,
    scheme: str,
    **more: object,
) -> Design:
    """A design of rows (item, label, duration, pause after it), run by run.

    Of ``holdout`` the last third of the runs is held out.
    """
    tests = len(runs) // 3 if scheme == "holdout" else 0
    timeline: Timeline = {}
    for number, rows in enumerate(runs):
        part = "test" if number >= len(runs) - tests else "train"
        onset, events = 6.0, []
        for item, label, duration, pause in rows:
            events.append(Event(onset, duration, item, "image", item, label=label))
            onset += duration + pause
        timeline[f"{part}_run-{number + 1:02}"] = events
    split = HELD_OUT if tests else LEAVE_OUT
    keys = {"tr": 2.0, "delays": (1, 2, 3), "exchange": Exchange(unit=unit), **more}
    return Design(name=name, timeline=timeline, split=split, **keys)


def _ordered(rng: np.random.Generator, items: Sequence[str]) -> list[str]:
    return [items[k] for k in rng.permutation(len(items))]


@design("items, no rest")
def items_without_rest(_: Path) -> Design:
    """Every item once, one after the other: neighbours touch."""
    rng, runs = np.random.default_rng(1), []
    for number in range(6):
        rows = [(f"i{number}-{k}", "ab"[k % 2], 6.0, 0.0) for k in range(30)]
        runs.append([rows[k] for k in rng.permutation(30)])
    return made("items, no rest", runs, "item", "holdout")


@design("items, rest")
def items_with_rest(_: Path) -> Design:
    """Ten items in every run, 10 s long, with pauses of 8 s."""
    rng, items = np.random.default_rng(2), [f"i{k}" for k in range(12)]
    runs = [[(i, "ab"[int(i[1:]) % 2], 10.0, 8.0) for i in _ordered(rng, items)] for _ in range(6)]
    return made("items, rest", runs, "item", "leave-one-run-out")


@design("blocks, no rest")
def blocks_without_rest(_: Path) -> Design:
    """Blocks of 12 labels without pause, leave one run out."""
    rng, labels = np.random.default_rng(3), [f"l{k}" for k in range(12)]
    runs = [[(n, n, 16.0, 0.0) for n in _ordered(rng, labels)] for _ in range(5)]
    return made("blocks, no rest", runs, "block", "leave-one-run-out")


@design("unequal runs and labels")
def unequal(_: Path) -> Design:
    """Runs of 8 to 16 blocks, a label shown up to four times a run, blocks of 12 or 16 s."""
    rng, runs = np.random.default_rng(4), []
    for blocks in (8, 16, 12, 10, 14):
        shown = ["a"] * (blocks // 2) + ["b"] * (blocks // 4)
        shown += ["cdefgh"[k % 6] for k in range(blocks - len(shown))]
        runs.append([(n, n, rng.choice([12.0, 16.0]), 8.0) for n in _ordered(rng, shown)])
    return made("unequal runs and labels", runs, "block", "leave-one-run-out")


@design("few blocks")
def few_blocks(_: Path) -> Design:
    """Three blocks a run: too few rearrangements for a p value."""
    rng = np.random.default_rng(5)
    runs = [[(n, n, 20.0, 12.0) for n in _ordered(rng, "abc")] for _ in range(3)]
    return made("few blocks", runs, "block", "leave-one-run-out")


@design("test items in every run")
def tests_in_every_run(_: Path) -> Design:
    """Eight test items among the trials of every run, as ds004192 has them; others come once."""
    rng, timeline = np.random.default_rng(6), {}
    for number in range(6):
        tested = [True] * 8 + [False] * 24
        rows, again, onset = [], iter(rng.permutation(8)), 6.0
        for k, test in enumerate(rng.permutation(tested).tolist()):
            item = f"t{next(again)}" if test else f"i{number}-{k}"
            rows.append(Event(onset, 4.0, item, "image", item, label="ab"[k % 2]))
            onset += 8.0
        held = [row.item.startswith("t") for row in rows]
        for part in ("train", "test"):
            name = f"run-{number + 1:02}_part-{part}"
            timeline[name] = dealt_out(rows, held, 9.0, part == "test")
    return Design(
        name="test items in every run",
        tr=2.0,
        timeline=timeline,
        split=Split(scheme="holdout", test=["*_part-test"]),
        exchange=Exchange(unit="item"),
        delays=(1, 2, 3),
    )
