"""Source archive and wheel of the package, built as a release builds them."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from helpers import REPOSITORY

SDIST = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"


@dataclass(frozen=True)
class Built:
    """What a release uploads.

    Attributes
    ----------
    sdist, wheel : Path
        The wheel is built from the source archive, so that this is known to suffice.
    """

    sdist: Path
    wheel: Path


def tracked() -> list[str]:
    """Files of the repository that git does not ignore."""
    call = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(call, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines() if (REPOSITORY / name).is_file()]


def build(folder: Path) -> Built:
    """Build both in `folder`, without an environment of their own, which the network would fill.

    From a copy: setuptools writes beside the sources.
    """
    source = folder / "source"
    for name in tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, source / name)
    # In a clone a link; git lists it as one.
    (source / "src/tristream/workflow").symlink_to("../../workflow")
    subprocess.run(
        [sys.executable, "-c", SDIST, str(folder)], cwd=source, check=True, capture_output=True
    )
    (sdist,) = folder.glob("tristream-*.tar.gz")
    call = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*call, "-w", str(folder), str(sdist)], check=True, capture_output=True)
    (wheel,) = folder.glob("tristream-*.whl")
    return Built(sdist, wheel)
