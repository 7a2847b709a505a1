"""The model that a user means: a run, the folder of an export, or a model on the Hugging Face Hub. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gan_cli.errors import ConfigError
from gan_cli.inference import hub
from gan_cli.inference.exported_model import ExportedModel, find_exported
from gan_cli.storage.checkpoint_choice import CheckpointChoice, NamedCheckpoint
from gan_cli.storage.run_search import locate_run

if TYPE_CHECKING:
    from gan_cli.storage.stored_model import StoredModel


def find_model(
    typed: Path | None,
    command: str,
    choice: CheckpointChoice = NamedCheckpoint.last,
    option: str = "--checkpoint",
) -> StoredModel:
    """Return the model that was typed, which has a configuration; one on the Hub is downloaded.

    Args:
        typed: a run directory, a file in one, or ``last``; the folder of an export; or ``hub:OWNER/NAME``, with
            ``@REVISION`` behind it where it is not the latest; None where nothing was typed.
        command: what is typed before a model, for messages: ``"gan-sample "`` or ``"gan-train init="``.
        choice: which checkpoint of a run.
        option: what has chosen it, for messages.

    Raises:
        ConfigError: there is no such model, or a checkpoint was chosen of what has none.
        DataError: it cannot be downloaded.
    """
    exported = None if typed is None else _exported(typed)
    if exported is None:
        directory = locate_run(typed, command)
        directory.stored_config()
        # with torch, once it is known that there is a run
        from gan_cli.storage.stored_model import RunCheckpoint

        return RunCheckpoint(directory, choice)
    if choice is not NamedCheckpoint.last:
        raise ConfigError(f"{option}: {typed} is an export, which holds the weights of one checkpoint alone")
    return exported


def _exported(typed: Path) -> ExportedModel | None:
    name = hub.parse_model_name(str(typed))
    return find_exported(typed) if name is None else ExportedModel(hub.download(name))
