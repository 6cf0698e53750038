"""The package as a user installs it: in an empty environment, from a wheel, away from the clone.

A study is described, set up and really run, as is the one that `tristream init` writes by itself;
the demo, which takes five minutes, is run there by `make demo-wheel`. Tests of the source archive
run on the installed package.
"""

import time
from pathlib import Path

import pytest

from helpers import REPOSITORY, small_bids
from helpers.installed_package import Installed
from tristream.config.load.questions import MARK
from tristream.decode.decoding_file import read_decoding

pytestmark = pytest.mark.package
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


@pytest.fixture(scope="module")
def installed() -> Installed:
    """The environment that ``make package`` keeps up to date."""
    assert (REPOSITORY / ".venv-wheel/ready").is_file(), "run `make package`"
    return Installed(REPOSITORY / ".venv-wheel")


def test_the_package_is_that_of_the_wheel(installed: Installed, tmp_path: Path) -> None:
    shown = (
        "import sys, tristream.workflow_home as home;"
        "print(home.WORKFLOW, home.WORKFLOW.is_symlink(), *sys.path, sep='\\n')"
    )
    place, linked, *searched = installed.run(tmp_path, "python", "-c", shown).splitlines()
    assert Path(place).is_relative_to(installed.folder)
    assert linked == "False"
    own = [path for path in map(Path, searched) if path.is_relative_to(REPOSITORY)]
    assert all(path.is_relative_to(installed.folder) for path in own)


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


def test_the_study_of_init_is_run(installed: Installed, tmp_path: Path, cache: Path) -> None:
    installed.run(tmp_path, "tristream", "init", "first")
    study = tmp_path / "first"
    (study / "data").mkdir()
    (study / "data/archives").symlink_to(cache / "archives")
    begun = time.monotonic()
    installed.run(study, "tristream", "run", "--cores", "2")
    print(f"\nthe study of init, real BOLD: {time.monotonic() - begun:.0f} s")
    assert (study / "results/report/index.html").is_file()
    decoded = list(study.glob("results/decode/haxby2001_slice/*/sub-1.h5"))
    # Of eight categories.
    assert max(read_decoding(path)[0].accuracy for path in decoded) > 0.5


def test_quick_tests_of_the_source_archive_pass(installed: Installed) -> None:
    call = ("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *QUICK)
    ended = installed.run(installed.source, *call).splitlines()[-1]
    print(f"\nof the source archive: {ended}")
    assert " passed" in ended
    assert "skipped" not in ended
