"""Configuration of a fork: that of an earlier run, with any changes. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from gan_cli.config.compose import Composition, compose
from gan_cli.config.earlier_runs import with_full_keys
from gan_cli.config.loggers import with_loggers
from gan_cli.config.override_text import OverrideText
from gan_cli.config.path_overrides import typed_path
from gan_cli.config.resume import apply_changes, compose_again, earlier_overrides
from gan_cli.config.schema import may_change
from gan_cli.config.sweep_metric import drop_replaced
from gan_cli.errors import ConfigError
from gan_cli.storage.run_directory import RunDirectory

# Sections that say what a run began from, and keys of a single command.
BEGINNINGS = ("fork", "init", "resume", "dry_run")


def typed_fork(overrides: Sequence[str]) -> str | None:
    """Return the run directory of ``fork=DIR`` on the command line, or None."""
    items = [OverrideText.split(override) for override in with_full_keys(overrides)]
    values = [item.value for item in items if item.key == "fork.run" and item.prefix != "~"]
    if not values or values[-1] == "null":
        return None
    directory = typed_path(values[-1] or "")
    if not directory:
        raise ConfigError("fork: expected a run directory, got nothing")
    return directory


def recompose_fork(directory: RunDirectory, overrides: Sequence[str], user_conf_dir: Path | None = None) -> Composition:
    """Return the stored composition of an earlier run with all changes that new overrides make.

    An option that is chosen anew comes with its own settings: what the earlier run had set below it is dropped.

    Raises:
        ConfigError: the changes cannot be composed.
    """
    stored, earlier = with_loggers(directory.stored_config()), _without_beginnings(earlier_overrides(directory))
    before = compose_again(directory, earlier, overrides, user_conf_dir)
    kept = _without_replaced(drop_replaced(earlier, overrides), with_full_keys(overrides), before.choices)
    after = compose([*kept, *overrides], user_conf_dir)
    config = apply_changes(stored, before, after, overrides, lambda key, was, wanted: None)
    if OmegaConf.select(after.config, "init.run") is not None:
        raise ConfigError("init: expected none with fork, which goes on with all weights of its run")
    for section in ("init", "fork"):
        plain = OmegaConf.to_container(after.config[section], resolve=False)
        OmegaConf.update(config, section, plain, merge=False, force_add=True)
    return Composition(config, after.hydra, after.overrides, after.chosen, augment_preview=after.augment_preview)


def keeps_numbers(changes: Mapping[str, Any]) -> bool:
    """Return whether a run with these changes makes the numbers that the earlier one would have made."""
    return all(may_change(key) for key in changes)


def _without_beginnings(overrides: Sequence[str]) -> list[str]:
    keys = [OverrideText.split(override).key.partition(".")[0] for override in overrides]
    return [override for override, key in zip(overrides, keys, strict=True) if key not in BEGINNINGS]


def _without_replaced(earlier: Sequence[str], overrides: Sequence[str], choices: Mapping[str, Any]) -> list[str]:
    """Return earlier overrides without those that new ones set, or choose another option for."""
    typed = [OverrideText.split(override) for override in overrides]
    replaced = {item.key for item in typed}
    chosen = {item.key for item in typed if item.key in choices and str(choices[item.key]) != item.value}
    below = tuple(f"{group.replace('/', '.')}." for group in chosen)
    keys = [OverrideText.split(override).key for override in earlier]
    return [
        override
        for override, key in zip(earlier, keys, strict=True)
        if key not in replaced and not key.startswith(below)
    ]
