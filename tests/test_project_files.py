"""Files about the project agree with it: versions, requirements, workflows, the catalog's entry."""

import json
import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement

from helpers import REPOSITORY
from tristream.config.load import load
from tristream.describe.study_folder import make_study

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
# What each may do beyond reading the repository.
MAY = {"docs.yml": {"pages", "id-token"}, "release.yml": {"id-token"}}


def text(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def test_citation_and_codemeta_say_what_the_project_says():
    cited, described = yaml.safe_load(text("CITATION.cff")), json.loads(text("codemeta.json"))
    for found in (cited, described):
        assert found["version"] == PROJECT["version"]
        assert found["keywords"] == PROJECT["keywords"]
    assert cited["license"] == PROJECT["license"]
    assert described["license"].endswith(f"/{PROJECT['license']}")
    assert described["description"] == PROJECT["description"]
    names = [author["name"] for author in cited["authors"]]
    assert names == [author["name"] for author in described["author"]]
    needed = [Requirement(one).name for one in PROJECT["dependencies"]]
    assert described["softwareRequirements"] == needed
    assert {"cff-version", "message", "title", "type"} <= set(cited)


def test_the_conda_recipe_needs_what_the_package_needs():
    recipe = yaml.safe_load(text("envs/conda-recipe/recipe.yaml"))
    assert recipe["context"]["version"] == PROJECT["version"]
    python, *needed = recipe["requirements"]["run"]
    assert python == f"python {PROJECT['requires-python']}"
    named = {one.replace("pytorch", "torch").replace(" ", "") for one in needed}
    assert named == set(PROJECT["dependencies"])
    assert recipe["about"]["license"] == PROJECT["license"]


def test_both_images_copy_and_install_what_the_package_is_built_from():
    docker, apptainer = text("envs/Dockerfile"), text("envs/apptainer.def")
    copied = [one.split()[:-1] for one in re.findall(r"^COPY (.+)$", docker, flags=re.MULTILINE)]
    names = {name for line in copied for name in line}
    pairs = re.findall(r"^ +(\S+) /opt/tristream/(\S+)$", apptainer, flags=re.MULTILINE)
    assert {source for source, _ in pairs} == {target for _, target in pairs} == names
    install = [re.findall(r"python -m pip install .+", one) for one in (docker, apptainer)]
    assert install[0] == install[1] != []
    extras = re.findall(r"\.\[([\w,]+)\]", install[0][0])[0].split(",")
    assert {*extras} <= {*PROJECT["optional-dependencies"]}
    base = [
        re.findall(rf"^{one} ?(python:\S+)$", found, flags=re.MULTILINE)
        for one, found in (("FROM", docker), ("From:", apptainer))
    ]
    assert base[0] == base[1] != []
    # Nothing of what they copy is a link to what they do not, and what the build reads is there.
    assert {PROJECT["readme"], *PROJECT["license-files"], "pyproject.toml"} <= names
    for link in (one for name in names for one in (REPOSITORY / name).rglob("*")):
        if link.is_symlink():
            assert link.resolve().relative_to(REPOSITORY).parts[0] in names


def test_the_changelog_begins_with_this_version():
    (first, *_) = re.findall(r"^## (\S+)", text("CHANGELOG.md"), flags=re.MULTILINE)
    assert first == PROJECT["version"]


def test_the_workflow_catalog_finds_what_it_asks_for(tmp_path):
    usage = yaml.safe_load(text(".snakemake-workflow-catalog.yml"))["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment"}
    deployed = usage["software-stack-deployment"]
    assert deployed == {
        "conda": True,
        "apptainer": False,
        "apptainer+conda": False,
        "report": True,
    }
    assert (REPOSITORY / "workflow/Snakefile").is_file()
    assert (REPOSITORY / "config/README.md").is_file()
    # The study that the catalog deploys is the one of `tristream init`.
    make_study(tmp_path / "study")
    assert text("config/config.yaml") == (tmp_path / "study/config.yaml").read_text()
    assert load(REPOSITORY / "config/config.yaml", REPOSITORY / "workflow/datasets").datasets


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_calls_what_there_is_and_may_do_little(path):
    # YAML takes the key `on` for true.
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert content[True]
    assert content["permissions"] == {"contents": "read"}
    targets = re.findall(r"^([\w-]+):", MAKEFILE, flags=re.MULTILINE)
    for job in content["jobs"].values():
        assert set(job.get("permissions", {})) <= MAY.get(path.name, set())
        matrix = job.get("strategy", {}).get("matrix", {}).get("target", [])
        called = [word for one in matrix for word in one.split()]
        for step in job["steps"]:
            assert "@" in step.get("uses", "@")
            called += re.findall(r"make ([\w-]+)", step.get("run", ""))
        assert set(called) <= set(targets)


def test_workflows_run_all_that_the_continuous_integration_runs():
    everything = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    for target in re.findall(r"\bmake ([\w-]+)", text(".ci/run")):
        assert re.search(rf"\b{target}\b", everything), target


def test_nothing_is_published_with_a_token():
    release = text(".github/workflows/release.yml")
    assert "id-token: write" in release
    assert "secrets." not in release
