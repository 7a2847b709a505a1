"""Width and abilities of the terminal behind stderr. Imports no torch."""

from __future__ import annotations

import contextlib
import os
import sys

DEFAULT_WIDTH = 80
YELLOW, PLAIN = "\x1b[33m", "\x1b[0m"


def redraws() -> bool:
    """Return whether stderr is a terminal on which a line can be drawn again; not in a notebook, pipe or file."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Return the columns of the terminal behind stderr, 80 where it does not say."""
    with contextlib.suppress(OSError, ValueError):
        return os.get_terminal_size(sys.stderr.fileno()).columns or DEFAULT_WIDTH
    return DEFAULT_WIDTH


def highlighted(text: str) -> str:
    """Return text in the color of warnings, in a terminal where ``NO_COLOR`` (no-color.org) is not set."""
    return f"{YELLOW}{text}{PLAIN}" if redraws() and not os.environ.get("NO_COLOR") else text
