"""A dataset exported to an S3-like server with versioned objects, as OpenNeuro's are.

The server is moto's, in this process and on a port of its own; what it was asked for is written
down, and an answer can be made to stall half-way.
"""

import logging
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "openneuro"
PREFIX = "ds000000/"
OWNER = {"AWS_ACCESS_KEY_ID": "owner", "AWS_SECRET_ACCESS_KEY": "secret"}
Program = Callable[..., str]


@dataclass
class Store:
    """The server: what was asked for, and where its answer is to stall.

    Attributes
    ----------
    port : int
        On 127.0.0.1.
    asked : list of (str, str)
        File, and version id (empty: the unversioned address).
    signed : int
        Requests that showed credentials.
    stall_at : int
        Of the file asked for at this place, from 1, only half is sent until `go_on` is set; 0: of
        none. DataLad asks in an order of its own.
    stalled, go_on : Event
        An answer has stalled; stalled answers may end.
    """

    port: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    signed: int = 0
    stall_at: int = 0
    stalled: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        """URL of the bucket."""
        return f"http://127.0.0.1:{self.port}/{BUCKET}"

    def overwrite(self, path: str, content: bytes) -> None:
        """Another version of an object; the exported one stays under its version id."""
        self._client().put_object(Bucket=BUCKET, Key=PREFIX + path, Body=content)

    def create(self) -> None:
        """An empty bucket; what a server of this process held before is forgotten."""
        address = f"http://127.0.0.1:{self.port}/moto-api/reset"
        urlopen(Request(address, method="POST")).close()
        self._client().create_bucket(Bucket=BUCKET, ACL="public-read")

    def _client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id="owner",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )

    def _watch(self, app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
        def watched(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
            self.signed += "HTTP_AUTHORIZATION" in environ
            answer = app(environ, start)
            path = environ["PATH_INFO"].removeprefix(f"/{BUCKET}/{PREFIX}")
            if environ["REQUEST_METHOD"] != "GET" or path == environ["PATH_INFO"]:
                return answer
            version = environ["QUERY_STRING"].removeprefix("versionId=")
            self.asked.append((path, version))
            return self._half(answer) if len(self.asked) == self.stall_at else answer

        return watched

    def _half(self, answer: Iterable[bytes]) -> Iterator[bytes]:
        whole = b"".join(answer)
        yield whole[: len(whole) // 2]
        self.stalled.set()
        self.go_on.wait()
        yield whole[len(whole) // 2 :]


@contextmanager
def serve() -> Iterator[Store]:
    """Run a server with an empty bucket."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    store = Store()
    app = store._watch(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = True
    store.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        store.create()
        yield store
    finally:
        store.go_on.set()
        server.shutdown()
        server.server_close()


def publish(program: Program, author: Path, store: Store, versionless: Iterable[str] = ()) -> Path:
    """Export a saved dataset as OpenNeuro does, and keep only a bare repository and the server.

    Parameters
    ----------
    program : function
        The fixture of that name.
    author : Path
        The dataset; it is gone afterwards, so that no annex but the server's has content.
    store : Store
        Where it is exported to.
    versionless : iterable of str
        Files whose version id the git-annex branch shall not know.

    Returns
    -------
    Path
        The bare repository.
    """
    options = {
        **{"type": "S3", "encryption": "none", "host": "127.0.0.1", "port": store.port},
        **{"protocol": "http", "requeststyle": "path", "signature": "v4", "bucket": BUCKET},
        **{"fileprefix": PREFIX, "publicurl": store.address, "exporttree": "yes"},
        **{"versioning": "yes", "autoenable": "true"},
    }
    given = [f"{name}={value}" for name, value in OWNER.items()]
    annex = ("env", *given, "git", "annex")
    program(author, "git", "config", "annex.security.allowed-ip-addresses", "127.0.0.1")
    remote = [f"{key}={value}" for key, value in options.items()]
    program(author, *annex, "initremote", "s3-PUBLIC", *remote)
    program(author, *annex, "export", "HEAD", "--to", "s3-PUBLIC")
    keys = [program(author, "git", "annex", "lookupkey", path) for path in versionless]
    bare = author.with_name(f"{author.name}.git")
    program(author.parent, "git", "clone", "-q", "--bare", str(author), str(bare))
    for key in keys:
        _forget_version(program, bare, key)
    program(author.parent, "chmod", "-R", "u+w", str(author))
    shutil.rmtree(author)
    return bare


def _forget_version(program: Program, bare: Path, key: str) -> None:
    names = program(bare, "git", "ls-tree", "-r", "--name-only", "git-annex").splitlines()
    (name,) = [name for name in names if name.endswith(f"/{key}.log.rmet")]
    index = ("env", f"GIT_INDEX_FILE={bare / 'forget'}", "git")
    program(bare, *index, "read-tree", "git-annex")
    program(bare, *index, "rm", "-q", "--cached", name)
    tree = program(bare, *index, "write-tree")
    commit = program(bare, "git", "commit-tree", "-m", "Forget", tree)
    program(bare, "git", "update-ref", "refs/heads/git-annex", commit)
