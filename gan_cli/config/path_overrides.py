"""Paths on the command line: the value of a key that is a path is taken as it stands. Imports no torch.

Hydra's grammar has its own meaning for many characters that names of files have, and knows no letters but English ones.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra.errors import HydraException

from gan_cli.config.earlier_runs import with_full_keys
from gan_cli.config.override_text import OverrideText, quoted
from gan_cli.errors import ConfigError, truncated_repr
from gan_cli.storage.interpolations import escape

# Last parts of the keys that are paths, and those of the command itself, whose ``~`` is replaced at once.
PATH_NAMES = ("path", "root", "dir", "folder", "file")
# Keys that are paths by another name.
OTHER_PATHS = ("dataset.labels", "init", "init.run")
COMMAND_KEYS = ("resume", "fork", "fork.run", "sweep.continue", "hydra.run.dir", "hydra.sweep.dir")
# No interpolation, and no text of OmegaConf either.
UNCLOSED = re.compile(r"\$\{[^}]*\Z")
NOT_A_PATH = ("", "null", "???")


def read_paths(overrides: Sequence[str], multirun: bool = False) -> list[str]:
    """Return overrides in which paths that Hydra's grammar would read in another way are quoted.

    Several paths in brackets are a list, unless a file of that whole name exists. A path that the grammar reads as it
    stands, one in quotes, and one with the grammar's backslashes before special characters, are left as they are. In a
    multirun, a comma separates paths unless a file of that whole name exists. Short keys become those that they stand
    for (``init=DIR``).
    """
    return [_read_path(override, multirun) for override in with_full_keys(overrides)]


def typed_path(value: str) -> str:
    """Return the path that was typed as the value of a key, without quotes and with ``~`` replaced."""
    element = _parse(OverrideText("", "path", value).with_value(value))
    return os.path.expanduser(element.text if isinstance(element, QuotedString) else value)  # noqa: PTH111 - text


def user_conf_dir(folder: Path | None) -> Path | None:
    """Return the folder of ``--config-dir`` with ``~`` replaced, or None without one.

    Raises:
        ConfigError: there is no such folder, or Hydra could not keep its name.
    """
    if folder is None:
        return None
    expanded = Path(os.path.expanduser(folder))  # noqa: PTH111 - never raises
    if not expanded.is_dir():
        raise ConfigError(f"--config-dir: there is no folder {str(folder)!r}")
    if UNCLOSED.search(str(expanded.resolve())):
        raise ConfigError(f"--config-dir: expected a path without '${{' that is not closed, got {str(folder)!r}")
    return expanded


def own_directory(key: str, wanted: object) -> Path:
    """Return the directory that a run, or a sweep, is to be written in, with ``~`` replaced.

    Raises:
        ConfigError: it is empty, the working folder, a folder above that, or the home directory: these hold other
            things, and an unset variable of the shell (``hydra.run.dir=$RUN``) must not make a run of one.
    """
    path = Path(os.path.expanduser(str(wanted or "")))  # noqa: PTH111 - never raises
    here = Path.cwd()
    taken = path.resolve() in (here, *here.parents, Path(os.path.expanduser("~")).resolve())  # noqa: PTH111
    if not wanted or taken:
        why = ", the folder you are in, one above it or your home directory" if wanted else ""
        raise ConfigError(f"{key}: expected a folder of its own, got {truncated_repr(wanted)}{why}")
    return path


def _read_path(override: str, multirun: bool) -> str:
    item = OverrideText.split(override)
    if not is_path_key(item.key) or item.prefix == "~" or item.value is None or item.value in NOT_A_PATH:
        return override
    if (listed := _listed_paths(item)) is not None:
        return item.with_value(f"[{','.join(_path_text(item, value) for value in listed)}]")
    swept = multirun and item.key not in COMMAND_KEYS and "," in item.value
    if swept and not os.path.exists(item.value):  # noqa: PTH110 - raises for no name
        values = [_path_text(item, value) for value in _split_at_commas(item.value)]
        return item.with_value(",".join(values))
    return item.with_value(_path_text(item, item.value))


def _listed_paths(item: OverrideText) -> list[str] | None:
    """Return the paths of a list of several, ``[a,b]``, or of one in quotes; None for a path that stands for itself."""
    value = (item.value or "").strip()
    if item.key in COMMAND_KEYS or not (value.startswith("[") and value.endswith("]")):
        return None
    values = _split_at_commas(value[1:-1])
    several = len(values) > 1 or value[1:2] in ("'", '"')
    return None if not several or not all(values) or os.path.exists(item.value or "") else values  # noqa: PTH110


def is_path_key(key: str) -> bool:
    """Return whether the value of a key is a path."""
    return key in (*COMMAND_KEYS, *OTHER_PATHS) or ("." in key and key.rpartition(".")[2] in PATH_NAMES)


def _path_text(item: OverrideText, value: str) -> str:
    """Return a path as text in Hydra's grammar."""
    element = _parse(OverrideText("", item.key, value).with_value(value))
    text = element.text if isinstance(element, QuotedString) else value
    if item.key in COMMAND_KEYS and text.startswith("~"):
        return quoted(os.path.expanduser(text))  # noqa: PTH111 - never raises
    if isinstance(element, QuotedString) or element == value:
        return value
    # What Hydra writes itself, in the jobs of a sweep: a backslash before each special character.
    if isinstance(element, str) and "\\" in value and not os.path.exists(value):  # noqa: PTH110
        return value
    return quoted(text if "}" in text.partition("${")[2] else escape(text))


def _parse(override: str) -> object:
    """Return the value of an override by Hydra's grammar; None where it is none, or several."""
    try:
        parsed: Override = OverridesParser.create().parse_override(override)
    except HydraException:
        return None
    return None if parsed.is_sweep_override() else parsed._value


def _split_at_commas(values: str) -> list[str]:
    """Split at the commas outside quotes, braces and brackets."""
    parts, quote, depth = [""], "", 0
    for character in values:
        if character == "," and not quote and not depth:
            parts.append("")
            continue
        if character in "'\"" and quote in ("", character) and (quote or not parts[-1].strip()):
            quote = "" if quote else character
        depth += (character in "{[" and not quote) - (character in "}]" and not quote and depth > 0)
        parts[-1] += character
    return [part.strip() for part in parts]
