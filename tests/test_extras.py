"""What is installed with the package alone, and what its extras bring."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib import import_module

import pytest
from packaging.requirements import Requirement

import tristream
from helpers import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Imported although no extra names them: each comes with a package that needs it for itself.
COMES_WITH = {
    "packaging": "unearth",
    "requests": "unearth",
    "huggingface-hub": "transformers",
    "tokenizers": "transformers",
}

# A process in which only the given distributions, and what they need, can be imported.
BARE = """
import importlib.metadata as metadata, re, sys

def tree(name, found):
    found.add(name.lower().replace("_", "-"))
    try:
        needed = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return found
    for line in needed:
        other = re.match(r"[A-Za-z0-9._-]+", line)[0]
        if "extra ==" not in line and other.lower().replace("_", "-") not in found:
            tree(other, found)
    return found

allowed = {"tristream"}
for name in %r:
    tree(name, allowed)
owners = metadata.packages_distributions()

class Bare:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        by = {o.lower().replace("_", "-") for o in owners.get(name.split(".")[0], [])}
        if by and not by & allowed:
            return None
        return self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Bare(finder) for finder in sys.meta_path if hasattr(finder, "find_spec")]
"""


def names(requirements: list[str]) -> list[str]:
    return [Requirement(one).name for one in requirements]


def bare(code: str) -> subprocess.CompletedProcess[str]:
    program = BARE % names(PROJECT["dependencies"]) + code
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def test_the_package_alone_needs_four_packages():
    needed = names(PROJECT["dependencies"])
    assert needed == ["numpy", "scikit-learn", "scipy", "torch"]


def test_estimators_work_with_the_package_alone():
    done = bare("""
for name in ("pydantic", "h5py", "pandas", "snakemake", "yaml", "nibabel", "av", "matplotlib"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    raise SystemExit(f"{name} is there")
import numpy as np
from tristream.encode.estimators import BandedRidgeCV, RidgeCV, StackedRidgeCV
rng = np.random.default_rng(0)
x = rng.standard_normal((60, 5)), rng.standard_normal((60, 3))
y = x[0] @ rng.standard_normal((5, 4)) + 0.1 * rng.standard_normal((60, 4))
alphas = np.logspace(-4, 2, 7)
banded = BandedRidgeCV(alphas=alphas, candidates=5, cv=3).fit(x, y)
single = RidgeCV(alphas=alphas, cv=3).fit(x[0], y)
stacked = StackedRidgeCV(alphas=alphas, cv=3).fit(x, y)
print(banded.score(x, y) > 0.9, single.score(x[0], y) > 0.9)
""")
    assert done.stdout == "True True\n", done.stderr


def test_feature_decoders_work_with_the_package_alone():
    done = bare("""
import numpy as np
from tristream.decode.feature_decoder import FeatureDecoder
from tristream.decode.identification import identify
rng = np.random.default_rng(0)
y = rng.standard_normal((80, 6))
x = y @ rng.standard_normal((6, 40)) + rng.standard_normal((80, 40))
predicted = FeatureDecoder(voxels=10, alpha=1.0).fit(x[:60], y[:60]).predict(x[60:])
print(identify(predicted, y[60:]).pairwise.value > 0.9, "numba" in sys.modules)
""")
    assert done.stdout == "True False\n", done.stderr


@pytest.mark.parametrize("command", ["plan", "predict --encoding e --features f --output o"])
def test_the_command_line_names_the_extra_that_is_missing(command):
    done = bare(f"from tristream.cli import main; sys.exit(main({command.split()!r}))")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install 'tristream[workflow]'" in done.stderr


def test_a_missing_package_of_the_users_own_module_is_not_taken_for_the_extra(tmp_path):
    (tmp_path / "own.py").write_text("import no_such_package\n")
    done = bare(f"""
sys.path.insert(0, {str(tmp_path)!r})
import argparse, tristream.cli as cli
def parser(stages):
    top = argparse.ArgumentParser()
    top.set_defaults(run=lambda args: __import__("own"))
    return top
cli.parser = parser
cli.main([])
""")
    assert "no_such_package" in done.stderr.splitlines()[-1]
    assert "Traceback" in done.stderr


@cache
def owners() -> dict[str, set[str]]:
    """Top-level module -> distributions that hold it, in lower case with hyphens."""
    found = importlib.metadata.packages_distributions()
    return {top: {re.sub(r"[-_.]+", "-", o).lower() for o in by} for top, by in found.items()}


def imported() -> dict[str, str]:
    """Third-party modules that the package imports, wherever in it: top level -> a file."""
    found = {}
    for path in sorted((REPOSITORY / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                tops = [alias.name.split(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                tops = [node.module.split(".")[0]]
            else:
                continue
            found |= {t: path.name for t in tops if t not in sys.stdlib_module_names}
    return {top: path for top, path in found.items() if top != "tristream"}


def test_every_package_that_is_imported_is_declared():
    declared = set(COMES_WITH)
    for requirements in [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]:
        declared |= {re.sub(r"[-_.]+", "-", name).lower() for name in names(requirements)}
    for top, path in imported().items():
        # RAFT's torchvision is too large to be installed for the tests.
        by = owners().get(top, {top})
        assert by & declared, f"{path} imports {top}, which no extra brings"


@pytest.mark.parametrize("path", ["README.md", "Makefile", "envs/tristream.yaml"])
def test_the_workflow_is_installed_with_its_extra(path):
    text = (REPOSITORY / path).read_text(encoding="utf-8")
    assert "[workflow]" in text
    assert not re.search(r"-e \.\.?(\s|$)", text)


def test_metadata_of_a_wheel(tmp_path):
    """What pip reads of the project: built by its backend, without an environment of its own."""
    code = (
        "import sys; from setuptools import build_meta;"
        "print(build_meta.prepare_metadata_for_build_wheel(sys.argv[1]))"
    )
    # In a copy: setuptools writes beside the sources.
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (tmp_path / name).write_text((REPOSITORY / name).read_text(encoding="utf-8"))
    (tmp_path / "src/tristream").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    folder = tmp_path / done.stdout.split()[-1]
    metadata = importlib.metadata.PathDistribution(folder).metadata
    always = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert sorted(names(always)) == ["numpy", "scikit-learn", "scipy", "torch"]
    assert {"workflow", "networks", "osf", "raw", "raft", "slurm", "test"} <= set(
        metadata.get_all("Provides-Extra")
    )


def test_nilearn_of_today_waits_for_snakemake():
    """Where this fails, Snakemake takes what nilearn 0.14 needs: allow it, and delete this test."""
    needed = [Requirement(line) for line in importlib.metadata.requires("snakemake") or ()]
    (packaging,) = [one for one in needed if one.name == "packaging" and one.marker is None]
    assert not packaging.specifier.contains("26.0")
    extra = PROJECT["optional-dependencies"]["workflow"]
    (nilearn,) = [Requirement(one) for one in extra if Requirement(one).name == "nilearn"]
    assert not nilearn.specifier.contains("0.14.1")


@pytest.mark.parametrize("name", tristream.PUBLIC)
def test_a_public_name_is_what_its_module_calls_so(name):
    assert getattr(tristream, name) is getattr(import_module(tristream.PUBLIC[name]), name)
    assert name in dir(tristream)


def test_a_name_that_is_not_public_is_missed():
    with pytest.raises(AttributeError, match="no attribute 'read_everything'"):
        tristream.read_everything  # noqa: B018
