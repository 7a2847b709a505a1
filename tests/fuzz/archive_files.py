"""Archives of images, and pairs of IDX files: damaged, forged, packed in others, and with members of any names."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import shutil
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from gan_cli.datasets.idx import Idx
from gan_cli.datasets.image_archive import ImageArchive
from tests.fuzz import strategies
from tests.fuzz.data_files import CHANGES
from tests.fuzz.image_files import PNG

NAMES = st.sampled_from(
    ["a.png", "a/b.png", "c/d.PNG", "../x.png", "/etc/x.png", "C:\\x.png", "a\\..\\x.png", ".git/x.png", "a.cls",
     "a/b.cls", "dataset.json", "a/dataset.json", "inner.zip", "note.txt", "a/", "", ".", "ä/\udcff.png", "a\nb.png",
     "x" * 300 + ".png", "train/a.png", "test/a.png", "00000/img00000000.png"]
)  # fmt: skip
LABELS = strategies.VALUES.map(lambda value: strategies.json_text({"labels": value}).encode())
CONTENTS = st.sampled_from(
    [
        PNG,
        PNG[:40],
        b"",
        b"1",
        b"-1",
        b"cat",
        b"9" * 70,
        b'{"labels": null}',
        b'{"labels": [["a.png", 0]]}',
        bytes(2**16),
    ]
)
KINDS = st.sampled_from(["zip", "deflated", "lzma", "tar", "gnu", "tar.gz", "twice"])
TYPES = st.sampled_from([tarfile.REGTYPE] * 6 + [bytes([number]) for number in range(48, 90)])
MEMBERS = st.lists(st.tuples(NAMES, CONTENTS | LABELS, TYPES), max_size=6)


def _zip(members: list[tuple[str, bytes, bytes]], method: int) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", method) as archive:
        warnings.simplefilter("ignore")  # of two members of one name
        for name, content, kind in members:
            info = zipfile.ZipInfo(name.encode(errors="replace").decode() or "x")
            info.compress_type = method
            info.external_attr = (0o120777 if kind == tarfile.SYMTYPE else 0o100644) << 16
            archive.writestr(info, content)
    return stream.getvalue()


def _tar(members: list[tuple[str, bytes, bytes]], form: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, content, kind in members:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = kind, len(content), "/etc/passwd"
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def packed(kind: str, members: list[tuple[str, bytes, bytes]]) -> bytes:
    """An archive of a kind."""
    methods = {"zip": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED, "lzma": zipfile.ZIP_LZMA}
    if kind in methods:
        return _zip(members, methods[kind])
    content = _tar(members, tarfile.GNU_FORMAT if kind == "gnu" else tarfile.PAX_FORMAT)
    packings = {"tar.gz": 1, "twice": 2}
    for _ in range(packings.get(kind, 0)):
        content = gzip.compress(content, 1, mtime=0)
    return content


@st.composite
def _archive(draw: Any) -> bytes:
    content = packed(draw(KINDS), draw(MEMBERS))
    return bytes(draw(strategies.damaged(content))) if draw(st.booleans()) else content


ARCHIVES = st.tuples(st.lists(_archive(), min_size=1, max_size=2), st.sampled_from(list(CHANGES)), st.booleans())


def _clear() -> None:
    for entry in os.scandir():
        (shutil.rmtree if entry.is_dir(follow_symlinks=False) else os.unlink)(entry.path)


def archives(drawn: tuple[list[bytes], str, bool]) -> None:
    """Load images from archives that are whole, damaged or none at all; twice. Nothing is written beside the cache."""
    contents, change, strict = drawn
    _clear()
    Path("archives").mkdir()
    for number, content in enumerate(contents):
        Path(f"archives/{number}.tar").write_bytes(content)
    CHANGES[change](Path("archives/0.tar"))
    data = ImageArchive(size=4, channels=1, strict=strict, workers=1, path="archives", root="root")
    try:
        data.count_images()
        first, second = data.load(), data.load()
    finally:
        assert {entry.name for entry in os.scandir()} <= {"archives", "root"}
        assert {entry.name for entry in os.scandir("archives")} <= {"0.tar", "1.tar"}
    assert np.array_equal(first.array, second.array)
    assert first.class_names == second.class_names
    assert (first.labels is None) == (second.labels is None)


IDX = b"\0\0\x08\3\0\0\0\2\0\0\0\4\0\0\0\4" + bytes(32)
IDX_LABELS = b"\0\0\x08\1\0\0\0\2\1\5"
MAPPING = b"1 65 97\n5 66\n"
IDX_CONTENTS = [IDX, gzip.compress(IDX, mtime=0), IDX_LABELS, b"\0\0\x08\4" + b"\x7f\xff\xff\xff" * 4, MAPPING, b"x"]
IDX_NAMES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images.idx3-ubyte.gz", "x-mapping.txt"]
PAIRS = st.tuples(
    st.lists(
        st.tuples(
            st.sampled_from([*IDX_NAMES, "x-train-images-idx3-ubyte", "x-train-labels-idx1-ubyte"]),
            st.sampled_from(IDX_CONTENTS).flatmap(lambda content: st.just(content) | strategies.damaged(content)),
            st.sampled_from(list(CHANGES)),
        ),
        max_size=4,
    ),
    st.sampled_from(["data", *(f"data/{name}" for name in IDX_NAMES)]),
    st.booleans(),
)


def pairs(drawn: tuple[list[tuple[str, bytes, str]], str, bool]) -> None:
    """Load a pair of IDX files, either of which is whole, damaged, of another kind, or none at all."""
    files, path, transpose = drawn
    _clear()
    Path("data").mkdir()
    for name, content, change in files:
        file = Path("data", name)
        if file.is_dir():
            continue
        with contextlib.suppress(FileNotFoundError):
            file.unlink()
        file.write_bytes(content)
        CHANGES[change](file)
    data = Idx(path, size=4, transpose=transpose)
    data.count_images()
    loaded = data.load()
    assert loaded.array.shape[1:] == data.shape
    if loaded.labels is not None:
        assert 0 <= loaded.labels.min() <= loaded.labels.max() < len(loaded.class_names)
