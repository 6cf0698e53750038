"""Members of a source archive or wheel, unpacked safely; nothing in the archive is executed.

Only the members that a descriptor names are read. Text inside the archive decides nothing: a
member's place on disk follows from the descriptor, links and special files are refused.
"""

import bz2
import errno
import gzip
import json
import lzma
import math
import os
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tristream.config.sources import ArchiveSource
from tristream.errors import UserError
from tristream.fetch.bounded_stream import BoundedStream
from tristream.fetch.file_lock import lock
from tristream.fetch.index import download
from tristream.fetch.receipt import FetchedFile
from tristream.hashing import hash_file
from tristream.paths import inside, open_unlinked
from tristream.store import atomic_path

NESTED = "!/"
MAX_BYTES = 16 << 30  # of one member: films fit, a decompression bomb fills no disk
LIMIT = "TRISTREAM_MOST_UNPACKED_GIB"  # environment variable that sets another limit
BLOCK = 1 << 20
# What `tarfile`, `zipfile` and the decompressors raise for archives that are cut, changed, or of a
# kind that they can't read. RuntimeError holds NotImplementedError and RecursionError, ValueError
# names that are not UTF-8.
DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError),
    *(RuntimeError, ValueError, OverflowError, IndexError, struct.error),
)
# Errors of the system that come of a position that is not in the archive; others are of the disk.
NOT_OF_THE_DISK = (None, errno.EINVAL)
DECOMPRESSED: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
    b"\x5d\0\0": lzma.open,
}


def fetch_archive(source: ArchiveSource, data: Path) -> tuple[Path, list[FetchedFile]]:
    """Download an archive if needed and unpack the members that `source` names.

    A member ``docs/film.zip!/film.mp4`` lies at that very path under the returned root (in a
    folder called ``film.zip!``). What is there and unchanged is not unpacked again, and needs no
    archive.

    Parameters
    ----------
    source : ArchiveSource
        What to fetch.
    data : Path
        The study's data folder.

    Returns
    -------
    root : Path
        Folder of the members: ``data/datasets/<first 12 digits of the sha256>``.
    files : list of FetchedFile
        The members with sizes and sha256.

    Raises
    ------
    UserError
        If the download fails, its sha256 is wrong, it is damaged, or a member is missing or unsafe.
    """
    root = data / "datasets" / source.sha256[:12]
    manifest = root.with_suffix(".json")
    with lock(root.with_suffix(".lock")):
        known = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else {}
        wanted = [m for m in source.members if not _unchanged(inside(root, m), known.get(m))]
        if wanted:
            archive = download(source, data)
            _check_whole(archive)
            for member in wanted:
                _unpack(archive, member, inside(root, member))
                known[member] = hash_file(inside(root, member))
            with atomic_path(manifest) as temporary:
                temporary.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    return root, [
        FetchedFile(path=m, size=inside(root, m).stat().st_size, checksum=f"sha256:{known[m]}")
        for m in source.members
    ]


def unpacked(source: ArchiveSource, data: Path) -> bool:
    """Whether all members are here already, so that :func:`fetch_archive` needs no network."""
    root = data / "datasets" / source.sha256[:12]
    manifest = root.with_suffix(".json")
    known = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else {}
    return all(_unchanged(inside(root, member), known.get(member)) for member in source.members)


def _unchanged(path: Path, digest: str | None) -> bool:
    return digest is not None and path.is_file() and hash_file(path) == digest


def _check_whole(archive: Path) -> None:
    """Read a compressed tar to its end, where its checksum is: `tarfile` stops at the member."""
    if zipfile.is_zipfile(archive):
        return
    with _readable(archive), _opened(archive) as stream:
        while stream.read(BLOCK):
            pass


def _opened(archive: Path) -> IO[bytes]:
    """A tar, unpacked on the fly if it is compressed."""
    with archive.open("rb") as file:
        start = file.read(8)
    unpack = (unpack for magic, unpack in DECOMPRESSED.items() if start.startswith(magic))
    stream: IO[bytes] = next(unpack, open)(archive, "rb")
    return stream


