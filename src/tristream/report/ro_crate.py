"""The study as an RO-Crate: its files with sizes and hashes, their sources, and licences.

RO-Crate Metadata Specification 1.1 (https://w3id.org/ro/crate/1.1). What it says is read from the
files: a dataset's version and licence from its receipt, never from the configuration.
"""

import json
import mimetypes
import platform
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tristream import __version__
from tristream.config.load import Resolved
from tristream.errors import UserError, masked
from tristream.fetch.receipt import Receipt
from tristream.hashing import hash_file, hash_text
from tristream.report.sections.provenance import versions
from tristream.report.study_results import Results
from tristream.results import Layout
from tristream.results.written import listed
from tristream.store import atomic_path

NAME = "ro-crate-metadata.json"
PROFILE = "https://w3id.org/ro/crate/1.1"
CONTEXT = [f"{PROFILE}/context", {"sha256": "https://schema.org/sha256"}]
HOME = "#tristream"
ENCODINGS = {
    ".h5": "application/x-hdf5",
    ".tsv": "text/tab-separated-values",
    ".gii": "application/xml",
    ".nii": "application/octet-stream",
    ".gz": "application/gzip",
    ".bib": "application/x-bibtex",
    ".yaml": "application/yaml",
    ".md": "text/markdown",
}
RECEIPTS = ("dataset", "stimuli_receipt", "weights")

Entity = dict[str, Any]


def write_crate(resolved: Resolved, output: Path, licence: str = "") -> int:
    """Describe all files of a study that are there; return how many they are.

    Parameters
    ----------
    resolved : Resolved
        The study.
    output : Path
        ``…/ro-crate-metadata.json``, in the results folder, as the specification has it.
    licence : str
        Address of the licence under which the results are given to others; without one the file
        says that none was chosen.

    Raises
    ------
    UserError
        If `output` lies elsewhere or has another name, or there is no result yet.
    """
    root = Path(resolved.study.results)
    if output.name != NAME or output.parent.resolve() != root.resolve():
        raise UserError(f"{output}: an RO-Crate is {NAME} in its folder: give {root / NAME}")
    results = Results(resolved, Layout(root).path("report"))
    files = sorted(path for path in _files(results) if path != output)
    if not files:
        raise UserError(f"{root}: holds no file of the study yet; run it first")
    kinds = {one.path(results.layout): one.kind for one in results.inputs}
    graph = _graph(results, files, kinds, licence)
    with atomic_path(output) as temporary:
        text = json.dumps({"@context": CONTEXT, "@graph": graph}, indent=1, ensure_ascii=False)
        temporary.write_text(masked(text) + "\n", encoding="utf-8")
    return len(files)


def _files(results: Results) -> set[Path]:
    """What the report reads, with sidecars, and what jobs list of their own files."""
    found: set[Path] = set()
    listing = results.layout.path("report_files")
    for path in (*(one.path(results.layout) for one in results.inputs), listing):
        if path.is_file():
            found |= {path, *_beside(path)}
    return found


def _beside(path: Path) -> Iterator[Path]:
    """A table's sidecar, and the files that a listing names."""
    sidecar = path.with_suffix(".json")
    if path.suffix == ".tsv" and sidecar.is_file():
        yield sidecar
    if path.suffix == ".json":
        yield from (one for name in listed(path) if (one := path.parent / name).is_file())


def _graph(
    results: Results, files: list[Path], kinds: dict[Path, str], licence: str
) -> list[Entity]:
    receipts = list(_receipts(results))
    sources = [_source(receipt) for receipt in receipts]
    software = _software()
    newest = max(path.stat().st_mtime for path in files)
    parts = [_file(path, results.root, kinds.get(path, "")) for path in files]
    simulated = [name for name in results.resolved.datasets if results.simulated(name)]
    note = f" BOLD of {', '.join(simulated)} is simulated." if simulated else ""
    title = results.resolved.study.title
    crate: Entity = {
        "@id": "./",
        "@type": "Dataset",
        "name": title,
        "description": f"Results of the study “{title}”, by tristream {__version__}.{note}",
        "datePublished": datetime.fromtimestamp(newest, UTC).date().isoformat(),
        "license": {"@id": licence} if licence else "No licence was chosen for these results.",
        "hasPart": _references(parts),
        "isBasedOn": _references(sources),
        "mentions": {"@id": "#run"},
    }
    action: Entity = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": "Run of the workflow",
        "instrument": {"@id": HOME},
        "object": _references(sources),
        "result": {"@id": "./"},
    }
    descriptor: Entity = {
        "@id": NAME,
        "@type": "CreativeWork",
        "conformsTo": {"@id": PROFILE},
        "about": {"@id": "./"},
    }
    licences = {name: _licence(name) for one in receipts if (name := one.licence)}
    if licence:
        licences[licence] = {"@id": licence, "@type": "CreativeWork", "name": licence}
    return [descriptor, crate, action, *sources, *licences.values(), *software, *parts]


def _references(entities: Iterable[Entity]) -> list[Entity]:
    return [{"@id": one["@id"]} for one in entities]


def _receipts(results: Results) -> Iterator[Receipt]:
    """Of datasets, stimuli and networks, each once."""
    for place in RECEIPTS:
        for _, path in results.existing(place):
            yield Receipt.read(path)


def _source(receipt: Receipt) -> Entity:
    """What was fetched: a dataset, stimuli or weights, by commit, version or hash."""
    source = receipt.source
    text = json.dumps(dict(source), sort_keys=True, default=str)
    address = masked(str(source.get("url", "")))
    version = receipt.commit or str(source.get("version") or source.get("revision") or "")
    entity: Entity = {
        "@id": f"#source-{receipt.dataset}-{hash_text(text)[:8]}",
        "@type": "Dataset",
        "name": receipt.name or receipt.dataset,
        "description": f"{receipt.dataset}, fetched from: {masked(text)}",
    }
    if version:
        entity["version"] = version
    if address.startswith(("http://", "https://")):
        entity["url"] = address
    if len(digest := str(source.get("sha256") or "")) == 64:
        entity["sha256"] = digest
    if receipt.licence:
        entity["license"] = {"@id": _licence(receipt.licence)["@id"]}
    return entity


def _licence(name: str) -> Entity:
    """A licence by the words of its dataset."""
    known = name.startswith(("http://", "https://"))
    return {
        "@id": name if known else f"#licence-{hash_text(name)[:8]}",
        "@type": "CreativeWork",
        "name": name,
    }


def _software() -> list[Entity]:
    packages = [
        {
            "@id": f"#software-{name}",
            "@type": "SoftwareApplication",
            "name": name,
            "version": number,
        }
        for name, number in {"Python": platform.python_version(), **versions()}.items()
    ]
    own: Entity = {
        "@id": HOME,
        "@type": "SoftwareApplication",
        "name": "tristream",
        "version": __version__,
        "softwareRequirements": _references(packages),
    }
    return [own, *packages]


def _file(path: Path, root: Path, kind: str) -> Entity:
    name = path.relative_to(root).as_posix()
    guessed = ENCODINGS.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    entity: Entity = {
        "@id": name,
        "@type": "File",
        "name": path.name,
        "contentSize": str(path.stat().st_size),
        "sha256": hash_file(path),
        "encodingFormat": guessed or "application/octet-stream",
    }
    if kind:
        entity["description"] = f"A file of kind {kind}, see docs/files.md of tristream."
    return entity
