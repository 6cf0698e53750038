"""Annexed files of a clone: listing, getting, verifying, dropping."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tristream.errors import UserError
from tristream.fetch.git import FAILURES, call, git, last_words, results, stream
from tristream.fetch.receipt import FetchedFile
from tristream.fetch.unverified import bring
from tristream.hashing import hash_file
from tristream.paths import inside, resolve_inside
from tristream.store import Omission

KEY = re.compile(r"(?P<backend>[A-Z0-9_]+)(?:-s(?P<size>\d+))?(?:-[a-zA-Z]\d+)*--(?P<name>.+)")
BATCH = 200  # paths in one call, well below the limit of a command line


def parse_key(key: str) -> tuple[int | None, str]:
    """Size and checksum that an annex key states.

    Parameters
    ----------
    key : str
        For example ``MD5E-s1024--d41d8cd98f00b204e9800998ecf8427e.nii.gz``.

    Returns
    -------
    size : int or None
        Bytes, if the key states them.
    checksum : str
        ``algorithm:hexdigest``; empty for backends without a checksum (URL, WORM) or with one
        that Python can't compute.
    """
    match = KEY.fullmatch(key)
    if match is None:
        return None, ""
    size = int(match["size"]) if match["size"] else None
    algorithm = match["backend"].lower()
    digest = match["name"]
    if algorithm not in hashlib.algorithms_available and algorithm.endswith("e"):
        algorithm, digest = algorithm[:-1], digest.partition(".")[0]
    if algorithm not in hashlib.algorithms_available or not re.fullmatch(r"[0-9a-f]{32,}", digest):
        return size, ""
    return size, f"{algorithm}:{digest}"


def list_files(root: Path) -> tuple[list[FetchedFile], list[Omission]]:
    """Every file of the commit that is checked out in the clone `root`.

    Returns
    -------
    files : list of FetchedFile
        Annexed ones with key, size and checksum from the key; content need not be present.
    omitted : list of Omission
        Subdatasets, whose files are not listed.

    Raises
    ------
    UserError
        If git-annex can't say which files are annexed: their links would pass for small files.
    """
    keys = {str(record["file"]): str(record["key"]) for record in _annexed(root)}
    files, omitted = [], []
    for entry in filter(None, git(root, "ls-tree", "-r", "-l", "-z", "HEAD").split("\0")):
        about, _, path = entry.partition("\t")
        _, kind, _, size = about.split()
        if kind == "commit":
            omitted.append(Omission(path, "it is a subdataset; name it as a dataset of its own"))
        elif path in keys:
            length, checksum = parse_key(keys[path])
            files.append(FetchedFile(path, length, checksum, keys[path], annexed=True))
        else:
            files.append(FetchedFile(path, int(size)))
    return files, omitted


def _annexed(root: Path) -> list[Mapping[str, Any]]:
    found = call("git", "annex", "find", "--include=*", "--json", at=root)
    if found.returncode:
        # A plain git repository has nothing annexed.
        if call("git", "for-each-ref", "--format=x", "**/git-annex", at=root).stdout.strip():
            raise UserError(
                f"{root}: git-annex can't list its files ({last_words(found)}); run "
                f"`git -C {root} annex find` to see why, or delete the clone and run again"
            )
        return []
    return list(results(found))


def is_present(root: Path, file: FetchedFile) -> bool:
    """Whether the file's content is here (an annexed file may be a link to nothing)."""
    place = resolve_inside(root, file.path)
    if not file.annexed or not place.is_file():
        return place.is_file()
    # An unlocked annexed file without content holds a pointer to its key.
    with place.open("rb") as content:
        return not content.read(32).startswith(b"/annex/objects/")


def get(root: Path, files: Sequence[FetchedFile], accept: Mapping[str, str] | None = None) -> None:
    """Bring the content of exactly `files`; what is present is not fetched again.

    Parameters
    ----------
    root : Path
        The clone.
    files : sequence of FetchedFile
        Files of its commit.
    accept : dict, optional
        Files whose content may differ from their key: they are brought as they are, and
        :func:`verify` compares them with the checksums given here.

    Raises
    ------
    UserError
        If some content can't be had, with the file and why.
    """
    from tqdm import tqdm

    absent = {f.path: f for f in files if f.annexed and not is_present(root, f)}
    for path in accept or {}:
        if path in absent:
            bring(root, path, absent.pop(path).key)
    paths = list(absent)
    base = ("datalad", "-l", "critical", "-f", "json", "get", "-d", ".")
    total = sum(file.size or 0 for file in absent.values())
    with tqdm(total=total, unit="B", unit_scale=True, mininterval=5, disable=not absent) as bar:
        for first in range(0, len(paths), BATCH):
            # DataLad takes a folder behind a link for another one.
            batch = [str(inside(root.resolve(), p)) for p in paths[first : first + BATCH]]
            for record in stream(*base, *batch, at=root):
                file = absent.get(_relative(root, record["path"]))
                if record["status"] in FAILURES:
                    _look_into(root, file, record)
                bar.update(file.size or 0 if file else 0)


def reason(record: Mapping[str, Any]) -> str:
    """Why a command failed, from the record that it printed."""
    message = record.get("message") or record.get("error_message") or "no reason given"
    # DataLad may leave a text and its arguments apart.
    text, *arguments = [message] if isinstance(message, str) else message
    return str(text) % tuple(arguments) if arguments else str(text)


def _relative(root: Path, path: str) -> str:
    return Path(path).relative_to(root.resolve()).as_posix()


