"""Write a synthetic dataset: real events and names, with simulated images of known truth."""

import math
import shutil
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from tqdm import tqdm

from tristream.config.dataset import Dataset
from tristream.config.events import EventReading, TrialTable
from tristream.config.layouts import (
    FSLR,
    BetasLayout,
    FmriprepLayout,
    MinimalLayout,
    RawLayout,
    ScanLayout,
    SpmLayout,
    VolumeTableLayout,
)
from tristream.config.runs import whole_run
from tristream.config.settings.fetch import FetchStimuliSettings
from tristream.config.sources import DatasetSource, SimulateSource
from tristream.errors import UserError
from tristream.fetch.archive import fetch_archive
from tristream.fetch.clone import remove
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.fetch.stimulus_files import fetch_stimuli
from tristream.simulate import repository
from tristream.simulate.synthetic import betas_outputs as betas
from tristream.simulate.synthetic import fmriprep_outputs as fmriprep
from tristream.simulate.synthetic import one_image_outputs as one_image
from tristream.simulate.synthetic import spm_outputs as spm
from tristream.simulate.synthetic.event_responses import (
    Latents,
    SubjectResponses,
)
from tristream.simulate.synthetic.latents import imagined_latents, media_latents
from tristream.simulate.synthetic.layer_latents import layer_latents
from tristream.simulate.synthetic.minimal_outputs import write_description, write_minimal_subject
from tristream.simulate.synthetic.raw_outputs import write_raw_subject
from tristream.simulate.synthetic.raw_scans import acquisition_of
from tristream.simulate.synthetic.real_dataset import copy_texts, open_real
from tristream.simulate.synthetic.run_lengths import starts_of, volumes_of
from tristream.simulate.synthetic.settings import (
    BACK,
    FRONT,
    Brain,
    SyntheticSettings,
)
from tristream.simulate.synthetic.stand_ins import SECONDS, write_media
from tristream.simulate.synthetic.synthetic_methods import methods
from tristream.simulate.synthetic.synthetic_truth import (
    KIND,
    SyntheticTruth,
    write_synthetic_truth,
)
from tristream.simulate.synthetic.trial_responses import TrialResponses
from tristream.space.mesh_faces import FSLR_PLACES
from tristream.stimuli.events import events_of_run
from tristream.stimuli.timelines import Event
from tristream.stimuli.trial_table import trial_rows
from tristream.store import Provenance

RAW, DERIVATIVES, STIMULI, TRUTH = "raw", "derivatives", "stimuli", "truth.h5"
# As on OpenNeuro: text in git, everything else annexed.
ATTRIBUTES = """\
* annex.backend=MD5E
**/.git* annex.largefiles=nothing
*.json annex.largefiles=nothing
*.tsv annex.largefiles=nothing
*.txt annex.largefiles=nothing
*.csv annex.largefiles=nothing
README annex.largefiles=nothing
CHANGES annex.largefiles=nothing
"""
# Layouts of one image that holds all runs.
OneImage = VolumeTableLayout | ScanLayout


