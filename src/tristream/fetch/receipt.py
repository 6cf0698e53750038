"""The receipt: what was fetched, where it lies, and whether it says that it is simulated.

Later stages read a dataset's files by the list in the receipt, never by looking into folders.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tristream.errors import UserError
from tristream.paths import inside, resolve_inside
from tristream.store import Omission, Provenance, read_json, write_json

KIND = "receipt"


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
    omitted: tuple[Omission, ...] = field(default=())

    @classmethod
    def read(cls, path: Path | str) -> "Receipt":
        """Read a receipt.

        Raises
        ------
        UserError
            If it is missing, damaged, or does not say whether its data are simulated.
        """
        said, provenance = read_json(path, KIND)
        try:
            return cls(
                dataset=said["dataset"],
                subject=said["subject"],
                source=said["source"],
                commit=said["commit"],
                root=Path(said["root"]),
                name=said["name"],
                licence=said["licence"],
                files=tuple(FetchedFile(**file) for file in said["files"]),
                simulated=provenance.simulated,
                code=provenance.code,
                omitted=provenance.omitted,
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
        }
        provenance = Provenance(
            KIND, self.simulated, {"source": dict(self.source)}, self.code, self.omitted
        )
        write_json(path, content, provenance)

    def path(self, relative: str) -> Path:
        """Where a listed file lies.

        Raises
        ------
        UserError
            If the receipt does not list it, it leads out of the dataset, or its content is not
            present.
        """
        place = inside(self.root, relative)
        if relative not in {file.path for file in self.files}:
            raise UserError(f"{self.root}: {relative} is not in the receipt of {self.dataset}")
        if not resolve_inside(self.root, relative).is_file():
            raise UserError(
                f"{place}: its content is not present (dropped, or not fetched); where there is a "
                "network, run `snakemake --forcerun fetch_dataset fetch_subject` or `fetch_stimuli`"
            )
        return place

    def find(self, suffix: str) -> list[str]:
        """Paths of the listed files that end with `suffix`, sorted."""
        return sorted(file.path for file in self.files if file.path.endswith(suffix))


def says_simulated(description: Mapping[str, Any]) -> bool:
    """Whether a dataset_description.json says that its dataset is simulated."""
    makers = description.get("GeneratedBy", [])
    named = (
        [m.get("Name") for m in makers if isinstance(m, dict)] if isinstance(makers, list) else []
    )
    return description.get("Simulated") is True or "tristream simulate" in named
