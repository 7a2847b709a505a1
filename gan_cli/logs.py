"""What the console says, and its copy in the run directory."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator, Sequence
from logging.handlers import MemoryHandler

from tqdm import tqdm

from gan_cli.rundir import RunDirectory, writing

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
def copied_to(directories: Sequence[RunDirectory], kept: MemoryHandler) -> Iterator[None]:
    """Append what was said so far, and what is said from now on, to the log of each run directory.

    Raises:
        OutputError: a log cannot be written.
    """
    with contextlib.ExitStack() as opened:
        for directory in directories:
            with writing(directory.log):
                file = opened.enter_context(contextlib.closing(logging.FileHandler(directory.log)))
            file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
            for record in kept.buffer:
                file.handle(record)
            ROOT.addHandler(file)
            opened.callback(ROOT.removeHandler, file)
        kept.buffer.clear()
        ROOT.removeHandler(kept)
        yield
