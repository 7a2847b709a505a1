"""Writing checkpoints in a thread of its own while training goes on. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from gan_cli.storage.files import WriteErrorHandler


class BackgroundWriter:
    """One thread that writes one checkpoint at a time; what goes wrong there is raised here, in the training loop."""

    def __init__(self, errors: WriteErrorHandler, folder: Path) -> None:
        """``errors`` says what comes of a checkpoint below ``folder`` that cannot be written."""
        self._errors = errors
        self._folder = folder
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")  # begun by the first write
        self._writing: Future[None] | None = None

    def submit(self, write: Callable[[], None]) -> None:
        """Have something written; to be called after :meth:`wait`, so that there is never a queue."""
        assert self._writing is None
        self._writing = self._thread.submit(write)

    def check(self) -> None:
        """Raise what went wrong, if anything has by now; waits for nothing."""
        if self._writing is not None and self._writing.done():
            self.wait()

    def wait(self) -> None:
        """Wait until nothing is being written.

        Raises:
            OutputError: that failed, and the run is to stop.
        """
        writing, self._writing = self._writing, None
        if writing is not None:
            with self._errors.writing("checkpoints", self._folder):
                writing.result()

    def finish(self) -> None:
        """Wait for the last checkpoint of a run.

        Raises:
            OutputError: it could not be written, whatever the run does about others: nothing would come after it.
        """
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def close(self) -> None:
        """Wait until nothing is being written, whatever came of it, and end the thread."""
        self._writing = None
        self._thread.shutdown()
