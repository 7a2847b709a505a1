"""Run a station: its commands, each once, then its picture. Imports no torch before the picture."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gan_cli.errors import ConfigError, UserError, printable
from gan_cli.storage.files import replacing, writing
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.sweeps.command import Command as SweepCommand
from gan_cli.tour.station import Command, Station

# With these a station only shows that it works: its curves are too short to teach anything.
SHORT = ("train.steps=6", "train.log_every=1", "train.sample_every=3", "train.batch_size=32")
DOTS_PER_INCH = 100


@dataclass(frozen=True)
class Tour:
    """Where the runs and pictures of the tour are kept, and how its commands are run.

    Attributes:
        folder: of runs and pictures.
        extra: overrides added to every command.
        fresh: whether finished runs are trained anew.
    """

    folder: Path
    extra: tuple[str, ...] = ()
    fresh: bool = False

    def visit(self, station: Station) -> Path:
        """Run the commands of a station that have not been run, draw its picture, and return the picture's path.

        Raises:
            UserError: a command failed, or a file cannot be written.
        """
        for command in station.commands:
            self._run(command)
        return self._draw(station)

    def folder_of(self, command: Command) -> Path:
        """Return the folder of a command's run or runs."""
        return self.folder / "runs" / command.name

    def _run(self, command: Command) -> None:
        print(f"\n$ {command}", flush=True)
        arguments = self._arguments(command)
        if arguments is None:
            print(f"finished before: {printable(self.folder_of(command))}", flush=True)
            return
        status = subprocess.run([sys.executable, "-m", "gan_cli", *arguments], check=False).returncode
        if status:
            raise FailedCommandError(command, status)

    def _arguments(self, command: Command) -> Sequence[str] | None:
        """Return the arguments that begin or continue a command; None where nothing is left to do."""
        folder = self.folder_of(command)
        asked = (*command.arguments, *self.extra)
        if command.is_multirun:
            if not self.fresh and _began_with(asked, folder):
                return (*asked, f"sweep.continue={folder}")
            shutil.rmtree(folder, ignore_errors=True)
            return (*asked, f"hydra.sweep.dir={folder}")
        directory = RunDirectory(folder)
        if directory.is_claimed and not self.fresh and _trained_with(directory) == list(asked):
            if directory.stored_summary().get("status") == "completed":
                return None
            if directory.has_checkpoint:
                return (f"resume={folder}",)
        directory.clear()
        return (*asked, f"hydra.run.dir={folder}")

    def _draw(self, station: Station) -> Path:
        from gan_cli.tour.finished import FinishedCommand
        from gan_cli.tour.panels import style

        path = self.folder / f"{station.name}.png"
        finished = {command.name: FinishedCommand(self.folder_of(command)) for command in station.commands}
        with style():
            figure = station.draw(finished)
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                with replacing(path) as temporary:
                    figure.savefig(temporary, format="png", dpi=DOTS_PER_INCH)
        return path


def _trained_with(directory: RunDirectory) -> list[str]:
    """Return the overrides of a run, without those of Hydra, as of its directory."""
    return [override for override in directory.stored_overrides() if not override.startswith("hydra.")]


def _began_with(asked: Sequence[str], folder: Path) -> bool:
    """Return whether the sweep in a folder began with these arguments."""
    try:
        stored = SweepCommand.stored(folder)
    except ConfigError:
        return False
    return sorted(stored.task) == sorted(item for item in asked if item != "-m")


class FailedCommandError(UserError):
    """A command of a station ended with another exit status than 0; its own message is on the console."""

    def __init__(self, command: Command, status: int) -> None:
        super().__init__(f"ended with exit status {status}: {command}")
        self.exit_status = status
