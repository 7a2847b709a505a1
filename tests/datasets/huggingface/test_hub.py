"""Datasets of the Hugging Face hub, which here is a server on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests.helpers.image_tables import caches, expected, table

COMMIT = "c0ffee" + 34 * "0"


@pytest.fixture
def hub(folder: Path) -> Iterator[str]:
    """A hub with one dataset, ``owner/animals``: what the library asks the real one for, answered from ``folder``."""
    files = {"README.md": b"---\nlicense: mit\n---\n"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            files.update({f"data/{path.name}": path.read_bytes() for path in folder.glob("*.parquet")})
            path = urlsplit(self.path).path
            repository = "/datasets/owner/animals/"
            if path == f"/api{repository}revision/{COMMIT}":
                self.answer({"id": "owner/animals", "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]})
            elif path == f"/api{repository}tree/{COMMIT}":
                self.answer([{"type": "directory", "path": "data", "oid": COMMIT, "size": 0}])
            elif path == f"/api{repository}tree/{COMMIT}/data":
                parquet = [name for name in files if name.startswith("data/")]
                entries = [{"path": name, "oid": COMMIT, "size": len(files[name])} for name in parquet]
                self.answer([{"type": "file", **entry} for entry in entries])
            elif path.startswith(repository) and (name := path.split("/", 6)[-1]) in files:
                self.send(files[name])
            else:
                missing = "EntryNotFound" if path.startswith(repository) else "RepoNotFound"
                self.send(b"", 404, {"X-Error-Code": missing})

        do_HEAD = do_GET  # noqa: N815

        def answer(self, content: object) -> None:
            self.send(json.dumps(content).encode(), headers={"Content-Type": "application/json"})

        def send(self, content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
            whole, wanted = len(content), self.headers.get("Range")
            headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": COMMIT, **(headers or {})}
            if wanted and status == 200:
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                content, status = content[int(first) : int(last) + 1], 206
                headers["Content-Range"] = f"bytes {first}-{int(first) + len(content) - 1}/{whole}"
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


LOAD = """
import sys
import numpy as np
from gan_cli.datasets.huggingface import HuggingFace
from gan_cli.errors import DataError
try:
    images = HuggingFace(sys.argv[1], sys.argv[2], size=16, label_column="label").load()
except DataError as error:
    sys.exit(f"DataError: {error}")
np.savez(sys.argv[3], pixels=images.array, labels=images.labels)
"""


def from_hub(name: str, root: Path, endpoint: str, out: Path) -> str:
    """Load in a process of its own, as the library reads its settings once; returns what went wrong."""
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(root / "home"), "NO_PROXY": "*", "HF_HUB_DISABLE_XET": "1"}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    command = [sys.executable, "-c", LOAD, name, str(root), str(out)]
    done = subprocess.run(command, env={**kept, **settings}, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 or "DataError: " in done.stderr, done.stderr
    return done.stderr


@pytest.mark.slow
def test_a_dataset_of_the_hub(folder: Path, root: Path, hub: str, tmp_path: Path) -> None:
    pytest.importorskip("datasets", reason="needs gan-cli[huggingface]")
    table(folder)
    assert "DataError" not in from_hub("owner/animals", root, hub, tmp_path / "out.npz")
    loaded = np.load(tmp_path / "out.npz")
    assert np.array_equal(loaded["pixels"], expected())
    assert loaded["labels"].tolist() == [0, 2, 1, 0, 2, 1, 0]
    assert len(caches(root)) == 1
    output = from_hub("owner/nothing", root, hub, tmp_path / "out.npz")
    assert "DataError: owner/nothing: cannot be read (Dataset 'owner/nothing' doesn't exist" in output
