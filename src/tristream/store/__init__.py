"""How every stage writes and reads its files: atomically, and with what a reader must know.

Each file says what it is (`kind`), the version of its layout, whether its data are simulated,
the config that its stage read, the fingerprint of the code that made it, and what was left out
and why. HDF5 files carry this in their attributes, tables and JSON files in a ``.json`` beside or
inside them. Files are written under a temporary name in the same folder and renamed when whole, so
a reader that finds a file may trust it.
"""

import atexit
import glob
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tristream.errors import UserError, json_text
from tristream.results.written import note
from tristream.store.block_sums import SealedFile, seal
from tristream.store.provenance import SCHEMA_VERSION as SCHEMA_VERSION
from tristream.store.provenance import Omission as Omission
from tristream.store.provenance import Provenance as Provenance
from tristream.store.provenance import not_ours as not_ours
from tristream.store.provenance import without_secrets
from tristream.store.spreadsheets import as_written, harmless, is_number
from tristream.store.strange_files import refuse_strange

if TYPE_CHECKING:
    import h5py
    import numpy.typing as npt
    import pandas as pd

# The last key of JSON files: SHA-256 of all others, sorted, as Python writes them.
CHECKSUM = "checksum"


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary name beside `path` that becomes `path` if the block ends well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    _sweep(path)
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        # A write that fails does not say of what file.
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)
    note(path)


def _sweep(path: Path) -> None:
    """Delete what killed processes left of earlier tries to write `path`."""
    start, end = f".{path.stem}.", f".part{path.suffix}"
    for other in path.parent.glob(f"{glob.escape(start)}*{glob.escape(end)}"):
        process = other.name.removeprefix(start).removesuffix(end)
        if process.isdigit() and not Path("/proc", process).exists() and Path("/proc").is_dir():
            other.unlink(missing_ok=True)


@contextmanager
def create_h5(path: Path | str, provenance: Provenance) -> Iterator["h5py.File"]:
    """Open a new HDF5 file for writing; it appears under its name when the block ends well.

    Raises
    ------
    OSError
        If it can't be written whole: no room, a quota, a broken disk.
    """
    import h5py

    with atomic_path(path) as temporary, Forgiving(temporary) as raw:
        try:
            with h5py.File(raw, "w", track_order=True) as file:
                for name, value in provenance.to_json().items():
                    plain = isinstance(value, bool | int | str)
                    file.attrs[name] = value if plain else json.dumps(value)
                yield file
        except Exception:
            # HDF5 reads back heaps of strings that were never written.
            if raw.failure is None:
                raise
        if raw.failure is not None:
            raise OSError(raw.failure.errno, raw.failure.strerror, str(path))
        seal(temporary)


class Forgiving(io.FileIO):
    """A new file that keeps the first failure to write for later, and goes on as if all was well.

    HDF5 crashes the process (SIGSEGV) when it closes a file that it could not write, and when it
    reads back other bytes than it wrote: what the disk does not take is kept in memory. Large
    pieces are arrays, which HDF5 does not interpret, and are dropped.
    """

    failure: OSError | None = None
    PAGE = 4096
    LARGE = 2**20  # bytes

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self._kept: dict[int, bytearray] = {}

    def write(self, data: Any) -> int:
        """Write all of `data`, or keep it, if writing fails or has failed."""
        left = memoryview(data).cast("B")
        size = left.nbytes
        try:
            while left and self.failure is None:
                left = left[super().write(left) :]
        except OSError as error:
            self.failure = error
        if left:
            self._keep(left, self.tell())
            super().seek(len(left), os.SEEK_CUR)
        return size

    def _keep(self, data: memoryview, at: int) -> None:
        if data.nbytes >= self.LARGE:
            return
        for page, inside, piece in self._pages(at, data.nbytes):
            if page not in self._kept:
                held = os.pread(self.fileno(), self.PAGE, page * self.PAGE)
                self._kept[page] = bytearray(held.ljust(self.PAGE, b"\0"))
            self._kept[page][inside] = data[piece]

    def _pages(self, at: int, size: int) -> Iterator[tuple[int, slice, slice]]:
        """Pages of `size` bytes from `at`: number, where in the page, where in the bytes."""
        done = 0
        while done < size:
            page, start = divmod(at + done, self.PAGE)
            n = min(self.PAGE - start, size - done)
            yield page, slice(start, start + n), slice(done, done + n)
            done += n

    def readinto(self, buffer: Any) -> int:
        """Read what was written, on the disk or not; zeros where nothing was."""
        if self.failure is None:
            return super().readinto(buffer) or 0
        view = memoryview(buffer).cast("B")
        at = self.tell()
        view[:] = os.pread(self.fileno(), view.nbytes, at).ljust(view.nbytes, b"\0")
        for page, inside, piece in self._pages(at, view.nbytes):
            if page in self._kept:
                view[piece] = self._kept[page][inside]
        return view.nbytes

    def truncate(self, size: int | None = None) -> int:
        """Change the length, if nothing failed before."""
        if self.failure is None:
            try:
                return super().truncate(size)
            except OSError as error:
                self.failure = error
        return self.tell() if size is None else size


