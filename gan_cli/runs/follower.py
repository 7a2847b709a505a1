"""A run that several processes train: the first one writes and decides, the others hear of it.

All of them go through the same loop. Where the first one looks at figures, saves or measures, the others wait for what
comes of it: nothing, a wish to stop, or an error that ends the run everywhere.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any, Protocol

from gan_cli.config.schema import TrainSection
from gan_cli.diagnostics.rules import NON_FINITE
from gan_cli.protocols.algorithm import Algorithm, Preview, Report, Sentences
from gan_cli.runs import loop, recovery
from gan_cli.runs.monitoring import AlarmError
from gan_cli.runtime.distributed import Group
from gan_cli.runtime.interrupts import Interrupts
from gan_cli.storage.run_directory import RunDirectory

logger = logging.getLogger(__name__)


class Deciding(Protocol):
    """What the first process asks; see ``runs/monitoring.py``."""

    stopping: bool

    def advance(self) -> None:
        """One more step is done."""
        ...

    def log(self, step: int, report: Report, images_seen: int) -> None:
        """Examine and write a report."""
        ...

    def show(self, step: int, preview: Preview | Sentences) -> None:
        """Write a preview."""
        ...


class Companions:
    """The sinks of every process: those of the first one, or nothing but its word.

    Attributes:
        stopping: whether the run is to end after the next step.
    """

    def __init__(self, sinks: Deciding | None, group: Group) -> None:
        """``sinks`` None: this process is not the first."""
        self._sinks = sinks
        self._group = group
        self.stopping = False

    def advance(self) -> None:
        """One more step is done."""
        if self._sinks is not None:
            self._sinks.advance()

    def log(self, step: int, report: Report, images_seen: int) -> None:
        """Examine and write a report; raises in all processes what it raises in the first."""

        def examined() -> bool:
            assert self._sinks is not None
            self._sinks.log(step, report, images_seen)
            return self._sinks.stopping

        self.stopping = self._group.of_first(examined)

    def show(self, step: int, preview: Preview | Sentences) -> None:
        """Write a preview."""
        if self._sinks is not None:
            self._sinks.show(step, preview)


@contextlib.contextmanager
def locked_by_first(directory: RunDirectory, group: Group) -> Iterator[None]:
    """Hold the directory in the first process; raises in all of them where another run holds it."""
    with contextlib.ExitStack() as held:
        group.of_first(lambda: held.enter_context(directory.locked()))
        yield


def say_what_differs(state: dict[str, Any], group: Group) -> None:
    """Warn where the run was trained by another number of processes so far."""
    before = int(state.get("processes", 1))
    if before != group.size:
        logger.warning(
            "%d processes go on where there were %d: the data and all noise are the same, but sums are rounded"
            " otherwise, batch norm (without device.sync_batch_norm) sees other parts of a batch, and dropout draws"
            " other numbers: no longer equal to the bit",
            group.size,
            before,
        )


def follow(algorithm: Algorithm, cadence: TrainSection, group: Group, step: int, interrupted: Interrupts) -> int:
    """Train along with the first process, which writes and decides; returns the exit status."""

    def nobody() -> Any:
        raise AssertionError("only the first process computes this")

    def save(step: int) -> None:
        algorithm.state_dict()  # this process's part of it
        group.of_first(nobody)

    def evaluate(step: int) -> None:
        group.of_first(nobody)

    asked, told = group.agreed(interrupted), Companions(None, group)
    guarded = recovery.guarded(algorithm, told, save)
    try:
        loop.train(algorithm, told, guarded, cadence, step, lambda: asked() or told.stopping, evaluate)
    except AlarmError as error:
        if error.alarm.name == NON_FINITE and group.of_first(nobody):
            recovery.state_apart(algorithm, step)  # this process's part of what the first one sets aside
        raise recovery.diverged(error.alarm) from error
    return max(group.of_each(interrupted.exit_status))
