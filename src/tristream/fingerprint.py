"""Code fingerprints: what a rule names in ``params:`` so that a changed method reruns it.

A fingerprint hashes the syntax trees, without docstrings and comments, of a module and of the
modules of the same stage that it imports. Nothing is imported to find it, so it is cheap enough
to be computed while the DAG is parsed.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = "tristream"
ROOT = Path(__file__).parent


@cache
def fingerprint(*modules: str) -> str:
    """Hash the code of `modules` and of the same-stage modules that they import.

    Parameters
    ----------
    *modules : str
        Dotted names (``tristream.features.spaces.optical_flow``) or paths of ``.py`` files.

    Returns
    -------
    str
        Twelve hexadecimal digits, equal for equal code: comments, blank lines and docstrings
        change nothing.
    """
    trees: dict[str, str] = {}
    waiting = [(name, _stage(name)) for name in modules]
    while waiting:
        name, stage = waiting.pop()
        if name in trees:
            continue
        tree = ast.parse(_source(name).read_text(encoding="utf-8"))
        trees[name] = ast.dump(_without_docstrings(tree))
        waiting += [(found, stage) for found in _imports(tree, name) if _stage(found) == stage]
    digest = hashlib.sha256()
    for name in sorted(trees):
        digest.update(f"{Path(name).name}\n{trees[name]}\n".encode())
    return digest.hexdigest()[:12]


def _source(name: str) -> Path:
    if name.endswith(".py"):
        return Path(name)
    path = ROOT.joinpath(*name.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _stage(name: str) -> str:
    """`tristream.features.spaces.x` -> `features`; a user's own file is its own stage."""
    return name if name.endswith(".py") else name.split(".")[1]


def _imports(tree: ast.Module, name: str) -> set[str]:
    """Package modules that `tree` imports, wherever in the module the import stands."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {f for f in found if f.startswith(PACKAGE + ".") and _source(f).is_file()}


def _without_docstrings(tree: ast.Module) -> ast.Module:
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, holders) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return tree