@dataclass(frozen=True)
class Wish:
    """What the user asks for; empty subjects and patterns of runs take all.

    `data` is the folder of downloads, `features` are files of layers that items are answered by.
    """

    subjects: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    scale: float = 1.0
    ceiling: float = 0.5
    seed: int = 0
    data: Path = Path("data")
    features: tuple[Path, ...] = ()


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
    if isinstance(dataset.layout, BetasLayout):
        betas.check_format(dataset.layout, dataset.id)
        if wish.runs and "{run}" not in dataset.layout.responses:
            raise UserError(
                f"--runs: files of {dataset.id} have trials of several runs; leave it out"
            )
    if isinstance(dataset.layout, OneImage) and wish.runs:
        raise UserError(f"--runs: all runs of {dataset.id} are in one image; leave it out")
    if isinstance(dataset.layout, FmriprepLayout):
        fmriprep.check_space(dataset.layout, wish.scale)
    patterns = wish.runs or ("*",)
    for pattern in patterns:
        if not any(fnmatchcase(run, pattern) for run in dataset.runs):
            raise UserError(f"{dataset.id}: no run {pattern!r}; the first is {dataset.runs[0]}")
    if wish.scale < 1 or not 0 <= wish.ceiling < 1:
        raise UserError(
            f"--scale {wish.scale:g} --ceiling {wish.ceiling:g}: the scale is 1 or more, the "
            "ceiling 0 (noise alone) or more, and less than 1"
        )
    runs = tuple(r for r in dataset.runs if any(fnmatchcase(r, p) for p in patterns))
    if dataset.events.without_media_start == "continues" and runs != tuple(
        dataset.runs[: len(runs)]
    ):
        raise UserError(
            f"--runs: films of {dataset.id} continue from run to run, so the runs before those "
            "that are taken are needed; take the first ones"
        )
    subjects = wish.subjects or tuple(dataset.subjects)
    rest = wish.scale, wish.ceiling, wish.seed, wish.data, wish.features
    return SyntheticSettings(dataset.id, subjects, runs, *rest)


