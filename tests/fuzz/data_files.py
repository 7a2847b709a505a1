"""Files in the place of data sets: whole, damaged, packed, forged, sparse, or no files at all."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import strategies as st

from gan_cli.data.cache import Store, serialize_arrays
from gan_cli.datasets.cifar import Cifar10, Cifar100, CifarSplit
from gan_cli.datasets.mnist import FashionMnist, Mnist
from gan_cli.datasets.oracle import FILE, Oracle
from gan_cli.datasets.stl10 import Stl10, Stl10Split
from gan_cli.datasets.svhn import Svhn
from gan_cli.datasets.text import Text
from tests.fuzz.strategies import damaged

SPARSE_BYTES = 8 * 2**30
BOMB = bytes(2**24)


def _npz(method: int = zipfile.ZIP_STORED, **members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return stream.getvalue()


def _npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


IDX = b"\0\0\x08\3" + struct.pack(">3I", 2, 28, 28) + bytes(2 * 28 * 28)
ARRAY = _npy(np.zeros((5000, 32), np.float32))
CONTENTS = [
    IDX,
    gzip.compress(IDX, mtime=0),
    gzip.compress(IDX + BOMB, mtime=0),
    gzip.compress(b"", mtime=0) * 1000,
    b"\0\0\x08\3" + b"\xff" * 12,
    _npz(embedding=ARRAY),
    _npz(zipfile.ZIP_DEFLATED, embedding=ARRAY[:128] + BOMB),
    _npz(zipfile.ZIP_BZIP2, embedding=ARRAY),
    _npz(zipfile.ZIP_LZMA, embedding=ARRAY),
    _npz(embedding=_npy(np.array([{}], object))),
    _npz(embedding=b"\x93NUMPY\x01\x00\xff\x7f" + b"(" * 2**15),
    serialize_arrays({"a": np.zeros(3), "b": np.array(["x"])}),
    "a b\nc d\n".encode("utf-16"),
    b"a b\n" * 50,
    b"x " * 2**20,
]
NAMES: dict[str, Callable[[], object]] = {
    "mnist/t10k-images-idx3-ubyte": lambda: Mnist(".", ()).load(),
    "mnist/train-labels-idx1-ubyte.gz": lambda: Mnist(".", ()).load(),
    "fashion_mnist/train-images-idx3-ubyte.gz": lambda: FashionMnist(".", ()).load(),
    "cifar10/cifar-10-binary.tar.gz": lambda: Cifar10(".", ()).load(),
    "cifar10/cifar-10-batches-bin/test_batch.bin": lambda: Cifar10(".", (), CifarSplit.test).load(),
    "cifar100/cifar-100-binary/train.bin": lambda: Cifar100(".", ()).load(),
    "svhn/train_32x32.mat": lambda: Svhn(".", ()).load(),
    "stl10/stl10_binary.tar.gz": lambda: Stl10(".", ()).load(),
    "stl10/stl10_binary/unlabeled_X.bin": lambda: Stl10(".", (), Stl10Split.unlabeled, 8).load(),
    str(FILE): lambda: Oracle(".", length=2, count=2).load(),
    "text.txt": lambda: Text("text.txt").load(),
    "x/44136fa355b3678a1146ad16f7e8649e.npz": lambda: Store(Path()).load_or_compute("x", {}, dict),
}


def _sparse(path: Path) -> None:
    os.truncate(path, SPARSE_BYTES)


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(target: str) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return replace


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES: dict[str, Callable[[Path], object]] = {
    "none": lambda path: None,
    "sparse": _sparse,
    "fifo": _fifo,
    "endless device": _link("/dev/zero"),
    "full device": _link("/dev/full"),
    "terminal": _link("/dev/tty"),
    "link to itself": _link("text.txt"),
    "folder": _folder,
    "without rights": lambda path: path.chmod(0),
}


@st.composite
def content(draw: Any) -> bytes:
    """One of the contents, damaged or not; drawn by its number, as their bytes would be printed."""
    whole = CONTENTS[draw(st.integers(0, len(CONTENTS) - 1))]
    return bytes(draw(damaged(whole))) if draw(st.booleans()) else whole


def data_file(drawn: tuple[str, bytes, str]) -> None:
    """Load a data set whose file is of that content, and then replaced or changed."""
    name, written, change = drawn
    for entry in os.scandir():
        (shutil.rmtree if entry.is_dir(follow_symlinks=False) else os.unlink)(entry.path)
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(written)
    CHANGES[change](Path(name))
    with mock.patch.dict(os.environ, HOME=str(Path("home").absolute())):
        NAMES[name]()


INPUTS = st.tuples(
    st.sampled_from(list(NAMES)),
    content(),
    st.sampled_from(list(CHANGES)),
)
