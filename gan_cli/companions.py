"""A run that several processes train: the first one writes and decides, the others hear of it.

All of them go through the same loop. Where the first one looks at figures, saves or measures, the others wait for what
comes of it: nothing, a wish to stop, or an error that ends the run everywhere.
"""

from __future__ import annotations

from typing import Protocol

from gan_cli.processes import Group
from gan_cli.protocols import Preview, Report


class Deciding(Protocol):
    """What the first process asks; see ``attended.py``."""

    stopping: bool

    def advance(self) -> None:
        """One more step is done."""
        ...

    def log(self, step: int, report: Report, images_seen: int) -> None:
        """Examine and write a report."""
        ...

    def show(self, step: int, preview: Preview) -> None:
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

    def show(self, step: int, preview: Preview) -> None:
        """Write a preview."""
        if self._sinks is not None:
            self._sinks.show(step, preview)