def write_synthetic(
    dataset: Dataset,
    wish: Wish,
    output: Path,
    given: Path | None = None,
    film: Path | None = None,
    code: str = "",
) -> str:
    """Write a synthetic dataset after a real one.

    In `output` come to lie ``raw`` and, where preprocessed data are a dataset of their own,
    ``derivatives`` (DataLad datasets, images annexed), ``stimuli`` (stand-ins for media that the
    dataset does not ship) and ``truth.h5``. The same input gives the same images and commits.

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
    asked, own_parts = chosen(dataset, wish), dataset
    dataset, settings = _in_whole_runs(dataset, asked)
    if output.exists():
        raise UserError(f"{output}: exists already; name another folder, or delete it")
    if isinstance(dataset.layout, FmriprepLayout) and dataset.layout.space == FSLR:
        fetch_archive(FSLR_PLACES, settings.data)  # before minutes of writing
    made = output.with_name(f".{output.name}.part")
    scratch = made / "source"
    remove(made)
    raw, derivatives = made / RAW, made / DERIVATIVES
    repository.create(raw, settings.seed)
    copy_texts(dataset, settings, open_real(dataset, given, scratch), raw)
    remove(scratch)
    events = _events(dataset, settings, raw)
    latents = _media(dataset, events, made, film, settings.seed)
    events = {
        subject: {run: _ended(own, latents) for run, own in runs.items()}
        for subject, runs in events.items()
    }
    layers: list[str] = []
    if settings.features:
        if latents is None:
            raise UserError(
                f"{dataset.id}: --features are of films, sounds or pictures, and the runs show "
                "labels alone; leave it out"
            )
        layers, latents = layer_latents(settings.features, latents)
    imagined = _imagined(dataset, events, latents)
    if latents is not None:
        latents = {**latents, **imagined}
    if dataset.derivatives is not None:
        repository.create(derivatives, settings.seed + 1)
    if home := _home(dataset, raw, derivatives):
        write_description(home)
    truths = {}
    for subject in tqdm(settings.subjects, desc="simulating", unit="subject", mininterval=5):
        own = replace(settings, runs=tuple(events[subject]))
        brain: Brain | None
        responses: SubjectResponses
        if isinstance(dataset.layout, BetasLayout):
            responses, brain = _write_betas(raw, dataset, own, subject, events[subject], latents)
        else:
            responses = _responses(dataset, own, subject, events[subject], raw, latents)
            brain = _write_subject(raw, home, dataset, own, subject, responses)
        truths[subject] = SyntheticTruth(responses.labels, responses.courses, brain)
    write_synthetic_truth(
        made / TRUTH, _provenance(dataset, settings, truths, code, imagined, layers), truths
    )
    commits = {}
    for folder in (raw, derivatives):
        if folder.is_dir():
            (folder / ".gitattributes").write_text(ATTRIBUTES, encoding="utf-8")
            commits[folder.name] = repository.save(folder, f"Simulate {dataset.id}")
    made.rename(output)
    return config_lines(own_parts, asked, output, commits)


def _in_whole_runs(
    dataset: Dataset, settings: SyntheticSettings
) -> tuple[Dataset, SyntheticSettings]:
    """The same without `parts`: images are those of whole runs, of which a part is read."""
    runs = [tuple(dict.fromkeys(map(whole_run, names))) for names in (dataset.runs, settings.runs)]
    whole = dataset.model_copy(update={"parts": None, "runs": list(runs[0])})
    return whole, replace(settings, runs=runs[1])


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
    dataset: Dataset,
    settings: SyntheticSettings,
    truths: Mapping[str, SyntheticTruth],
    code: str,
    imagined: Latents,
    layers: Sequence[str],
) -> Provenance:
    config = {
        "dataset": settings.dataset,
        "scale": settings.scale,
        "ceiling": settings.ceiling,
        "seed": settings.seed,
        "back": BACK,
        "front": FRONT,
        "layers": list(layers),
    }
    text = methods(dataset, settings, truths, imagined, layers)
    return Provenance(KIND, True, config, code, methods=text)


def _home(dataset: Dataset, raw: Path, derivatives: Path) -> Path | None:
    """Root of preprocessed data: a dataset of their own, or inside the raw one."""
    if not isinstance(dataset.layout, FmriprepLayout | MinimalLayout):
        return None
    inside = raw / dataset.layout.derivatives.strip("/")
    return inside if dataset.derivatives is None else derivatives


def _events(
    dataset: Dataset, settings: SyntheticSettings, raw: Path
) -> dict[str, dict[str, list[Event]]]:
    """Subject to its runs, those of the settings that it has, to their events."""
    listing = _listing(dataset, raw)
    reading = EventReading.of(dataset.model_copy(update={"runs": list(settings.runs)}))
    return {
        subject: {
            run: events_of_run(reading, subject, run, listing)
            for run in dataset.runs_of(subject)
            if run in settings.runs
        }
        for subject in settings.subjects
    }


def _listing(dataset: Dataset, raw: Path) -> Receipt:
    """The files that are written so far."""
    paths = sorted(p.relative_to(raw).as_posix() for p in raw.rglob("*") if p.is_file())
    files = tuple(FetchedFile(path, None) for path in paths if not path.startswith("."))
    return Receipt(dataset.id, None, {}, "", raw, dataset.title, "", files, True)


def _media(
    dataset: Dataset,
    events: Mapping[str, Mapping[str, list[Event]]],
    made: Path,
    film: Path | None,
    seed: int,
) -> Latents | None:
    """Measure the stimuli of the runs: those that the dataset ships, or stand-ins for them."""
    every = [event for runs in events.values() for own in runs.values() for event in own]
    shown = {event.stimulus for event in every if event.kind != "label"}
    if not shown:
        return None
    if dataset.stimuli.source is None:
        write_media(made / STIMULI, dataset, film, seed, shown, lengths(every))
        return media_latents(made / STIMULI, dataset, shown)
    paths = [row.path for row in dataset.stimuli.table if row.stimulus in shown]
    shipped = isinstance(dataset.stimuli.source, DatasetSource)
    source = dataset.source if shipped else dataset.stimuli.source
    # A dataset that the simulator writes ships no stimuli.
    assert not isinstance(source, DatasetSource | SimulateSource)
    wanted = FetchStimuliSettings(
        dataset=dataset.id,
        data=str(made / "source"),
        source=source,
        shipped=shipped,
        paths=list(dict.fromkeys(paths)),
        missing="error",
        get=dataset.stimuli.get,
    )
    found = media_latents(fetch_stimuli(wanted).root, dataset, shown)
    shutil.rmtree(made / "source", ignore_errors=True)
    return found


def _imagined(
    dataset: Dataset, events: Mapping[str, Mapping[str, list[Event]]], latents: Latents | None
) -> Latents:
    """What categories stand for that events name alone, where there are stimuli of them."""
    every = (event for runs in events.values() for own in runs.values() for event in own)
    return imagined_latents(dict(latents or {}), dataset.stimuli.table, every)


def _ended(events: Sequence[Event], latents: Latents | None) -> list[Event]:
    """Events that last until their film or sound ends, which are NaN s long, as long as that."""
    found = []
    for event in events:
        if math.isnan(event.duration) and latents and event.stimulus in latents:
            middles = latents[event.stimulus][0]
            ends = middles[-1] + middles[0]
            start = 0.0 if math.isnan(event.media_start) else event.media_start
            event = replace(event, duration=max(ends - start, 0.0))
        found.append(event)
    return found


def lengths(events: Sequence[Event]) -> dict[str, float]:
    """How long films and sounds last, by what events show of them (s).

    An event that does not say where it enters shows all; one that lasts until its film ends,
    which nobody has, `SECONDS` of it. A sound that is entered somewhere may go
    on after its last event, as excerpts of clips do.
    """
    found: dict[str, float] = {}
    for event in events:
        if event.timed:
            entered = not math.isnan(event.media_start)
            shown = SECONDS if math.isnan(event.duration) else event.duration
            last = shown + (event.media_start if entered else 0.0)
            least = SECONDS if entered and event.kind == "sound" else 0.0
            found[event.stimulus] = max(found.get(event.stimulus, 0.0), last, least)
    return found


def _responses(
    dataset: Dataset,
    settings: SyntheticSettings,
    subject: str,
    runs: Mapping[str, list[Event]],
    raw: Path,
    latents: Latents | None,
) -> SubjectResponses:
    edge = settings.scale * _edge(dataset)
    volumes = volumes_of(dataset, subject, runs, raw)
    starts = starts_of(dataset, subject, list(runs), raw)
    return SubjectResponses(
        settings,
        subject,
        runs,
        dataset.tr,
        volumes,
        edge,
        latents,
        starts,
        continuous=isinstance(dataset.layout, ScanLayout),
    )


def _edge(dataset: Dataset) -> float:
    """Edge of the real images' voxels (mm)."""
    if isinstance(dataset.layout, MinimalLayout | RawLayout):
        return acquisition_of(dataset.id).edge
    return fmriprep.EDGE if isinstance(dataset.layout, FmriprepLayout) else spm.EDGE


