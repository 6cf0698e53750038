"""The site: `make site` builds it into _site/, warnings as errors."""

import argparse
import os
import re
import sys
from pathlib import Path

from pygments.lexers.python import PythonLexer

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "src"))
# Help is wrapped to the terminal's width, which is nobody's here.
os.environ["COLUMNS"] = "96"

import tristream  # noqa: E402
from tristream.cli import parser  # noqa: E402

project = "tristream"
author = "The tristream developers"
copyright = author
release = version = tristream.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
html_theme = "furo"
html_title = f"tristream {release}"
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
copybutton_exclude = ".linenos, .gp, .go"

# Headings to which links may lead, as GitHub names them.
myst_heading_anchors = 4
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
autosummary_generate = False

# Pages of the repository that are pages of the site, under other names.
OUTSIDE = {
    "benchmarks/README.md": "benchmarks.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CODE_OF_CONDUCT.md": "conduct.md",
    "README.md": "index.md",
}
LINK = re.compile(r"\]\((?:\.\./)*(?:docs/)?([\w/.-]+\.md)((?:#[\w-]+)?)\)")


def links_of_the_site(app: object, page: str, source: list[str]) -> None:
    """Links to pages of the repository as links to pages of the site."""
    depth = "../" * page.count("/")

    def moved(found: re.Match[str]) -> str:
        target = found[1]
        if target in OUTSIDE:
            return f"]({depth}{OUTSIDE[target]}{found[2]})"
        return found[0]

    source[0] = LINK.sub(moved, source[0])
    if page == "index":
        # A page that index.md does not list yet is a how-to page.
        listed = source[0].splitlines()
        new = [p.stem for p in sorted(HERE.glob("*.md")) if p.stem not in (*listed, "index")]
        source[0] = source[0].replace("from_himalaya\n", "\n".join(["from_himalaya", *new, ""]), 1)


def included(app: object, path: Path, page: str, source: list[str]) -> None:
    """The same in files that are included, whose links start at their own place."""
    source[0] = LINK.sub(lambda m: f"]({OUTSIDE.get(m[1], m[1])}{m[2]})", source[0])


def commands(app: object) -> None:
    """The command line's page, from its own help."""
    top = parser()
    lines = ["# The command line", "", "Written from `--help` of each command.", ""]
    for name, one in _stages(top):
        lines += [f"## `{name}`" if name.count(" ") == 1 else f"### `{name}`", ""]
        lines += ["```text", one.format_help().rstrip(), "```", ""]
    text = "\n".join(lines)
    page = HERE / "commands.md"
    # An unchanged page is not built again.
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")


def _stages(parser: argparse.ArgumentParser) -> list[tuple[str, argparse.ArgumentParser]]:
    found = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                found += [(one.prog, one), *_stages(one)]
    return found


def setup(app) -> None:  # type: ignore[no-untyped-def]
    """Called by Sphinx."""
    app.add_lexer("snakemake", PythonLexer)
    app.connect("builder-inited", commands)
    app.connect("source-read", links_of_the_site)
    app.connect("include-read", included)
