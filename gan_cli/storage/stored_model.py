"""Stored models: configuration and weights of trained networks, wherever they lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from omegaconf import DictConfig

from gan_cli.storage import checkpoints
from gan_cli.storage.checkpoint_choice import CheckpointChoice, NamedCheckpoint
from gan_cli.storage.run_directory import RunDirectory


class ConfiguredRun(Protocol):
    """Something that a configuration was stored with, such as a run directory.

    Attributes:
        path: folder that it lies in, for messages.
    """

    @property
    def path(self) -> Path: ...

    def stored_config(self) -> DictConfig:
        """Read the configuration that it was trained with; nothing in it is resolved or built.

        Raises:
            ConfigError: there is none.
        """
        ...


class StoredModel(ConfiguredRun, Protocol):
    """A trained model on disk, from which networks are built: configuration and weights.

    Attributes:
        config_file: file of the configuration, for messages.
        written_by: version of this program that wrote it; None: unknown.
        weights_path: file or folder of the weights, for messages.
    """

    @property
    def config_file(self) -> Path: ...
    @property
    def written_by(self) -> str | None: ...
    @property
    def weights_path(self) -> Path: ...

    def load_state(self) -> dict[str, Any]:
        """Load the weights: ``algorithm`` (state dicts of networks by name), ``step`` and, where known, ``data``.

        Raises:
            ConfigError: there are none, or they are damaged.
        """
        ...


@dataclass(frozen=True)
class RunCheckpoint:
    """One checkpoint of a run, as a stored model.

    Attributes:
        directory: the run.
        choice: which of its checkpoints.
    """

    directory: RunDirectory
    choice: CheckpointChoice = NamedCheckpoint.last

    @property
    def path(self) -> Path:
        return self.directory.path

    @property
    def config_file(self) -> Path:
        return self.directory.config_file

    @property
    def written_by(self) -> str | None:
        return self.directory.written_by

    @property
    def weights_path(self) -> Path:
        return self.directory.checkpoints

    def stored_config(self) -> DictConfig:
        return self.directory.stored_config()

    def load_state(self) -> dict[str, Any]:
        return checkpoints.load_chosen(self.directory.checkpoints, self.choice)

    def read(self) -> ReadCheckpoint:
        """Read the file now: a run that trains deletes it soon; raises as :meth:`load_state`."""
        return ReadCheckpoint(self.directory, self.choice, self.load_state())


@dataclass(frozen=True)
class ReadCheckpoint(RunCheckpoint):
    """A checkpoint that was read, whether its file is there any more or not.

    Attributes:
        state: its content.
    """

    state: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def load_state(self) -> dict[str, Any]:
        return dict(self.state)
