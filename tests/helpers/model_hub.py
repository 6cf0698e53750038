"""A model hub on this machine: the answers that huggingface_hub's client asks for, no more."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlparse


class _Handler(BaseHTTPRequestHandler):
    root: Path
    asked: list[str]

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, body: bool) -> None:
        path = unquote(urlparse(self.path).path).strip("/")
        self.asked.append(path)
        parts = path.split("/")
        if path.startswith("api/models/"):
            # api/models/OWNER/NAME/revision/REVISION or .../tree/REVISION
            folder = self.root / parts[2] / parts[3] / parts[5]
            files = sorted(folder.iterdir()) if folder.is_dir() else []
            if not files:
                return self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"}, body)
            if parts[4] == "tree":
                tree = [
                    {"type": "file", "path": f.name, "size": f.stat().st_size, "oid": _oid(f)}
                    for f in files
                ]
                return self._send(200, json.dumps(tree).encode(), {}, body)
            said = {
                "id": "/".join(parts[2:4]),
                "sha": parts[5],
                "siblings": [{"rfilename": file.name} for file in files],
            }
            return self._send(200, json.dumps(said).encode(), {}, body)
        # OWNER/NAME/resolve/REVISION/FILE
        file = self.root / parts[0] / parts[1] / parts[3] / parts[-1]
        if not file.is_file():
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound"}, body)
        headers = {"ETag": f'"{_oid(file)}"', "X-Repo-Commit": parts[3]}
        self._send(200, file.read_bytes(), headers, body)

    def _send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(content)


def _oid(file: Path) -> str:
    return hashlib.sha1(file.read_bytes()).hexdigest()


@contextmanager
def hub(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve ``root/OWNER/NAME/REVISION/FILE``; gives the address and what was asked for."""
    handler = type("Handler", (_Handler,), {"root": root, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler.asked  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
