"""What is wrong with the images of a study, told by its plan, where they are here already."""

from collections.abc import Iterator

from tristream.bold.check_subject import RunTimes, check_subject
from tristream.bold.copied_images import copies_between, prints_of
from tristream.bold.timing import timelines_of
from tristream.config.layouts import FmriprepLayout
from tristream.config.load import Resolved
from tristream.config.settings.bold import CheckSettings, TimingSettings
from tristream.config.settings.fetch import FetchSubjectSettings
from tristream.errors import UserError
from tristream.errors.json_text import parse
from tristream.fetch.absent_content import absent_content
from tristream.fetch.contents import run_files, sidecars, subject_files
from tristream.fetch.receipt import Receipt
from tristream.stimuli.events_at_hand import check_events


def faults(resolved: Resolved, dataset: str) -> Iterator[str]:
    """What the checks of events, of each chosen subject's files and of their timing would say.

    Parameters
    ----------
    resolved : Resolved
        The checked study.
    dataset : str
        Dataset id; files that are not here yet are not asked for.
    """
    try:
        listing = check_events(resolved, dataset)
    except UserError as error:
        yield str(error)
        return
    if listing is None:
        return
    times: dict[str, RunTimes] = {}
    prints: dict[str, dict[str, str]] = {}
    # Of images that are not here the sidecars may be, as in git they are text.
    stated: dict[str, RunTimes] = {}
    for subject in resolved.subjects[dataset]:
        try:
            stated[subject] = _stated_times(resolved, dataset, subject, listing)
            if not _is_here(resolved, dataset, subject, listing):
                continue
            settings = CheckSettings.of(resolved, dataset=dataset, subject=subject)
            images = check_subject(settings, listing)
            times[subject] = {run: (one.volumes, one.start_time) for run, one in images.items()}
            prints[subject] = prints_of(images)
        except UserError as error:
            yield str(error)
    yield from (f"{dataset}: {copy}" for copy in copies_between(prints))
    if not resolved.shares_features(dataset):
        return
    timing = TimingSettings.of(resolved, dataset=dataset)
    for known in (times, stated if len(times) < len(stated) else {}):
        here = {s: name for s, name in timing.timelines.items() if s in known}
        try:
            timelines_of(timing.model_copy(update={"timelines": here}), known)
        except UserError as error:
            yield str(error)


def _stated_times(resolved: Resolved, dataset: str, subject: str, listing: Receipt) -> RunTimes:
    """Start times of fMRIPrep's sidecars; the number of volumes, which is not known, is 0."""
    about, times = resolved.datasets[dataset], RunTimes()
    if not isinstance(about.layout, FmriprepLayout):
        return times
    for run in about.runs_of(subject):
        files = run_files(about.layout, subject, run).as_listed(listing.listed)
        for sidecar in sidecars(files, listing.listed)[:1]:
            path = listing.root / sidecar
            if path.is_file() and not absent_content(path):
                try:
                    times[run] = 0, float(parse(path.read_text("utf-8-sig"))["StartTime"])
                except (ValueError, TypeError, KeyError):
                    continue  # the check of the subject's files tells
    return times


def _is_here(resolved: Resolved, dataset: str, subject: str, listing: Receipt) -> bool:
    """Whether all files of a subject are; those that a folder lacks are its user's to bring."""
    about = FetchSubjectSettings.of(resolved, dataset=dataset, subject=subject)
    if about.source.kind == "folder":
        return True
    files = subject_files(about, listing.listed)
    return all((listing.root / f).is_file() and not absent_content(listing.root / f) for f in files)
