"""DataLad datasets made on the spot, cloned, read at a commit or tag, verified."""

import hashlib
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from helpers.fetched import fetch_dataset, fetch_subject
from helpers.tiny_dataset import ANNEXED, MADE, RUNS, Program, make_dataset, save, study
from tristream.config.sources import DataladSource
from tristream.errors import UserError
from tristream.fetch import annex
from tristream.fetch.clone import check_out
from tristream.fetch.git import environment
from tristream.fetch.plan import plan_dataset
from tristream.fetch.receipt import Dropped, Receipt
from tristream.fetch.steps import drop


@pytest.fixture
def upstream(program: Program, tmp_path: Path) -> tuple[Path, str]:
    root = tmp_path / "upstream"
    return root, make_dataset(program, root)


def test_a_subject_is_fetched_by_commit_and_verified(program, upstream, tmp_path):
    root, commit = upstream
    later = root / "later.txt"
    later.write_text("the default branch goes on")
    save(program, root, "Go on")
    before = program(root, "git", "log", "--format=%s", "git-annex")
    resolved = study(tmp_path, str(root), commit=commit)
    plan = plan_dataset(resolved, "tiny")
    assert len(plan.files) == ANNEXED
    assert plan.download == sum(size for _, size in plan.files)

    listed = fetch_dataset(resolved, "tiny", code="abc")
    listed.write(tmp_path / "dataset.json")
    listed = Receipt.read(tmp_path / "dataset.json")
    assert (listed.commit, listed.simulated, listed.code) == (commit, True, "abc")
    assert (listed.name, listed.licence, listed.subject) == ("Tiny", "CC0", None)
    paths = {file.path: file for file in listed.files}
    assert "later.txt" not in paths
    bold = MADE.format(run=RUNS[0])
    content = (root / bold).read_bytes()
    assert paths[bold].annexed
    assert paths[bold].size == len(content)
    assert paths[bold].checksum == f"md5:{hashlib.md5(content).hexdigest()}"
    with pytest.raises(UserError, match="not present"):
        listed.path(bold)

    receipt = fetch_subject(resolved, "tiny", "01", listed)
    assert receipt.path(bold).read_bytes() == content
    assert receipt.simulated
    assert sorted(f.path for f in receipt.files if f.annexed) == receipt.find(".nii.gz")
    assert "task-film_bold.json" in [f.path for f in receipt.files]
    other = listed.root / "sub-02/func/sub-02_task-film_run-1_bold.nii.gz"
    assert other.is_symlink()
    assert not other.exists(), "content of another subject was fetched too"
    assert plan_dataset(resolved, "tiny").files == ()
    assert program(root, "git", "log", "--format=%s", "git-annex") == before

    drop([receipt]).write(tmp_path / "dropped.json")
    dropped = Dropped.read(tmp_path / "dropped.json")
    assert dropped.kept == ()
    assert list(dropped.files) == receipt.find(".nii.gz")
    assert dropped.simulated is True
    with pytest.raises(UserError, match="not present"):
        receipt.path(bold)


def test_data_may_lie_behind_a_link(upstream, tmp_path):
    root, commit = upstream
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    resolved = study(tmp_path, str(root), commit=commit)
    receipt = fetch_subject(resolved, "tiny", "01", fetch_dataset(resolved, "tiny"))
    assert sum(file.annexed for file in receipt.files) == ANNEXED


@pytest.mark.parametrize("message", ["gone for 5 %", ["%s is gone", "it"], ["gone for 5 %"]])
def test_reasons_of_datalad_are_told_in_one_line(message):
    assert "gone" in annex.reason({"message": message})


def test_a_tag_by_file_url_then_a_new_commit_from_a_file(program, upstream, tmp_path):
    root, commit = upstream
    program(root, "git", "tag", "1.0.0")
    clone = tmp_path / "clone"
    url = f"file://{root}"
    assert check_out(DataladSource(url=url, commit="1.0.0"), clone) == commit
    (root / "more.txt").write_text("more")
    newer = save(program, root, "More")
    commit_file = tmp_path / "commit.txt"
    commit_file.write_text(f"{newer}\n")
    source = DataladSource(url=url, commit_file=str(commit_file))
    assert check_out(source, clone) == newer
    assert (clone / "more.txt").exists()
    with pytest.raises(UserError, match=r"no tag or commit 'master'.*not a branch"):
        check_out(DataladSource(url=url, commit="master"), clone)


