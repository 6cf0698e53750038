"""Archives come from where pip looks for packages."""

import os
import subprocess
from pathlib import Path

import pytest

from tristream.config.sources import ArchiveSource
from tristream.errors import UserError
from tristream.fetch import index

CONFIG = """\
[global]
index-url = https://one.invalid/simple
extra-index-url =
    https://two.invalid/simple
    https://three.invalid/simple
timeout = 7
trusted-host = one.invalid
[download]
index-url = https://four.invalid/simple
[install]
find-links = /not/for/downloads
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration file that is the only one."""
    path = tmp_path / "pip.conf"
    path.write_text(CONFIG)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(path))
    # Files of the machine and the user are read before it.
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    return path


def test_settings_are_those_of_pip_download(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = index._pip_settings()
    # The machine's own file may name a certificate.
    assert {name: value for name, value in found.items() if name != "cert"} == {
        "index_urls": [f"https://{n}.invalid/simple" for n in ("four", "two", "three")],
        "find_links": [],
        "trusted_hosts": ["one.invalid"],
        "timeout": 7.0,
    }
    monkeypatch.setenv("PIP_INDEX_URL", "https://five.invalid/simple")
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "9")
    found = index._pip_settings()
    assert found["index_urls"][0] == "https://five.invalid/simple"
    assert found["timeout"] == 9.0
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert index._pip_settings()["index_urls"] == []


def test_without_pip_its_variables_are_read(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "No module named pip")
    monkeypatch.setattr(index.subprocess, "run", lambda *_, **__: failed)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://six.invalid/simple")
    assert index._pip_settings()["index_urls"] == [
        index.default_index(),
        "https://six.invalid/simple",
    ]


def test_no_index_asks_nobody(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ArchiveSource(
        kind="archive", package="six", version="1", sha256="0" * 64, members=["a"], licence="MIT"
    )
    assert [one["type"] for one in index._finder(source).sources] == ["index"] * 3
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "gone"))
    assert index._finder(source).sources == []
    with pytest.raises(UserError, match="not on the package index"):
        index.download(source, tmp_path)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert index._finder(source).sources == [{"url": str(tmp_path), "type": "find_links"}]
