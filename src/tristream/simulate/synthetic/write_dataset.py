"""Write a synthetic dataset: real events and names, with simulated images of known truth."""

import csv
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from tqdm import tqdm

from tristream.config.dataset import Dataset
from tristream.config.events import EventReading
from tristream.config.layouts import FmriprepLayout, MinimalLayout, SpmLayout
from tristream.errors import UserError
from tristream.fetch.clone import remove
from tristream.fetch.contents import inherited, raw_run
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.simulate import repository
from tristream.simulate.synthetic import fmriprep_outputs as fmriprep
from tristream.simulate.synthetic import spm_outputs as spm
from tristream.simulate.synthetic.event_responses import (
    AUTOCORRELATION,
    PEAK,
    Latents,
    SubjectResponses,
)
from tristream.simulate.synthetic.minimal_outputs import (
    ACQUISITIONS,
    write_description,
    write_minimal_subject,
)
from tristream.simulate.synthetic.real_dataset import copy_texts, open_real
from tristream.simulate.synthetic.settings import (
    BACK,
    FRONT,
    ITEM,
    LABEL,
    Brain,
    SyntheticSettings,
)
from tristream.simulate.synthetic.stand_ins import media_latents, write_media
from tristream.simulate.synthetic.synthetic_truth import (
    KIND,
    SyntheticTruth,
    write_synthetic_truth,
)
from tristream.stimuli.events import events_of_run
from tristream.stimuli.timelines import Event
from tristream.store import Provenance

RAW, DERIVATIVES, STIMULI, TRUTH = "raw", "derivatives", "stimuli", "truth.h5"
# As on OpenNeuro: text in git, everything else annexed.
ATTRIBUTES = """\
* annex.backend=MD5E
**/.git* annex.largefiles=nothing
*.json annex.largefiles=nothing
*.tsv annex.largefiles=nothing
*.txt annex.largefiles=nothing
README annex.largefiles=nothing
CHANGES annex.largefiles=nothing
"""
# Lengths that events don't tell: volumes of a run.
VOLUMES = {"ds000105": 121, "ds003720": 410}


@dataclass(frozen=True)
class Wish:
    """What the user asks for; empty subjects and patterns of runs take all."""

    subjects: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    scale: float = 1.0
    ceiling: float = 0.5
    seed: int = 0


def chosen(dataset: Dataset, wish: Wish) -> SyntheticSettings:
    """Subjects and runs of the dataset that the wish names.

    Raises
    ------
    UserError
        If the dataset has no such subject or run, or a number is out of its range.
    """
    unknown = [s for s in wish.subjects if s not in dataset.subjects]
    if unknown:
        raise UserError(
            f"{dataset.id}: no subject {unknown[0]!r}; it has {', '.join(dataset.subjects)}"
        )
    if not isinstance(dataset.layout, FmriprepLayout | SpmLayout | MinimalLayout):
        raise UserError(
            f"{dataset.id}: datasets of layout {dataset.layout.kind} can't be synthesised; those "
            "of fmriprep, fmriprep_minimal and spm can"
        )
    patterns = wish.runs or ("*",)
    for pattern in patterns:
        if not any(fnmatchcase(run, pattern) for run in dataset.runs):
            raise UserError(f"{dataset.id}: no run {pattern!r}; the first is {dataset.runs[0]}")
    if wish.scale < 1 or not 0 < wish.ceiling < 1:
        raise UserError(
            f"--scale {wish.scale:g} --ceiling {wish.ceiling:g}: the scale is 1 or more, the "
            "ceiling lies between 0 and 1"
        )
    runs = tuple(r for r in dataset.runs if any(fnmatchcase(r, p) for p in patterns))
    subjects = wish.subjects or tuple(dataset.subjects)
    return SyntheticSettings(dataset.id, subjects, runs, wish.scale, wish.ceiling, wish.seed)


