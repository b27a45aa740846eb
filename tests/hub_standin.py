"""A few lines of HTTP that look like the model hub to huggingface_hub 1 and 2."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(http.server.ThreadingHTTPServer):
    """Serve ``{"ORG/NAME": folder}`` on a free port of loopback and remember what was asked."""

    daemon_threads = True

    def __init__(self, repos: Mapping[str, Path], licence: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repos = repos
        self.licence = licence
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serve(repos: Mapping[str, Path], licence: str = "apache-2.0") -> Iterator[Hub]:
    hub = Hub(repos, licence)
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        parts = self.path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self._model_info("/".join(parts[2:4]), body=body)
        else:
            repo, rest = "/".join(parts[:2]), parts[2:]
            folder = self.server.repos.get(repo)
            if folder is None:
                self._send(404, b"", {"X-Error-Code": "RepoNotFound"}, body=body)
                return
            file = folder / "/".join(rest[2:])
            if rest[:1] != ["resolve"] or not file.is_file():
                headers = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}
                self._send(404, b"", headers, body=body)
                return
            data = file.read_bytes()
            headers = {
                "X-Repo-Commit": COMMIT,
                "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
            }
            self._send(200, data, headers, body=body)

    def _model_info(self, repo: str, *, body: bool) -> None:
        if repo not in self.server.repos:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"}, body=body)
            return
        names = sorted(path.name for path in self.server.repos[repo].iterdir())
        info = {
            "id": repo,
            "sha": COMMIT,
            "tags": ["open_clip", f"license:{self.server.licence}"],
            "siblings": [{"rfilename": name} for name in names],
        }
        self._send(200, json.dumps(info).encode(), {}, body=body)

    def _send(self, status: int, data: bytes, headers: Mapping[str, str], *, body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)
