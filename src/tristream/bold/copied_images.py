"""Images that lie there twice: within a subject, and under the names of two subjects."""

import filecmp
import hashlib
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

from tristream.bold.image_checks import Images

# What is read of each image for its print: so many parts of so many bytes, from start to end.
PARTS, BYTES = 16, 2**16


def images_in_doubt(subject: str, images: Images) -> list[str]:
    """Runs whose image is byte for byte that of another run, or lies there unpacked, too.

    Files of other sizes are not looked into, and of those of one size what comes first differs.
    """
    by_size: dict[int, dict[Path, str]] = {}
    for run, image in images.items():
        by_size.setdefault(image.path.stat().st_size, {}).setdefault(image.path, run)
    found = [
        f"sub-{subject}: the image of {other} is a copy of that of {run} "
        f"({other_path.name}): a model that is trained on one knows the other; fetch it again, or "
        "put the run under `missing`"
        for same in by_size.values()
        for (path, run), (other_path, other) in combinations(same.items(), 2)
        if filecmp.cmp(path, other_path, shallow=False)
    ]
    paths = {path for same in by_size.values() for path in same}
    return found + [
        f"sub-{subject}: {path} is read, and not the file of the same name without .gz beside it: "
        "delete the one that is not the right one"
        for path in sorted(paths)
        if path.suffix == ".gz" and path.with_suffix("").exists()
    ]


def prints_of(images: Images) -> dict[str, str]:
    """A hash of the size and of sixteen parts of each run's image: a megabyte is read."""
    by_path = {image.path: _print(image.path) for image in images.values()}
    return {run: by_path[image.path] for run, image in images.items()}


def _print(path: Path) -> str:
    size = path.stat().st_size
    found = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for part in range(PARTS):
            file.seek(max(0, size - BYTES) * part // (PARTS - 1))
            found.update(file.read(BYTES))
    return found.hexdigest()


def copies_between(prints: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Subjects who share an image, in words.

    Parameters
    ----------
    prints : mapping of subject to mapping of run to str
        From :func:`prints_of`.
    """
    owners: dict[str, dict[str, str]] = {}
    for subject, runs in prints.items():
        for run, own in runs.items():
            owners.setdefault(own, {}).setdefault(subject, run)
    shared: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for found in owners.values():
        for one, other in combinations(found, 2):
            shared.setdefault((one, other), []).append((found[one], found[other]))
    return [
        f"sub-{other} has images of sub-{one} ({runs[0][1]} is {runs[0][0]} of the other"
        f"{f', and {len(runs) - 1} more' if len(runs) > 1 else ''}): they count as two people; "
        "fetch the right ones, or leave one out of `subjects:`"
        for (one, other), runs in shared.items()
    ]
