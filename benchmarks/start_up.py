"""Measure what the commands take from the start of their process to its end: wall and processor time.

    python benchmarks/start_up.py
    python benchmarks/start_up.py --only help train --runs 10

Every command runs once to warm the disk up, then ``--runs`` times; the commands take turns, so that a machine that
slows down slows all. The rows ``python`` and ``import torch`` are the floor of the others. Nothing else may run
meanwhile.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.formatting import Spread, heading, row
from benchmarks.recipes import ROOT

COLUMNS = ("command", "wall, s", "processor, s", "goal, s", "met")
RESUMED_AFTER = 20
PAUSED_IMPORT = "import gc; gc.disable(); import torch"


@dataclass(frozen=True)
class Place:
    """Where a command runs: a temporary folder with a finished run in ``run``, and the count of this repetition."""

    folder: Path
    repetition: int

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def unused(self) -> Path:
        """A path that no other repetition uses, of any command."""
        return self.folder / f"unused_{time.monotonic_ns()}"


@dataclass(frozen=True)
class TimedCommand:
    """A command whose time is measured.

    Attributes:
        what: its row.
        arguments: of Python.
        goal: seconds of wall time that it may take; None: no goal.
        status: exit status that is expected.
    """

    what: str
    arguments: Callable[[Place], Sequence[str]]
    goal: float | None = None
    status: int = 0


def _train(*arguments: str) -> Callable[[Place], Sequence[str]]:
    return lambda place: ("-m", "gan_cli", *arguments)


COMMANDS: Mapping[str, TimedCommand] = {
    "python": TimedCommand("`python -c pass`", lambda place: ("-c", "pass")),
    "torch": TimedCommand("`import torch`, garbage collection paused", lambda place: ("-c", PAUSED_IMPORT)),
    "help": TimedCommand("`gan-train --help`", _train("--help"), goal=0.6),
    "typo": TimedCommand("`gan-train losss=wgan`", _train("losss=wgan"), status=2),
    "cfg": TimedCommand("`gan-train --cfg job`", _train("--cfg", "job")),
    "dry": TimedCommand("`gan-train dry_run=true`", _train("dry_run=true")),
    "train": TimedCommand(
        "`gan-train` on digits, one step, to the end of the run",
        lambda place: ("-m", "gan_cli", "train.steps=1", "train.sample_every=0", f"hydra.run.dir={place.unused}"),
        goal=2.0,
    ),
    "resume": TimedCommand(
        "`gan-train resume=RUN`, one more step",
        lambda place: ("-m", "gan_cli", f"resume={place.run}", f"train.steps={RESUMED_AFTER + place.repetition}"),
    ),
    "report": TimedCommand("`gan-report RUN`", lambda place: ("-m", "gan_cli.cli.report", str(place.run))),
    "sample": TimedCommand(
        "`gan-sample RUN --n 4`",
        lambda place: ("-m", "gan_cli.cli.sample", str(place.run), "--n", "4", "--out", f"{place.unused}.png"),
    ),
}


@dataclass(frozen=True)
class Times:
    """Seconds of one command from start to end."""

    wall: float
    processor: float


def timed(command: TimedCommand, place: Place) -> Times:
    """Run a command once; exits with its stderr if its status is not the expected one."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    _run(command.arguments(place), place.folder, command.status)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Times(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def measure(names: Sequence[str], runs: int, folder: Path) -> dict[str, list[Times]]:
    """Measure commands by turns, after a run that they read and a first round that is not counted."""
    run = ("-m", "gan_cli", f"train.steps={RESUMED_AFTER}", f"hydra.run.dir={folder / 'run'}")
    _run(run, folder, status=0)
    rounds = [{name: timed(COMMANDS[name], Place(folder, number)) for name in names} for number in range(1, runs + 2)]
    return {name: [times[name] for times in rounds[1:]] for name in names}


def line(command: TimedCommand, times: Sequence[Times]) -> str:
    """Format one row of the table in Markdown."""
    wall = Spread.of(each.wall for each in times)
    processor = Spread.of(each.processor for each in times)
    goal = "" if command.goal is None else f"{command.goal:g}"
    met = "" if command.goal is None else "yes" if wall.median <= command.goal else "no"
    return row((command.what, wall.text(2), processor.text(2), goal, met))


def table(measured: Mapping[str, Sequence[Times]]) -> str:
    """Format the times of commands, by name, as a table in Markdown."""
    return "\n".join([heading(COLUMNS), *(line(COMMANDS[name], times) for name, times in measured.items())])


def _run(arguments: Sequence[str], folder: Path, status: int) -> None:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != status:
        raise SystemExit(f"start_up.py: exit status {done.returncode} of {command}\n{done.stderr}")


def main() -> None:
    """Run the command: measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=COMMANDS, default=list(COMMANDS), help=", ".join(COMMANDS))
    parser.add_argument("--runs", type=int, default=5, help="of each command")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error("--runs has to be at least 1")
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(arguments.only, arguments.runs, Path(folder))
    print(table(measured))


if __name__ == "__main__":
    main()
