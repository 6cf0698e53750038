"""The stimuli of a dataset: those that its table names, and which of them are there."""

from collections.abc import Sequence
from pathlib import Path

from tristream.config.load import Resolved
from tristream.config.sources import ArchiveSource, FolderSource, OsfSource
from tristream.errors import UserError
from tristream.fetch.contents import DESCRIPTION, description
from tristream.fetch.osf import OsfOrigin
from tristream.fetch.receipt import Receipt, says_simulated
from tristream.fetch.sources import Listing, Origin, open_origin
from tristream.store import Omission


def fetch_stimuli(resolved: Resolved, dataset: str, code: str = "") -> Receipt:
    """Bring the stimuli that the dataset's stimulus table names.

    Raises
    ------
    UserError
        If the dataset has no stimulus source, or a stimulus can't be had and
        ``missing_stimuli`` is not ``drop``.
    """
    stimuli = resolved.datasets[dataset].stimuli
    origin = _origin(resolved, dataset)
    listing = origin.listing()
    wanted = list(dict.fromkeys(row.path for row in stimuli.table))
    missing = sorted(set(wanted) - {file.path for file in listing.files})
    if missing and resolved.study.datasets[dataset].missing_stimuli == "error":
        raise UserError(_missing(dataset, listing, wanted, missing, stimuli.get))
    if len(missing) == len(wanted):
        raise UserError(f"{listing.root}: holds none of the stimuli of {dataset}; {stimuli.get}")
    files = origin.bring(listing, [path for path in wanted if path not in missing])
    listed = [file.path for file in listing.files]
    origin.bring(listing, [path for path in (DESCRIPTION,) if path in listed])
    said = description(listing.root, listed)
    archive = stimuli.source if isinstance(stimuli.source, ArchiveSource) else None
    assert stimuli.source is not None
    return Receipt(
        dataset=dataset,
        subject=None,
        source=stimuli.source.model_dump(mode="json"),
        commit="",
        root=listing.root,
        name=_name(stimuli.source, listing.root),
        licence=archive.licence if archive else str(said.get("License", "")),
        files=tuple(files),
        simulated=says_simulated(said),
        code=code,
        omitted=tuple(Omission(path, "the stimulus is not there") for path in missing),
    )


def _name(source: ArchiveSource | FolderSource | OsfSource, root: Path) -> str:
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
    table = resolved.datasets[dataset].stimuli.table
    there = {file.path for file in _origin(resolved, dataset).listing().files}
    rows = [
        (row.path, row.stimulus, "present" if row.path in there else "missing") for row in table
    ]
    return rows + [(path, "", "unneeded") for path in sorted(there - {r.path for r in table})]


def _origin(resolved: Resolved, dataset: str) -> Origin:
    if dataset not in resolved.datasets:
        raise UserError(
            f"{dataset}: not among the study's datasets ({', '.join(resolved.datasets)})"
        )
    stimuli = resolved.datasets[dataset].stimuli
    if stimuli.source is None and stimuli.table:
        raise UserError(
            f"{dataset}: does not ship its stimuli: {stimuli.get}; name your folder in "
            f"`datasets.{dataset}.stimuli`"
        )
    if stimuli.source is None:
        where = f"; {stimuli.get}" if stimuli.get else ""
        raise UserError(f"{dataset}: its descriptor lists no stimuli: nothing to fetch{where}")
    name, data = f"{dataset}_stimuli", Path(resolved.study.data)
    if isinstance(stimuli.source, OsfSource):
        return OsfOrigin(stimuli.source, data / "datasets" / name)
    return open_origin(stimuli.source, name, data)


def _missing(
    dataset: str, listing: Listing, wanted: Sequence[str], missing: Sequence[str], get: str
) -> str:
    some = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
    unneeded = len({file.path for file in listing.files} - set(wanted))
    return (
        f"{listing.root}: {len(missing)} of {len(wanted)} stimuli of {dataset} are missing ({some})"
        f", {unneeded} files there are not needed; `tristream fetch status --dataset {dataset}` "
        f"lists them{'. ' + get if get else ''}. `datasets.{dataset}.missing_stimuli: drop` goes "
        "on without their events"
    )
