"""The receipt: what was fetched, how, where it lies, and whether the data are simulated.

Later stages read a dataset's files by the list in the receipt, never by looking into folders.
Beside it, the list of what was dropped after its last use.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tristream.errors import UserError
from tristream.fetch.absent_content import absent_content
from tristream.paths import inside, resolve_inside
from tristream.store import Omission, Provenance, read_json, write_json

KIND = "receipt"
DROPPED = "dropped"


@dataclass(frozen=True)
class FetchedFile:
    """One file of a dataset.

    Attributes
    ----------
    path : str
        POSIX path relative to the receipt's root.
    size : int or None
        Bytes; None for an annexed file whose key does not tell.
    checksum : str
        ``algorithm:hexdigest``, as `md5:…` or `sha256:…`; empty where unknown.
    key : str
        git-annex key; empty for files that are not annexed.
    annexed : bool
        Whether the content lies in the annex, so that it can be absent.
    """

    path: str
    size: int | None
    checksum: str = ""
    key: str = ""
    annexed: bool = False


@dataclass(frozen=True)
class Receipt:
    """What was fetched from one source.

    Attributes
    ----------
    dataset : str
        Dataset id (for weights the extractor, for an atlas the preset).
    subject : str or None
        Subject label; None for the listing of the whole dataset, stimuli, weights and atlases.
    source : dict
        The source as configured.
    commit : str
        Commit of a DataLad dataset; empty for other sources.
    root : Path
        Folder that holds the files.
    name, licence : str
        From dataset_description.json or the source.
    files : tuple of FetchedFile
        All files that may be read.
    simulated : bool
        Whether the dataset says of itself that it is simulated.
    code : str
        Fingerprint of the code that fetched.
    omitted : tuple of Omission
        What was not fetched and why.
    methods : tuple of str
        How the files were obtained and checked, as sentences for a methods section.
    elsewhere : dict of str to str
        Folder of the dataset to the folder that holds it, where that is not below `root`:
        derivatives beside the raw data, or on another disk.
    """

    dataset: str
    subject: str | None
    source: Mapping[str, Any]
    commit: str
    root: Path
    name: str
    licence: str
    files: tuple[FetchedFile, ...]
    simulated: bool
    code: str = ""
    omitted: tuple[Omission, ...] = ()
    methods: tuple[str, ...] = ()
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def listed(self) -> frozenset[str]:
        """Paths of all files."""
        return frozenset(file.path for file in self.files)

    @property
    def provenance(self) -> Provenance:
        """The provenance that the file states."""
        return Provenance(
            KIND,
            self.simulated,
            {"source": dict(self.source)},
            self.code,
            self.omitted,
            self.methods,
        )

    @classmethod
    def read(cls, path: Path | str) -> "Receipt":
        """Read a receipt.

        Raises
        ------
        UserError
            If it is missing, damaged, or does not say whether its data are simulated.
        """
        stored, provenance = read_json(path, KIND)
        try:
            return cls(
                dataset=stored["dataset"],
                subject=stored["subject"],
                source=stored["source"],
                commit=stored["commit"],
                root=Path(stored["root"]),
                name=stored["name"],
                licence=stored["licence"],
                files=tuple(FetchedFile(**file) for file in stored["files"]),
                simulated=provenance.simulated,
                code=provenance.code,
                omitted=provenance.omitted,
                methods=provenance.methods,
                elsewhere=stored.get("elsewhere", {}),
            )
        except (KeyError, TypeError) as error:
            raise UserError(
                f"{path}: not a whole receipt ({error}); delete it and run again"
            ) from None

    def write(self, path: Path | str) -> None:
        """Write the receipt, atomically."""
        content = {
            "dataset": self.dataset,
            "subject": self.subject,
            "source": dict(self.source),
            "commit": self.commit,
            "root": self.root.as_posix(),
            "name": self.name,
            "licence": self.licence,
            "files": [asdict(file) for file in self.files],
            "elsewhere": dict(self.elsewhere),
        }
        write_json(path, content, self.provenance)

    def path(self, relative: str) -> Path:
        """Where a listed file lies.

        Raises
        ------
        UserError
            If the receipt does not list it, it leads out of the dataset, or its content is not
            present.
        """
        root, rest = self.root, relative
        for folder, other in self.elsewhere.items():
            if relative.startswith(f"{folder}/"):
                root, rest = Path(other), relative.removeprefix(f"{folder}/")
        place = inside(root, rest)
        if relative not in self.listed:
            raise UserError(f"{self.root}: {relative} is not in the receipt of {self.dataset}")
        there, why = resolve_inside(root, rest).is_file(), absent_content(place)
        if there and not why:
            return place
        if self.source.get("kind") != "folder" and root == self.root:
            why = (
                "it was dropped, or not fetched; where there is a network, run `snakemake "
                "--forcerun fetch_dataset fetch_subject` or `fetch_stimuli`"
            )
        raise UserError(
            f"{place}: its content is not present: {why or 'the file is gone; put it back'}"
        )

    def relative(self, path: Path) -> str:
        """What :meth:`path` was given for this file."""
        for folder, other in self.elsewhere.items():
            if path.is_relative_to(other):
                return (Path(folder) / path.relative_to(other)).as_posix()
        return path.relative_to(self.root).as_posix()

    def find(self, suffix: str) -> list[str]:
        """Paths of the listed files that end with `suffix`, sorted."""
        return sorted(path for path in self.listed if path.endswith(suffix))


@dataclass(frozen=True)
class Dropped:
    """What was dropped of fetched files after their last use.

    Attributes
    ----------
    files : tuple of str
        Paths whose content is gone from the clone, relative to the receipt's root.
    kept : tuple of Omission
        Paths that were kept, and why.
    simulated : bool
        Whether any of the receipts is of simulated data.
    code : str
        Fingerprint of the code that dropped them.
    """

    files: tuple[str, ...]
    kept: tuple[Omission, ...]
    simulated: bool
    code: str = ""

    @classmethod
    def read(cls, path: Path | str) -> "Dropped":
        """Read the list."""
        stored, provenance = read_json(path, DROPPED)
        files = tuple(str(file) for file in stored["dropped"])
        return cls(files, provenance.omitted, provenance.simulated, provenance.code)

    def write(self, path: Path | str) -> None:
        """Write the list, atomically."""
        provenance = Provenance(DROPPED, self.simulated, {}, self.code, self.kept)
        write_json(path, {"dropped": list(self.files)}, provenance)


def says_simulated(description: Mapping[str, Any]) -> bool:
    """Whether a dataset_description.json says that its dataset is simulated."""
    makers = description.get("GeneratedBy", [])
    named = (
        [m.get("Name") for m in makers if isinstance(m, dict)] if isinstance(makers, list) else []
    )
    return description.get("Simulated") is True or "tristream simulate" in named