# Files, with time and size, that this process has looked through: some are opened many times.
_sound: set[tuple[str, int, int]] = set()


@contextmanager
def open_h5(path: Path | str, kind: str) -> Iterator[tuple["h5py.File", Provenance]]:
    """Open an HDF5 file of a known kind for reading, without locks (NFS, Lustre).

    What is read of it is compared with its checksums, if it has some.

    Raises
    ------
    UserError
        If the file is missing, damaged, of another kind, or does not say whether its data are
        simulated.
    """
    with _opened(Path(path)) as (file, _):
        yield file, _h5_provenance(file, Path(path), kind)


# Files that are open. HDF5 would close those that are left at the end of the process, when there is
# no Python any more to do it with, and crash.
_open: dict[int, "h5py.File"] = {}


@atexit.register
def _close_all() -> None:
    while _open:
        _open.popitem()[1].close()


@contextmanager
def _opened(path: Path) -> Iterator[tuple["h5py.File", SealedFile]]:
    import h5py

    raw = None
    try:
        raw = SealedFile(path)
        # Not by its name: HDF5 would lock it, and read past the checksums.
        file = h5py.File(raw, "r")
    except (OSError, ValueError) as error:
        error.__traceback__ = None  # its frames would keep parts of HDF5, see `_open`
        if raw is not None:
            raw.close()
        raise UserError(
            f"{path}: can't be read as HDF5 ({error}); delete it and run again"
        ) from None
    _open[id(file)] = file
    try:
        stat = path.stat()
        version = str(path.absolute()), stat.st_mtime_ns, stat.st_size
        if version not in _sound:
            refuse_strange(file, path)
            _sound.add(version)
        yield file, raw
    finally:
        _open.pop(id(file), None)
        file.close()
        raw.close()
        # A reader may have an explanation of its own for what it could not read.
        if raw.failure:
            raise UserError(f"{path}: {raw.failure}; delete it and run again") from None


def read_mapped(path: Path, kind: str, name: str) -> "npt.NDArray[Any]":
    """An array of a file, checked as a whole and then read from it where it is asked for.

    Raises
    ------
    UserError
        As :func:`open_h5`.
    """
    import numpy as np

    with _opened(path) as (file, raw):
        _h5_provenance(file, path, kind)
        data = file[name]
        if (offset := data.id.get_offset()) is None:
            return np.asarray(data[()])
        raw.check(offset, offset + data.nbytes)
        return np.memmap(path, data.dtype, "r", offset, data.shape)


def _h5_provenance(file: "h5py.File", path: Path, kind: str) -> Provenance:
    stored: dict[str, Any] = {}
    for key in ("kind", "schema_version", "simulated", "code"):
        if key in file.attrs:
            value = _attribute(file, key, path)
            stored[key] = value.item() if getattr(value, "shape", None) == () else value
            if not isinstance(stored[key], bool | int | str):
                raise not_ours(path, key)
    for key in ("config", "omitted", "methods"):
        if key in file.attrs:
            stored[key] = json_attribute(file, key, path)
    return Provenance.from_json(stored, path, kind)


def json_attribute(
    group: "h5py.Group", name: str, path: Path, default: dict[str, Any] | list[Any] | None = None
) -> Any:
    """What an attribute holds as JSON.

    Parameters
    ----------
    group : Group
        An open file, or a group of it.
    name : str
        The attribute.
    path : Path
        The file, for the message.
    default : dict or list, optional
        Stands for an attribute that is not there; what is there must be of its type.

    Raises
    ------
    UserError
        If it is not there and has no default, is not JSON, or of another type.
    """
    if default is not None and name not in group.attrs:
        return default
    try:
        content = json_text.parse(_attribute(group, name, path))
    except (ValueError, TypeError):
        raise not_ours(path, name) from None
    if default is not None and not isinstance(content, type(default)):
        raise not_ours(path, name)
    return content


def _attribute(group: "h5py.Group", name: str, path: Path) -> Any:
    try:
        return group.attrs[name]
    except (OSError, RuntimeError, KeyError, ValueError, TypeError):
        raise not_ours(path, name) from None


def provenance_of(path: Path | str, kind: str) -> Provenance:
    """Read only the provenance of an HDF5 file."""
    with open_h5(path, kind) as (_, provenance):
        return provenance


def provenance_at(path: Path | str, kind: str) -> Provenance:
    """The provenance of a file of any format: HDF5, a table with its sidecar, JSON."""
    path = Path(path)
    if path.suffix == ".h5":
        return provenance_of(path, kind)
    return read_json(sidecar(path), kind)[1]


