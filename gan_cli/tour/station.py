"""A station of the tour: a question, the commands that answer it, and what to see in the picture. Imports no torch."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gan_cli.tour.finished import FinishedCommand

    # Command's name -> its finished runs.
    Finished: TypeAlias = Mapping[str, FinishedCommand]


@dataclass(frozen=True)
class Command:
    """A command line of ``gan-train``.

    Attributes:
        name: of the folder below ``outputs/tour`` that it writes; stations that name the same command share its runs.
        line: what follows ``gan-train`` on a command line.
    """

    name: str
    line: str

    @property
    def arguments(self) -> tuple[str, ...]:
        """Overrides and flags, as a shell would split the line."""
        return tuple(shlex.split(self.line))

    @property
    def is_multirun(self) -> bool:
        """True for a sweep over several runs."""
        return "-m" in self.arguments

    def __str__(self) -> str:
        return f"gan-train {self.line}"


@dataclass(frozen=True)
class Station:
    """One station of the tour.

    Attributes:
        name: of the station, and of its module and picture.
        question: that it answers.
        theory: what one has to know before, a few sentences.
        commands: to be run before the picture is drawn; none where the theory is enough.
        see: what there is to see in the picture.
        change: what to try next: pairs of a sentence and a command.
        draw: draws the picture from the finished runs.
        claim: section of docs/claims.md that measures the same over several seeds; empty where there is none.
    """

    name: str
    question: str
    theory: str
    commands: tuple[Command, ...]
    see: str
    change: tuple[tuple[str, str], ...]
    draw: Callable[[Finished], Figure]
    claim: str = ""
