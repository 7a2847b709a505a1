"""Callbacks of the caller's own beside those of the configuration. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from gan_cli.protocols.callbacks import Callback
    from gan_cli.storage.run_directory import RunDirectory

# Called with the directory of a run before it is trained; returns callbacks that are the caller's own, for this process
# alone: their states are in no checkpoint.
OwnCallbacks: TypeAlias = "Callable[[RunDirectory], Sequence[Callback]]"


def no_callbacks(directory: RunDirectory) -> Sequence[Callback]:
    """Return no callbacks, for runs of the command line."""
    return ()