def write_strings(group: "h5py.Group", name: str, values: Sequence[str]) -> None:
    """Write a list of strings as a UTF-8 dataset."""
    import h5py

    group.create_dataset(name, data=list(values), dtype=h5py.string_dtype(), shape=(len(values),))


def read_strings(group: "h5py.Group", name: str) -> list[str]:
    """Read what :func:`write_strings` wrote."""
    return [str(v) for v in group[name].asstr()[()]]


def write_json(path: Path | str, content: Mapping[str, Any], provenance: Provenance) -> None:
    """Write a JSON file whose top level holds the provenance beside `content`, and a checksum."""
    write_summed(path, {**provenance.to_json(), **content})


def write_summed(path: Path | str, content: Mapping[str, Any]) -> None:
    """Write JSON with a checksum of its own values."""
    plain = without_secrets(json.loads(json.dumps(content, default=_plain)))
    with atomic_path(path) as temporary:
        text = json.dumps({**plain, CHECKSUM: _sum(plain)}, indent=2)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_summed(path: Path) -> dict[str, Any]:
    """Read what :func:`write_summed` wrote, or what somebody wrote without a checksum.

    Raises
    ------
    UserError
        If it is missing, not JSON, or other values than those that were written.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file; the stage that writes it has not run")
    content = json_text.read_object(path)
    # Its key or its value is enough to know the checksum by: one of them may be damaged.
    last, stored = next(reversed(content.items()), ("", ""))
    if last == CHECKSUM or str(stored).startswith("sha256:"):
        del content[last]
        if (last, stored) != (CHECKSUM, _sum(content)):
            raise UserError(
                f"{path}: its values are not those that were written: it is damaged, or was "
                "changed by hand; delete it and run again"
            )
    return content


def _sum(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def read_json(path: Path | str, kind: str) -> tuple[dict[str, Any], Provenance]:
    """Read a JSON file of a known kind.

    Raises
    ------
    UserError
        If it is missing, not JSON, or not what it should be.
    """
    content = read_summed(Path(path))
    return content, Provenance.from_json(content, Path(path), kind)


def sidecar(path: Path | str) -> Path:
    """The JSON beside a table."""
    return Path(path).with_suffix(".json")


def write_table(
    path: Path | str,
    table: "pd.DataFrame",
    provenance: Provenance,
    columns: Mapping[str, str] | None = None,
    **content: Any,
) -> None:
    """Write a TSV and its JSON sidecar (BIDS style: what each column means).

    Parameters
    ----------
    path : Path
        Ends in ``.tsv``; the sidecar has the same name and ends in ``.json``.
    table : DataFrame
        Missing values become ``n/a``; the index is not written.
    provenance : Provenance
        Goes into the sidecar.
    columns : dict, optional
        Column name to description.
    **content
        More keys for the sidecar.
    """
    table = harmless(table)
    described = {name: {"Description": text} for name, text in (columns or {}).items()}
    about = {
        **content,
        "columns": described,
        "text_columns": [c for c in table.columns if not is_number(table[c])],
    }
    text = table.to_csv(sep="\t", index=False, na_rep="n/a", lineterminator="\n").encode()
    about |= {"rows": len(table), "sha256": hashlib.sha256(text).hexdigest()}
    write_json(sidecar(path), about, provenance)
    with atomic_path(path) as temporary:
        temporary.write_bytes(text)


def read_table(path: Path | str, kind: str) -> tuple["pd.DataFrame", Provenance]:
    """Read a TSV that :func:`write_table` wrote; only ``n/a`` is a missing value.

    Raises
    ------
    UserError
        If the table or its sidecar is missing, or if the table is not what was written: cut off,
        changed by hand, from another run than the sidecar.
    """
    import pandas as pd

    stored, provenance = read_json(sidecar(path), kind)
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; the stage that writes it has not run") from None
    if hashlib.sha256(content).hexdigest() != stored.get("sha256"):
        rows = max(content.count(b"\n") - 1, 0)
        raise UserError(
            f"{path}: is not what was written ({rows} rows, "
            f"{sidecar(path).name} says {stored.get('rows', 'nothing')}), cut off or changed by "
            "hand: delete both files and run again"
        )
    text = _text_columns(stored, sidecar(path))
    table = pd.read_csv(
        io.BytesIO(content), sep="\t", keep_default_na=False, na_values=["n/a"], dtype=text
    )
    return as_written(table), provenance


def _text_columns(stored: Mapping[str, Any], path: Path) -> dict[str, type[str]]:
    names = stored.get("text_columns", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise not_ours(path, "text_columns")
    return dict.fromkeys(names, str)


def _plain(value: Any) -> Any:
    """Numpy scalars and arrays, paths, for json.dumps."""
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON")
