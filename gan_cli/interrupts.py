"""SIGINT and SIGTERM as a wish that the training loop grants at the end of a step."""

from __future__ import annotations

import logging
import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

logger = logging.getLogger(__name__)


class Interrupts:
    """While entered, the first signal is noted and a second SIGINT ends the process at once."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __call__(self) -> bool:
        """Whether there was a signal."""
        return self.received is not None

    @property
    def exit_status(self) -> int:
        """What a shell expects of a process that a signal ended: 130 for SIGINT, 143 for SIGTERM."""
        return 0 if self.received is None else 128 + self.received

    def __enter__(self) -> Interrupts:
        # Python only lets the main thread handle signals; a run in another one is stopped by its owner.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            # At once means at once: no clean-up that could hang. Files that matter are only ever renamed into place.
            os._exit(128 + number)
        self.received = number
        logger.info("%s: saving a checkpoint after this step, then leaving", signal.Signals(number).name)
