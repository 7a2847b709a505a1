"""Runs that are small, and rich in what a checkpoint has to hold."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import struct
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np

from tests.helpers.image_folder import make_folder
from tests.soak.sabotage import Sabotage

STEPS = 160
SMALL = (
    "architecture=mlp",
    "architecture.generator_hidden=[32]",
    "architecture.discriminator_hidden=[32]",
    "train.batch_size=16",
    "train.sample_count=4",
)
CADENCE = (
    f"train.steps={STEPS}",
    "train.log_every=10",
    "train.sample_every=20",
    "train.checkpoint_every=15",
    "train.eval_every=40",
    "evaluation.samples=20",
    "evaluation.backbone=pixels",
)
RICH = (
    *SMALL,
    *CADENCE,
    "augment=ada",
    "noise=adaptive",
    "loss/penalty=r1",
    "device.data=streamed",
    "ema.half_life=20",
)


def folder_run(pictures: Path) -> tuple[str, ...]:
    """Overrides of a run on a folder of pictures, streamed: everything that has a state has one here."""
    return (*RICH, "dataset=image_folder", f"dataset.path={pictures}", "dataset.size=8")


def mnist_run(mirror: str) -> tuple[str, ...]:
    """Overrides of the same on an MNIST that a mirror has."""
    return (*RICH, "dataset=mnist", "dataset.size=8", f"dataset.mirrors=[{mirror}]")


def make_pictures(folder: Path, count: int = 300) -> Path:
    """A folder of pictures in two classes."""
    return make_folder(folder, count)


def small_mnist() -> dict[str, bytes]:
    """The four files of an MNIST of random pictures, 600 and 100: name -> content."""
    random = np.random.default_rng(0)
    files = {}
    for split, count in (("train", 600), ("t10k", 100)):
        pixels, labels = random.integers(0, 256, (count, 28, 28)), random.integers(0, 10, count)
        for name, array in ((f"{split}-images-idx3-ubyte", pixels), (f"{split}-labels-idx1-ubyte", labels)):
            header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            files[name] = header + array.astype(np.uint8).tobytes()
    return files


def with_small_mnist(sabotage: Sabotage) -> Sabotage:
    """The same, for a process that is to take :func:`small_mnist` for MNIST."""
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in small_mnist().items()}
    return replace(sabotage, checksums=checksums)


@contextlib.contextmanager
def mirror(files: Mapping[str, bytes]) -> Iterator[str]:
    """A server on this machine that has these files, gzipped; its address."""

    class Handler(BaseHTTPRequestHandler):
        packed: ClassVar = {f"/{name}.gz": gzip.compress(content, mtime=0) for name, content in files.items()}

        def do_GET(self) -> None:
            body = self.packed.get(self.path)
            with contextlib.suppress(ConnectionError):  # whoever asked was killed
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
