"""Hashes of modules are remembered between processes, and never believed of another text."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tristream.fingerprint import parsed_code as module
from tristream.fingerprint.parsed_code import parse_code

TEXT = "import tristream.a\nfrom tristream.b import c\n\n\ndef f(x):\n    return x + 1\n"


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    forget()


def forget() -> None:
    for cached in (module.parse_code, module._remembered):
        cached.cache_clear()


def test_the_next_process_does_not_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    code = f"from tristream.fingerprint.parsed_code import parse_code; parse_code({TEXT!r})"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
    tree = module.ast.parse(TEXT)
    monkeypatch.setattr(module.ast, "parse", lambda text: pytest.fail("parsed"))
    found = parse_code(TEXT)
    assert found.imports == ("tristream.a", "tristream.b", "tristream.b.c")
    assert found.digest == module.hash_text(module.ast.dump(tree))
    # Another text is parsed.
    with pytest.raises(pytest.fail.Exception, match="parsed"):
        parse_code(TEXT.replace("+ 1", "+ 2"))


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', '{"a": ["b"]}'])
def test_a_damaged_memory_is_made_anew(tmp_path: Path, content: str) -> None:
    first = parse_code(TEXT)
    module._place().parent.mkdir(parents=True)
    module._place().write_text(content)
    forget()
    assert parse_code(TEXT) == first
    module._save()
    forget()
    assert list(module._remembered()) == [module.hash_text(TEXT)]


def test_a_home_that_cannot_be_written_to_costs_time_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert parse_code(TEXT).digest
    module._save()
