"""One run as overrides ask for it, composed and checked before anything is trained. Imports no torch by itself."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gan_cli.config.compose import Composition, compose, register
from gan_cli.config.data_places import advising_of_moves
from gan_cli.config.fork import recompose_fork, typed_fork
from gan_cli.config.path_overrides import typed_path
from gan_cli.config.resume import recompose
from gan_cli.config.stored_errors import stored_errors
from gan_cli.errors import ConfigError
from gan_cli.runtime import torchrun
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.run_search import locate_run, shell_line
from gan_cli.training.own_callbacks import OwnCallbacks, no_callbacks


@dataclass(frozen=True)
class Launch(ABC):
    """A run that is composed and not started.

    Attributes:
        composition: its configuration.
        typed: the overrides.
    """

    composition: Composition
    typed: Sequence[str]

    @abstractmethod
    def train(self, own_callbacks: OwnCallbacks = no_callbacks) -> int:
        """Train the run to its end, and return the exit status."""

    @abstractmethod
    def describe(self) -> str:
        """Return the description of the run for a person; trains and writes nothing."""

    @property
    def resumed(self) -> RunDirectory | None:
        """Directory of the run that goes on; None: it is a new one."""
        return None

    def explained_errors(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which errors about a stored configuration name its file."""
        return contextlib.nullcontext()


class NewRun(Launch):
    """A run that begins at step 0."""

    def train(self, own_callbacks: OwnCallbacks = no_callbacks) -> int:
        from gan_cli.training import replicas, single

        wanted = self.composition.wanted_directory
        if self.composition.replicas > 1:
            return replicas.start(self.composition, wanted)
        return single.start(self.composition, wanted, own_callbacks)

    def describe(self) -> str:
        from gan_cli.training import single

        return single.dry_run(self.composition)


@dataclass(frozen=True)
class ResumedRun(Launch):
    """A run that goes on in its directory.

    Attributes:
        directory: where it lies.
    """

    directory: RunDirectory

    @property
    def resumed(self) -> RunDirectory:
        return self.directory

    def train(self, own_callbacks: OwnCallbacks = no_callbacks) -> int:
        from gan_cli.training import single

        return single.resume(self.composition, self.directory, own_callbacks)

    def describe(self) -> str:
        from gan_cli.training import single

        advice = f"{shell_line('gan-train resume=', self.directory.path)} {{key}}=NEW"
        with advising_of_moves(self.composition.config, advice):
            return single.dry_run(self.composition)

    def explained_errors(self) -> contextlib.AbstractContextManager[None]:
        return stored_errors(self.directory, self.typed)


@dataclass(frozen=True)
class ForkedRun(Launch):
    """A new run that goes on from a checkpoint of another one.

    Attributes:
        source: directory of the other one.
    """

    source: RunDirectory

    def train(self, own_callbacks: OwnCallbacks = no_callbacks) -> int:
        from gan_cli.training import fork

        return fork.fork(self.composition, self.source, self.composition.wanted_directory, own_callbacks)

    def describe(self) -> str:
        from gan_cli.training import fork, single

        return f"{single.dry_run(self.composition)}\n{fork.describe_branch(self.composition, self.source)}"


def compose_launch(overrides: Sequence[str], user_conf_dir: Path | None = None) -> Launch:
    """Compose the new run that overrides describe, or the one that ``resume=RUN_DIR`` or ``fork=RUN_DIR`` names.

    Args:
        overrides: as on the command line.
        user_conf_dir: a folder of the user's own options (``--config-dir``).

    Raises:
        ConfigError: they are wrong, or describe more than one run.
    """
    register(plugins=any("hydra/" in override for override in overrides))
    launch = _composed(overrides, user_conf_dir)
    composition = launch.composition
    if torchrun.is_distributed() and composition.replicas > 1 and not composition.dry_run:
        raise ConfigError(f"train.replicas: expected 1 in several processes, got {composition.replicas}")
    if composition.augment_preview and (not composition.dry_run or torchrun.is_distributed()):
        raise ConfigError("augment.preview: expected with dry_run=true, in one process: it writes a picture alone")
    return launch


def _composed(overrides: Sequence[str], user_conf_dir: Path | None) -> Launch:
    forked = typed_fork(overrides)
    if forked is not None and resume_directory(overrides) is not None:
        raise ConfigError("resume, fork: expected one of them")
    resumed = _resumed_run(overrides)
    if resumed is not None:
        with stored_errors(resumed, overrides, "overrides.yaml"):
            return ResumedRun(recompose(resumed, overrides, user_conf_dir), overrides, resumed)
    if forked is not None:
        source = locate_run(Path(forked), "gan-train fork=")
        with stored_errors(source, overrides, "overrides.yaml"):
            composition = recompose_fork(source, overrides, user_conf_dir)
        if composition.replicas > 1:
            raise ConfigError(f"train.replicas: expected 1 with fork, got {composition.replicas}")
        _ = composition.wanted_directory  # raises where it cannot be a run's own
        return ForkedRun(composition, overrides, source)
    composition = compose(overrides, user_conf_dir)
    if composition.choices.get("sweep") is not None:
        raise ConfigError(f"sweep={composition.choices['sweep']}: is of many runs; add --multirun (-m)")
    _ = composition.wanted_directory
    return NewRun(composition, overrides)


def _resumed_run(overrides: Sequence[str]) -> RunDirectory | None:
    """Return the run of ``resume=RUN_DIR``, or the one that a process restarted by torchrun continues in, or None."""
    typed = resume_directory(overrides)
    if typed is not None:
        return locate_run(Path(typed), "gan-train resume=")
    restarted = torchrun.stored_run_directory()
    return RunDirectory(restarted) if restarted is not None and RunDirectory(restarted).has_checkpoint else None


def resume_directory(arguments: Sequence[str]) -> str | None:
    """Return the run directory of ``resume=DIR`` on the command line, or None."""
    values = [value for key, _, value in (item.partition("=") for item in arguments) if key.lstrip("+") == "resume"]
    if not values or values[-1] == "null":
        return None
    directory = typed_path(values[-1])
    if not directory:
        raise ConfigError("resume: expected a run directory, got nothing")
    return directory
