"""A dataset as OpenNeuro's are: objects of an S3-like server, by their version ids."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from helpers import object_store
from helpers.fetched import fetch_dataset, fetch_subject
from helpers.object_store import Store
from helpers.tiny_dataset import ANNEXED, MADE, RUNS, make_dataset, study, write
from tristream.errors import UserError
from tristream.fetch.annex import is_present
from tristream.fetch.steps import drop

BOLD, OTHER = (MADE.format(run=run) for run in RUNS)
MASK = BOLD.replace("preproc_bold", "brain_mask")
SIZE = 400_000


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # As the user of a server on this machine has to; OpenNeuro's addresses are public.
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "annex.security.allowed-ip-addresses")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "127.0.0.1")
    with object_store.serve() as served:
        yield served


@pytest.fixture
def contents(program, tmp_path: Path) -> dict[str, bytes]:
    """A dataset with images of 400 kB in `author`; what the two BOLD files hold."""
    make_dataset(program, tmp_path / "author")
    rng = np.random.default_rng(0)
    held = {path: rng.bytes(SIZE) for path in (BOLD, OTHER)}
    for path, content in held.items():
        (tmp_path / "author" / path).unlink()
        write(tmp_path / "author", path, content)
    program(tmp_path / "author", "datalad", "-l", "critical", "save", "-m", "Larger images")
    program(tmp_path / "author", "git", "tag", "1.0.0")
    return held


def damage(path: Path) -> bytes:
    """Other bytes of the same size in the annex, under the key of the former ones."""
    target = path.resolve()
    target.parent.chmod(0o755)
    target.chmod(0o644)
    target.write_bytes(target.read_bytes()[::-1])
    return target.read_bytes()


def test_content_comes_by_version_id_and_the_rest_by_its_address(
    program, store, contents, tmp_path
):
    bare = object_store.publish(program, tmp_path / "author", store, versionless=[OTHER])
    store.overwrite(BOLD, b"a later version")
    listed = fetch_dataset(given := study(tmp_path, str(bare), commit="1.0.0"), "tiny")
    store.asked.clear()
    signed = store.signed
    receipt = fetch_subject(given, "tiny", "01", listed)
    for path, content in contents.items():
        assert receipt.path(path).read_bytes() == content
    assert sorted(path for path, _ in store.asked) == receipt.find(".nii.gz")
    assert {path for path, version in store.asked if not version} == {OTHER}
    assert store.signed == signed, "no credentials are shown"

    # Without a version id nobody can tell that the remote still has the content: it is kept.
    (kept,) = drop([receipt]).kept
    assert kept.what == OTHER
    assert "no S3 version ID is recorded" in kept.why
    there = {f.path for f in receipt.files if f.annexed and is_present(receipt.root, f)}
    assert there == {OTHER}
    assert fetch_subject(given, "tiny", "01", listed).files == receipt.files


def test_a_killed_fetch_goes_on_and_brings_nothing_twice(program, store, contents, tmp_path):
    bare = object_store.publish(program, tmp_path / "author", store)
    given = study(tmp_path, str(bare), commit="1.0.0")
    listed = fetch_dataset(given, "tiny")
    listed.write(tmp_path / "listed.json")
    store.asked.clear()
    store.stall_at = 2
    command = [sys.executable, "-m", "tristream", "fetch", "subject"]
    command += ["--dataset", "tiny", "--subject", "01", "--config", str(tmp_path / "config.yaml")]
    command += ["--datasets", str(tmp_path / "descriptors")]
    command += ["--listing", str(tmp_path / "listed.json"), "--output", str(tmp_path / "r.json")]
    annexed = [f for f in listed.files if f.annexed and "sub-01" in f.path]
    fetching = subprocess.Popen(command, start_new_session=True)
    assert store.stalled.wait(60)
    half = store.asked[1][0]
    deadline = time.monotonic() + 60
    # Files are fetched side by side: another one may still be on its way.
    while not any(is_present(listed.root, f) for f in annexed) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(fetching.pid, signal.SIGKILL)
    fetching.wait()
    store.stall_at = 0
    store.go_on.set()
    assert not (tmp_path / "r.json").exists()
    whole = {f.path for f in annexed if is_present(listed.root, f)}
    assert 0 < len(whole) < ANNEXED
    assert half not in whole

    receipt = fetch_subject(given, "tiny", "01", listed)
    for path, content in contents.items():
        assert receipt.path(path).read_bytes() == content
    times = Counter(path for path, _ in store.asked)
    assert {path: times[path] for path in whole} == dict.fromkeys(whole, 1)
    assert times[half] == 2


def test_a_corrupted_object_is_caught_by_its_key_unless_it_is_accepted(
    program, store, contents, tmp_path
):
    wrong = damage(tmp_path / "author" / BOLD)
    bare = object_store.publish(program, tmp_path / "author", store)
    given = study(tmp_path, str(bare), commit="1.0.0")
    listed = fetch_dataset(given, "tiny")
    with pytest.raises(UserError, match=rf"{BOLD}: .*does not match the checksum.*accept: ") as e:
        fetch_subject(given, "tiny", "01", listed)
    assert len(str(e.value).splitlines()) == 1
    accept = json.loads(str(e.value).partition("`accept: ")[2].partition("`")[0])
    assert list(accept) == [BOLD]
    (file,) = [f for f in listed.files if f.path == BOLD]
    assert not is_present(listed.root, file), "the clone keeps no content that its key denies"

    # Pasted from the message into config.yaml, the content is taken and the receipt says so.
    given = study(tmp_path, str(bare), {"accept": accept}, commit="1.0.0")
    receipt = fetch_subject(given, "tiny", "01", listed)
    assert receipt.path(BOLD).read_bytes() == wrong
    (omission,) = receipt.omitted
    assert omission.what == f"agreement of {BOLD} with its annex key"
    assert file.checksum in omission.why
    assert accept[BOLD] in omission.why
    (taken,) = [f for f in receipt.files if f.path == BOLD]
    assert (taken.checksum, taken.key) == (accept[BOLD], file.key)
    assert "accepted by checksums" in receipt.methods[-1]
    assert not any("accepted" in text for text in listed.methods)

    # Another content than the one accepted is refused all the same.
    given = study(tmp_path, str(bare), {"accept": {BOLD: "md5:" + "0" * 32}}, commit="1.0.0")
    with pytest.raises(UserError, match=rf"{BOLD}: .*does not match the checksum"):
        fetch_subject(given, "tiny", "01", listed)
