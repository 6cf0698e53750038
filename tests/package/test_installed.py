"""The package as a user installs it: in an empty environment, from a wheel, away from the clone.

A study is described, set up and really run, as is the one that `tristream init` writes by itself;
of the demo, which takes ten minutes, the plan is made. Tests of the source archive run on the
installed package.
"""

import os
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from helpers import REPOSITORY, small_bids
from helpers.built_package import Built
from tristream.config.load.questions import MARK
from tristream.decode.decoding_file import read_decoding

pytestmark = pytest.mark.package
# Beside pytest, what tests/conftest.py and the quick tests import and the workflow does without.
TOOLS = ("pytest", "pytest-xdist", "hypothesis", "himalaya")
# Of each stage one file or two, of seconds each, that need no download and no clone.
QUICK = (
    "tests/test_results.py",
    "tests/test_store.py",
    "tests/fingerprint/test_fingerprint.py",
    "tests/align/test_resample.py",
    "tests/bold/test_cleaning.py",
    "tests/bold/test_confounds.py",
    "tests/config/test_config.py",
    "tests/encode/solvers/test_kernels.py",
    "tests/features/core/test_registry.py",
    "tests/features/spaces/test_gammatone.py",
    "tests/inference/test_permutation.py",
    "tests/report/test_parts.py",
    "tests/stimuli/test_inventory.py",
)


@dataclass(frozen=True)
class Installed:
    """An environment into which the wheel was installed.

    Attributes
    ----------
    programs : Path
        Its programs.
    source : Path
        The source archive, unpacked.
    """

    programs: Path
    source: Path

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


@pytest.fixture(scope="module")
def installed(package: Built, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """An empty environment with the wheel, its extra `workflow`, and what runs tests."""
    folder = tmp_path_factory.mktemp("installed")
    begun = time.monotonic()
    with tarfile.open(package.sdist) as archive:
        archive.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    here = Installed(folder / "venv/bin", source)
    pins = ("--constraint", str(source / "constraints.txt"))
    wanted = (f"{package.wheel}[workflow]", *TOOLS)
    here.run(folder, "python", "-m", "pip", "install", "--quiet", *pins, *wanted)
    print(f"\nan environment with the wheel: {time.monotonic() - begun:.0f} s")
    return here


def test_the_package_is_that_of_the_wheel(installed: Installed, tmp_path: Path) -> None:
    shown = (
        "import tristream.workflow_home as home; print(home.WORKFLOW, home.WORKFLOW.is_symlink())"
    )
    place, linked = installed.run(tmp_path, "python", "-c", shown).split()
    assert Path(place).is_relative_to(installed.programs.parent)
    assert linked == "False"
    assert str(REPOSITORY) not in installed.run(
        tmp_path, "python", "-c", "import sys; print(sys.path)"
    )


def test_a_study_from_describe_to_report(installed: Installed, tmp_path: Path, cache: Path) -> None:
    small_bids.write_faces(tmp_path / "faces")
    installed.run(tmp_path, "tristream", "describe", "faces")
    descriptor = tmp_path / "faces.yaml"
    lines = descriptor.read_text().splitlines(keepends=True)
    descriptor.write_text("".join(line for line in lines if MARK.strip() not in line))
    installed.run(tmp_path, "tristream", "init", "study", "--dataset", "faces.yaml")
    study = tmp_path / "study"
    (study / "data").mkdir()
    (study / "data/archives").symlink_to(cache / "archives")
    assert "Downloads" in installed.run(study, "tristream", "plan")
    begun = time.monotonic()
    installed.run(study, "tristream", "run", "--cores", "2")
    print(f"\nthe study: {time.monotonic() - begun:.0f} s")
    assert (study / "results/report/index.html").is_file()
    assert read_decoding(study / "results/decode/faces/labels/sub-01.h5")[0].accuracy > 0.8
    assert "Nothing to be done" in installed.run(study, "tristream", "run", "--cores", "2")


def test_the_study_of_init_is_run_and_the_demo_is_planned(
    installed: Installed, tmp_path: Path, cache: Path
) -> None:
    installed.run(tmp_path, "tristream", "init", "demo")
    study = tmp_path / "demo"
    (study / "data").mkdir()
    (study / "data/archives").symlink_to(cache / "archives")
    begun = time.monotonic()
    installed.run(study, "tristream", "run", "--cores", "2")
    print(f"\nthe study of init, real BOLD: {time.monotonic() - begun:.0f} s")
    assert (study / "results/report/index.html").is_file()
    decoded = list(study.glob("results/decode/haxby2001_slice/*/sub-1.h5"))
    # Of eight categories.
    assert max(read_decoding(path)[0].accuracy for path in decoded) > 0.5
    (study / "config.yaml").write_text((installed.source / "config.yaml").read_text())
    planned = installed.run(study, "snakemake", "--cores", "1", "--dry-run")
    assert "haxby2001_slice" in planned
    assert "simulate" in planned


def test_quick_tests_of_the_source_archive_pass(installed: Installed) -> None:
    call = ("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *QUICK)
    ended = installed.run(installed.source, *call).splitlines()[-1]
    print(f"\nof the source archive: {ended}")
    assert " passed" in ended
    assert "skipped" not in ended
