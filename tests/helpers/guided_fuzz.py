"""Bytes for one of our parsers, led by the lines of it that they reach.

``python -m helpers.guided_fuzz PARSER CORPUS OPTION …`` (options of libFuzzer) runs until time is
up, or until the parser raises anything but the line that a user is told.
"""

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

with atheris.instrument_imports(include=["tristream"]):
    from tristream.bold.resampling.transforms import read_affines
    from tristream.errors import UserError
    from tristream.features.spaces.musicnn.checkpoint import DATA, INDEX, read_checkpoint
    from tristream.fetch.annex import parse_key
    from tristream.media.file_ends import bytes_missing, ends_openly, unclosed
    from tristream.store.block_sums import Damaged, SealedFile


def checkpoint(content: bytes, folder: Path) -> None:
    (folder / INDEX).write_bytes(content)
    (folder / DATA).write_bytes(bytes(40))
    with contextlib.suppress(UserError):
        read_checkpoint(folder)


def ends(content: bytes, folder: Path) -> None:
    (folder / "film").write_bytes(content)
    missing = bytes_missing(folder / "film")
    assert missing is None or missing >= 0
    ends_openly(folder / "film")
    unclosed(folder / "film")


def affines(content: bytes, folder: Path) -> None:
    (folder / "x.txt").write_bytes(content)
    with contextlib.suppress(UserError):
        read_affines(folder / "x.txt")


def key(content: bytes, folder: Path) -> None:
    size, checksum = parse_key(content.decode("utf-8", "surrogateescape"))
    assert size is None or size >= 0
    assert not checksum or ":" in checksum


def sums(content: bytes, folder: Path) -> None:
    (folder / "a.h5").write_bytes(content)
    with contextlib.suppress(Damaged), SealedFile(folder / "a.h5") as file:
        file.read()


@atheris.instrument_func
def planted(content: bytes, folder: Path) -> None:
    """A parser with a fault that bytes at random would not meet: the control."""
    if content[:1] == b"T" and content[1:2] == b"R" and content[2:3] == b"I" and len(content) > 3:
        raise KeyError(content[3])


PARSERS: dict[str, Callable[[bytes, Path], None]] = {
    one.__name__: one for one in (checkpoint, ends, affines, key, sums, planted)
}


def main() -> None:
    parser = PARSERS[sys.argv[1]]
    with TemporaryDirectory() as folder:
        atheris.Setup(sys.argv[1:], lambda content: parser(content, Path(folder)))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
