"""Forwarding of signals to the processes of a launcher. Imports no torch."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from gan_cli.runtime.interrupts import HANDLED_SIGNALS, signal_handlers
from gan_cli.sweeps.job_registry import override_key
from gan_cli.sweeps.launch_errors import LAUNCHER

# Launchers whose jobs run in child processes of this one, or below children that forward signals.
LAUNCHERS_WITH_CHILDREN = ("joblib", "submitit_local")


def forward_signals(arguments: Sequence[str]) -> contextlib.AbstractContextManager[None]:
    """Return a context that forwards signals to the child processes of a sweep, if its launcher has any."""
    launchers = [item.partition("=")[2] for item in arguments if override_key(item) == LAUNCHER]
    return _forward_signals() if launchers and launchers[-1] in LAUNCHERS_WITH_CHILDREN else contextlib.nullcontext()


@contextlib.contextmanager
def _forward_signals() -> Iterator[None]:
    """Send SIGTERM to all child processes at the first signal that would end this process; exit at the second.

    The jobs in the children save a checkpoint, and the launcher notices their end. Without children there is nothing to
    wait for, and the first signal ends this process.
    """
    received: list[int] = []

    def forward(number: int, frame: FrameType | None) -> None:
        received.append(number)
        children = list(_child_processes())
        if len(received) > 1 or not children:
            raise SystemExit(128 + number)
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                # SIGTERM also for SIGINT, which a terminal's Ctrl-C has sent to the children already: a second SIGINT
                # would end them at once.
                os.kill(child, signal.SIGTERM)

    try:
        # nohup ignores SIGHUP, so that the sweep outlives its terminal.
        numbers = [each for each in HANDLED_SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
        with signal_handlers(numbers, forward):
            yield
    except BaseException:
        if not received:
            raise
        # Any exception of the launcher after a signal is a consequence of it.
        raise SystemExit(128 + received[-1]) from None


def _child_processes() -> Iterator[int]:
    """Yield the ids of this process's children, over all of its threads; none where there is no ``/proc`` (macOS)."""
    for file in Path("/proc/self/task").glob("*/children"):
        yield from map(int, file.read_text().split())
