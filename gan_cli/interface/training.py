"""Training from Python, as ``gan-train`` trains: the same configuration, the same files, the same numbers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import gan_cli.runtime.cpu_contention  # noqa: F401 - its clock has to start before the long imports
from gan_cli.errors import ConfigError, as_user_error, printable, truncated_repr
from gan_cli.runtime import openmp, torchrun

if TYPE_CHECKING:
    from gan_cli.protocols.callbacks import Callback
    from gan_cli.storage.run_directory import RunDirectory
    from gan_cli.training.launch import Launch

COMMAND = "gan-train"


def train_in_process(
    overrides: Sequence[str], callbacks: Sequence[Callback], config_dir: str | os.PathLike[str] | None
) -> RunDirectory:
    """Train a new run, or resume one, and return its directory; see :func:`gan_cli.train`."""
    callbacks = _require_callbacks(callbacks)
    typed = _require_overrides(overrides)
    folder = None if config_dir is None else Path(config_dir)
    openmp.limit_spinning()
    from gan_cli.interface.process_state import end_as_signal, new_process_state

    try:
        with _user_errors(), new_process_state():
            directory, exit_status = _train(typed, callbacks, folder)
    except SystemExit as leaving:  # of a signal that came before there was anything to save
        end_as_signal(leaving.code if isinstance(leaving.code, int) else 0, "")
        raise
    path = str(directory.path)
    end_as_signal(exit_status, f"step {directory.latest_step} is saved; gan_cli.open({path!r}).resume() trains on")
    return directory


def _train(typed: Sequence[str], callbacks: Sequence[Callback], folder: Path | None) -> tuple[RunDirectory, int]:
    """Compose and train a run; returns its directory and the exit status that the command would have."""
    from gan_cli.config.corrections import require_overrides
    from gan_cli.config.path_overrides import user_conf_dir
    from gan_cli.training.launch import compose_launch

    folder = user_conf_dir(folder)
    require_overrides(COMMAND, typed, folder)
    launch = compose_launch(typed, folder)
    _require_one_run(launch)
    directories: list[RunDirectory] = []

    def own_callbacks(directory: RunDirectory) -> Sequence[Callback]:
        directories.append(directory)
        return callbacks

    with launch.explained_errors():
        exit_status = launch.train(own_callbacks)
    # A resumed run that has made its steps before is not trained, and asks for no callbacks.
    return launch.resumed or directories[0], exit_status


def _require_one_run(launch: Launch) -> None:
    """Raise ``ConfigError`` where no run, or more than one, would be trained."""
    composition = launch.composition
    if composition.dry_run:
        raise ConfigError(f"dry_run: expected false from Python, got true: {COMMAND} dry_run=true describes a run")
    if composition.replicas > 1:
        raise ConfigError(
            f"train.replicas: expected 1 from Python, got {composition.replicas}: train() returns one run;"
            f" {COMMAND} trains replicas, and gan_cli.runs(FOLDER) opens them"
        )
    if torchrun.is_distributed():
        raise ConfigError(f"WORLD_SIZE: expected one process, got {torchrun.world_size()}: torchrun takes -m gan_cli")


def _require_overrides(overrides: Sequence[str]) -> list[str]:
    """Return overrides; raises ``ConfigError`` for one that is no text, or a flag of the command."""
    for override in overrides:
        if not isinstance(override, str):
            raise ConfigError(f"overrides: expected texts such as 'train.steps=100', got {truncated_repr(override)}")
        if override.startswith("-"):
            raise ConfigError(
                f"{printable(override)}: expected key=value or group=option: flags are those of {COMMAND},"
                " and train() trains one run"
            )
    return list(overrides)


def _require_callbacks(callbacks: Sequence[Callback]) -> Sequence[Callback]:
    """Return callbacks; raises ``ConfigError`` where one of them is none."""
    from gan_cli.protocols.callbacks import Callback

    if isinstance(callbacks, Callback):
        raise ConfigError("callbacks: expected a list of callbacks, got one: callbacks=[...]")
    for each in callbacks:
        if not isinstance(each, Callback):
            raise ConfigError(
                f"callbacks: expected objects of classes that extend gan_cli.Callback, got {truncated_repr(each)}"
            )
    return tuple(callbacks)


@contextmanager
def _user_errors() -> Iterator[None]:
    """Raise what a command reports in one line as the error that has this line: a full disk as ``OutputError``."""
    try:
        yield
    except Exception as error:
        user_error = as_user_error(error)
        if user_error is None or user_error is error:
            raise
        raise user_error from error
