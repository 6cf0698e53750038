"""The dataset that is to be described: a folder, a DataLad dataset, or an OpenNeuro accession."""

import re
from dataclasses import dataclass
from pathlib import Path

from tristream.config.base import Name
from tristream.config.settings.fetch import FetchDatasetSettings
from tristream.config.sources import DataladSource, FolderSource
from tristream.errors import UserError
from tristream.fetch.clone import git_address
from tristream.fetch.git import call
from tristream.fetch.receipt import Receipt
from tristream.fetch.steps import fetch_dataset

OPENNEURO = "https://github.com/OpenNeuroDatasets/{id}.git"
DERIVED = "https://github.com/OpenNeuroDerivatives/{id}-fmriprep.git"
VERSION = re.compile(r"v?\d+(\.\d+)+")
# Where derivatives that are named beside the dataset are read as if they lay in it.
PLACE = "derivatives/fmriprep"
Source = DataladSource | FolderSource


@dataclass(frozen=True)
class Opened:
    """A dataset whose files are listed and whose small files are here.

    Attributes
    ----------
    name : str
        What the descriptor is called.
    source : DataladSource or FolderSource
    derivatives : DataladSource, FolderSource or None
        Of outputs that are a dataset of their own.
    listing : Receipt
        Every file; derivatives of their own below ``derivatives/fmriprep``.
    asked_derivatives : str
        Where derivatives may be that could not be looked at; empty if there is no such place.
    """

    name: Name
    source: Source
    derivatives: Source | None
    listing: Receipt
    asked_derivatives: str = ""


def open_dataset(
    dataset: str, data: Path, derivatives: str | None, commit: str | None, name: str | None
) -> Opened:
    """List a dataset; no image is got.

    Parameters
    ----------
    dataset : str
        A BIDS folder, the address of a DataLad dataset, or an accession (``ds000105``).
    data : Path
        Where clones go: the study's `data`.
    derivatives : str, optional
        Folder or address of fMRIPrep's outputs.
    commit : str, optional
        Of a DataLad dataset; by default its newest version.
    name : str, optional
        What the descriptor is called.

    Raises
    ------
    UserError
        If there is no such dataset, or it can't be reached.
    """
    accession = re.fullmatch(r"ds\d{6}", dataset)
    is_here = Path(dataset).expanduser().is_dir()
    address = OPENNEURO.format(id=dataset) if accession and not is_here else dataset
    source = _source(address, commit)
    inner = _source(derivatives, None) if derivatives else None
    asked = ""
    if inner is None and accession and isinstance(source, DataladSource):
        asked = DERIVED.format(id=dataset)
        if found := _newest(asked):
            inner, asked = DataladSource(url=asked, commit=found), ""
    called = name or _name(dataset)
    settings = FetchDatasetSettings(
        dataset=called,
        data=str(data),
        source=source,
        derivatives=inner,
        folder=PLACE if inner else "",
        accept={},
        preset="",
    )
    return Opened(called, source, inner, fetch_dataset(settings), asked)


def _source(address: str, commit: str | None) -> Source:
    """A folder on this machine, or a DataLad dataset at its newest version."""
    folder = Path(address).expanduser()
    if folder.is_dir() and not _is_bare(folder) and not (folder / ".git").exists():
        return FolderSource(path=str(folder.absolute()))
    local = folder.exists()
    address = str(folder.absolute()) if local else address
    if not local and "://" not in address:
        raise UserError(
            f"{address}: no such folder; name a BIDS folder, the address of a DataLad dataset, or "
            "an accession as ds000105"
        )
    # A working clone is taken as it is, a repository elsewhere at its newest version.
    wanted = commit or _newest(address, versions=not (folder / ".git").exists())
    if wanted is None:
        raise UserError(
            f"{address}: can't be reached, or is not a git repository; check the address"
        )
    return DataladSource(url=address, commit=wanted)


def _is_bare(folder: Path) -> bool:
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir()


def _newest(address: str, versions: bool = True) -> str | None:
    """The tag of the newest version, else the commit of the default branch; None if unreachable."""
    done = call("git", "ls-remote", "--", git_address(address))
    if done.returncode:
        return None
    lines = (line.partition("\t") for line in done.stdout.splitlines())
    refs = {ref: commit for commit, _, ref in lines}
    tags = [ref.removeprefix("refs/tags/") for ref in refs if ref.startswith("refs/tags/")]
    tags = [tag for tag in tags if versions and VERSION.fullmatch(tag)]
    if tags:
        return max(tags, key=lambda tag: [int(n) for n in re.findall(r"\d+", tag)])
    heads = ("HEAD", "refs/heads/main", "refs/heads/master")
    return next((refs[head] for head in heads if head in refs), None)


def _name(dataset: str) -> str:
    """A name for the descriptor, from the last part of the address."""
    last = re.split(r"[/\\:]", dataset.rstrip("/\\"))[-1] or Path(dataset).absolute().name
    last = re.sub(r"\.(git|bundle)$", "", last)
    if last in ("", "."):
        last = Path(dataset).absolute().name
    cleaned = re.sub(r"[^A-Za-z0-9]+", "_", last).strip("_")
    return cleaned if re.match(r"[A-Za-z]", cleaned) else f"dataset_{cleaned}".rstrip("_")
