"""What is wrong with the events of a study, told before anything runs, where they are here already.

Plans and dry runs ask, so nothing is fetched, and no library is imported that parsing does without.
"""

from math import isnan

from tristream.config.load import Resolved
from tristream.config.settings.fetch import FetchDatasetSettings, FetchSubjectSettings
from tristream.config.settings.stimuli import InventorySettings
from tristream.errors import UserError
from tristream.fetch.contents import subject_files
from tristream.fetch.receipt import Receipt
from tristream.fetch.steps import listing_at_hand
from tristream.stimuli.entry_points import with_starts
from tristream.stimuli.overlaps import check_overlaps, check_windows
from tristream.stimuli.subject_timelines import read_timelines


def known_later(resolved: Resolved, dataset: str, listing: Receipt | None) -> list[str]:
    """What of a dataset can't be checked before it is fetched, a line each.

    Parameters
    ----------
    resolved : Resolved
        The checked study.
    dataset : str
        Dataset id.
    listing : Receipt or None
        What :func:`check_events` read.
    """
    about, lines = resolved.datasets[dataset], []
    if listing is None:
        lines.append(
            f"{dataset}: not fetched yet, so its events, runs and sidecars are checked by the jobs "
            f"after `fetch`; `tristream fetch plan --dataset {dataset}` may bring small files now"
        )
    if about.stimuli.source is not None:
        lines.append(
            f"{dataset}: lengths and tracks of films and sounds, and whether one is cut off, are "
            "known at the inventory, once the stimuli are fetched and unpacked"
        )
    return lines


def samples_at_hand(resolved: Resolved, dataset: str) -> dict[str, dict[str, int]]:
    """Samples of each timeline and run; empty where events are not here, or are faulty.

    Empty, too, where how long a film lasts is not in the events but in the film.
    """
    listing = listing_at_hand(FetchDatasetSettings.of(resolved, dataset=dataset))
    if listing is None:
        return {}
    from tristream.stimuli.sample_counts import count_samples

    settings = InventorySettings.from_descriptor(resolved.datasets[dataset])
    chosen = {s: settings.timelines[s] for s in resolved.subjects[dataset]}
    try:
        timelines, _ = read_timelines(settings.events, chosen, listing, settings.tr)
    except UserError:
        return {}
    events = [event for runs in timelines.values() for run in runs.values() for event in run]
    if any(isnan(event.duration) for event in events):
        return {}
    return count_samples(settings, timelines).samples


def check_events(resolved: Resolved, dataset: str) -> Receipt | None:
    """Read the events of a dataset as the inventory will, if they are here.

    Parameters
    ----------
    resolved : Resolved
        The checked study.
    dataset : str
        Dataset id.

    Returns
    -------
    Receipt or None
        The listing that was read; None where the dataset, or small files of it, are not here yet.

    Raises
    ------
    UserError
        What is wrong with a chosen subject: a file that the dataset lacks, events that can't be
        read, differ from those of most subjects of the timeline, or overlap.
    """
    listing = listing_at_hand(FetchDatasetSettings.of(resolved, dataset=dataset))
    if listing is None:
        return None
    about, chosen = resolved.datasets[dataset], resolved.subjects[dataset]
    settings = InventorySettings.from_descriptor(about)
    for subject in chosen:
        files = FetchSubjectSettings.of(resolved, dataset=dataset, subject=subject)
        subject_files(files, listing.listed)
    timelines, left_out = read_timelines(settings.events, settings.timelines, listing, settings.tr)
    for subject in chosen:
        if subject in left_out:
            raise UserError(left_out[subject])
    seen = {about.timeline_of(subject) for subject in chosen}
    timelines = {name: runs for name, runs in timelines.items() if name in seen}
    if not settings.has_media:
        timelines = with_starts(settings.events, timelines, {})
    if resolved.study.datasets[dataset].missing_stimuli == "error":
        check_overlaps(settings, timelines)
    check_windows(settings, timelines)
    return listing
