"""Download of one archive from the package index that pip is configured for.

The archive is found and downloaded by ``unearth``, which never builds or runs what it downloads
(``pip download`` would run an sdist's ``setup.py``). Nothing is kept whose sha256 is not the
pinned one.
"""

import ast
import os
import ssl
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tristream.config.sources import ArchiveSource
from tristream.errors import UserError
from tristream.fetch.file_lock import lock
from tristream.hashing import hash_file
from tristream.paths import open_unlinked

ATTEMPTS = 4


def download(source: ArchiveSource, data: Path) -> Path:
    """Bring the archive of `source` into the cache, if it is not there.

    An interrupted download goes on where it stopped if the server allows it, and starts again
    otherwise.

    Parameters
    ----------
    source : ArchiveSource
        Package, version, form and sha256.
    data : Path
        The study's data folder; the archive goes to ``archives/<sha256>/<filename>`` in it.

    Raises
    ------
    UserError
        If the index does not have the archive, the download fails, or its sha256 is another.
    """
    folder = data / "archives" / source.sha256
    with lock(folder.with_suffix(".lock")):
        for path in _present(folder):
            if hash_file(path) == source.sha256:
                return path
            path.unlink()
        return _download(source, folder)


def size_of(source: ArchiveSource, data: Path) -> int | None:
    """Bytes to download for `source`: 0 if cached, None if the index does not say."""
    if _present(data / "archives" / source.sha256):
        return 0
    finder = _finder(source)
    try:
        reply = finder.session.head(_link(finder, source).url, follow_redirects=True)
        return int(reply.headers["Content-Length"]) if reply.status_code == 200 else None
    except Exception:  # the plan goes on without the number
        return None


def _present(folder: Path) -> list[Path]:
    return [p for p in folder.glob("*") if p.is_file() and p.suffix != ".part"]


def _name(source: ArchiveSource) -> str:
    return f"{source.package}=={source.version} ({source.form})"


def _download(source: ArchiveSource, folder: Path) -> Path:
    finder = _finder(source)
    link = _link(finder, source)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{link.filename}.part"
    resumed = part.exists()
    _receive(finder.session, link, part, _name(source))
    found = hash_file(part)
    if found != source.sha256 and resumed:  # what was left from last time may be the bad half
        part.unlink()
        _receive(finder.session, link, part, _name(source))
        found = hash_file(part)
    if found != source.sha256:
        part.unlink()
        raise UserError(
            f"{link.filename}: sha256 is {found}, but {source.sha256} is pinned; the download was "
            "discarded: check `sha256` in the descriptor against the package index"
        )
    path = folder / link.filename
    os.replace(part, path)
    return path


def _receive(session: Any, link: Any, part: Path, name: str) -> None:
    """Download into `part`, going on from what it holds, with a few attempts."""
    for attempt in range(ATTEMPTS):
        try:
            _stream(session, link.url_without_fragment, part, link.filename)
            return
        except UserError:
            raise
        except Exception as error:  # unearth's HTTP client has exceptions of its own
            if attempt == ATTEMPTS - 1:
                raise UserError(
                    f"{link.filename}: the download of {name} failed ({error}); what has arrived "
                    "is kept: check the network and run again"
                ) from None
            time.sleep(0.5 * 2**attempt)


def _stream(session: Any, url: str, part: Path, filename: str) -> None:
    from tqdm import tqdm

    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with session.stream("GET", url, headers=headers, follow_redirects=True) as reply:
        if reply.status_code == 416:  # all bytes are here, or the file has changed: the hash tells
            return
        reply.raise_for_status()
        goes_on = reply.status_code == 206
        length = int(reply.headers.get("Content-Length", 0)) or None
        start = have if goes_on else 0
        total = None if length is None else start + length
        bar = tqdm(
            desc=filename, total=total, initial=start, unit="B", unit_scale=True, mininterval=5
        )
        with bar, open_unlinked(part, "ab" if goes_on else "wb") as file:
            for chunk in reply.iter_bytes():
                file.write(chunk)
                bar.update(len(chunk))
        if total is not None and part.stat().st_size < total:
            raise OSError(f"{part.stat().st_size} of {total} bytes arrived")