def _write_betas(
    raw: Path,
    dataset: Dataset,
    settings: SyntheticSettings,
    subject: str,
    runs: Mapping[str, list[Event]],
    latents: Latents | None,
) -> tuple[SubjectResponses, Brain]:
    """Write a subject's responses to trials."""
    assert isinstance(dataset.layout, BetasLayout)
    table = TrialTable.of(dataset.layout)
    rows = trial_rows(table, dataset.id, settings.runs, subject, _listing(dataset, raw))
    trials = betas.trials_of(rows, runs)
    responses = TrialResponses(settings, subject, trials, settings.scale * spm.EDGE, latents)
    return responses, betas.write_subject(raw, dataset, settings, subject, rows, responses)


def _write_subject(
    raw: Path,
    home: Path | None,
    dataset: Dataset,
    settings: SyntheticSettings,
    subject: str,
    responses: SubjectResponses,
) -> Brain | None:
    """Write the images of a subject; None where their grid follows from transforms."""
    rng = np.random.default_rng([settings.seed, zlib.crc32(subject.encode()), 1])
    if isinstance(dataset.layout, SpmLayout):
        return spm.write_subject(raw, dataset, settings, subject, responses)
    if isinstance(dataset.layout, OneImage):
        return one_image.write_image(raw, dataset, settings, responses)
    if isinstance(dataset.layout, RawLayout):
        write_raw_subject(raw, dataset, settings, subject, responses, rng)
        return None
    assert home is not None
    if isinstance(dataset.layout, FmriprepLayout):
        return fmriprep.write_subject(home, dataset, settings, subject, responses, rng)
    write_minimal_subject(raw, home, dataset, settings, subject, responses, rng)
    return None
