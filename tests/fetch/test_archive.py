"""Archives that are damaged, or that would fill memory or the disk: one line, nothing is left."""

import bz2
import errno
import gzip
import io
import lzma
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tristream.config.sources import ArchiveSource
from tristream.errors import UserError
from tristream.fetch import archive as archives
from tristream.fetch.archive import fetch_archive

NOISE = os.urandom(200_000)
MEMBER = "film"


def zip_of(content: bytes = NOISE, kind: int = zipfile.ZIP_STORED) -> bytearray:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as file:
        file.writestr(f"tiny-1.0/{MEMBER}", content)
    return bytearray(buffer.getvalue())


def tar_of(content: bytes = NOISE, name: str = MEMBER) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:") as tar:
        info = tarfile.TarInfo(f"tiny-1.0/{name}")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def header_of(kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo("header")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.USTAR_FORMAT)


def changed(content: bytes | bytearray, at: int, by: bytes) -> bytes:
    return bytes(content[:at]) + by + bytes(content[at + len(by) :])


def at_central(content: bytearray, offset: int, by: bytes) -> bytes:
    """Another entry in a zip's central directory."""
    return changed(content, content.find(b"PK\1\2") + offset, by)


def nested(content: bytes) -> bytes:
    return gzip.compress(tar_of(content, "box.zip"))


def zeros_with_a_directory_of_zeros(size: int) -> bytes:
    """A zip whose central directory has `size` bytes: a few kilobytes in a compressed tar."""
    end = b"PK\5\6" + bytes(4) + b"\1\0\1\0" + size.to_bytes(4, "little") + bytes(6)
    return bytes(size) + end


PACKED = gzip.compress(tar_of())
DAMAGED: dict[str, Callable[[], bytes]] = {
    "a zip with a wrong checksum": lambda: changed(zip_of(), 5000, b"????"),
    "a zip whose deflated data are damaged": lambda: changed(
        zip_of(b"film" * 5000, zipfile.ZIP_DEFLATED), 46, b"\xff" * 9
    ),
    "a zip whose bzip2 data are damaged": lambda: changed(
        zip_of(NOISE, zipfile.ZIP_BZIP2), 60, b"\xff" * 99
    ),
    "a zip whose LZMA data are damaged": lambda: changed(
        zip_of(NOISE, zipfile.ZIP_LZMA), 55, b"\xff" * 99
    ),
    "a zip of an unknown method": lambda: at_central(zip_of(), 10, b"\x61"),
    "a zip with strong encryption": lambda: at_central(zip_of(), 8, b"\x40"),
    "a zip with a name that is not UTF-8": lambda: at_central(
        zip_of(), 8, b"\0\x08" + bytes(36) + b"\xff"
    ),
    "a zip whose central directory lies elsewhere": lambda: changed(
        zip_of(), zip_of().find(b"PK\5\6") + 16, b"\xff\xff\xff\x7f"
    ),
    "a tar.gz that is cut": lambda: PACKED[:100_000],
    "a tar.gz that is cut behind the member": lambda: PACKED[:-9],
    "a tar.gz with a wrong checksum": lambda: changed(PACKED, len(PACKED) - 8, b"????"),
    "a tar.gz whose data are damaged": lambda: changed(
        gzip.compress(tar_of(b"film" * 5000)), 60, b"\xff" * 30
    ),
    "a tar.bz2 that is cut": lambda: bz2.compress(tar_of())[:100_000],
    "a tar.bz2 whose data are damaged": lambda: changed(bz2.compress(tar_of()), 999, b"????"),
    "a tar.xz whose data are damaged": lambda: changed(lzma.compress(tar_of()), 9999, b"????"),
    "a tar that is cut": lambda: tar_of()[:100_000],
    "a sparse map of words": lambda: gzip.compress(
        header_of(tarfile.XHDTYPE, 30)
        + b"30 GNU.sparse.map=a,b,c,d,ef\n".ljust(512, b"\0")
        + tar_of()
    ),
    "headers without an end, one within the other": lambda: gzip.compress(
        (header_of(tarfile.XHDTYPE, 12) + b"12 comment=\n".ljust(512, b"\0")) * 5000
    ),
    "no archive": lambda: b"a page of a server that is in repair",
    "nothing": lambda: b"",
}
BOMBS: dict[str, Callable[[], bytes]] = {
    "attributes of 300 MB": lambda: gzip.compress(
        header_of(tarfile.XHDTYPE, 300_000_000) + bytes(300_000_000), 1
    ),
    "a name of 300 MB": lambda: gzip.compress(
        header_of(tarfile.GNUTYPE_LONGNAME, 300_000_000) + bytes(300_000_000), 1
    ),
    "half a million members": lambda: gzip.compress(header_of(tarfile.REGTYPE, 0) * 500_000, 1),
    "a zip in it with names of 300 MB": lambda: nested(
        zeros_with_a_directory_of_zeros(300_000_000)
    ),
}


