"""Asynchronous writes: checkpoints are written by a background thread while training continues. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from gan_cli.storage.files import WriteErrorHandler


class BackgroundWriter:
    """A thread that writes one checkpoint at a time; its errors are raised in the training loop."""

    def __init__(self, errors: WriteErrorHandler, folder: Path) -> None:
        """``errors`` is the policy for write errors of checkpoints, which lie below ``folder``."""
        self._errors = errors
        self._folder = folder
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")  # starts with the first write
        self._pending: Future[None] | None = None

    def submit(self, write: Callable[[], None]) -> None:
        """Start a write; to be called after :meth:`wait`, so that there is never a queue."""
        assert self._pending is None
        self._pending = self._thread.submit(write)

    def check(self) -> None:
        """Raise the error of a write that has failed by now, without waiting for one that has not ended."""
        if self._pending is not None and self._pending.done():
            self.wait()

    def wait(self) -> None:
        """Wait until nothing is being written.

        Raises:
            OutputError: the write failed, and ``train.on_write_error`` is to stop.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            with self._errors.writing("checkpoints", self._folder):
                pending.result()

    def finish(self) -> None:
        """Wait for the last checkpoint of a run.

        Raises:
            OutputError: it could not be written, whatever ``train.on_write_error`` says: no later one would replace it.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """Wait until nothing is being written, ignoring errors, and end the thread."""
        self._pending = None
        self._thread.shutdown()
