"""Servers on this machine that data are downloaded from."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Mirror:
    """What a server answers: path -> status and body; it promises ``missing`` bytes more than it sends."""

    url: str
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    missing: int = 0
    silent: threading.Event | None = None
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def mirrors(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Mirror]]:
    """Two servers."""
    monkeypatch.setenv("NO_PROXY", "*")
    servers, mirrors = [], []
    for _ in range(2):
        mirror = Mirror("")

        class Handler(BaseHTTPRequestHandler):
            source = mirror

            def do_GET(self) -> None:
                self.source.asked.append(self.path)
                if self.source.silent is not None:
                    self.source.silent.wait(10)
                status, body = self.source.answers.get(self.path, (404, b"not here"))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body) + self.source.missing))
                with contextlib.suppress(ConnectionError):  # the client gave up
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        mirror.url = f"http://127.0.0.1:{server.server_port}/data/"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
        mirrors.append(mirror)
    yield mirrors
    for server in servers:
        server.shutdown()
        server.server_close()
