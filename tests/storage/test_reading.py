"""One opener for all that is read: regular files alone, without waiting, of bounded length."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from gan_cli.storage import reading


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))


@pytest.mark.parametrize("make", [fifo, device, listening, Path.mkdir])
def test_opens_no_false_file_and_does_not_wait(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    make(tmp_path / "x")
    for read in (
        reading.open_regular,
        lambda path: reading.read_bytes(path, 9),
        lambda path: list(reading.read_lines(path)),
    ):
        with pytest.raises(OSError, match="x") as refused:
            read(tmp_path / "x")
        assert not isinstance(refused.value, FileNotFoundError)


def test_reads_up_to_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes("größe".encode())
    assert reading.read_bytes(file, 7) == "größe".encode()
    assert reading.read_text(file, 7) == "größe"
    with pytest.raises(OSError, match="longer than 6 bytes"):
        reading.read_bytes(file, 6)


def test_sparse_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        file.truncate(2**43)
    with pytest.raises(OSError, match="longer"):
        reading.read_bytes(tmp_path / "x", reading.MAX_JSON_BYTES)
    with pytest.raises(OSError, match="longer"):
        next(reading.read_lines(tmp_path / "x"))


def test_file_without_a_length_is_bounded() -> None:
    with pytest.raises(OSError, match="longer than 3 bytes"):
        reading.read_bytes(Path("/proc/self/status"), 3)


def test_lines_one_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"a\nb\r\n\nlast")
    assert list(reading.read_lines(tmp_path / "x")) == [b"a", b"b", b"", b"last"]
    with pytest.raises(OSError, match="a line of more than 3 bytes"):
        list(reading.read_lines(tmp_path / "x", max_line=3))


@pytest.mark.parametrize("opened", [reading.open_regular, reading.open_for_writing])
def test_name_that_no_file_can_have_is_an_error_of_the_file(opened, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(OSError, match="no name that a file can have"):
        opened(tmp_path / "a\0b")
