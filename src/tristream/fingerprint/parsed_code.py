"""What a code key takes of a module's text, remembered from one process to the next.

A workflow is parsed at each start of Snakemake, on a cluster in every job. Parsing six hundred
modules took most of that time, and their text seldom changes: hash and imports are kept by the hash
of the text in the user's cache folder, where nothing else than this process trusts them.
"""

import ast
import atexit
import json
import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tristream.hashing import hash_text

# Texts that are remembered: those of this package, and of some versions before it.
MOST = 5000


class ParsedCode(NamedTuple):
    """Of the text of a module: hash of its syntax tree, and the names that it imports."""

    digest: str
    imports: tuple[str, ...]


@cache
def parse_code(text: str) -> ParsedCode:
    """Hash a text's syntax tree, without docstrings and comments, and list its imports.

    Parameters
    ----------
    text : str
        Of a module.
    """
    known, key = _remembered(), hash_text(text)
    if key not in known:
        tree = ast.parse(text)
        imports = sorted(_imports(tree))
        known[key] = [hash_text(ast.dump(_without_docstrings(tree))), imports]
        _save_at_exit()
    digest, names = known[key]
    return ParsedCode(digest, tuple(names))


def _place() -> Path:
    """Trees differ between versions of Python."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    version = f"{sys.version_info.major}{sys.version_info.minor}"
    return Path(base, "tristream", f"parsed_code-{version}.json")


@cache
def _remembered() -> dict[str, list]:
    """What earlier processes found; empty where it can't be read."""
    try:
        found = json.loads(_place().read_text(encoding="utf-8"))
        return {k: [str(digest), [*map(str, names)]] for k, (digest, names) in found.items()}
    except (OSError, ValueError, TypeError, AttributeError, RuntimeError):
        return {}


@cache
def _save_at_exit() -> None:
    atexit.register(_save)


def _save() -> None:
    """Write what is known; a folder that can't be written to costs time alone."""
    with suppress(OSError, RuntimeError):
        place = _place()
        place.parent.mkdir(parents=True, exist_ok=True)
        kept = dict([*_remembered().items()][-MOST:])
        part = place.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(kept), encoding="utf-8")
        part.replace(place)


def _imports(tree: ast.Module) -> set[str]:
    """What `tree` imports, wherever in it: modules, and names that may be modules."""
    found = set()
    for node in _nodes(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _nodes(tree: ast.AST) -> list[ast.AST]:
    """All nodes but those under ``if TYPE_CHECKING:``, which no job runs."""
    nodes = []
    for node in ast.iter_child_nodes(tree):
        if (
            isinstance(node, ast.If)
            and isinstance(node.test, ast.Name)
            and node.test.id == "TYPE_CHECKING"
        ):
            continue
        nodes += [node, *_nodes(node)]
    return nodes


def _without_docstrings(tree: ast.Module) -> ast.Module:
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, holders) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return tree