def _look_into(root: Path, file: FetchedFile | None, record: Mapping[str, Any]) -> None:
    """Find out why a file could not be had: no remote, a broken transfer, or another content.

    For some remotes git-annex calls the last two by one name, so the file is brought once more
    and compared here. If it is whole now, all is well.
    """
    message = reason(record)
    why = "; ".join(dict.fromkeys(line.strip() for line in message.splitlines() if line.strip()))
    if file is None:
        raise UserError(f"{record['path']}: DataLad can't get it ({why})")
    path = inside(root, file.path)
    if "erification" not in why and "failed to retrieve" not in why:
        whereis = f"git -C {root} annex whereis '{file.path}'"
        raise UserError(
            f"{path}: its content can't be had ({why}); `{whereis}` tells which remotes hold it: "
            "make one of them reachable and run again"
        )
    bring(root, file.path, file.key)
    if not is_present(root, file):
        raise UserError(
            f"{path}: a remote has it, but the transfer broke off or the content does not match "
            f"the checksum in the annex key ({why}); run again, and if it stays so the remote's "
            "copy is damaged: tell the dataset's maintainers, or leave the run out with `missing:`"
        )
    if not _agrees(resolve_inside(root, file.path), file):
        raise _other_content(root, file)


def _other_content(root: Path, file: FetchedFile) -> UserError:
    """The error for content that a remote holds under a wrong key; the clone does not keep it."""
    place = resolve_inside(root, file.path)
    found = _checksum(place, file.checksum.partition(":")[0])
    size = place.stat().st_size
    call("git", "annex", "drop", "--force", "--", file.path, at=root)
    return UserError(
        f"{inside(root, file.path)}: what a remote has does not match the checksum in the annex "
        f"key: it is {found} of {size} bytes, the key says {file.key}; tell the dataset's "
        "maintainers, then leave the run out with `missing:`, or, if you trust this content, "
        f'take it with `accept: {{"{file.path}": "{found}"}}` under the dataset in config.yaml'
    )


def verify(
    root: Path, files: Iterable[FetchedFile], accept: Mapping[str, str] | None = None
) -> list[FetchedFile]:
    """Compare each file with size and checksum of its annex key.

    Parameters
    ----------
    root : Path
        The clone.
    files : iterable of FetchedFile
        Files whose content is present.
    accept : dict, optional
        Path to the checksum of content that is taken although the key says another.

    Returns
    -------
    list of FetchedFile
        With size and checksum filled in: sha256 for files that no key vouches for; the accepted
        checksum for a file that differs from its key.

    Raises
    ------
    UserError
        If a file is absent, leads out of the dataset, or differs from its key.
    """
    return [_verified(root, file, (accept or {}).get(file.path, "")) for file in files]


def departures(files: Iterable[FetchedFile]) -> list[Omission]:
    """What a receipt states about verified files whose content is not that of their keys."""
    return [
        Omission(
            f"agreement of {file.path} with its annex key",
            f"the key says {parse_key(file.key)[1]}; the study accepts {file.checksum} (`accept`)",
        )
        for file in files
        if file.annexed and parse_key(file.key)[1] not in ("", file.checksum)
    ]


def _verified(root: Path, file: FetchedFile, accepted: str) -> FetchedFile:
    place = resolve_inside(root, file.path)
    path = inside(root, file.path)
    if not is_present(root, file):
        raise UserError(
            f"{path}: is missing from the clone; `git -C {root} checkout .` restores it"
        )
    size = place.stat().st_size
    if accepted and not _agrees(place, file):
        if _checksum(place, accepted.partition(":")[0]) != accepted:
            raise _other_content(root, file)
        return FetchedFile(file.path, size, accepted, file.key, file.annexed)
    algorithm, _, digest = file.checksum.partition(":")
    if file.annexed and file.size is not None and size != file.size:
        raise _damaged(root, file, f"has {size} bytes, its annex key says {file.size}")
    checksum = _checksum(place, algorithm)
    if digest and checksum != file.checksum:
        found = checksum.partition(":")[2]
        raise _damaged(root, file, f"{algorithm} is {found}, its annex key says {digest}")
    return FetchedFile(file.path, size, checksum, file.key, file.annexed)


def _agrees(place: Path, file: FetchedFile) -> bool:
    """Whether content has the size and the checksum that its key states."""
    if file.size is not None and place.stat().st_size != file.size:
        return False
    return not file.checksum or _checksum(place, file.checksum.partition(":")[0]) == file.checksum


def _checksum(place: Path, algorithm: str) -> str:
    return f"{algorithm or 'sha256'}:{hash_file(place, algorithm or 'sha256')}"


def _damaged(root: Path, file: FetchedFile, what: str) -> UserError:
    return UserError(
        f"{inside(root, file.path)}: {what}; the copy is damaged: delete it with "
        f"`git -C {root} annex drop --force '{file.path}'` and run again"
    )


def drop(root: Path, files: Iterable[FetchedFile]) -> tuple[list[str], list[Omission]]:
    """Drop annexed content that a remote verifiably holds too; the only copy is never lost.

    Returns
    -------
    dropped : list of str
        Paths whose content is gone from the clone.
    kept : list of Omission
        Paths that were kept, and why.
    """
    there = [f.path for f in files if f.annexed and is_present(root, f)]
    dropped, kept = [], []
    for first in range(0, len(there), BATCH):
        base = ("git", "annex", "drop", "--json", "--json-error-messages", "--")
        for record in results(call(*base, *there[first : first + BATCH], at=root)):
            if record["success"]:
                dropped.append(str(record["file"]))
            else:
                why = " ".join(" ".join(record.get("error-messages", [])).split())
                kept.append(Omission(str(record["file"]), why or "no other copy could be verified"))
    return dropped, kept
