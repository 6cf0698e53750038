"""The stimuli of a dataset: those that its table names, and which of them are there."""

from pathlib import Path

from tristream.config.load import Resolved
from tristream.config.settings.fetch import FetchStimuliSettings
from tristream.config.sources import ArchiveSource, DataladSource, FolderSource, OsfSource
from tristream.errors import UserError
from tristream.fetch.absent_content import absent_content
from tristream.fetch.contents import DESCRIPTION, description
from tristream.fetch.osf import OsfOrigin
from tristream.fetch.receipt import Receipt, says_simulated
from tristream.fetch.sources import Listing, Origin, open_origin
from tristream.paths import composed
from tristream.store import Omission


def fetch_stimuli(settings: FetchStimuliSettings, code: str = "") -> Receipt:
    """Bring the stimuli that the dataset's stimulus table names.

    Raises
    ------
    UserError
        If a stimulus can't be had and ``missing_stimuli`` is not ``drop``.
    """
    source, wanted = settings.source, settings.paths
    origin = _origin(settings)
    listing = origin.listing()
    missing = sorted(set(wanted) - {file.path for file in listing.files})
    if missing and settings.missing == "error":
        raise UserError(_missing(settings, listing, missing))
    if len(missing) == len(wanted):
        raise UserError(
            f"{listing.root}: holds none of the stimuli of {settings.dataset}; {settings.get}"
        )
    files = origin.bring(listing, [path for path in wanted if path not in missing])
    listed = [file.path for file in listing.files]
    origin.bring(listing, [path for path in (DESCRIPTION,) if path in listed])
    about = description(listing.root, listed)
    archive = source if isinstance(source, ArchiveSource) else None
    return Receipt(
        dataset=settings.dataset,
        subject=None,
        source=source.model_dump(mode="json"),
        commit=listing.commit,
        root=listing.root,
        name=_name(source, listing.root),
        licence=archive.licence if archive else str(about.get("License", "")),
        files=tuple(files),
        simulated=says_simulated(about),
        code=code,
        omitted=tuple(Omission(path, "the stimulus is not there") for path in missing),
        methods=origin.methods("Stimuli were", listing.commit),
    )


def _name(source: ArchiveSource | DataladSource | FolderSource | OsfSource, root: Path) -> str:
    if isinstance(source, ArchiveSource):
        return f"{source.package} {source.version}"
    return source.name if isinstance(source, OsfSource) else root.name


def stimulus_status(resolved: Resolved, dataset: str) -> list[tuple[str, str, str]]:
    """Path, name and ``present`` or ``missing`` of each stimulus; then files that are not needed.

    Raises
    ------
    UserError
        If the dataset has no stimulus source.
    """
    settings = FetchStimuliSettings.of(resolved, dataset=dataset)
    table = resolved.datasets[dataset].stimuli.table
    listing = _origin(settings).listing()
    there = {file.path for file in listing.files}
    here = {path for path in there if not absent_content(listing.root / path)}
    rows = [(row.path, row.stimulus, "present" if row.path in here else "missing") for row in table]
    unneeded = set() if settings.shipped else there - {row.path for row in table}
    return rows + [(path, "", "unneeded") for path in sorted(unneeded)]


def _origin(settings: FetchStimuliSettings) -> Origin:
    # Of a dataset that ships its stimuli one clone holds both.
    name = settings.dataset if settings.shipped else f"{settings.dataset}_stimuli"
    data = Path(settings.data)
    if isinstance(settings.source, OsfSource):
        return OsfOrigin(settings.source, data / "datasets" / name)
    return open_origin(settings.source, name, data)


def _missing(settings: FetchStimuliSettings, listing: Listing, missing: list[str]) -> str:
    some = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
    dataset, wanted = settings.dataset, settings.paths
    unneeded = len({file.path for file in listing.files} - set(wanted))
    where = f". {settings.get}" if settings.get else ""
    there = {composed(file.path): file.path for file in listing.files}
    if alike := [there[composed(path)] for path in missing if composed(path) in there]:
        where = (
            f". {alike[0]!a} is there, whose accents are other code points (Unicode "
            "normalisation): rename the file, or copy its name into stimuli.table"
        )
    return (
        f"{listing.root}: {len(missing)} of {len(wanted)} stimuli of {dataset} are missing ({some})"
        f", {unneeded} files there are not needed; `tristream fetch status --dataset {dataset}` "
        f"lists them{where}. `datasets.{dataset}.missing_stimuli: drop` goes on without their "
        "events"
    )
