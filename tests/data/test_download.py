"""Downloads from mirrors that never end, or never begin: real servers on this machine, and short limits."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gan_cli.data.download import CHUNK_BYTES, TransferLimits, download
from gan_cli.errors import DataError

LIMITS = TransferLimits(connect_seconds=1, window_seconds=0.2, window_bytes=1000)
PATIENT = TransferLimits(connect_seconds=10, window_seconds=30, window_bytes=1000)
MAX_BYTES = 50_000
CONTENT = bytes(range(250)) * (MAX_BYTES // 250)
OK = b"HTTP/1.1 200 OK\r\n"
Answer = Callable[[socket.socket, threading.Event], None]


def silence(client: socket.socket, ended: threading.Event) -> None:
    ended.wait(30)


def drip(start: bytes, piece: bytes) -> Answer:
    """Send a start, and then a piece now and then: less often than a transfer may be silent it would be silence."""

    def answer(client: socket.socket, ended: threading.Event) -> None:
        client.sendall(start)
        while not ended.wait(0.02):
            client.sendall(piece)

    return answer


def endless(start: bytes, piece: bytes) -> Answer:
    def answer(client: socket.socket, ended: threading.Event) -> None:
        client.sendall(start)
        while not ended.is_set():
            client.sendall(piece)

    return answer


def whole(content: bytes) -> Answer:
    return lambda client, ended: client.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(content) + content)


def redirection(client: socket.socket, ended: threading.Event) -> None:
    client.sendall(b"HTTP/1.1 302 Found\r\nLocation: /more/x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")


CHUNK = b"2000\r\n" + bytes(0x2000) + b"\r\n"
ANSWERS: dict[str, tuple[Answer, str]] = {
    "silence": (silence, "sent 0 bytes in 0.2 s"),
    "half a status": (drip(b"HTTP/1.1 2", b"0"), "sent 0 bytes in 0.2 s"),
    "headers that never end": (drip(OK, b"X: y\r\n"), "sent 0 bytes in 0.2 s"),
    "a byte now and then": (drip(OK + b"Content-Length: 40000\r\n\r\n", b"x"), "sent 0 bytes in 0.2 s"),
    "small chunks": (drip(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), " bytes in 0.2 s"),
    "a body without a length": (endless(OK + b"\r\n", bytes(10_000)), "sent more than the 50,000 bytes"),
    "chunks without end": (
        endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", CHUNK),
        "sent more than the 50,000 bytes",
    ),
    "an announced body without end": (
        endless(OK + b"Content-Length: 999999999999\r\n\r\n", bytes(10_000)),
        "sent more than the 50,000 bytes",
    ),
    "redirections without end": (redirection, "redirects without end (HTTP status 302)"),
    "no HTTP": (lambda client, ended: client.sendall(b"220 ready\r\n\r\n"), "220 ready"),
    "a length that is none": (
        lambda client, ended: client.sendall(OK + b"Content-Length: many\r\n\r\nx"),
        "invalid literal for int",
    ),
}


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Answer], str]]:
    """Start servers that read a request and answer it; their addresses."""
    monkeypatch.setenv("NO_PROXY", "*")
    ended, sockets = threading.Event(), list[socket.socket]()

    def handle(client: socket.socket, answer: Answer) -> None:
        with client, contextlib.suppress(OSError):  # the other side gave up
            client.recv(10_000)
            answer(client, ended)

    def accept(listening: socket.socket, answer: Answer) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                threading.Thread(target=handle, args=(client, answer), daemon=True).start()

    def start(answer: Answer) -> str:
        listening = socket.create_server(("127.0.0.1", 0))
        sockets.append(listening)
        threading.Thread(target=accept, args=(listening, answer), daemon=True).start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield start
    ended.set()
    for listening in sockets:
        listening.close()


def check(path: Path) -> None:
    if path.read_bytes() != CONTENT:
        raise DataError(f"{path}: other bytes")


@pytest.mark.parametrize("name", ANSWERS)
def test_mirror_without_end_is_left_for_the_next(
    name: str, tmp_path: Path, serve: Callable[[Answer], str], caplog: pytest.LogCaptureFixture
) -> None:
    answer, reason = ANSWERS[name]
    bad, good = serve(answer), serve(whole(CONTENT))
    # Short where the mirror is to be found slow; all others end by themselves, on a busy machine later.
    slow = " bytes in " in reason
    with pytest.raises(DataError) as caught:
        download("x", [bad, bad], tmp_path / "a", check, MAX_BYTES, LIMITS if slow else PATIENT)
    assert str(caught.value).count(f"{bad}/x: ") == 2
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 3
    assert not (tmp_path / "a").exists()
    limits = replace(LIMITS, window_seconds=1) if slow else PATIENT
    assert download("x", [bad, good], tmp_path / "b", check, MAX_BYTES, limits).read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["x"]


@pytest.mark.parametrize("count", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, MAX_BYTES])
def test_file_of_as_many_bytes_as_it_may_have_arrives(
    count: int, tmp_path: Path, serve: Callable[[Answer], str]
) -> None:
    for headers in (b"Content-Length: %d\r\n\r\n" % count, b"\r\n"):
        address = serve(lambda client, ended, headers=headers: client.sendall(OK + headers + CONTENT[:count]))
        path = download("x", [address], tmp_path, lambda _: None, count, PATIENT)
        assert path.read_bytes() == CONTENT[:count]


def test_slow_mirror_may_take_its_time(tmp_path: Path, serve: Callable[[Answer], str]) -> None:
    def answer(client: socket.socket, ended: threading.Event) -> None:
        client.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(CONTENT))
        for start in range(0, len(CONTENT), 10_000):
            time.sleep(0.06)
            client.sendall(CONTENT[start : start + 10_000])

    assert download("x", [serve(answer)], tmp_path, check, MAX_BYTES, LIMITS).read_bytes() == CONTENT


def test_mirror_that_goes_on_after_it_was_left_writes_nothing(tmp_path: Path, serve: Callable[[Answer], str]) -> None:
    def answer(client: socket.socket, ended: threading.Event) -> None:
        client.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(CONTENT))
        ended.wait(0.3)
        client.sendall(CONTENT)

    limits = TransferLimits(connect_seconds=1, window_seconds=0.2, window_bytes=MAX_BYTES)
    with pytest.raises(DataError, match="sent 0 bytes"):
        download("x", [serve(answer)], tmp_path, check, MAX_BYTES, limits)
    for transfer in (thread for thread in threading.enumerate() if thread.name == "download"):
        assert transfer.daemon
        transfer.join(30)
        assert not transfer.is_alive()
    assert list(tmp_path.iterdir()) == []
