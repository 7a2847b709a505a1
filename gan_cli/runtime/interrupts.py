"""What ends a run before its last step: signals, and a limit of time. The training loop grants both after a step."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FrameType, TracebackType
from typing import Any, NoReturn, TypeAlias

logger = logging.getLogger(__name__)

Handler: TypeAlias = Any  # of a signal: a function, one of signal.Handlers, or None where it is not Python's

HANDLED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
# Means nothing unless somebody in this process has given it a meaning: submitit's wish to requeue, for one.
FORWARDED_SIGNALS = (signal.SIGUSR2,)


class Interrupts:
    """While entered, a first signal is noted, and a second SIGINT ends the process at once.

    A handler that somebody else had installed before is called with the signal at the end, if there is no error: by
    then everything is written, and it may well end the process.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: Mapping[int, Handler] = {}
        self._held = contextlib.ExitStack()

    def __call__(self) -> bool:
        """Whether there was a signal."""
        return self.received is not None

    @property
    def exit_status(self) -> int:
        """What a shell expects of a process that a signal ended: 130 for SIGINT, 143 for SIGTERM; 0: there was none."""
        return 0 if self.received is None else 128 + self.received

    def __enter__(self) -> Interrupts:
        # Python only lets the main thread handle signals; a run in another one is stopped by its owner.
        if threading.current_thread() is threading.main_thread():
            present = {number: signal.getsignal(number) for number in (*HANDLED_SIGNALS, *FORWARDED_SIGNALS)}
            # A handler that is not Python's (None) could not be put back.
            ours = [n for n, now in present.items() if now is not None and (n in HANDLED_SIGNALS or _is_foreign(now))]
            self._before = self._held.enter_context(signal_handlers(ours, self._note))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()
        if kind is None and self.received is not None and _is_foreign(self._before[self.received]):
            logger.info("%s: handed on", signal.Signals(self.received).name)
            self._before[self.received](self.received, None)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            # At once means at once: no clean-up that could hang. Files that matter are only ever renamed into place.
            os._exit(128 + number)
        self.received = number
        _write_to_stderr(number, "saving a checkpoint after this step, then leaving")


@contextlib.contextmanager
def signal_handlers(
    numbers: Iterable[int], handler: Callable[[int, FrameType | None], None]
) -> Iterator[Mapping[int, Handler]]:
    """Let a function handle signals inside; gives what handled them before, and puts that back at the end."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield before
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextlib.contextmanager
def exit_on_signal() -> Iterator[None]:
    """For the time before there is anything to save: SIGTERM and SIGUSR1 leave as SIGINT does.

    They unwind the process instead of ending it on the spot, so that half-written caches and downloads are removed.
    Where somebody else handles them, that is left to them.
    """
    numbers: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():
        numbers = [each for each in HANDLED_SIGNALS if signal.getsignal(each) is signal.SIG_DFL]
    with signal_handlers(numbers, _exit_with_signal):
        yield


def deadline(minutes: float) -> Callable[[], bool]:
    """Whether so many minutes have passed since this call, whatever the clock on the wall says; 0: never."""
    if not minutes:
        return lambda: False
    end = time.monotonic() + 60 * minutes
    return lambda: time.monotonic() >= end


def _exit_with_signal(number: int, frame: FrameType | None) -> NoReturn:
    _write_to_stderr(number, "leaving; there is nothing to save yet")
    raise SystemExit(128 + number)


def _is_foreign(handler: Handler) -> bool:
    """Whether a handler was installed by other code, rather than by Python or this module."""
    return callable(handler) and handler not in (signal.default_int_handler, _exit_with_signal, *signal.Handlers)


def _write_to_stderr(number: int, what: str) -> None:
    # Not through the log: its streams do not allow to be interrupted by themselves.
    with contextlib.suppress(OSError):
        os.write(2, f"{signal.Signals(number).name}: {what}\n".encode())
