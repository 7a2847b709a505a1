"""Stop requests: signals and the limit of time end a run early, after the step that is being computed."""

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

from gan_cli.runtime.keyboard_interrupt import raise_or_leave

logger = logging.getLogger(__name__)

Handler: TypeAlias = Any  # of a signal: a function, one of signal.Handlers, or None where it is not Python's


def existing_signals(*names: str) -> tuple[signal.Signals, ...]:
    """Return the signals of these names that the system has: Windows lacks most of them."""
    return tuple(signal.Signals[name] for name in names if hasattr(signal, name))


# All that ask a process to end: a closed terminal (SIGHUP), the limit of processor time (SIGXCPU) and Ctrl-Break on
# Windows (SIGBREAK) as well.
HANDLED_SIGNALS = existing_signals("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGBREAK")


class Interrupts:
    """Context in which a first signal is recorded, and a second SIGINT ends a command at once.

    Where the process is not one of our commands, such as the kernel of a notebook, a second SIGINT raises
    ``KeyboardInterrupt``.

    A handler that other code had installed before is called with the signal at the end, unless there is an error: by
    then everything is written, and the handler may end the process.

    Attributes:
        received: number of the latest signal, or None.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._previous: Mapping[int, Handler] = {}
        self._stack = contextlib.ExitStack()

    def __call__(self) -> bool:
        """Return whether a signal has been received."""
        return self.received is not None

    @property
    def exit_status(self) -> int:
        """Exit status of a process that a signal ends, as shells expect it: 128 + its number; 0 without a signal."""
        return 0 if self.received is None else 128 + self.received

    def __enter__(self) -> Interrupts:
        # Only the main thread can handle signals in Python; a run in another thread is stopped by its caller.
        if threading.current_thread() is threading.main_thread():
            handled = [number for number in HANDLED_SIGNALS if _may_handle(number, signal.getsignal(number))]
            self._previous = self._stack.enter_context(signal_handlers(handled, self._receive))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        if kind is None and self.received is not None and _is_foreign(self._previous[self.received]):
            logger.info("%s: passed on to the handler that was installed before", signal.Signals(self.received).name)
            self._previous[self.received](self.received, None)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            if self._previous.get(number) is signal.default_int_handler:
                raise KeyboardInterrupt
            # Without any clean-up, which could hang. Files that matter are only ever renamed into place.
            os._exit(128 + number)
        self.received = number
        _write_to_stderr(number, "saving a checkpoint after this step, then leaving")


@contextlib.contextmanager
def signal_handlers(
    numbers: Iterable[int], handler: Callable[[int, FrameType | None], None]
) -> Iterator[Mapping[int, Handler]]:
    """Install a signal handler for the block; yields the previous handlers by signal, and restores them at the end."""
    previous = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield previous
    finally:
        for number, earlier in previous.items():
            signal.signal(number, earlier)


@contextlib.contextmanager
def exit_on_signal() -> Iterator[None]:
    """Let signals that ask to end raise ``SystemExit`` in the block, for the time before there is anything to save.

    The process unwinds instead of ending on the spot, so that half-written caches and downloads are removed. Handlers
    of other code are left in place.
    """
    numbers: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():
        numbers = [each for each in HANDLED_SIGNALS if signal.getsignal(each) is signal.SIG_DFL]
    with signal_handlers(numbers, _exit_with_signal):
        yield


class _AbandonedError(Exception):
    """Raised by a signal in a block of :func:`abandoned_on_signal`, which catches it."""


@contextlib.contextmanager
def abandoned_on_signal() -> Iterator[None]:
    """End the block, and raise nothing, at a signal that :class:`Interrupts` records: for work that a resume repeats.

    Outside of such a context, and in other threads than the main one, signals do what they did before.
    """
    previous: Mapping[int, Handler] = {}

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        previous[number](number, frame)
        raise _AbandonedError

    numbers: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():
        numbers = [each for each in HANDLED_SIGNALS if _is_recorded(signal.getsignal(each))]
    try:
        with signal_handlers(numbers, leave) as previous:
            yield
    except _AbandonedError:
        return


def deadline(minutes: float) -> Callable[[], bool]:
    """Return a function that returns whether this many minutes have passed, by a monotonic clock; 0: always False."""
    if not minutes:
        return lambda: False
    end = time.monotonic() + 60 * minutes
    return lambda: time.monotonic() >= end


def _exit_with_signal(number: int, frame: FrameType | None) -> NoReturn:
    _write_to_stderr(number, "leaving; there is nothing to save yet")
    raise SystemExit(128 + number)


def _may_handle(number: signal.Signals, handler: Handler) -> bool:
    """Return whether a run may replace the handler of a signal."""
    if handler is signal.SIG_IGN and number.name == "SIGHUP":
        return False  # started by nohup, to outlive its terminal
    return handler is not None  # one that is not Python's could not be restored


def _is_recorded(handler: Handler) -> bool:
    """Return whether a handler is that of an :class:`Interrupts`."""
    return isinstance(getattr(handler, "__self__", None), Interrupts)


def _is_foreign(handler: Handler) -> bool:
    """Return whether a handler was installed by other code, rather than by Python or this module."""
    ours = (signal.default_int_handler, raise_or_leave, _exit_with_signal, *signal.Handlers)
    return callable(handler) and handler not in ours


def _write_to_stderr(number: int, message: str) -> None:
    # Not through the log, whose streams are not reentrant.
    with contextlib.suppress(OSError):
        os.write(2, f"{signal.Signals(number).name}: {message}\n".encode())
