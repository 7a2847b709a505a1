"""Number of threads of a run under way: fewer while other processes need the cores, and more again afterwards.

The threads of one operation wait for each other, and where one has lost its core to another process, all do: with as
many threads as cores, a run beside one busy process loses far more than that core.
"""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from gan_cli.protocols.callbacks import Callback, ReportEvent, StartEvent
from gan_cli.runtime.cpu_contention import ContentionMonitor
from gan_cli.runtime.device import Device
from gan_cli.storage import thread_record
from gan_cli.storage.thread_record import ThreadChange, threads_at

logger = logging.getLogger(__name__)


class AfterReports(Callback):
    """Base of callbacks that only care for the step of a report."""

    def on_report(self, event: ReportEvent) -> None:
        self.after_report(event.step)

    def after_report(self, step: int) -> None:
        """React to the report of a step, or to those of several runs that are trained as one."""
        raise NotImplementedError


class AdaptThreads(AfterReports):
    """Changes the number of threads between two steps as the load of other processes demands, and records it.

    A change follows a report, and is on disk before the next update: a run that is resumed from an earlier checkpoint
    makes the recorded changes at the same steps, and decides by the load again only after the last of them.
    """

    def __init__(self, most: int, record: Path | None) -> None:
        """``most`` is the number of threads without other processes, ``record`` a file, or None to record nothing."""
        self._most = most
        self._record = record
        self._monitor: ContentionMonitor | None = None
        self._recorded: list[ThreadChange] = []

    def on_start(self, event: StartEvent) -> None:
        """Read the changes that are to be repeated from this step on; after a rollback, drop them."""
        rolled_back, self._monitor = self._monitor is not None, ContentionMonitor(self._most)
        self._recorded = []
        if self._record is None:
            return
        changes, present = thread_record.read(self._record), torch.get_num_threads()
        if not rolled_back:
            self._recorded = [change for change in changes if change.step >= event.step]
        elif changes:
            kept = [change for change in changes if change.step < event.step]
            before = threads_at(kept, event.step, changes[0].before)
            if before != present:
                kept.append(ThreadChange(event.step, before, present))
            self._write(kept)

    def after_report(self, step: int) -> None:
        """Make the change that is recorded for this step, or the one that the load demands."""
        while self._recorded and self._recorded[0].step <= step:
            torch.set_num_threads(self._recorded.pop(0).threads)
        if self._recorded or self._monitor is None:
            return
        present, threads = torch.get_num_threads(), self._monitor.suggestion()
        if threads is None or threads == present:
            return
        change = ThreadChange(step, present, threads)
        if self._record is not None and not self._write([*thread_record.read(self._record), change]):
            return
        torch.set_num_threads(threads)
        reason = "other processes need cores" if threads < present else "cores are idle again"
        logger.info(
            "step %d: %d instead of %d threads from now on: %s (device.threads=%d insists)",
            *(step, threads, present, reason, present),
        )

    def _write(self, changes: list[ThreadChange]) -> bool:
        """Write all changes; without them no later process could repeat the run, so none follow where that fails."""
        assert self._record is not None
        try:
            thread_record.write(self._record, changes)
        except OSError as error:
            logger.warning("the number of threads stays as it is: cannot write %s: %s", self._record, error.strerror)
            self._monitor = None
            return False
        return True


class WarnOfContention(AfterReports):
    """Warns, once, that other processes need cores of a run whose number of threads is set."""

    def __init__(self, threads: int) -> None:
        """``threads`` is their number; a single one waits for no other."""
        self._threads = threads
        self._monitor: ContentionMonitor | None = None

    def on_start(self, event: StartEvent) -> None:
        self._monitor = ContentionMonitor(self._threads) if self._threads > 1 else None

    def after_report(self, step: int) -> None:
        threads = None if self._monitor is None else self._monitor.suggestion()
        if threads is not None and threads < self._threads:
            self._monitor = None
            logger.warning(
                "other processes keep taking cores from this run, and its threads wait for each other:"
                " device.threads=%d may be many times faster",
                threads,
            )


def contention_callback(device: Device, record: Path | None) -> AfterReports:
    """Return what reacts to other processes on the cores of a run; ``record`` is the file of changes, if any."""
    if device.most_threads is None:
        return WarnOfContention(torch.get_num_threads())
    return AdaptThreads(device.most_threads, record)