def fetched(content: bytes, tmp_path: Path, *members: str) -> list[Path]:
    """Fetch members of an archive of this content; the files that are there then."""
    path = tmp_path / "tiny-1.0.tar.gz"
    path.write_bytes(content)
    fields = {"package": "tiny", "version": "1.0", "sha256": "0" * 64}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archives, "download", lambda source, data: path)
        fetch_archive(ArchiveSource(members=list(members or [MEMBER]), **fields), tmp_path / "data")
    return left(tmp_path)


def left(tmp_path: Path) -> list[Path]:
    found = (tmp_path / "data").rglob("*")
    return [path for path in found if path.is_file() and path.suffix not in (".lock", ".json")]


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_archive_is_one_line_and_leaves_nothing(kind: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tiny-1\.0\.tar\.gz: is damaged.*pin a version") as caught:
        fetched(DAMAGED[kind](), tmp_path)
    assert "\n" not in str(caught.value)
    assert not left(tmp_path)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, bytes])
def test_a_tar_is_read_however_it_is_compressed(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    (path,) = fetched(pack(tar_of()), tmp_path)
    assert path.read_bytes() == NOISE


def test_a_nested_zip_that_is_damaged_names_the_member(tmp_path: Path) -> None:
    damaged = changed(zip_of(), 5000, b"????")
    with pytest.raises(UserError, match=r"is damaged at box\.zip!/tiny-1\.0/film"):
        fetched(nested(damaged), tmp_path, "box.zip!/tiny-1.0/film")
    assert not left(tmp_path)


def test_an_encrypted_member_is_not_unpacked(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="only plain files"):
        fetched(at_central(zip_of(), 8, b"\1"), tmp_path)


def within_memory(most: int, content: bytes, tmp_path: Path, member: str) -> str:
    """Fetch in a process of its own, which may use `most` bytes; what it writes."""
    (tmp_path / "bomb").write_bytes(content)
    code = (
        "import sys; from pathlib import Path; from test_archive import fetched\n"
        "fetched(Path(sys.argv[1], 'bomb').read_bytes(), Path(sys.argv[1]), sys.argv[2])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), member],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (most, most)),
    )
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("kind", BOMBS)
def test_headers_do_not_fill_memory(kind: str, tmp_path: Path) -> None:
    member = "box.zip!/film" if "zip" in kind else MEMBER
    told = within_memory(280 << 20, BOMBS[kind](), tmp_path, member)
    assert told.startswith("tristream.errors.UserError: ")
    assert "headers of more than 16 MiB, or 64 together" in told
    assert not left(tmp_path)


def test_a_full_disk_is_not_a_damaged_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(archives, "_copy", full)
    with pytest.raises(OSError, match="No space left"):
        fetched(gzip.compress(tar_of()), tmp_path)
    assert not left(tmp_path)


def test_the_limit_of_a_member_is_set_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 100_000)
    with pytest.raises(UserError, match=r"film is larger than .* GiB.*TRISTREAM_MOST_UNPACKED_GIB"):
        fetched(PACKED, tmp_path)
    monkeypatch.setenv("TRISTREAM_MOST_UNPACKED_GIB", "0.5")
    (path,) = fetched(PACKED, tmp_path)
    assert path.stat().st_size == len(NOISE)
    shutil.rmtree(tmp_path / "data")
    monkeypatch.setenv("TRISTREAM_MOST_UNPACKED_GIB", "1e-5")
    with pytest.raises(UserError, match="film is larger than"):
        fetched(PACKED, tmp_path)


@pytest.mark.parametrize("stated", ["", "32 GiB", "0", "-1", "nan", "inf"])
def test_a_limit_that_is_not_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stated: str
) -> None:
    monkeypatch.setenv("TRISTREAM_MOST_UNPACKED_GIB", stated)
    with pytest.raises(UserError, match=r"TRISTREAM_MOST_UNPACKED_GIB is .*; give a number of GiB"):
        fetched(PACKED, tmp_path)
