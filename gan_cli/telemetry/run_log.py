"""Log lines of a run: on the console, and copied to ``train.log`` in the run directory."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator, Mapping
from logging.handlers import MemoryHandler
from pathlib import Path

from tqdm import tqdm

import gan_cli
from gan_cli.errors import printable
from gan_cli.runtime import torchrun
from gan_cli.storage.files import AppendOnlyFile, WriteErrorHandler, writing
from gan_cli.storage.run_directory import RunDirectory

PACKAGE_LOGGER = logging.getLogger(gan_cli.__name__)
# For the lines of reports, which a progress bar replaces on a terminal.
progress_logger = logging.getLogger(f"{gan_cli.__name__}.progress")


class _PrintableLine(logging.Formatter):
    """Formatter of records as a printable line each, whatever names and paths their messages repeat."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name that logging calls
        record.message = printable(record.message)
        return super().formatMessage(record)


class _Console(logging.Handler):
    """Handler that writes lines to stderr above the progress bar, and leaves out those that a bar replaces."""

    def emit(self, record: logging.LogRecord) -> None:
        # A closed pipe (`2>&1 | head`) or a full disk (`2>log`) must not end the training.
        with contextlib.suppress(OSError):
            if record.name != progress_logger.name or not sys.stderr.isatty():
                tqdm.write(self.format(record), file=sys.stderr)


class _LogFile(logging.Handler):
    """Handler that appends to the log of a run; the error of a line that cannot be written is deferred."""

    def __init__(self, path: Path, errors: WriteErrorHandler) -> None:
        self._file = AppendOnlyFile(path)  # first: logging closes each handler at exit, also one that failed here
        super().__init__()
        self._path = path
        self._errors = errors
        self.setFormatter(_PrintableLine("%(asctime)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        with self._errors.deferring("train.log", self._path):
            self._file.write(f"{self.format(record)}\n".encode(errors="backslashreplace"))

    def close(self) -> None:
        with self._errors.deferring("train.log", self._path):
            self._file.close()
        super().close()


@contextlib.contextmanager
def console() -> Iterator[MemoryHandler]:
    """Show log lines on stderr, and yield a buffer that keeps them until a run directory exists (:func:`copied_to`)."""
    console_handler = _Console()
    buffered = MemoryHandler(capacity=10_000, flushLevel=logging.CRITICAL + 1, flushOnClose=False)
    console_handler.setFormatter(_PrintableLine("%(message)s"))
    # Of several processes only rank 0 logs.
    PACKAGE_LOGGER.setLevel(logging.CRITICAL + 1 if torchrun.is_nonzero_rank() else logging.INFO)
    PACKAGE_LOGGER.propagate = False
    PACKAGE_LOGGER.addHandler(console_handler)
    PACKAGE_LOGGER.addHandler(buffered)
    try:
        yield buffered
    finally:
        PACKAGE_LOGGER.removeHandler(console_handler)
        PACKAGE_LOGGER.removeHandler(buffered)


@contextlib.contextmanager
def copied_to(logs: Mapping[RunDirectory, WriteErrorHandler], buffered: MemoryHandler) -> Iterator[None]:
    """Append the buffered log lines, and all further ones, to the log of each run directory.

    Args:
        logs: run directory -> handler of the errors of its log.
        buffered: the log lines so far; it is emptied.

    Raises:
        OutputError: a log cannot be opened.
    """
    with contextlib.ExitStack() as stack:
        for directory, errors in logs.items():
            with writing(directory.log):
                file = stack.enter_context(contextlib.closing(_LogFile(directory.log, errors)))
            for record in buffered.buffer:
                file.handle(record)
            PACKAGE_LOGGER.addHandler(file)
            stack.callback(PACKAGE_LOGGER.removeHandler, file)
        buffered.buffer.clear()
        PACKAGE_LOGGER.removeHandler(buffered)
        yield
