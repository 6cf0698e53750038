"""Print the quick tests of what changed since main, for ``pytest --quick 25``.

They are the test files that changed and those that import a changed module, in
``tests/<package>/`` and ``tests/faults/``; whole studies are left to ``make test``. Where that
is much, a fixed choice stands for them.
"""

import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What runs whole workflows.
LONG = ("workflow", "study", "demo")
ALWAYS = ("tests/test_architecture.py", "tests/test_extras.py")
MOST = 12
# One file or two a stage, of seconds each.
FIXED = (
    *ALWAYS,
    "tests/fingerprint/test_fingerprint.py",
    "tests/test_results.py",
    "tests/test_store.py",
    "tests/align/test_resample.py",
    "tests/bold/test_cleaning.py",
    "tests/bold/test_confounds.py",
    "tests/config/test_config.py",
    "tests/encode/solvers/test_kernels.py",
    "tests/encode/solvers/test_robust.py",
    "tests/features/core/test_registry.py",
    "tests/features/spaces/test_gammatone.py",
    "tests/inference/test_permutation.py",
    "tests/report/test_parts.py",
    "tests/stimuli/test_inventory.py",
)


def git(*words: str) -> list[str]:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.splitlines() if done.returncode == 0 else []


def changed() -> set[str]:
    """Paths that differ from where this branch left main, committed or not."""
    base = git("merge-base", "HEAD", "origin/main") or git("merge-base", "HEAD", "main") or ["HEAD"]
    return {*git("diff", "--name-only", base[0]), *git("ls-files", "-o", "--exclude-standard")}


def imports(path: Path) -> set[str]:
    """Modules that a test file imports, and names from modules, which may be modules, too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def module(path: str) -> str:
    """``src/tristream/bold/trials.py`` -> ``tristream.bold.trials``; a package is its folder."""
    parts = Path(path).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def chosen(paths: set[str]) -> list[str]:
    """Test files for changed paths."""
    modules = {
        module(path)
        for path in paths
        if path.startswith(("src/", "tests/helpers/")) and path.endswith(".py")
    }
    found = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name.split("/")[1] in LONG or name in ALWAYS:
            continue
        if name in paths or imports(path) & modules:
            found.append(name)
    if len(found) > MOST:
        return list(FIXED)
    return [*ALWAYS, *found]


if __name__ == "__main__":
    print(*chosen(changed()))
