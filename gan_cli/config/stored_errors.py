"""Mistakes in a stored configuration, told apart from those in what was typed."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from gan_cli import __version__
from gan_cli.config.override_text import OverrideText
from gan_cli.errors import ConfigError, printable

# Messages about a configuration begin with a key, or a group with its option.
KEY = re.compile(r"([A-Za-z_][\w/]*(?:\.\w+)*)[:=]")


class StoredConfiguration(Protocol):
    """A configuration in a file, such as that of a run directory, or of an exported model.

    Attributes:
        config_file: the file.
        written_by: version of this program that wrote it; None: unknown.
    """

    @property
    def config_file(self) -> Path: ...
    @property
    def written_by(self) -> str | None: ...


@contextlib.contextmanager
def stored_errors(stored: StoredConfiguration, typed: Sequence[str] = (), name: str | None = None) -> Iterator[None]:
    """Name the file, and the versions, in errors about keys of a run's stored configuration, which nobody has typed.

    Args:
        stored: the configuration; a newer version, or a plugin that is not installed here, may have written it.
        typed: overrides of the command line; errors about their keys stay as they are.
        name: of the file beside it that the keys come of; None: its own.
    """
    try:
        yield
    except ConfigError as error:
        found = KEY.match(str(error))
        if found is None or any(_is_about(found[1], OverrideText.split(item).key) for item in (*typed, "resume")):
            raise
        file = printable(str(stored.config_file if name is None else stored.config_file.with_name(name)))
        written = stored.written_by
        versions = "" if written in (None, __version__) else f", of gan_cli {written}, read by gan_cli {__version__}"
        raise ConfigError(f"{file}{versions}: {error}") from error


def _is_about(key: str, typed: str) -> bool:
    """Return whether a message about one key may come of an override of another, or of the option of a group."""
    key, typed = key.replace("/", "."), typed.replace("/", ".")
    return f"{key}.".startswith(f"{typed}.") or f"{typed}.".startswith(f"{key}.")
