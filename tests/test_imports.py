"""Imports of the package's own modules and names exist, also inside functions and in benchmarks.

mypy takes a module of ours that does not exist for one that is not installed.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

from helpers import REPOSITORY

SOURCE = REPOSITORY / "src"
FILES = [
    path
    for folder in ("src/tristream", "tests", "benchmarks", "docs")
    for path in sorted((REPOSITORY / folder).rglob("*.py"))
]


def file_of(module: str) -> Path | None:
    path = SOURCE.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((one for one in candidates if one.is_file()), None)


@cache
def names_in(path: Path) -> set[str]:
    """Whatever a module binds, at any depth."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return found


def missing(text: str) -> list[str]:
    """Modules and names of the package that `text` imports and that are not there."""
    lacking = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tristream":
            home = file_of(str(node.module))
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if home is None or (alias.name not in names_in(home) and not file_of(name)):
                    lacking.append(name)
        elif isinstance(node, ast.Import):
            ours = [a.name for a in node.names if a.name.split(".")[0] == "tristream"]
            lacking += [name for name in ours if file_of(name) is None]
    return lacking


def test_every_import_of_the_package_exists():
    found = {str(path.relative_to(REPOSITORY)): missing(path.read_text("utf-8")) for path in FILES}
    assert {file: names for file, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "line", ["import tristream.nowhere", "from tristream.store import nothing_of_the_kind"]
)
def test_one_that_does_not_is_noticed(line):
    assert len(missing(f"def f():\n    {line}\n")) == 1
