"""A pseudo-terminal of a given width in the place of stderr, and what is to be seen on it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import sys
import termios
import threading
from collections.abc import Iterator

import pytest

CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Screen:
    """What a terminal shows: each line as it is after all that was drawn over it."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.text = ""

    @property
    def lines(self) -> list[str]:
        """The lines; one that is longer than the terminal is wide goes on in the next."""
        rows, column = [""], 0
        for character in CONTROL.sub("", self.text):
            if character == "\n":
                rows, column = [*rows, ""], 0
            elif character == "\r":
                column = 0
            else:
                if column == (self.width or 80):
                    rows, column = [*rows, ""], 0
                rows[-1] = rows[-1][:column].ljust(column) + character + rows[-1][column + 1 :]
                column += 1
        return [row.rstrip() for row in rows]


@contextlib.contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch, width: int, term: str = "xterm") -> Iterator[Screen]:
    """Let stderr be a terminal of ``width`` columns, 0 for one that does not say; its screen is complete afterwards."""
    main, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24 if width else 0, width, 0, 0))
    screen, drawn = Screen(width), bytearray()

    def read() -> None:
        with contextlib.suppress(OSError):  # the other end is closed
            while chunk := os.read(main, 4096):
                drawn.extend(chunk)

    reader = threading.Thread(target=read)
    reader.start()
    monkeypatch.setenv("TERM", term)
    with monkeypatch.context() as patched, os.fdopen(follower, "w") as stream:
        patched.setattr(sys, "stderr", stream)
        yield screen
    reader.join()
    os.close(main)
    screen.text = drawn.decode()
