"""What the wheel and the source archive hold: all that is needed, and nothing else."""

import re
import tarfile
import zipfile
from pathlib import PurePosixPath

import pytest
import yaml

import tristream
from helpers import REPOSITORY
from helpers.built_package import Built, tracked

# Of the repository, what a user of the source archive does without.
NOT_SHIPPED = (".ci/", ".github/", ".gitignore", ".pre-commit", ".snakemake-workflow", "MANIFEST")


@pytest.fixture(scope="module")
def wheel(package: Built) -> set[str]:
    with zipfile.ZipFile(package.wheel) as archive:
        return set(archive.namelist())


def expected() -> set[str]:
    """Files of the package: those below ``src/``, and the workflow, to which a link leads."""
    own = {name.removeprefix("src/") for name in tracked() if name.startswith("src/")}
    rules = {f"tristream/{name}" for name in tracked() if name.startswith("workflow/")}
    return own | rules


def test_a_wheel_holds_the_package_and_nothing_else(wheel):
    assert {name for name in wheel if ".dist-info/" not in name} == expected()


@pytest.mark.parametrize(
    "name",
    [
        "tristream/workflow/Snakefile",
        "tristream/workflow/envs/tristream.yaml",
        "tristream/workflow/rules/common.smk",
        "tristream/workflow/datasets/haxby2001_slice.yaml",
        "tristream/workflow/demo.yaml",
        "tristream/workflow/schemas/config.schema.json",
        "tristream/workflow/profiles/slurm/config.yaml",
        "tristream/references.bib",
        "tristream/py.typed",
        "tristream/demands/coefficients.json",
        "tristream/report/templates/page.html",
        "tristream/report/assets/report.css",
        "tristream/simulate/presets/bunny.yaml",
    ],
)
def test_what_is_no_module_is_in_it(wheel, name):
    """Named one by one: a file that is gone from the repository would not be missed above."""
    assert name in wheel


def test_a_wheel_holds_no_tests_and_no_results(wheel):
    tops = {PurePosixPath(name).parts[0] for name in wheel}
    assert tops == {"tristream", f"tristream-{tristream.__version__}.dist-info"}
    for name in wheel:
        assert not re.search(r"(^|/)(tests?/test_|conftest|results/[^/]*\.(h5|tsv)$|\.git)", name)


def test_licences_are_in_it(wheel):
    info = f"tristream-{tristream.__version__}.dist-info"
    assert f"{info}/licenses/LICENSE" in wheel


def test_a_source_archive_holds_what_tests_docs_and_make_need(package):
    with tarfile.open(package.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    missing = {name for name in tracked() if name not in names}
    assert {name for name in missing if not name.startswith(NOT_SHIPPED)} == set()


def test_conda_installs_the_version_of_this_workflow():
    text = (REPOSITORY / "workflow/envs/tristream.yaml").read_text(encoding="utf-8")
    *_, pip = yaml.safe_load(text)["dependencies"]
    assert pip == {"pip": [f"tristream[workflow]=={tristream.__version__}"]}


def test_vendored_scripts_come_with_their_licences(wheel):
    """A script of somebody else's has its version in its name, and a text of licences beside it."""
    vendored = [name for name in wheel if re.search(r"/\w+-\d[\d.]*\.js$", name)]
    assert vendored
    for name in vendored:
        assert re.sub(r"-\d[\d.]*\.js$", "-LICENSES.txt", name) in wheel
