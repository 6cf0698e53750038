"""Stimuli from a project of the OSF, from a small server that speaks what is used of its API."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from helpers.fetched import fetch_stimuli
from tristream.config.load import Resolved, resolve
from tristream.config.sources import OsfSource
from tristream.errors import UserError
from tristream.fetch.osf import OsfOrigin
from tristream.fetch.stimulus_files import stimulus_status

FILES = {
    "/films/big.wmv": bytes(range(256)) * 2000,
    "/films/arrive.wmv": b"arrive" * 50,
    "/films/spare.wmv": b"spare",
    "/readme.txt": b"not in the folder",
}


class Osf:
    """The server's project, and what it was asked for."""

    def __init__(self) -> None:
        self.files = dict(FILES)
        self.sent: dict[str, bytes] = {}  # instead of the content that the listing states
        self.breaks: set[str] = set()  # answers that break off in the middle, once
        self.asked: list[tuple[str, str | None]] = []
        self.root = ""

    def page(self, path: str) -> dict[str, Any] | None:
        """The JSON of an address of the API."""
        parts = [part for part in path.split("/") if part][1:]
        here = f"{self.root}/v2/nodes/qxcu8"
        links = {"self": "", "upload": "", "new_folder": "", "html": "", "delete": "", "move": ""}
        if parts == ["guids", "qxcu8"]:
            return {"data": {"type": "nodes"}}
        if parts == ["nodes", "qxcu8"]:
            names = ("title", "date_created", "date_modified", "description")
            files = {"links": {"related": {"href": f"{here}/files/"}}}
            about = dict.fromkeys(names, "")
            data = {"id": "qxcu8", "attributes": about, "links": links}
            return {"data": {**data, "relationships": {"files": files}}}
        if parts == ["nodes", "qxcu8", "files"]:
            about = {"path": "/", "name": "osfstorage", "node": "", "provider": "osfstorage"}
            related = {"files": {"links": {"related": {"href": f"{here}/files/osfstorage/"}}}}
            store = {"id": "1", "attributes": about, "relationships": related, "links": links}
            return {"data": [store]}
        if parts[:4] == ["nodes", "qxcu8", "files", "osfstorage"]:
            return self.listed(here, parts[4:], links)
        return None

    def listed(self, here: str, parts: list[str], links: dict[str, str]) -> dict[str, Any]:
        """Top: a folder and a file; the folder on two pages."""
        folder = {
            "attributes": {"kind": "folder"},
            "relationships": {
                "files": {"links": {"related": {"href": f"{here}/files/osfstorage/films/"}}}
            },
        }
        inner = [p for p in self.files if p.startswith("/films/")]
        outer = [p for p in self.files if p not in inner]
        if not parts:
            return {
                "data": [folder, *(self.file(p, links) for p in outer)],
                "links": {"next": None},
            }
        first = len(parts) == 1
        chosen = inner[:2] if first else inner[2:]
        following = f"{here}/files/osfstorage/films/2/" if first else None
        return {"data": [self.file(p, links) for p in chosen], "links": {"next": following}}

    def file(self, path: str, links: dict[str, str]) -> dict[str, Any]:
        content = self.files[path]
        hashes = {"md5": hashlib.md5(content).hexdigest()}
        if path != "/films/arrive.wmv":
            hashes["sha256"] = hashlib.sha256(content).hexdigest()
        attributes = {
            **{"kind": "file", "path": "/1", "materialized_path": path, "size": len(content)},
            **{"name": Path(path).name, "date_created": "", "date_modified": ""},
            "extra": {"hashes": hashes},
        }
        address = f"{self.root}/download/{path.encode().hex()}"
        return {"id": "1", "attributes": attributes, "links": {**links, "upload": address}}


