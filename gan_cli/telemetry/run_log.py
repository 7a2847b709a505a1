"""Log lines of a run: on the console, and copied to ``train.log`` in the run directory.

Three loggers have names of their own: lines of progress, of which a terminal shows as much as fits; lines that only the
log of a run keeps; and lines for a person who has started one run, which a sweep leaves out.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from logging.handlers import MemoryHandler
from pathlib import Path

from tqdm import tqdm

import gan_cli
from gan_cli.errors import printable
from gan_cli.runtime import torchrun
from gan_cli.storage.files import AppendOnlyFile, WriteErrorHandler, writing
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.telemetry import terminal
from gan_cli.telemetry.progress_line import ProgressLine

PACKAGE_LOGGER = logging.getLogger(gan_cli.__name__)
# Its messages are objects of ``progress_line.ProgressLine``.
progress_logger = logging.getLogger(f"{gan_cli.__name__}.progress")
log_only_logger = logging.getLogger(f"{gan_cli.__name__}.log_only")
single_run_logger = logging.getLogger(f"{gan_cli.__name__}.single_run")


@dataclass(frozen=True)
class JobConsole:
    """The console of a job of a sweep.

    Attributes:
        label: begins each line, where jobs that run at once share the console; empty: none do.
    """

    label: str = ""


# Launchers call a job without any argument of ours, and a run makes its console itself.
_job: ContextVar[JobConsole | None] = ContextVar("console of a job", default=None)


@contextlib.contextmanager
def console_of_job(job: JobConsole) -> Iterator[None]:
    """Let the runs inside write to the console of a job."""
    token = _job.set(job)
    try:
        yield
    finally:
        _job.reset(token)


def is_shared() -> bool:
    """Return whether runs at the same time write to this console, so that no line can be redrawn."""
    job = _job.get()
    return job is not None and bool(job.label)


class _PrintableLine(logging.Formatter):
    """Formatter of records as a printable line each, whatever names and paths their messages repeat."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name that logging calls
        record.message = printable(record.message)
        return super().formatMessage(record)


class _Console(logging.Handler):
    """Handler that writes lines to stderr, above the one that is redrawn."""

    def __init__(self, job: JobConsole | None) -> None:
        super().__init__()
        self.setFormatter(_PrintableLine("%(message)s"))
        self._prefix = f"[{job.label}] " if job is not None and job.label else ""
        self._left_out = {log_only_logger.name, *([] if job is None else [single_run_logger.name])}

    def emit(self, record: logging.LogRecord) -> None:
        if record.name in self._left_out:
            return
        # A closed pipe (`2>&1 | head`) or a full disk (`2>log`) must not end the training.
        with contextlib.suppress(OSError):
            tqdm.write(self._prefix + self._text(record), file=sys.stderr)

    def _text(self, record: logging.LogRecord) -> str:
        if isinstance(record.msg, ProgressLine) and sys.stderr.isatty():
            return record.msg.fit(terminal.width() - len(self._prefix))
        text = self.format(record)
        return terminal.highlighted(text) if record.levelno >= logging.WARNING else text


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
    console_handler = _Console(_job.get())
    buffered = MemoryHandler(capacity=10_000, flushLevel=logging.CRITICAL + 1, flushOnClose=False)
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
