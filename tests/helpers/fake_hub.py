"""A Hugging Face Hub of the tests: a server on 127.0.0.1 with what huggingface_hub asks to push and to download."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_secretOfTheTests"


@dataclass
class Repository:
    """A repository: its commits, each with the files of it by name, the latest last."""

    private: bool = False
    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)

    def commit(self, files: dict[str, bytes]) -> str:
        content = {**(self.commits[-1][1] if self.commits else {}), **files}
        number = hashlib.sha1(repr((len(self.commits), sorted(content))).encode()).hexdigest()
        self.commits.append((number, content))
        return number

    def find(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        if revision == "main":
            return self.commits[-1] if self.commits else ("0" * 40, {})
        return next((commit for commit in self.commits if commit[0] == revision), None)


@dataclass
class FakeHub:
    """The state of a hub.

    Attributes:
        address: to be used as ``HF_ENDPOINT``.
        repositories: by ``OWNER/NAME``.
        objects: large files by their SHA-256.
        requests: methods and paths, in the order of the requests.
        failing: status of the answer to each request whose path has the text.
        answer: text of such an answer; ``{authorization}`` is what the request has brought.
        sizes: of files, where the hub is to lie about them.
    """

    address: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    failing: dict[str, int] = field(default_factory=dict)
    answer: str = "no"
    sizes: dict[str, int] = field(default_factory=dict)


class Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PUT = do_HEAD = do_GET  # noqa: N815

    def log_message(self, *arguments: Any) -> None:
        """Print nothing."""

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        body = self._body()
        for part, status in self.hub.failing.items():
            if part in path:
                text = self.hub.answer.format(authorization=self.headers.get("authorization"))
                return self._json({"error": text}, status)
        parts = path.strip("/").split("/")
        if path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path.startswith("/objects/"):
            self.hub.objects[parts[1]] = body
            return self._send(b"")
        if path.endswith("/info/lfs/objects/batch"):
            return self._batch(json.loads(body))
        if parts[:2] == ["api", "models"]:
            name, action = "/".join(parts[2:4]), parts[4:]
            return self._api(name, action, body)
        if len(parts) >= 5 and parts[2] == "resolve":
            return self._file("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        return self._missing("EntryNotFound")

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            content = b""
            while size := int(self.rfile.readline(), 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return content
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    @property
    def _is_logged_in(self) -> bool:
        return self.headers.get("authorization") == f"Bearer {TOKEN}"

    def _create(self, wanted: dict[str, Any]) -> None:
        if not self._is_logged_in:
            return self._json({"error": "Invalid username or password."}, 401)
        name = f"{wanted['organization']}/{wanted['name']}"
        address = {"url": f"{self.hub.address}/{name}"}
        if name in self.hub.repositories:
            return self._json({**address, "error": "You already created this model repo"}, 409)
        self.hub.repositories[name] = Repository(wanted.get("visibility") == "private" or wanted.get("private", False))
        return self._json(address)

    def _batch(self, wanted: dict[str, Any]) -> None:
        if not self._is_logged_in:
            return self._json({"error": "Invalid username or password."}, 401)
        objects = [
            {**each, "actions": {"upload": {"href": f"{self.hub.address}/objects/{each['oid']}", "header": {}}}}
            for each in wanted["objects"]
        ]
        return self._json({"transfer": "basic", "objects": objects})

    def _api(self, name: str, action: list[str], body: bytes) -> None:
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and not self._is_logged_in):
            return self._missing("RepoNotFound")
        if action[:1] == ["preupload"]:
            files = json.loads(body)["files"]
            modes = [{"path": file["path"], "uploadMode": "lfs" if file["path"].endswith((".safetensors", ".png")) else
                      "regular", "shouldIgnore": False} for file in files]  # fmt: skip
            return self._json({"files": modes})
        if action[:1] == ["commit"]:
            return self._commit(name, repository, body)
        found = repository.find(action[1] if action[:1] == ["revision"] else "main")
        if found is None:
            return self._missing("RevisionNotFound")
        siblings = [
            {"rfilename": file, "size": self.hub.sizes.get(file, len(content))} for file, content in found[1].items()
        ]
        return self._json({"id": name, "sha": found[0], "private": repository.private, "siblings": siblings})

    def _commit(self, name: str, repository: Repository, body: bytes) -> None:
        if not self._is_logged_in:
            return self._json({"error": "Invalid username or password."}, 401)
        files = {}
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
        number = repository.commit(files)
        return self._json({"commitUrl": f"{self.hub.address}/{name}/commit/{number}", "commitOid": number})

    def _file(self, name: str, revision: str, file: str) -> None:
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and not self._is_logged_in):
            return self._missing("RepoNotFound")
        found = repository.find(revision)
        if found is None:
            return self._missing("RevisionNotFound")
        if file not in found[1]:
            return self._missing("EntryNotFound")
        content = found[1][file]
        return self._send(content, {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": found[0]})

    def _missing(self, code: str) -> None:
        # As the Hub answers whoever is not logged in, who is to learn nothing of private repositories.
        status = 401 if code == "RepoNotFound" and not self._is_logged_in else 404
        self._send(b"", {"X-Error-Code": code, "X-Error-Message": "not found"}, status)

    def _json(self, content: dict[str, Any], status: int = 200) -> None:
        self._send(json.dumps(content).encode(), {"Content-Type": "application/json"}, status)

    def _send(self, content: bytes, headers: dict[str, str] | None = None, status: int = 200) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@contextlib.contextmanager
def fake_hub() -> Iterator[FakeHub]:
    """Serve an empty hub inside the block."""
    hub = FakeHub()
    handler = type("HubHandler", (Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
