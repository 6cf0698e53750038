"""The steps of the stage: each brings something and returns a receipt of it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tristream.config.settings.fetch import FetchDatasetSettings, FetchSubjectSettings
from tristream.config.sources import ArchiveSource, DataladSource, FolderSource, HubSource
from tristream.errors import UserError
from tristream.fetch import annex
from tristream.fetch.archive import unpacked
from tristream.fetch.clone import beside, is_at
from tristream.fetch.contents import description, subject_files
from tristream.fetch.file_lock import lock
from tristream.fetch.known import recall, remember
from tristream.fetch.nested import NestedOrigin
from tristream.fetch.receipt import Dropped, FetchedFile, Receipt, says_simulated
from tristream.fetch.sources import METADATA, DataladOrigin, Listing, Origin, open_origin
from tristream.fetch.weights import fetch_network
from tristream.paths import inside
from tristream.store import Omission


def clones_of(receipt: Receipt) -> dict[Path, list[FetchedFile]]:
    """Annexed files of a receipt by the clone that holds them, with their paths in it.

    Derivatives that are a dataset of their own are a clone inside the dataset's.
    """
    found: dict[Path, list[FetchedFile]] = {}
    for file in receipt.files:
        if file.annexed:
            place = inside(receipt.root, file.path)
            clone = next((p for p in place.parents if (p / ".git").exists()), receipt.root)
            own = replace(file, path=place.relative_to(clone).as_posix())
            found.setdefault(clone, []).append(own)
    return found


def origin_of(settings: FetchDatasetSettings) -> Origin:
    """Where a dataset, and its derivatives, come from."""
    data, accept = Path(settings.data), settings.accept
    origin = open_origin(settings.source, settings.dataset, data)
    if isinstance(origin, DataladOrigin):
        origin = replace(origin, accept=accept)
    folder = settings.folder
    if settings.derivatives is None:
        return origin
    inner = open_origin(settings.derivatives, f"{settings.dataset}/{folder}", data)
    if isinstance(inner, DataladOrigin):
        home = data / "datasets" / settings.dataset
        inside(home, folder)  # refuses what leads out
        start = f"{folder}/"
        theirs = {p.removeprefix(start): c for p, c in accept.items() if p.startswith(start)}
        # Events and descriptions that all subjects need are the outer dataset's.
        inner = replace(inner, home=home, metadata=(), accept=theirs)
    return NestedOrigin(origin, folder, inner)


def fetch_dataset(settings: FetchDatasetSettings, code: str = "") -> Receipt:
    """List a dataset at its pinned state; annexed images stay where they are.

    Parameters
    ----------
    settings : FetchDatasetSettings
        Where it lies.
    code : str
        Fingerprint for the receipt.

    Returns
    -------
    Receipt
        With every file of the dataset and no subject.
    """
    origin = origin_of(settings)
    listing = origin.listing()
    unknown = set(settings.accept) - {f.path for f in listing.files}
    if unknown:
        raise UserError(
            f"datasets.{settings.dataset}.accept: the dataset has no file {min(unknown)}; fix the "
            "path in config.yaml"
        )
    about = description(listing.root, [file.path for file in listing.files])
    listed = Receipt(
        dataset=settings.dataset,
        subject=None,
        source=settings.stated_source,
        commit=listing.commit,
        root=listing.root,
        name=str(about.get("Name", settings.dataset)),
        licence=str(about.get("License", "")),
        files=listing.files,
        simulated=says_simulated(about),
        code=code,
        omitted=listing.omitted,
        methods=origin.methods("Data were", listing.commit),
        elsewhere=listing.elsewhere,
    )
    remember(settings, listed)
    return listed


def listing_at_hand(settings: FetchDatasetSettings) -> Receipt | None:
    """The listing of a dataset whose small files are here.

    A folder, a clone at its commit, or an archive whose members are unpacked.

    Parameters
    ----------
    settings : FetchDatasetSettings
        Where it lies.

    Returns
    -------
    Receipt or None
        None where it takes a network to know.
    """
    if isinstance(settings.source, FolderSource):
        nested = isinstance(settings.derivatives, DataladSource)
        return None if nested else fetch_dataset(settings)
    if isinstance(settings.source, ArchiveSource):
        return fetch_dataset(settings) if unpacked(settings.source, Path(settings.data)) else None
    listed = recall(settings)
    if listed is None or not is_at(listed.root, listed.commit.partition("+")[0]):
        return None
    small = (f for f in listed.files if f.annexed and f.path.endswith(METADATA))
    return listed if all(annex.is_present(listed.root, file) for file in small) else None


def fetch_subject(settings: FetchSubjectSettings, listed: Receipt, code: str = "") -> Receipt:
    """Bring and verify the files that the analysis of one subject reads.

    Parameters
    ----------
    settings : FetchSubjectSettings
        Where the dataset lies, and which files the subject needs.
    listed : Receipt
        What :func:`fetch_dataset` returned.
    code : str
        Fingerprint for the receipt.

    Raises
    ------
    UserError
        If a file is not in the dataset, can't be had, or is not what its checksum says.
    """
    if listed.dataset != settings.dataset:
        raise UserError(f"the listing is of {listed.dataset}, not of {settings.dataset}")
    origin = origin_of(settings)
    listing = Listing(listed.root, listed.commit, listed.files, elsewhere=listed.elsewhere)
    files = origin.bring(listing, subject_files(settings, [f.path for f in listed.files]))
    departures = tuple(annex.departures(files))
    accepted = (
        "Files that differ from their annex keys were accepted by checksums that the study's "
        "configuration states.",
    )
    return Receipt(
        dataset=settings.dataset,
        subject=settings.subject,
        source=listed.source,
        commit=listed.commit,
        root=listed.root,
        name=listed.name,
        licence=listed.licence,
        files=tuple(files),
        simulated=listed.simulated,
        code=code,
        omitted=departures,
        methods=(*listed.methods, *(accepted if departures else ())),
        elsewhere=listed.elsewhere,
    )


def fetch_weights(
    space: str,
    source: ArchiveSource | HubSource | FolderSource | None,
    data: Path,
    code: str = "",
) -> Receipt:
    """Bring the weights of a feature space from an archive or the hub.

    Parameters
    ----------
    space : str
        The feature space.
    source : ArchiveSource, HubSource, FolderSource or None
        A folder is read in place: the receipt lists nothing, as for a space without weights.
    data : Path
        The study's data folder.
    code : str
        Fingerprint for the receipt.

    Raises
    ------
    UserError
        If they can't be had, or are not what is pinned.
    """
    if isinstance(source, HubSource):
        return fetch_network(space, source, data, code)
    if isinstance(source, ArchiveSource):
        return fetch_members(space, source, data, code, f"Weights of {space} were")
    why = f"{space} has none" if source is None else f"{space} reads them in {source.path}"
    none = (Omission("weights", why),)
    return Receipt(space, None, {}, "", data, space, "", (), False, code, none)


def fetch_members(
    name: str, source: ArchiveSource, data: Path, code: str = "", what: str = ""
) -> Receipt:
    """Bring network weights or an atlas from an archive.

    Parameters
    ----------
    name : str
        Space or preset that they belong to.
    source : ArchiveSource
        The archive.
    data : Path
        The study's data folder.
    code : str
        Fingerprint for the receipt.
    what : str
        How its methods begin; default: ``Files of NAME were``.
    """
    origin = open_origin(source, name, data)
    listing = origin.listing()
    return Receipt(
        dataset=name,
        subject=None,
        source=source.model_dump(mode="json"),
        commit="",
        root=listing.root,
        name=f"{source.package} {source.version}",
        licence=source.licence,
        files=listing.files,
        simulated=False,
        code=code,
        methods=origin.methods(what or f"Files of {name} were", ""),
    )


def drop(receipts: Sequence[Receipt], code: str = "") -> Dropped:
    """Drop the annexed content of receipts.

    Content is dropped only if git-annex finds another copy of it in a remote at that moment.
    """
    dropped: list[str] = []
    kept: list[Omission] = []
    for receipt in receipts:
        for clone, annexed in clones_of(receipt).items():
            with lock(beside(clone, receipt.root, "{}.lock")):
                gone, stayed = annex.drop(clone, annexed)
            folder = clone.relative_to(receipt.root)
            dropped += [(folder / path).as_posix() for path in gone]
            kept += [replace(one, what=(folder / one.what).as_posix()) for one in stayed]
    simulated = any(receipt.simulated for receipt in receipts)
    return Dropped(tuple(sorted(set(dropped))), tuple(kept), simulated, code)
