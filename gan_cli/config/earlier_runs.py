"""Earlier runs on a command line and in a configuration, which a run begins from. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from gan_cli.config.override_text import OverrideText, value_text
from gan_cli.storage.interpolations import escape
from gan_cli.storage.run_search import is_latest, latest_run

# What is typed -> the key that it stands for; `step` only beside a fork.
SHORT_KEYS = {"init": "init.run", "fork": "fork.run"}
STEP, FORK_STEP = "step", "fork.step"
# Keys of runs that another run begins from.
RUN_KEYS = tuple(SHORT_KEYS.values())


def with_full_keys(overrides: Sequence[str]) -> list[str]:
    """Return overrides in which ``init=DIR``, ``fork=DIR`` and its ``step=N`` have the keys that they stand for.

    A setting cannot be a text and a section: ``init`` is the section of ``init.run`` and ``init.checkpoint``.
    """
    items = [OverrideText.split(override) for override in overrides]
    forked = any(item.key in ("fork", "fork.run") and item.prefix != "~" for item in items)
    keys = {**SHORT_KEYS, STEP: FORK_STEP} if forked else SHORT_KEYS
    return [
        f"{item.prefix}{keys[item.key]}={item.value}" if _is_short(item, keys) else override
        for override, item in zip(overrides, items, strict=True)
    ]


def _is_short(item: OverrideText, keys: dict[str, str]) -> bool:
    """Return whether an override has a short key, and a value that is no section: ``init={run:DIR}``."""
    return item.key in keys and item.prefix != "~" and item.value is not None and not item.value.startswith("{")


def with_absolute_runs(config: DictConfig) -> DictConfig:
    """Return a configuration whose earlier runs have absolute paths; ``last`` becomes the run that it stands for."""
    absolute = config
    for key in RUN_KEYS:
        value = _unresolved(config, key)
        if isinstance(value, str) and value and (path := _absolute(value)) != value:
            absolute = absolute.copy()
            OmegaConf.update(absolute, key, path)
    return absolute


def with_stored_runs(overrides: Sequence[str], config: DictConfig) -> list[str]:
    """Return overrides in which earlier runs are as in the configuration."""
    items = [(override, OverrideText.split(override)) for override in overrides]
    values = {key: _unresolved(config, key) for key in RUN_KEYS}
    return [
        item.with_value(value_text(values[item.key])) if isinstance(values.get(item.key), str) else override
        for override, item in items
    ]


def is_hub_name(value: str) -> bool:
    """Return whether a value names a model by a scheme (``hub:OWNER/NAME``), and no folder."""
    scheme, colon, _ = value.partition(":")
    return bool(colon) and scheme.isalpha() and len(scheme) > 1


def _absolute(value: str) -> str:
    if value.startswith("${") or is_hub_name(value):
        return value
    typed = Path(os.path.expanduser(value))  # noqa: PTH111 - never raises
    latest = latest_run() if is_latest(typed) else None
    path = typed if latest is None else latest.path
    return value if path.is_absolute() and latest is None and str(path) == value else escape(str(Path.cwd() / path))


def _unresolved(config: DictConfig, key: str) -> Any:
    section, _, name = key.partition(".")
    plain = OmegaConf.to_container(config, resolve=False)
    node = plain.get(section) if isinstance(plain, dict) else None
    return node.get(name) if isinstance(node, dict) else None
