"""The package as a user installs it: in an empty environment, from a wheel, away from the clone.

``make`` keeps one beside the clone (`python -m helpers.installed_package FOLDER`), for the demo and
for the tests of the package.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from helpers.built_package import build

# Beside pytest, what tests/conftest.py and the quick tests import and the workflow does without.
TOOLS = ("pytest", "pytest-xdist", "hypothesis", "himalaya")


@dataclass(frozen=True)
class Installed:
    """An environment into which the wheel was installed.

    Attributes
    ----------
    folder : Path
        The environment; in ``source`` the source archive, unpacked.
    """

    folder: Path

    @property
    def programs(self) -> Path:
        """Its programs."""
        return self.folder / "bin"

    @property
    def source(self) -> Path:
        """The source archive, unpacked."""
        return self.folder / "source"

    def run(self, folder: Path, *call: str) -> str:
        """What a program of the environment prints, run in a folder; it must succeed."""
        unset = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
        env = {name: value for name, value in os.environ.items() if name not in unset}
        env["PATH"] = os.pathsep.join([str(self.programs), os.defpath])
        done = subprocess.run(
            [self.programs / call[0], *call[1:]],
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{call}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr


def install(folder: Path) -> None:
    """Make an environment with the wheel, its extra `workflow`, and what runs tests."""
    begun = time.monotonic()
    here = Installed(folder.resolve())
    subprocess.run([sys.executable, "-m", "venv", here.folder], check=True)
    with TemporaryDirectory() as scratch:
        built = build(Path(scratch))
        with tarfile.open(built.sdist) as archive:
            archive.extractall(scratch, filter="data")
        shutil.move(Path(scratch, built.sdist.name.removesuffix(".tar.gz")), here.source)
        pins = ("--constraint", str(here.source / "constraints.txt"))
        wanted = (f"{built.wheel}[workflow]", *TOOLS)
        here.run(here.folder, "python", "-m", "pip", "install", "--quiet", *pins, *wanted)
    print(f"an environment with the wheel: {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    install(Path(sys.argv[1]))
