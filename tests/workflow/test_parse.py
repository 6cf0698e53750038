"""What happens while the Snakefile is parsed: little, quickly, and with readable errors."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.small_study import REPO, environment, snakemake, write
from tristream import __version__

# Every job of a cluster parses the Snakefile, so this is what each of them would wait for.
HEAVY = {"torch", "transformers", "nilearn", "nibabel", "sklearn", "scipy", "librosa", "cv2"}
HEAVY |= {"h5py", "datalad", "av", "matplotlib"}
# Snakemake itself imports these for any workflow; the command line need not.
SNAKEMAKES = {"pandas", "numpy", "snakemake", "requests", "jinja2"}

PARSE = """
import sys
from snakemake.cli import main
try:
    main(["-s", sys.argv[1], "--configfile", "config.yaml", "--cores", "1", "--dry-run", "--quiet"])
except SystemExit as end:
    assert not end.code, end.code
print("IMPORTED", *sorted(set(m.split(".")[0] for m in sys.modules)))
"""


def test_nothing_heavy_is_imported(tmp_path, cache):
    folder = write(tmp_path / "study", cache)
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(REPO / "Snakefile")],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = [one for one in done.stdout.splitlines() if one.startswith("IMPORTED")]
    assert HEAVY & set(line.split()) == set()


def test_help_imports_nothing_heavy():
    code = "import sys; from tristream.cli import parser; parser(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert loaded & (HEAVY | SNAKEMAKES) == set()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.update(colour=1), "config.yaml: colour: unknown key"),
        (lambda c: c["features"]["flow"].update(layers=["x"]), "config.yaml: features.flow.layers"),
        (lambda c: c["features"]["flow"]["options"].update(x=1), "features.flow.options.x"),
        (lambda c: c["datasets"].append("tyni"), "datasets.tyni: no descriptor"),
        (
            lambda c: c["models"]["streams"]["bands"].update(ventral=["efficientnet/blocks1"]),
            "models.streams.bands.ventral",
        ),
    ],
)
def test_a_mistake_stops_the_run_before_it_starts(tmp_path, cache, change, words):
    folder = write(tmp_path / "study", cache, change)
    said = snakemake(folder, "--dry-run", ok=False)
    lines = [line for line in said.splitlines() if words in line]
    assert len(lines) == 1, said


def test_the_demo_plans_every_stage():
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--dry-run", "--forceall", "--cores", "2"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    rules = set(re.findall(r"^(\w+)\s+\d+$", done.stdout + done.stderr, flags=re.MULTILINE))
    rules = {"features" if rule.startswith("features_") else rule for rule in rules}
    stages = {"fetch_subject", "simulate", "inventory", "leakage", "features", "bold", "align"}
    stages |= {"samples", "lagscan", "encode", "decode", "inference", "recovery", "maps", "report"}
    assert stages <= rules


def test_help_answers_and_lists_the_stages():
    done = subprocess.run(
        [sys.executable, "-m", "tristream", "--help"], capture_output=True, text=True, check=True
    )
    from tristream.cli import STAGES

    for stage in STAGES:
        assert stage in done.stdout
        said = subprocess.run(
            [sys.executable, "-m", "tristream", stage, "--help"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert "examples:" in said, stage


def test_a_workflow_of_another_version_is_refused(tmp_path, cache):
    import shutil

    code = tmp_path / "code"
    for part in ("workflow", "src"):
        shutil.copytree(REPO / part, code / part)
    shutil.copy(REPO / "Snakefile", code)
    project = (REPO / "pyproject.toml").read_text()
    other = re.sub(r'^version = ".*"$', 'version = "0.0.9"', project, count=1, flags=re.M)
    (code / "pyproject.toml").write_text(other)
    said = snakemake(write(tmp_path / "study", cache), "--dry-run", source=code, ok=False)
    assert f"tristream {__version__} is installed, this workflow belongs to 0.0.9" in said
    assert "pip install" in said


def test_the_citation_is_of_this_version():
    text = (REPO / "CITATION.cff").read_text()
    assert re.search(r"^version: (.*)$", text, flags=re.MULTILINE)[1] == __version__


def test_readme_names_what_the_makefile_runs():
    readme = (REPO / "README.md").read_text()
    assert "make demo" in readme
    assert "make test" in readme
    assert "make test" in Path(REPO / ".ci/run").read_text()