def _link(finder: Any, source: ArchiveSource) -> Any:
    """The link on the index to the archive: by its sha256 where the index tells it."""
    from packaging.version import InvalidVersion, Version

    def same(version: str | None) -> bool:
        with suppress(InvalidVersion):
            return version is not None and Version(version) == Version(source.version)
        return version == source.version

    found = [
        package.link
        for package in finder.find_all_packages(source.package, allow_yanked=True)
        if same(package.version) and package.link.is_wheel == (source.form == "wheel")
    ]
    if not found:
        raise UserError(
            f"{_name(source)}: not on the package index that pip is configured for; check the "
            "name, version and form in the descriptor, the network, and `pip config list`"
        )
    hashes = [(link.hash_option or {}).get("sha256", []) for link in found]
    for link, stated in zip(found, hashes, strict=True):
        if source.sha256 in stated:
            return link
    if all(hashes):
        raise UserError(
            f"{_name(source)}: no file on the package index has the pinned sha256 "
            f"{source.sha256}; check `sha256` in the descriptor"
        )
    return next(link for link, stated in zip(found, hashes, strict=True) if not stated)


def _finder(source: ArchiveSource) -> Any:
    from unearth import PackageFinder
    from unearth.auth import MultiDomainBasicAuth
    from unearth.fetchers.sync import PyPIClient

    settings = _pip_settings()
    session: Any = PyPIClient(
        trusted_hosts=settings["trusted_hosts"],
        verify=ssl.create_default_context(cafile=settings["cert"]) if settings["cert"] else True,
        timeout=settings["timeout"],
    )
    session.auth = MultiDomainBasicAuth(index_urls=settings["index_urls"])
    every = [":all:"]
    places = [place for place in settings["find_links"] if _exists(place)]
    finder = PackageFinder(
        session=session,
        index_urls=settings["index_urls"],
        find_links=places,
        ignore_compatibility=True,
        no_binary=every if source.form == "sdist" else [],
        only_binary=every if source.form == "wheel" else [],
    )
    if not (settings["index_urls"] or places):
        # It takes the public index where it is given none; `no-index` means none.
        finder.sources.clear()
    return finder


def default_index() -> str:
    """The public index, which pip and ``unearth`` ask unless they are told another."""
    from unearth import PackageFinder

    return str(PackageFinder().sources[0]["url"])


def _exists(place: str) -> bool:
    return "://" in place or Path(place).exists()


def _pip_settings() -> dict[str, Any]:
    """What ``pip download`` would be told by pip's configuration files and environment."""
    options = _pip_options()
    without = options.get("no-index", "").lower() in ("1", "true", "yes", "on", "y", "t")
    first = options.get("index-url") or default_index()
    return {
        "index_urls": [] if without else [first, *options.get("extra-index-url", "").split()],
        "find_links": options.get("find-links", "").split(),
        "trusted_hosts": options.get("trusted-host", "").split(),
        "cert": options.get("cert"),
        "timeout": float(options.get("timeout", 15)),
    }


def _pip_options() -> dict[str, str]:
    """Options by their long names, as ``pip config list`` gives them; later sections win.

    Without pip in the environment, its variables alone are read.
    """
    call = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(call, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        given = {k: v for k, v in os.environ.items() if k.startswith("PIP_")}
        return {_option(k.removeprefix("PIP_").lower()): v for k, v in given.items()}
    sections: dict[str, dict[str, str]] = {"global": {}, "download": {}, ":env:": {}}
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.partition(".")
        sections.get(section, {})[_option(option)] = ast.literal_eval(value)
    return {k: v for section in sections.values() for k, v in section.items()}


def _option(name: str) -> str:
    return name.replace("_", "-").removeprefix("default-")
