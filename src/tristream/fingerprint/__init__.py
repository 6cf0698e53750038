"""Code keys: what a rule names in ``params:`` so that a changed method reruns it.

A key hashes the syntax trees, without docstrings and comments, of the module that a job runs and of
every module of the package that it reaches by import, in whatever stage. Left out is what can't
change a number (`PLUMBING`). Nothing is imported to find it, so it is cheap enough to be computed
while the DAG is parsed; a tree is hashed once for each text (`parsed_code`).
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from tristream.fingerprint.parsed_code import parse_code
from tristream.hashing import hash_text

PACKAGE = "tristream"
ROOT = Path(__file__).parents[1]

# Modules, and packages with all that is in them, that decide where bytes come from, where they go
# how a mistake is worded and what a reader is shown of an input, never what is computed.
PLUMBING = (
    "tristream.cli",
    "tristream.config.load",
    "tristream.config.settings.base",
    "tristream.errors",
    "tristream.features.core.previews",
    "tristream.fetch",
    "tristream.fingerprint",
    "tristream.hashing",
    "tristream.paths",
    "tristream.results",
    "tristream.store",
    "tristream.targets",
)


def fingerprint(*modules: str) -> str:
    """Hash the code of `modules` and of all package modules that they reach by import.

    Parameters
    ----------
    *modules : str
        Dotted names (``tristream.encode.fit``) or paths of ``.py`` files.

    Returns
    -------
    str
        Twelve hexadecimal digits, equal for equal code: comments, blank lines and docstrings
        change nothing.
    """
    # A relative path leads elsewhere in another folder: what is remembered of it would be wrong.
    return _fingerprint(
        *(str(Path(name).resolve()) if name.endswith(".py") else name for name in modules)
    )


@cache
def _fingerprint(*modules: str) -> str:
    # Where a file lies does not change its hash.
    names = sorted((Path(name).name, name) for name in closure(*modules))
    parts = (f"{own}\n{_code(name)[0]}\n" for own, name in names)
    return hash_text("".join(parts))[:12]


@cache
def closure(*modules: str) -> frozenset[str]:
    """`modules` and all package modules that they reach by import, without `PLUMBING`."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found or is_plumbing(name):
            continue
        found.add(name)
        waiting += _code(name)[1]
    return frozenset(found)


def is_plumbing(name: str) -> bool:
    """Whether a module is left out of all keys."""
    return name == PACKAGE or any(name == part or name.startswith(f"{part}.") for part in PLUMBING)


@cache
def _code(name: str) -> tuple[str, frozenset[str]]:
    """Hash of a module's syntax tree, and the package modules that it imports."""
    parsed = parse_code(_source(name).read_text(encoding="utf-8"))
    return parsed.digest, frozenset(_of_the_package(parsed.imports, name))


def _source(name: str) -> Path:
    if name.endswith(".py"):
        return Path(name)
    path = ROOT.joinpath(*name.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _of_the_package(imports: Iterable[str], name: str) -> set[str]:
    """Package modules among what a module imports, and the packages that hold them."""
    found = {one for one in imports if one.startswith(f"{PACKAGE}.")}
    if not name.endswith(".py"):
        found.add(name.rpartition(".")[0])
    found |= {parent for one in found for parent in _parents(one)}
    return {one for one in found - {"", PACKAGE} if _source(one).is_file()}


def _parents(name: str) -> list[str]:
    """``a.b.c`` -> ``a.b``, ``a``: importing a module runs its packages, too."""
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]
