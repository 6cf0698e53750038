"""The text of the real dataset: events, sidecars and descriptions, byte for byte."""

import shutil
from pathlib import Path
from typing import Any

from tristream import __version__
from tristream.config.dataset import Dataset
from tristream.config.layouts import BetasLayout, ScanLayout, VolumeTableLayout
from tristream.config.sources import (
    ArchiveSource,
    DataladSource,
    FolderSource,
    SimulateSource,
)
from tristream.errors import UserError
from tristream.errors.json_text import read_object
from tristream.fetch.contents import DESCRIPTION, filled_path, inherited, raw_run
from tristream.fetch.git import git
from tristream.fetch.receipt import Receipt
from tristream.fetch.sources import open_origin
from tristream.simulate.bids_text import save_json
from tristream.simulate.synthetic.settings import SyntheticSettings

NAMES = ("README", "CHANGES", "LICENSE")
ENDINGS = (".json", ".tsv")
MAKER = {
    "Name": "tristream simulate",
    "Version": __version__,
    "Description": "Real events and names, simulated images; none of them was measured.",
}


def open_real(dataset: Dataset, given: Path | None, scratch: Path) -> Receipt:
    """List the real dataset: where the descriptor says that it is, or what the user has of it.

    Parameters
    ----------
    dataset : Dataset
        Its source is a DataLad dataset, a folder or an archive.
    given : Path, optional
        A local clone, a git bundle, or a folder of plain files, instead of the source's address.
    scratch : Path
        Folder for a clone, which the caller removes.

    Raises
    ------
    UserError
        If the dataset is simulated from a preset, can't be had, or lacks the commit.
    """
    source = dataset.source
    if isinstance(source, SimulateSource):
        raise UserError(
            f"{dataset.id}: is simulated already, from the preset {source.preset}: take it as it is"
        )
    if given is not None and not given.exists():
        raise UserError(f"--from {given}: no such file or folder")
    origin: DataladSource | FolderSource | ArchiveSource = source
    if given is not None and not isinstance(source, DataladSource):
        origin = FolderSource(path=str(given))
    elif given is not None and given.is_file():
        assert isinstance(source, DataladSource)
        bare = scratch / "bundle.git"
        bare.parent.mkdir(parents=True, exist_ok=True)
        git(scratch, "clone", "--quiet", "--bare", str(given.absolute()), str(bare.absolute()))
        origin = source.model_copy(update={"url": str(bare)})
    elif given is not None and isinstance(source, DataladSource):
        is_repository = (given / ".git").exists() or (given / "HEAD").is_file()
        address = source.model_copy(update={"url": str(given)})
        origin = address if is_repository else FolderSource(path=str(given))
    listing = open_origin(origin, dataset.id, scratch).listing()
    return Receipt(
        dataset.id, None, {}, listing.commit, listing.root, dataset.title, "", listing.files, False
    )


def copy_texts(dataset: Dataset, settings: SyntheticSettings, real: Receipt, raw: Path) -> None:
    """Copy events and sidecars of the chosen runs, and descriptions of the whole.

    Raises
    ------
    UserError
        If a chosen run has no events.
    """
    there = [file.path for file in real.files]
    small = {f.path for f in real.files if not f.annexed and "/" not in f.path}
    wanted = {p for p in small if p in NAMES or p.endswith(ENDINGS)}
    layout = dataset.layout
    if isinstance(layout, VolumeTableLayout | ScanLayout):
        table = layout.table if isinstance(layout, VolumeTableLayout) else layout.events
        if table not in there:
            raise UserError(f"{real.root}: has no file {table}; fix `layout` or `source`")
        _copy({*wanted, table}, real, raw)
        _describe(dataset, settings, real, raw)
        return
    if isinstance(layout, BetasLayout):
        tables = {
            filled_path(layout.trials, subject, run)
            for subject in settings.subjects
            for run in set(dataset.runs_of(subject)) & set(settings.runs)
        }
        if lacks := sorted(tables - set(there)):
            raise UserError(f"{real.root}: has no file {lacks[0]}; fix `layout.trials`")
        _copy(wanted | tables, real, raw)
        _describe(dataset, settings, real, raw)
        return
    for subject in settings.subjects:
        for run in set(dataset.runs_of(subject)) & set(settings.runs):
            start = raw_run(subject, run)
            events = inherited(f"{start}_events.tsv", there)
            if not events and not dataset.events.shown:
                raise UserError(f"{real.root}: has no file {start}_events.tsv; fix `missing`")
            wanted |= {*events, *inherited(f"{start}_bold.json", there)}
    _copy(wanted, real, raw)
    _describe(dataset, settings, real, raw)


def _copy(wanted: set[str], real: Receipt, raw: Path) -> None:
    for path in sorted(wanted - {DESCRIPTION}):
        target = raw / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(real.path(path), target)


def _describe(dataset: Dataset, settings: SyntheticSettings, real: Receipt, raw: Path) -> None:
    stated: dict[str, Any] = {"BIDSVersion": "1.10.0"}
    if DESCRIPTION in {file.path for file in real.files}:
        stated |= read_object(real.path(DESCRIPTION), "can't be read as JSON", "fix it")
    stated |= {
        "Name": f"Synthetic dataset after {stated.get('Name', dataset.title)}",
        "Simulated": True,
        "GeneratedBy": [MAKER],
        "SourceDatasets": [{"URL": getattr(dataset.source, "url", ""), "Version": real.commit}],
        "Simulation": {
            "Scale": settings.scale,
            "Ceiling": settings.ceiling,
            "Seed": settings.seed,
        },
    }
    # The real dataset's DOI is not that of the synthetic one.
    stated.pop("DatasetDOI", None)
    save_json(raw / DESCRIPTION, stated)
