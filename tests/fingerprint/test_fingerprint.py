"""Code keys: code changes them, in whatever package; comments, docstrings and plumbing do not."""

from pathlib import Path

import pytest

from tristream import fingerprint as module
from tristream.fingerprint import PLUMBING, closure, fingerprint

CODE = '"""Doc."""\n\n\ndef f(x):\n    """Say."""\n    return x + 1\n'


def of(tmp_path: Path, code: str) -> str:
    path = tmp_path / "x.py"
    path.write_text(code)
    _clear()
    return fingerprint(str(path))


@pytest.fixture(autouse=True)
def _fresh():
    _clear()
    yield
    _clear()


def _clear() -> None:
    for cached in (module._fingerprint, module.closure, module._code):
        cached.cache_clear()


def test_comments_and_docstrings_change_nothing(tmp_path):
    first = of(tmp_path, CODE)
    assert of(tmp_path, "# a comment\n" + CODE.replace("Say", "Tell").replace("Doc", "D")) == first
    assert of(tmp_path, CODE.replace("+ 1", "+ 2")) != first


def test_a_relative_path_is_of_the_folder_that_one_is_in(tmp_path, monkeypatch):
    found = []
    for name, code in (("a", CODE), ("b", CODE.replace("+ 1", "+ 2")), ("c", CODE)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.py").write_text(code)
        monkeypatch.chdir(tmp_path / name)
        found.append(fingerprint("tristream.errors", "x.py"))
    assert found[0] == found[2] != found[1]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of three stages: c imports b inside a function, b imports a from its package."""
    root = tmp_path / "tristream"
    files = {
        "__init__.py": "",
        "errors.py": "class UserError(Exception): ...\n",
        "low/__init__.py": "",
        "low/a.py": "from tristream.errors import UserError\nX = 1\n",
        "middle/__init__.py": "Y = 1\n",
        "middle/b.py": "from tristream.low import a\n",
        "middle/typed.py": "Z = 1\n",
        "high/__init__.py": "",
        "high/c.py": (
            "from typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    from tristream.middle import typed\n"
            "def f():\n    import tristream.middle.b\n"
        ),
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.setattr(module, "ROOT", root)
    return root


@pytest.mark.parametrize("changed", ["high/c.py", "middle/b.py", "middle/__init__.py", "low/a.py"])
def test_a_change_in_any_package_that_is_reached_changes_the_key(package, changed):
    before = fingerprint("tristream.high.c")
    path = package / changed
    path.write_text(path.read_text() + "CHANGED = 1\n")
    _clear()
    assert fingerprint("tristream.high.c") != before


@pytest.mark.parametrize("changed", ["errors.py", "middle/typed.py"])
def test_plumbing_and_types_change_no_key(package, changed):
    before = fingerprint("tristream.high.c")
    path = package / changed
    path.write_text(path.read_text() + "CHANGED = 1\n")
    _clear()
    assert fingerprint("tristream.high.c") == before
    assert "tristream.middle.typed" not in closure("tristream.high.c")


def test_what_is_known_to_be_shared_is_in_the_keys_of_those_who_use_it():
    fit = closure("tristream.encode.fit")
    assert {"tristream.align.delays", "tristream.encode.solvers.banded_ridge"} <= fit
    assert "tristream.inference.permutation" in closure("tristream.power.power_analysis")
    assert not [name for name in fit if name.startswith(PLUMBING)]