def write_synthetic(
    dataset: Dataset,
    wish: Wish,
    output: Path,
    given: Path | None = None,
    film: Path | None = None,
    code: str = "",
) -> str:
    """Write a synthetic dataset after a DataLad dataset.

    In `output` come to lie ``raw`` and ``derivatives`` (DataLad datasets, images annexed),
    ``stimuli`` (stand-ins for media that the dataset does not ship) and ``truth.h5``. The same
    input gives the same images and commits.

    Parameters
    ----------
    dataset : Dataset
        The descriptor of the real dataset, which then serves the synthetic one as well.
    wish : Wish
        Subjects, runs, scale, effect size, seed.
    output : Path
        Folder; it must not exist.
    given : Path, optional
        What the user has of the real dataset, see :func:`.real_dataset.open_real`.
    film : Path, optional
        Film from which stand-in media are cut.
    code : str
        Fingerprint for the truth.

    Returns
    -------
    str
        Lines for config.yaml that put the synthetic dataset in the place of the real one.

    Raises
    ------
    UserError
        If the wish does not fit the dataset, the real dataset can't be had, or `output` exists.
    """
    settings = chosen(dataset, wish)
    if output.exists():
        raise UserError(f"{output}: exists already; name another folder, or delete it")
    made = output.with_name(f".{output.name}.part")
    scratch = made / "source"
    remove(made)
    raw, derivatives = made / RAW, made / DERIVATIVES
    repository.create(raw, settings.seed)
    copy_texts(dataset, settings, open_real(dataset, given, scratch), raw)
    remove(scratch)
    events = _events(dataset, settings, raw)
    latents = _media(dataset, settings, events, made / STIMULI, film)
    if dataset.derivatives is not None:
        repository.create(derivatives, settings.seed + 1)
        write_description(derivatives)
    truths = {}
    for subject in tqdm(settings.subjects, desc="simulating", unit="subject", mininterval=5):
        own = replace(settings, runs=tuple(events[subject]))
        responses = _responses(dataset, own, subject, events[subject], raw, latents)
        brain = _write_subject(raw, derivatives, dataset, own, subject, responses)
        truths[subject] = SyntheticTruth(responses.labels, responses.courses, brain)
    write_synthetic_truth(made / TRUTH, _provenance(dataset, settings, truths, code), truths)
    commits = {}
    for folder in (raw, derivatives):
        if folder.is_dir():
            (folder / ".gitattributes").write_text(ATTRIBUTES, encoding="utf-8")
            commits[folder.name] = repository.save(folder, f"Simulate {dataset.id}")
    made.rename(output)
    return config_lines(dataset, settings, output, commits)


def config_lines(
    dataset: Dataset, settings: SyntheticSettings, output: Path, commits: Mapping[str, str]
) -> str:
    """The part of config.yaml that names the synthetic dataset's addresses, subjects and runs."""
    choice: dict[str, Any] = {"subjects": list(settings.subjects)}
    if settings.runs != tuple(dataset.runs):
        choice["runs"] = list(settings.runs)
    choice["source"] = {"url": (output / RAW).as_posix(), "commit": commits[RAW]}
    if DERIVATIVES in commits:
        place = (output / DERIVATIVES).as_posix()
        choice["derivatives"] = {"url": place, "commit": commits[DERIVATIVES]}
    if (output / STIMULI).is_dir():
        choice["stimuli"] = (output / STIMULI).as_posix()
        if "runs" in choice:
            choice["missing_stimuli"] = "drop"
    return yaml.safe_dump({"datasets": {dataset.id: choice}}, sort_keys=False)


def _provenance(
    dataset: Dataset, settings: SyntheticSettings, truths: Mapping[str, SyntheticTruth], code: str
) -> Provenance:
    config = {
        "dataset": settings.dataset,
        "scale": settings.scale,
        "ceiling": settings.ceiling,
        "seed": settings.seed,
        "back": BACK,
        "front": FRONT,
    }
    return Provenance(KIND, True, config, code, methods=methods(dataset, settings, truths))


def methods(
    dataset: Dataset, settings: SyntheticSettings, truths: Mapping[str, SyntheticTruth]
) -> tuple[str, ...]:
    """What was simulated, as sentences."""
    followed = [
        text
        for region, text in ((LABEL, "the labels of events"), (ITEM, "the items that are shown"))
        if any(courses.size for t in truths.values() for courses in t.courses[region].values())
    ]
    coarser = f", with voxels {settings.scale:g} times as long" if settings.scale != 1 else ""
    return (
        "The BOLD is simulated; no measurement was made.",
        f"Events and names are those of {dataset.title}; tristream simulate wrote the images for "
        f"{len(truths)} subject{'s' * (len(truths) > 1)} (seed {settings.seed}){coarser}.",
        f"In regions of their own, smooth random maps follow {' and '.join(followed)}, convolved "
        f"with a double-gamma haemodynamic response [@glover1999] that peaks after {PEAK:g} s; "
        "elsewhere there is noise alone.",
        f"The correlation of the noise-free signal with one run's data is {settings.ceiling:g} "
        f"where there is a signal; noise is autocorrelated ({AUTOCORRELATION:g} at lag one) and "
        "smooth in space, with slow drifts.",
    )


