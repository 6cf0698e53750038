"""The home of ``maps.json``: which maps there are of one subject, and in which files."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tristream.results.written import sizes
from tristream.store import Provenance, read_json, write_json

KIND = "maps"


@dataclass(frozen=True)
class Entry:
    """One map; its files are relative to ``maps.json``.

    Attributes
    ----------
    file : str
        The image or figure.
    title, caption : str
        What it shows; how to read it.
    kind : str
        ``nifti``, ``gifti`` or ``cifti``; of figures ``volume``, ``inflated`` or ``flat``.
    quantity : str
        ``r``, ``best_stream`` …
    svg, tsv : str
        Of a figure: its vector version, and the numbers behind it.
    """

    file: str
    title: str
    caption: str
    kind: str
    quantity: str
    svg: str = ""
    tsv: str = ""


@dataclass(frozen=True)
class MapList:
    """The maps of one model or contrast of one subject.

    Attributes
    ----------
    dataset, subject : str
    section, name : str
        ``models`` or ``contrasts``, and which of them.
    maps : sequence of Entry
    """

    dataset: str
    section: str
    name: str
    subject: str
    maps: Sequence[Entry]


def write_maps(
    path: Path, listed: MapList, provenance: Provenance, written: Iterable[Path]
) -> None:
    """Write the list, once all files are there: the maps, and all that was `written` with sizes."""
    write_json(path, {**asdict(listed), "files": sizes(written, path)}, provenance)


def read_maps(path: Path) -> tuple[MapList, Provenance]:
    """Read what :func:`write_maps` wrote.

    Raises
    ------
    UserError
        If it is missing, damaged or of another kind.
    """
    content, provenance = read_json(path, KIND)
    about = {key: str(content[key]) for key in ("dataset", "section", "name", "subject")}
    return MapList(**about, maps=[Entry(**entry) for entry in content["maps"]]), provenance
