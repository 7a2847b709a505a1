"""The IDX format: arrays of any shape, packed or not, and damaged files."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest

from gan_cli.data.idx import read_idx
from gan_cli.errors import DataError
from tests.helpers.idx_files import FILES, IMAGES, LABELS, idx_bytes


def test_any_number_of_dimensions_packed_or_not_whatever_the_name(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    for name, content in (
        ("plain", idx_bytes(array)),
        ("packed", gzip.compress(idx_bytes(array))),
        ("plain.gz", idx_bytes(array)),
    ):
        (tmp_path / name).write_bytes(content)
        assert np.array_equal(read_idx(tmp_path / name), array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "starts with ''"),
        (b"<html>gone</html>", "starts with '3c 68 74 6d'"),
        (b"\0\0\x0d\1" + struct.pack(">I", 1) + bytes(4), "starts with '00 00 0d 01', expected '00 00 08'"),
        (b"\0\0\x08\3" + bytes(5), "truncated: 9 bytes, expected a header of 16"),
        (b"\0\0\x08\1" + bytes(4), r"the shape \(0,\), 0 bytes"),
        (b"\0\0\x08\3" + b"\xff" * 12, r"expected 1 to 47040000"),
        (FILES[IMAGES][:-5], r"truncated: 2347 bytes of data, expected 2352 for the shape \(3, 28, 28\)"),
        (FILES[IMAGES] + b"x", "continues after the 2352 bytes"),
        (gzip.compress(FILES[IMAGES])[:-30], "its gzip data break off"),
        (gzip.compress(FILES[IMAGES])[:-8] + bytes(8), "its gzip data are damaged"),
        (gzip.compress(FILES[IMAGES])[:10] + b"\xff" * 50, "its gzip data are damaged"),
        (gzip.compress(FILES[IMAGES] + b"x"), "continues after the 2352 bytes"),
    ],
    ids=[
        "empty",
        "not idx",
        "not bytes",
        "short header",
        "no data announced",
        "too much announced",
        "truncated",
        "too long",
        "truncated gzip",
        "wrong gzip checksum",
        "damaged gzip",
        "too long gzip",
    ],
)
def test_damaged_files_are_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "damaged"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_file_that_promises_more_than_it_has_takes_no_more_memory(tmp_path: Path) -> None:
    (tmp_path / "bomb").write_bytes(gzip.compress(FILES[IMAGES]))
    with pytest.raises(DataError, match="2352 bytes; expected 1 to 1000"):
        read_idx(tmp_path / "bomb", max_bytes=1000)


def test_missing_file_and_wrong_checksum(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path / "nothing")
    (tmp_path / LABELS).write_bytes(FILES[LABELS])
    found = hashlib.sha256(FILES[LABELS]).hexdigest()
    with pytest.raises(DataError, match=f"{LABELS}: .* has SHA-256 {found}, expected 1234"):
        read_idx(tmp_path / LABELS, "1234")
