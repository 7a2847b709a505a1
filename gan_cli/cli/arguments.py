"""Arguments that several commands take, and the answer to a mistake in them: one line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gan_cli import __version__
from gan_cli.errors import ConfigError, closest, printable, truncated_repr
from gan_cli.storage.checkpoint_choice import CheckpointChoice, NamedCheckpoint, parse_checkpoint_choice

if TYPE_CHECKING:
    from gan_cli.storage.run_directory import RunDirectory
    from gan_cli.storage.stored_model import StoredModel


class CommandParser(argparse.ArgumentParser):
    """An ``argparse`` parser whose answer to a mistake is one line with what should have been typed, not its usage."""

    def parse(self) -> argparse.Namespace:
        """Parse the command line; raises ``ConfigError`` for the first argument that the command does not take."""
        return self._without_unknown(*self.parse_known_args())

    def parse_intermixed(self) -> argparse.Namespace:
        """Parse the command line, positional arguments also between options; raises as :meth:`parse` does."""
        return self._without_unknown(*self.parse_known_intermixed_args())

    def error(self, message: str) -> NoReturn:
        """Raise ``ConfigError`` with the message of argparse, without its first word and the usage."""
        raise ConfigError(f"{message.removeprefix('argument ')} ({self.prog} --help lists all options)")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        option, choices = "/".join(action.option_strings), list(map(str, action.choices))
        meant = closest(str(value), choices)
        hint = f" Did you mean {option} {meant}?" if meant else ""
        raise ConfigError(f"{option}: expected {' or '.join(choices)}, got {truncated_repr(value)}.{hint}")

    def _without_unknown(self, parsed: argparse.Namespace, unknown: Sequence[str]) -> argparse.Namespace:
        if not unknown:
            return parsed
        first, sign, value = unknown[0].partition("=")
        options = [name for action in self._actions for name in action.option_strings if name.startswith("--")]
        meant = closest(f"--{first.lstrip('-').replace('_', '-')}", options)
        hint = f"Did you mean {meant}{f' {value}' if sign else ''}?" if meant else f"Options: {', '.join(options)}"
        raise ConfigError(f"{truncated_repr(unknown[0])}: {self.prog} takes no such argument. {hint}")


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``RUN_DIR``, a run or another model that a command is about; :func:`typed_model` finds it."""
    parser.add_argument(
        "run",
        type=Path,
        nargs="?",
        metavar="RUN_DIR",
        help="a run directory with a checkpoint; last: the latest below outputs/; the folder of gan-export --format"
        " hub; hub:OWNER/NAME or hub:OWNER/NAME@REVISION: such a folder on the Hugging Face Hub",
    )


def add_run_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``RUN_DIR``, the run that a command is about; :func:`typed_run` finds it."""
    parser.add_argument(
        "run",
        type=Path,
        nargs="?",
        metavar="RUN_DIR",
        help="a run directory with a checkpoint; last: the latest below outputs/",
    )


def typed_run(command: str, typed: Path | None) -> RunDirectory:
    """Return the run that was typed, and name it on stderr where what was typed is not its directory.

    Args:
        command: its name.
        typed: a run directory, a file in one, or ``last``; None where nothing was typed.

    Raises:
        ConfigError: there is no such run; nothing was typed: the message names the latest run.
    """
    from gan_cli.storage.run_search import locate_run

    directory = locate_run(typed, f"{command} ")
    if directory.path != typed:
        print(f"{command}: {printable(directory.path)}", file=sys.stderr)
    return directory


def typed_model(command: str, typed: Path | None, choice: CheckpointChoice = NamedCheckpoint.last) -> StoredModel:
    """Return the model that was typed, and name its folder on stderr where what was typed is another path.

    Args:
        command: its name.
        typed: what :func:`typed_run` takes, the folder of an export, or ``hub:OWNER/NAME``.
        choice: which checkpoint of a run.

    Raises:
        ConfigError: there is no such model.
        DataError: it is on the Hub, which cannot be reached.
    """
    from gan_cli.inference.model_search import find_model

    model = find_model(typed, f"{command} ", choice)
    if model.path != typed:
        print(f"{command}: {printable(model.path)}", file=sys.stderr)
    return model


def typed_folders(command: str, typed: Sequence[Path]) -> list[Path]:
    """Return folders of runs as typed, with ``last`` and files of a run replaced by it; raises as :func:`typed_run`."""
    from gan_cli.storage.run_search import is_latest, run_around

    if not typed:
        return [typed_run(command, None).path]
    meant = [path for path in typed if is_latest(path) or (path.is_file() and run_around(path) is not None)]
    return [typed_run(command, path).path if path in meant else path for path in typed]


def add_checkpoint_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--checkpoint``, which of a run's checkpoints a command takes."""
    parser.add_argument(
        "--checkpoint",
        type=partial(parse_checkpoint_choice, option="--checkpoint"),
        default=NamedCheckpoint.last,
        metavar="WHICH",
        help="last, best (kept by checkpoint.best=METRIC), or the step of a checkpoint that is kept [last]",
    )


def add_device_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``, the device that the networks of a finished run compute on."""
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda", "mps"),
        default="auto",
        help="what networks compute on; a seed's random numbers are the same on each, results differ by rounding"
        " [auto: a GPU where there is one]",
    )


def version() -> str:
    """Return the line that ``--version`` prints."""
    return f"gan_cli {__version__}"