@pytest.fixture
def osf(monkeypatch: pytest.MonkeyPatch) -> Iterator[Osf]:
    project = Osf()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith("/download/"):
                page = project.page(self.path)
                self.answer(404 if page is None else 200, json.dumps(page).encode())
                return
            path = bytes.fromhex(self.path.removeprefix("/download/")).decode()
            content = project.sent.get(path, project.files[path])
            wanted = self.headers.get("Range")
            project.asked.append((path, wanted))
            first = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
            rest = content[first:]
            if path in project.breaks:
                project.breaks.remove(path)
                self.answer(200, rest[: len(rest) // 2], len(rest))
            else:
                self.answer(206 if wanted else 200, rest)

        def answer(self, status: int, body: bytes, length: int | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    # osfclient asks once a second.
    monkeypatch.setattr("osfclient.models.session.time.sleep", lambda _: None)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        project.root = f"http://127.0.0.1:{http.server_port}"
        yield project
        http.shutdown()


def origin(osf: Osf, root: Path) -> OsfOrigin:
    return OsfOrigin(OsfSource(project="qxcu8", folder="films", api=f"{osf.root}/v2/"), root)


def test_files_of_a_folder_are_listed_brought_and_verified(osf, tmp_path):
    place = origin(osf, tmp_path / "words")
    listing = place.listing()
    assert [f.path for f in listing.files] == ["arrive.wmv", "big.wmv", "spare.wmv"]
    assert [f.checksum.split(":")[0] for f in listing.files] == ["md5", "sha256", "sha256"]
    assert osf.asked == []
    found = place.bring(listing, ["big.wmv", "arrive.wmv"])
    assert (tmp_path / "words/big.wmv").read_bytes() == FILES["/films/big.wmv"]
    assert {f.path: f.checksum for f in found}.items() <= {
        f.path: f.checksum for f in listing.files
    }.items()
    osf.asked.clear()
    assert origin(osf, tmp_path / "words").bring(listing, ["big.wmv", "arrive.wmv"]) == found
    assert osf.asked == []


def test_a_download_that_broke_off_goes_on(osf, tmp_path):
    osf.breaks = {"/films/big.wmv"}
    place = origin(osf, tmp_path / "words")
    with pytest.raises(UserError, match=r"qxcu8: big\.wmv did not arrive whole.*run again"):
        place.bring(place.listing(), ["arrive.wmv", "big.wmv"])
    assert not (tmp_path / "words/big.wmv").exists()
    place.bring(place.listing(), ["arrive.wmv", "big.wmv"])
    assert (tmp_path / "words/big.wmv").read_bytes() == FILES["/films/big.wmv"]
    assert [path for path, _ in osf.asked] == ["/films/arrive.wmv", *2 * ["/films/big.wmv"]]
    first = int(str(osf.asked[-1][1]).removeprefix("bytes=").removesuffix("-"))
    assert 128_000 < first <= 256_000


def test_a_download_goes_through_no_link(osf, tmp_path):
    victim, root = tmp_path / "victim.txt", tmp_path / "words"
    victim.write_text("precious")
    root.mkdir()
    (root / ".big.wmv.part").symlink_to(victim)
    place = origin(osf, root)
    with pytest.raises(UserError, match=r"\.big\.wmv\.part: is a link where a plain file belongs"):
        place.bring(place.listing(), ["big.wmv"])
    assert victim.read_text() == "precious"


def test_other_content_than_the_osf_states_is_discarded(osf, tmp_path):
    osf.sent["/films/big.wmv"] = FILES["/films/big.wmv"][::-1]
    place = origin(osf, tmp_path / "words")
    with pytest.raises(UserError, match=r"big\.wmv: what came from OSF project qxcu8.*discarded"):
        place.bring(place.listing(), ["big.wmv"])
    assert [p for p in (tmp_path / "words").rglob("*") if p.is_file()] == []


def test_names_that_lead_out_are_refused(osf, tmp_path):
    osf.files["/films/../../outside.wmv"] = b"x"
    with pytest.raises(UserError, match=r"'\.\./\.\./outside\.wmv' leaves the dataset"):
        origin(osf, tmp_path / "words").listing()


def test_a_project_that_is_not_there(osf, tmp_path):
    source = OsfSource(project="abcde", api=f"{osf.root}/v2/")
    with pytest.raises(UserError, match=r"OSF project abcde: can't be listed .*404"):
        OsfOrigin(source, tmp_path / "words").listing()


def study(osf: Osf, tmp_path: Path, **choice: str) -> Resolved:
    row = {"kind": "film", "match": ""}
    names = ("arrive", "big", "gone")
    described = {
        "id": "words",
        "title": "Words",
        "licence": "CC0",
        "citation": "none",
        "source": {"kind": "folder", "path": "."},
        "layout": {"kind": "fmriprep"},
        "tr": 1.0,
        "subjects": ["01"],
        "runs": ["task-a", "task-b", "task-c"],
        "stimuli": {
            "source": {
                **{"kind": "osf", "project": "qxcu8", "folder": "films"},
                "api": f"{osf.root}/v2/",
            },
            "table": [{**row, "stimulus": n, "path": f"{n}.wmv"} for n in names],
        },
        "split": {"scheme": "leave-one-run-out"},
        "exchange": {"unit": "item"},
    }
    (tmp_path / "words.yaml").write_text(json.dumps(described))
    content = {"data": str(tmp_path / "data"), "datasets": {"words": choice}}
    return resolve(content, tmp_path / "config.yaml", [tmp_path])


def test_a_study_names_what_is_missing_and_what_it_does_not_need(osf, tmp_path):
    assert stimulus_status(study(osf, tmp_path), "words") == [
        ("arrive.wmv", "arrive", "present"),
        ("big.wmv", "big", "present"),
        ("gone.wmv", "gone", "missing"),
        ("spare.wmv", "", "unneeded"),
    ]
    with pytest.raises(UserError, match=r"1 of 3 stimuli of words are missing \(gone\.wmv\), 1 f"):
        fetch_stimuli(study(osf, tmp_path), "words")
    assert osf.asked == [], "nothing is brought before all is there"
    receipt = fetch_stimuli(study(osf, tmp_path, missing_stimuli="drop"), "words")
    assert receipt.path("big.wmv").read_bytes() == FILES["/films/big.wmv"]
    assert (receipt.name, [o.what for o in receipt.omitted]) == ("OSF project qxcu8", ["gone.wmv"])
    (text,) = receipt.methods
    assert text.startswith("Stimuli were downloaded from the project qxcu8 of the Open Science")


def test_config_names_a_project_in_one_word(osf, tmp_path):
    descriptor = json.loads((study(osf, tmp_path) and tmp_path / "words.yaml").read_text())
    del descriptor["stimuli"]["source"]
    descriptor["stimuli"]["get"] = "ask the authors"
    (tmp_path / "words.yaml").write_text(json.dumps(descriptor))
    content = {"datasets": {"words": {"stimuli": "osf:qxcu8/films"}}}
    given = resolve(content, tmp_path / "config.yaml", [tmp_path]).datasets["words"].stimuli.source
    assert isinstance(given, OsfSource)
    assert (given.project, given.folder, given.api) == ("qxcu8", "films", "https://api.osf.io/v2/")
    content["datasets"]["words"]["stimuli"] = "osf:QX/.."
    with pytest.raises(UserError, match=r"words\.stimuli: 'osf:QX/\.\.' is not a project"):
        resolve(content, tmp_path / "config.yaml", [tmp_path])
