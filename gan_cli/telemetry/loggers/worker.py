"""A thread that does one task after the other while training continues, whatever time a server takes."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

Task = Callable[[], None]


class Worker:
    """A daemon thread with a bounded queue of tasks, none of which keeps the process from ending."""

    def __init__(self, name: str, on_error: Callable[[Exception], None], capacity: int) -> None:
        """Start the thread, which waits for tasks.

        Args:
            name: of the thread.
            on_error: called in the thread with the exception of a task.
            capacity: tasks that wait at most.
        """
        self._on_error = on_error
        self._tasks: queue.Queue[Task | None] = queue.Queue(capacity)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, task: Task) -> bool:
        """Append a task without waiting; return False where too many wait."""
        try:
            self._tasks.put_nowait(task)
        except queue.Full:
            return False
        return True

    def wait(self, seconds: float) -> bool:
        """Wait until the tasks so far are done, and return whether they are."""
        done = threading.Event()
        return self.submit(done.set) and done.wait(seconds)

    def close(self, last: Task, seconds: float) -> bool:
        """End the thread once its tasks are done, and then a last one; return whether they are by now."""
        until = time.monotonic() + seconds
        try:
            for task in (last, None):
                self._tasks.put(task, timeout=max(0.0, until - time.monotonic()))
        except queue.Full:
            return False
        self._thread.join(max(0.0, until - time.monotonic()))
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task()
            except Exception as error:
                self._on_error(error)
