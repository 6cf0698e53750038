"""Code of the documentation: every block of Python runs, YAML and commands can be read."""

import re
import shlex
from contextlib import chdir
from pathlib import Path

import pytest
import yaml

from helpers import REPOSITORY
from tristream.cli import parser
from tristream.config.load import load_study

DOCS = REPOSITORY / "docs"
PAGES = sorted(
    path
    for path in [REPOSITORY / "README.md", *DOCS.rglob("*.md")]
    if path.name != "commands.md"  # written while the site is built
)
# Pages whose Python is run by a test of its own, which also looks at what comes out.
ELSEWHERE = {
    "docs/encoding.md": "tests/encode/test_docs.py",
    "docs/decoding.md": "tests/decode/test_decoding_page.py",
    "docs/rsa.md": "tests/rsa/test_rsa_page.py",
    "docs/from_himalaya.md": "tests/encode/estimators/test_from_himalaya.py",
}
# A pattern of a class, with dots for what the reader writes.
NOT_RUN = ("class MyReader(Reader[MyLayout])",)


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def blocks(path: Path, *languages: str) -> list[str]:
    """Fenced blocks of a page in one of some languages."""
    text = path.read_text(encoding="utf-8")
    found = re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    return [code for language, code in found if language in languages]


def python(path: Path) -> list[str]:
    return [one for one in blocks(path, "python") if not any(text in one for text in NOT_RUN)]


@pytest.mark.parametrize(
    "path", [p for p in PAGES if python(p) and name_of(p) not in ELSEWHERE], ids=name_of
)
def test_python_of_a_page_runs_from_top_to_bottom(path, tmp_path):
    names: dict[str, object] = {"__name__": "page"}
    with chdir(tmp_path):
        exec(compile("\n".join(python(path)), str(path), "exec"), names)


@pytest.mark.parametrize(("page", "test"), ELSEWHERE.items())
def test_pages_that_are_run_elsewhere_are(page, test):
    text = (REPOSITORY / test).read_text(encoding="utf-8")
    assert f'"{page}"' in text
    assert "exec(" in text
    assert python(REPOSITORY / page)


@pytest.mark.parametrize("path", [p for p in PAGES if blocks(p, "yaml")], ids=name_of)
def test_yaml_can_be_read(path):
    for block in blocks(path, "yaml"):
        assert yaml.safe_load(block)


def commands(path: Path) -> list[str]:
    """Commands of ours in shell blocks; in a console after a prompt."""
    lines = [line for one in blocks(path, "sh") for line in one.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"^\$ (.*)$", "\n".join(blocks(path, "console")), flags=re.MULTILINE)
    single = [part.strip() for line in lines for part in re.split(r"&&|;", line.partition("#")[0])]
    return [one for one in single if one.startswith("tristream ")]


def test_the_command_line_knows_every_printed_command():
    known = parser()
    found = [(name_of(path), line) for path in PAGES for line in commands(path)]
    assert len(found) > 20
    for page, line in found:
        try:
            known.parse_args(shlex.split(line)[1:])
        except SystemExit:
            pytest.fail(f"{page}: {line}")


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_files_that_a_page_links_to_exist(path):
    """Anchors, too, are checked where the site is built (`make site`)."""
    text = path.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text)
    lost = [link for link in links if not (path.parent / link).exists()]
    assert [link for link in lost if not link.endswith("commands.md")] == []


def test_the_tutorial_on_power_is_a_study(tmp_path):
    (study,) = blocks(DOCS / "tutorials/power.md", "yaml")
    (tmp_path / "config.yaml").write_text(study)
    assert list(load_study(tmp_path / "config.yaml").power) == ["music"]