@contextmanager
def _readable(archive: Path, where: str = "") -> Iterator[None]:
    """Tell in one line what is wrong with an archive; errors of the disk are left as they are."""
    try:
        yield
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno not in NOT_OF_THE_DISK:
            raise
        why = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{archive}: is damaged{where}, or of a kind that is not read ({why}); it is what the "
            "descriptor pins: pin a version that is whole"
        ) from None


def _unpack(archive: Path, member: str, target: Path) -> None:
    outer, _, inner = member.partition(NESTED)
    with _readable(archive, f" at {member}"), _member(archive, outer) as stream:
        if not inner:
            _place(stream, target, archive, member)
            return
        with tempfile.TemporaryFile(dir=archive.parent) as nested:
            _copy(stream, nested, archive, outer)
            if not zipfile.is_zipfile(nested):
                raise UserError(
                    f"{archive.name}: {outer} is not a zip; name members of zips alone by "
                    f"{NESTED!r} in the descriptor"
                )
            with _zip(nested) as file, _zip_member(file, inner, archive) as content:
                _place(content, target, archive, member)


def _place(stream: IO[bytes], target: Path, archive: Path, member: str) -> None:
    with atomic_path(target) as temporary, open_unlinked(temporary, "wb") as file:
        _copy(stream, file, archive, member)


def _copy(stream: IO[bytes], file: IO[bytes], archive: Path, member: str) -> None:
    most = _most_bytes()
    total = 0
    while chunk := stream.read(BLOCK):
        total += len(chunk)
        if total > most:
            raise UserError(
                f"{archive.name}: {member} is larger than {most / 2**30:.3g} GiB; not unpacked: if "
                f"it is what you want, set {LIMIT} in the environment to the GiB that it may have"
            )
        file.write(chunk)


def _most_bytes() -> int:
    """Size that a member may have."""
    stated = os.environ.get(LIMIT)
    if stated is None:
        return MAX_BYTES
    try:
        gib = float(stated)
    except ValueError:
        gib = math.nan
    if not 0 < gib < math.inf:
        raise UserError(f"{LIMIT} is {stated!r} in the environment; give a number of GiB, as 32")
    return int(gib * 2**30)


@contextmanager
def _member(archive: Path, name: str) -> Iterator[IO[bytes]]:
    """A regular file of a wheel (a zip) or an sdist (a tar, its own top folder left out)."""
    if zipfile.is_zipfile(archive):
        with archive.open("rb") as stored, _zip(stored) as file:
            top = "" if archive.suffix == ".whl" else _top(file.namelist())
            with _zip_member(file, top + name, archive) as stream:
                yield stream
        return
    with _opened(archive) as unpacked:
        bounded = BoundedStream(unpacked)
        bounded.count_headers(True)
        with tarfile.open(fileobj=bounded, mode="r:") as tar:
            yield _tar_member(tar, name, archive, bounded)


def _tar_member(
    tar: tarfile.TarFile, name: str, archive: Path, bounded: BoundedStream
) -> IO[bytes]:
    info = next((i for i in tar if i.name.removeprefix("./").partition("/")[2] == name), None)
    if info is None:
        raise _missing(archive, name)
    content = tar.extractfile(info) if info.isreg() else None
    if content is None:
        raise _special(archive, name)
    bounded.count_headers(False)
    return content


def _zip(stream: IO[bytes]) -> zipfile.ZipFile:
    return zipfile.ZipFile(BoundedStream(stream))


def _top(names: list[str]) -> str:
    return names[0].partition("/")[0] + "/" if names else ""


@contextmanager
def _zip_member(file: zipfile.ZipFile, name: str, archive: Path) -> Iterator[IO[bytes]]:
    try:
        info = file.getinfo(name)
    except KeyError:
        raise _missing(archive, name) from None
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.is_dir() or kind not in (0, stat.S_IFREG) or info.flag_bits & 0x1:
        raise _special(archive, name)
    with file.open(info) as stream:
        yield stream


def _missing(archive: Path, name: str) -> UserError:
    return UserError(
        f"{archive.name}: has no member {name!r}; check `members` in the descriptor (named without "
        "the archive's own top folder)"
    )


def _special(archive: Path, name: str) -> UserError:
    return UserError(
        f"{archive.name}: the member {name!r} is a link, a folder, encrypted or a device; only "
        "plain files are unpacked"
    )