def _events(
    dataset: Dataset, settings: SyntheticSettings, raw: Path
) -> dict[str, dict[str, list[Event]]]:
    """Subject to its runs, those of the settings that it has, to their events."""
    paths = sorted(p.relative_to(raw).as_posix() for p in raw.rglob("*.tsv"))
    files = tuple(FetchedFile(path, None) for path in paths)
    listing = Receipt(dataset.id, None, {}, "", raw, dataset.title, "", files, True)
    return {
        subject: {
            run: events_of_run(EventReading.of(dataset), subject, run, listing)
            for run in dataset.runs_of(subject)
            if run in settings.runs
        }
        for subject in settings.subjects
    }


def _media(
    dataset: Dataset,
    settings: SyntheticSettings,
    events: Mapping[str, Mapping[str, list[Event]]],
    folder: Path,
    film: Path | None,
) -> Latents | None:
    """Write stand-ins for the stimuli of the runs, and measure them."""
    shown: dict[str, float] = {}
    for event in (event for runs in events.values() for own in runs.values() for event in own):
        if event.kind != "label":
            start = 0.0 if math.isnan(event.media_start) else event.media_start
            last = start + event.duration if event.timed else 0.0
            shown[event.stimulus] = max(shown.get(event.stimulus, 0.0), last)
    if not shown:
        return None
    write_media(folder, dataset, film, settings.seed, set(shown), shown)
    return media_latents(folder, dataset, set(shown))


def _responses(
    dataset: Dataset,
    settings: SyntheticSettings,
    subject: str,
    runs: Mapping[str, list[Event]],
    raw: Path,
    latents: Latents | None,
) -> SubjectResponses:
    volumes = {run: _volumes(dataset, subject, run, raw) for run in runs}
    edge = settings.scale * _edge(dataset)
    return SubjectResponses(settings, subject, runs, dataset.tr, volumes, edge, latents)


def _edge(dataset: Dataset) -> float:
    """Edge of the real images' voxels (mm)."""
    if isinstance(dataset.layout, MinimalLayout) and dataset.id in ACQUISITIONS:
        return ACQUISITIONS[dataset.id].edge
    return spm.EDGE if isinstance(dataset.layout, SpmLayout) else fmriprep.EDGE


def _volumes(dataset: Dataset, subject: str, run: str, raw: Path) -> int:
    """Volumes of a run: the real number where it is known, else until its last event ends."""
    if dataset.id in VOLUMES:
        return VOLUMES[dataset.id]
    there = [p.relative_to(raw).as_posix() for p in raw.rglob("*_events.tsv")]
    file = inherited(f"{raw_run(subject, run)}_events.tsv", there)[-1]
    with (raw / file).open(encoding="utf-8-sig", newline="") as text:
        rows = list(csv.DictReader(text, delimiter="\t", quoting=csv.QUOTE_NONE))
    end = max(float(row["onset"]) + float(row["duration"]) for row in rows)
    return math.ceil(round(end / dataset.tr, 6))


def _write_subject(
    raw: Path,
    derivatives: Path,
    dataset: Dataset,
    settings: SyntheticSettings,
    subject: str,
    responses: SubjectResponses,
) -> Brain | None:
    """Write the images of a subject; None where their grid follows from transforms."""
    rng = np.random.default_rng([settings.seed, zlib.crc32(subject.encode()), 1])
    if isinstance(dataset.layout, FmriprepLayout):
        return fmriprep.write_subject(derivatives, dataset, settings, subject, responses, rng)
    if isinstance(dataset.layout, SpmLayout):
        return spm.write_subject(raw, dataset, settings, subject, responses)
    write_minimal_subject(raw, derivatives, dataset, settings, subject, responses, rng)
    return None
