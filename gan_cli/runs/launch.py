"""One run as overrides ask for it, composed and checked before anything is trained. Imports no torch."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gan_cli.config.compose import Composition, compose, register
from gan_cli.config.path_overrides import typed_path
from gan_cli.config.resume import recompose
from gan_cli.config.stored_errors import stored_errors
from gan_cli.errors import ConfigError
from gan_cli.runtime import torchrun
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.run_search import locate_run


@dataclass(frozen=True)
class Launch:
    """A run that is composed and not started.

    Attributes:
        composition: its configuration.
        resumed: directory of the run that goes on; None: it is a new one.
        typed: the overrides.
    """

    composition: Composition
    resumed: RunDirectory | None
    typed: Sequence[str]

    def explained_errors(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which errors about a stored configuration name its file."""
        return contextlib.nullcontext() if self.resumed is None else stored_errors(self.resumed, self.typed)


def compose_launch(overrides: Sequence[str], user_conf_dir: Path | None = None) -> Launch:
    """Compose the new run that overrides describe, or the one that ``resume=RUN_DIR`` names with their changes.

    Args:
        overrides: as on the command line.
        user_conf_dir: a folder of the user's own options (``--config-dir``).

    Raises:
        ConfigError: they are wrong, or describe more than one run.
    """
    register(plugins=any("hydra/" in override for override in overrides))
    resumed = resumed_run(overrides)
    if resumed is None:
        composition = compose(overrides, user_conf_dir)
        _require_new_run(composition)
    else:
        with stored_errors(resumed, overrides, "overrides.yaml"):
            composition = recompose(resumed, overrides, user_conf_dir)
    if torchrun.is_distributed() and composition.replicas > 1 and not composition.dry_run:
        raise ConfigError(f"train.replicas: expected 1 in several processes, got {composition.replicas}")
    if composition.augment_preview and (not composition.dry_run or torchrun.is_distributed()):
        raise ConfigError("augment.preview: expected with dry_run=true, in one process: it writes a picture alone")
    return Launch(composition, resumed, overrides)


def resumed_run(overrides: Sequence[str]) -> RunDirectory | None:
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


def _require_new_run(composition: Composition) -> None:
    """Raise ``ConfigError`` for options of many runs, and for a directory that cannot be a run's own."""
    if composition.choices.get("sweep") is not None:
        raise ConfigError(f"sweep={composition.choices['sweep']}: is of many runs; add --multirun (-m)")
    _ = composition.wanted_directory
