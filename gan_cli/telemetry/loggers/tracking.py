"""Trackers: loggers of another program, which keeps runs in a place of its own, often on a server.

What a run reports is handed to a thread, so that no server keeps training waiting. A tracker can only append: what it
has received it keeps, so that a step that is reported once more, after a resume or a rollback, is not sent again.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from gan_cli.config.loggers import OnLoggerError
from gan_cli.errors import OutputError, printable
from gan_cli.protocols.callbacks import (
    Callback,
    EndEvent,
    EvaluationEvent,
    PreviewEvent,
    ReportEvent,
    StartEvent,
)
from gan_cli.storage.tracked_runs import TrackedRun
from gan_cli.telemetry.loggers.interface import LoggedRun
from gan_cli.telemetry.loggers.worker import Worker

logger = logging.getLogger(__name__)

# Seconds that a run waits: at its start, where it is not to go on without a tracker, and at its end until all is sent.
START_SECONDS, END_SECONDS = 60.0, 60.0
# Records that wait to be sent, at most.
CAPACITY = 1000
MAX_REASON = 300


class Tracker(ABC):
    """One tracked run of another program; its methods are called in one thread, one after the other.

    They may raise any exception, which costs the run one warning (``logger.on_error=warn``) or ends it.
    """

    @abstractmethod
    def open(self, run: LoggedRun, identity: str | None) -> str:
        """Begin a tracked run, or go on with the one of an identity, and return its identity."""

    @property
    @abstractmethod
    def place(self) -> str:
        """Where a person finds the tracked run: an address, or a folder and what to type."""

    @abstractmethod
    def report(self, event: ReportEvent) -> None:
        """Send scalars, histograms and alarms."""

    @abstractmethod
    def preview(self, event: PreviewEvent) -> None:
        """Send the grids of samples, or the sentences."""

    @abstractmethod
    def evaluation(self, event: EvaluationEvent) -> None:
        """Send the metrics of an evaluation."""

    @abstractmethod
    def end(self, event: EndEvent, outcome: Mapping[str, Any]) -> None:
        """Send ``final`` and ``best`` metrics, and end the tracked run."""


class TrackerConfig(ABC):
    """Settings of a tracker that ``conf/logger/`` names, below the name of its option."""

    name_of_option: ClassVar[str]

    @abstractmethod
    def tracker(self) -> Tracker:
        """Return a tracker that is not open yet."""

    def callback(self, run: LoggedRun) -> TrackerWriter:
        """Return the callback that logs a run."""
        return TrackerWriter(self.name_of_option, self.tracker(), run)


class TrackerWriter(Callback):
    """Hands what a run reports to a tracker, in a thread; a tracker that fails costs one warning."""

    def __init__(self, name: str, tracker: Tracker, run: LoggedRun) -> None:
        """``name`` is that of the option in ``conf/logger/``."""
        self._name = name
        self._tracker = tracker
        self._run = run
        self._tracked: TrackedRun | None = None
        self._worker: Worker | None = None
        self._failed = False
        self._last: Callable[[], None] | None = None
        self._deferred: OutputError | None = None

    def on_start(self, event: StartEvent) -> None:
        """Begin to open the tracker, and wait for it where the run must not go on without; no-op after a rollback."""
        if self._worker is None:
            self._worker = Worker(self._name, self._fail, CAPACITY)
            self._worker.submit(self._open)
            if self._run.on_error is OnLoggerError.stop and not self._worker.wait(START_SECONDS):
                self._warn(f"no answer in {START_SECONDS:.0f} s")
        self._raise_deferred()

    def on_report(self, event: ReportEvent) -> None:
        self._submit("report", event.step, partial(self._tracker.report, event))

    def on_preview(self, event: PreviewEvent) -> None:
        self._submit("preview", event.step, partial(self._tracker.preview, event))

    def on_evaluation(self, event: EvaluationEvent) -> None:
        if event.scalars:
            self._submit("evaluation", event.step, partial(self._tracker.evaluation, event))

    def on_end(self, event: EndEvent) -> None:
        """Keep what the tracked run is to end with, once it has all the rest."""
        self._last = partial(self._end, event, dict(self._run.outcome()))

    def close(self) -> None:
        """Wait until all is sent, for at most a minute; after a rollback, the tracked run goes on instead."""
        if self._worker is not None and self._last is not None:
            if not self._worker.close(self._last, END_SECONDS):
                self._warn(f"has not taken everything after {END_SECONDS:.0f} s")
            self._worker = None
            self._raise_deferred()

    def _submit(self, kind: str, step: int, send: Callable[[], None]) -> None:
        self._raise_deferred()
        assert self._worker is not None
        if not self._worker.submit(partial(self._send, kind, step, send)):
            self._warn(f"does not keep up: {CAPACITY} records wait")

    def _open(self) -> None:
        tracked = self._run.tracked.load(self._name)
        identity = self._tracker.open(self._run, None if tracked is None else tracked.identity)
        if tracked is None or tracked.identity != identity:
            tracked = TrackedRun(identity)
            self._run.tracked.store(self._name, tracked)
        self._tracked = tracked
        logger.info("%s: %s", self._name, self._tracker.place)

    def _send(self, kind: str, step: int, send: Callable[[], None]) -> None:
        if self._tracked is None or step <= self._tracked.sent.get(kind, -1):
            return
        send()
        self._tracked = replace(self._tracked, sent={**self._tracked.sent, kind: step})
        self._run.tracked.store(self._name, self._tracked)

    def _end(self, event: EndEvent, outcome: Mapping[str, Any]) -> None:
        if self._tracked is not None:
            self._tracker.end(event, outcome)

    def _fail(self, error: Exception) -> None:
        """Handle an exception of the tracker, in its thread."""
        self._warn(_reason(error), error)

    def _warn(self, reason: str, error: Exception | None = None) -> None:
        """Warn of the first failure, or keep it as the error that ends the run, as ``logger.on_error`` says."""
        if self._failed:
            return
        self._failed = True
        if self._run.on_error is OnLoggerError.stop:
            self._deferred = OutputError(f"logger={self._name}: {reason} (logger.on_error=warn goes on without it)")
            self._deferred.__cause__ = error
        else:
            logger.warning("logger=%s: %s: the run goes on without it", self._name, reason)

    def _raise_deferred(self) -> None:
        if self._deferred is not None:
            error, self._deferred = self._deferred, None
            raise error


def _reason(error: Exception) -> str:
    """Return the message of an exception of any library as a part of one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = printable(lines[0] if lines else type(error).__name__).rstrip(".:")
    return text if len(text) <= MAX_REASON else f"{text[:MAX_REASON]}..."
