"""One command in this process, as a target uses it."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable
from typing import Any


def command(main: Callable[[], Any], arguments: list[str]) -> None:
    """Run a command; its exit status has to be a known one, and no traceback may be printed."""
    before, sys.argv = sys.argv, ["command", *arguments]
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as message:
            main()
    except SystemExit as left:
        assert left.code in (0, 2, 3, 4), left.code
        assert "Traceback" not in message.getvalue()
    finally:
        sys.argv = before
