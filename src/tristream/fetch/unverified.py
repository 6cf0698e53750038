"""Content that a remote holds under a key that it does not match.

git-annex compares what it brings with the key, and from exports such as OpenNeuro's buckets it
can't be kept from it. So such content is brought as what it is, into a repository of its own, and
then put in its place; the caller compares it with a checksum that the user gives, or says how it
differs.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tristream.fetch.clone import remove
from tristream.fetch.git import call, results

UNVERIFIED = ("-c", "annex.verify=false")


def bring(root: Path, path: str, key: str) -> None:
    """Bring an annexed file whatever its content is, if some remote has it.

    Parameters
    ----------
    root : Path
        The clone.
    path, key : str
        The file in it, and its annex key.
    """
    got = call("git", *UNVERIFIED, "annex", "get", "--json", "--", path, at=root)
    if all(record["success"] for record in results(got)) and got.returncode == 0:
        return
    for url in _addresses(root, path):
        apart = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
        try:
            call("git", "init", "--quiet", at=apart)
            call("git", "annex", "init", "--quiet", at=apart)
            added = call("git", "annex", "addurl", "--raw", "--file=content", "--", url, at=apart)
            if added.returncode == 0:
                call("git", "annex", "unlock", "--quiet", "content", at=apart)
                content = str((apart / "content").absolute())
                call("git", *UNVERIFIED, "annex", "setkey", "--", key, content, at=root)
                return
        finally:
            remove(apart)


def _addresses(root: Path, path: str) -> Iterator[str]:
    for record in results(call("git", "annex", "whereis", "--json", "--", path, at=root)):
        for remote in record.get("whereis", []):
            yield from map(str, remote.get("urls", []))
