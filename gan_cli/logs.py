"""What the console says, and its copy in the run directory."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from logging.handlers import MemoryHandler
from pathlib import Path

from tqdm import tqdm

ROOT = logging.getLogger("gan_cli")
PROGRESS = "gan_cli.progress"


class _Console(logging.Handler):
    """Lines on stderr that do not tear a progress bar; where there is a bar, progress needs no lines."""

    def emit(self, record: logging.LogRecord) -> None:
        # A reader that has gone (`2>&1 | head`) must not take the training with it.
        with contextlib.suppress(BrokenPipeError):
            if record.name != PROGRESS or not sys.stderr.isatty():
                tqdm.write(self.format(record), file=sys.stderr)


@contextlib.contextmanager
def console() -> Iterator[MemoryHandler]:
    """Show log lines on stderr, and keep them until a run directory is there to take them (:func:`copied_to`)."""
    shown, kept = (
        _Console(),
        MemoryHandler(capacity=10_000, flushLevel=logging.CRITICAL + 1, flushOnClose=False),
    )
    shown.setFormatter(logging.Formatter("%(message)s"))
    ROOT.setLevel(logging.INFO)
    ROOT.propagate = False
    ROOT.addHandler(shown)
    ROOT.addHandler(kept)
    try:
        yield kept
    finally:
        ROOT.removeHandler(shown)
        ROOT.removeHandler(kept)


@contextlib.contextmanager
def copied_to(path: Path, kept: MemoryHandler) -> Iterator[None]:
    """Append what was said so far, and what is said from now on, to a file."""
    file = logging.FileHandler(path)
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    kept.setTarget(file)
    kept.flush()
    ROOT.removeHandler(kept)
    ROOT.addHandler(file)
    try:
        yield
    finally:
        ROOT.removeHandler(file)
        file.close()
