"""What the console says, and its copy in the run directory."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator, Mapping
from logging.handlers import MemoryHandler
from pathlib import Path

from tqdm import tqdm

from gan_cli.runtime import torchrun
from gan_cli.storage.files import AppendOnlyFile, WriteErrorHandler, writing
from gan_cli.storage.run_directory import RunDirectory

ROOT = logging.getLogger("gan_cli")
PROGRESS_LOGGER = "gan_cli.telemetry.console"


class _Console(logging.Handler):
    """Lines on stderr that do not tear a progress bar; where there is a bar, progress needs no lines."""

    def emit(self, record: logging.LogRecord) -> None:
        # A reader that has gone (`2>&1 | head`), or a full disk (`2>log`), must not take the training with it.
        with contextlib.suppress(OSError):
            if record.name != PROGRESS_LOGGER or not sys.stderr.isatty():
                tqdm.write(self.format(record), file=sys.stderr)


class _LogFile(logging.Handler):
    """A run's log. A line that cannot be written is missing from it; whether the run goes on is not decided here."""

    def __init__(self, path: Path, errors: WriteErrorHandler) -> None:
        super().__init__()
        self._path = path
        self._errors = errors
        self._file = AppendOnlyFile(path)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        with self._errors.deferring("train.log", self._path):
            self._file.write(f"{self.format(record)}\n".encode(errors="backslashreplace"))

    def close(self) -> None:
        with self._errors.deferring("train.log", self._path):
            self._file.close()
        super().close()


@contextlib.contextmanager
def console() -> Iterator[MemoryHandler]:
    """Show log lines on stderr, and keep them until a run directory is there to take them (:func:`copied_to`)."""
    shown, kept = (
        _Console(),
        MemoryHandler(capacity=10_000, flushLevel=logging.CRITICAL + 1, flushOnClose=False),
    )
    shown.setFormatter(logging.Formatter("%(message)s"))
    # Of several processes the first one speaks for all.
    ROOT.setLevel(logging.CRITICAL + 1 if torchrun.is_nonzero_rank() else logging.INFO)
    ROOT.propagate = False
    ROOT.addHandler(shown)
    ROOT.addHandler(kept)
    try:
        yield kept
    finally:
        ROOT.removeHandler(shown)
        ROOT.removeHandler(kept)


@contextlib.contextmanager
def copied_to(logs: Mapping[RunDirectory, WriteErrorHandler], kept: MemoryHandler) -> Iterator[None]:
    """Append what was said so far, and what is said from now on, to the log of each run directory.

    Args:
        logs: what comes of a log that cannot be written, for each run directory.
        kept: what was said so far.

    Raises:
        OutputError: a log cannot be opened.
    """
    with contextlib.ExitStack() as opened:
        for directory, errors in logs.items():
            with writing(directory.log):
                file = opened.enter_context(contextlib.closing(_LogFile(directory.log, errors)))
            for record in kept.buffer:
                file.handle(record)
            ROOT.addHandler(file)
            opened.callback(ROOT.removeHandler, file)
        kept.buffer.clear()
        ROOT.removeHandler(kept)
        yield