def test_a_dataset_comes_over_plain_http(program, upstream, tmp_path, monkeypatch):
    """A repository on any web server: git's dumb protocol, and the annex's objects as files."""
    root, commit = upstream
    program(root, "git", "update-server-info")
    for number, (key, value) in enumerate(
        (("annex.security.allowed-ip-addresses", "127.0.0.1"), ("http.proxy", ""))
    ):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{http.server_port}/{root.name}/.git"
        resolved = study(tmp_path, url, commit=commit)
        receipt = fetch_subject(resolved, "tiny", "01", fetch_dataset(resolved, "tiny"))
        http.shutdown()
    bold = MADE.format(run=RUNS[0])
    assert receipt.path(bold).read_bytes() == (root / bold).read_bytes()
    assert sum(file.annexed for file in receipt.files) == ANNEXED


def test_a_dataset_written_anew_at_the_same_place_is_followed(program, upstream, tmp_path):
    """`rm -r results` and a second run: same address, other history, other annex."""
    from tristream.fetch.clone import remove

    root, commit = upstream
    listed = fetch_dataset(study(tmp_path, str(root), commit=commit), "tiny")
    remove(root)
    again = make_dataset(program, root)
    assert again != commit
    resolved = study(tmp_path, str(root), commit=again)
    relisted = fetch_dataset(resolved, "tiny")
    assert relisted.commit == again
    receipt = fetch_subject(resolved, "tiny", "01", relisted)
    assert receipt.path(MADE.format(run=RUNS[1])).read_bytes()
    with pytest.raises(UserError, match=r"listing is of commit.*fetch dataset"):
        fetch_subject(resolved, "tiny", "01", listed)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("MD5E-s12--" + "a" * 32 + ".nii.gz", (12, "md5:" + "a" * 32)),
        ("SHA256E-s7-m5--" + "b" * 64 + ".h5", (7, "sha256:" + "b" * 64)),
        ("SHA1--" + "c" * 40, (None, "sha1:" + "c" * 40)),
        ("URL-s9--http&c%%example", (9, "")),
        ("WORM-s3-m9--name", (3, "")),
        ("nonsense", (None, "")),
    ],
)
def test_what_annex_keys_state(key, expected):
    assert annex.parse_key(key) == expected


def test_settings_of_the_callers_environment_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "annex.security.allowed-ip-addresses")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "127.0.0.1")
    listed = subprocess.run(
        ["git", "config", "--list"], env=environment(tmp_path), capture_output=True, text=True
    ).stdout
    assert "annex.security.allowed-ip-addresses=127.0.0.1" in listed
    assert "annex.private=true" in listed
    assert f"safe.directory={tmp_path}" not in listed  # one's own needs none


def test_a_tag_of_another_address_is_asked_for_there(program, upstream, tmp_path):
    """The clone has the tag already, of the old address."""
    root, commit = upstream
    mirror, clone = tmp_path / "mirror", tmp_path / "clone"
    program(root, "git", "tag", "1.0.0")
    program(tmp_path, "git", "clone", "--quiet", str(root), str(mirror))
    (mirror / "later.txt").write_text("the mirror's own")
    save(program, mirror, "Go on")
    program(mirror, "git", "tag", "--force", "1.0.0")
    first = check_out(DataladSource(url=str(root), commit="1.0.0"), clone)
    second = check_out(DataladSource(url=str(mirror), commit="1.0.0"), clone)
    assert first == commit
    assert second == program(mirror, "git", "rev-parse", "HEAD").strip()
    with pytest.raises(UserError, match="nowhere"):
        check_out(DataladSource(url=str(tmp_path / "nowhere"), commit="1.0.0"), clone)
    # A whole hash names one commit, wherever it is asked for.
    there = check_out(DataladSource(url=str(tmp_path / "nowhere"), commit=commit), clone)
    assert there == commit
