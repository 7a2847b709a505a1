"""Places where the data of a run lie: they may change, as the data are known by their fingerprint. Imports no torch."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from omegaconf import DictConfig, OmegaConf

from gan_cli.config.override_text import OverrideText, value_text
from gan_cli.config.targets import ALLOWED_PREFIXES
from gan_cli.errors import ConfigError, DataError
from gan_cli.storage.interpolations import escape

# Of these, labels may be something else than a file; and a dataset of the user's own may have other names in a path.
PLACE_KEYS = ("dataset.path", "dataset.labels", "dataset.root")
# Characters of a pattern that several files match.
PATTERN = "*?[{"


def with_absolute_places(config: DictConfig) -> DictConfig:
    """Return a configuration whose relative places are absolute; each ``~`` and what begins with a key stay."""
    absolute = config.copy()
    for key, value in stored_places(config).items():
        OmegaConf.update(absolute, key, _absolute(value, _is_certain(config, key)))
    return absolute


def with_stored_places(overrides: Sequence[str], config: DictConfig) -> list[str]:
    """Return overrides in which places are as in the configuration."""
    places = stored_places(config)
    items = [(override, OverrideText.split(override)) for override in overrides]
    return [
        item.with_value(value_text(places[item.key])) if item.key in places and item.value else override
        for override, item in items
    ]


def stored_places(config: DictConfig) -> dict[str, Any]:
    """Return the places of a configuration by key, with interpolations unresolved: text, or lists of text."""
    plain = OmegaConf.to_container(config, resolve=False)
    dataset = plain.get("dataset") if isinstance(plain, dict) else None
    values = {f"dataset.{key}": value for key, value in dataset.items()} if isinstance(dataset, dict) else {}
    return {key: values[key] for key in PLACE_KEYS if values.get(key) and isinstance(values[key], str | list)}


def moves(overrides: Sequence[str]) -> list[str]:
    """Return the overrides that change a place."""
    items = [(override, OverrideText.split(override)) for override in overrides]
    return [override for override, item in items if item.key in PLACE_KEYS and item.prefix != "~"]


def moved_places(before: DictConfig, now: DictConfig) -> dict[str, Any]:
    """Return the places of a configuration that are others than in an earlier one, by key."""
    earlier = stored_places(before)
    return {key: value for key, value in stored_places(now).items() if earlier.get(key) != value}


def relocated(config: DictConfig, place: str) -> DictConfig:
    """Return a copy of a configuration whose data lie in another place: its files, or its data root.

    Raises:
        ConfigError: its data are of no file.
    """
    places, moved = stored_places(config), config.copy()
    key = next((key for key in ("dataset.path", "dataset.root") if key in places), None)
    if key is None:
        raise ConfigError(f"--data {place}: the data of this run are of no file")
    OmegaConf.update(moved, key, escape(str(Path(place).expanduser().absolute())))
    return moved


def without_folders(config: DictConfig) -> DictConfig:
    """Return a configuration in which of each path on this machine only the name is left, wherever it stands."""
    names: dict[str, Any] = _names_of_paths(OmegaConf.to_container(config, resolve=False))
    return OmegaConf.create(names)


@contextlib.contextmanager
def advising_of_moves(config: DictConfig, advice: str) -> Iterator[None]:
    """Add advice to a ``DataError`` of the block where a place of the data is not there, as on another machine.

    Args:
        config: of the run.
        advice: what to type, with ``{key}`` for the key of the place.
    """
    try:
        yield
    except DataError as error:
        missing = [key for key in stored_places(config) if key != "dataset.root" and _is_missing(config, key)]
        if not missing:
            raise
        end = "" if str(error).endswith((".", "?")) else "."
        raise DataError(f"{error}{end} If the data lie elsewhere now: {advice.replace('{key}', missing[0])}") from error


def _absolute(value: Any, certain: bool) -> Any:
    if isinstance(value, list):
        return [_absolute(each, certain) for each in value]
    if not isinstance(value, str) or not value or value == "~" or value.startswith(("~/", "${")) or "://" in value:
        return value
    exists = os.path.exists(value)  # noqa: PTH110 - raises for no text
    if os.path.isabs(value) or not (exists or (certain and not value.startswith("~"))):  # noqa: PTH117
        return value
    return str(Path(escape(str(Path.cwd()))) / value)


def _names_of_paths(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _names_of_paths(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_names_of_paths(each) for each in value]
    if isinstance(value, str) and len(value) > 1 and (value.startswith("~") or _is_absolute(value)):
        return PureWindowsPath(value).name or "."  # which has the separators of both systems
    return value


def _is_absolute(text: str) -> bool:
    return PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()


def _is_certain(config: DictConfig, key: str) -> bool:
    """Return whether a key of a dataset is a path in any case, and not the name of something else."""
    target = OmegaConf.to_container(config, resolve=False)["dataset"].get("_target_")  # type: ignore[index,call-overload,union-attr]
    return key != "dataset.labels" and isinstance(target, str) and target.startswith(ALLOWED_PREFIXES)


def _is_missing(config: DictConfig, key: str) -> bool:
    """Return whether a place, of which a part may be a pattern, is not there."""
    value = OmegaConf.select(config, key)
    named = [value] if isinstance(value, str) else value
    places = [place for place in named if isinstance(place, str)]
    if key == "dataset.labels":  # stored as an absolute path where it was a file
        places = [place for place in places if os.path.isabs(place)]  # noqa: PTH117
    return not all(map(_exists, places))


def _exists(place: str) -> bool:
    fixed = os.path.expanduser(place)  # noqa: PTH111 - never raises
    while any(character in fixed for character in PATTERN) and not os.path.exists(fixed):  # noqa: PTH110
        fixed = os.path.dirname(fixed)  # noqa: PTH120
    return not fixed or os.path.exists(fixed)  # noqa: PTH110
