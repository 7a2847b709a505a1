"""The configuration of a run that goes on: the stored one, with what may change."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan_cli.config.compose import Composition, _leaves, compose
from gan_cli.config.hydra_errors import explained
from gan_cli.config.schema import RESUMABLE_KEYS, may_change
from gan_cli.errors import ConfigError
from gan_cli.storage.run_directory import RunDirectory


def recompose(directory: RunDirectory, overrides: Sequence[str], extra_conf: Path | None = None) -> Composition:
    """The composition of an earlier run, as it is stored, with what the new overrides may change.

    What they change is the difference between two compositions, with and without them; so a default that this
    version of the program has changed since does not creep into a run that began under another one.

    Raises:
        ConfigError: an override would change what the run is.
    """
    stored, earlier = directory.stored_config(), directory.stored_overrides()
    overrides = [override for override in overrides if override.lstrip("+").partition("=")[0] != "resume"]
    before = compose(earlier, extra_conf)
    # Options first, by name: one that does not suit the earlier overrides could not even be composed with them.
    for override in overrides:
        group, _, option = override.partition("=")
        if group in before.choices:
            _refuse_change(directory, group, before.choices[group], option)
    after = compose([*earlier, *overrides], extra_conf) if overrides else before
    return Composition(_changed(directory, stored, before, after), after.hydra, [*earlier, *overrides])


def gone_on(directory: RunDirectory, wanted: Composition) -> Composition:
    """The composition of an earlier run, as it is stored, with what ``wanted``, the same run composed anew, changes.

    Raises:
        ConfigError: that would change what the run is.
    """
    earlier = directory.stored_overrides()
    before = wanted
    if earlier != list(wanted.overrides):
        with _in_a_job():
            before = compose(earlier, wanted.extra_conf)
    config = _changed(directory, directory.stored_config(), before, wanted)
    return Composition(config, wanted.hydra, wanted.overrides)


@contextlib.contextmanager
def _in_a_job() -> Iterator[None]:
    """Let a job of Hydra's compose something else meanwhile: Hydra knows of one application and one job at a time."""
    running, job = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra, HydraConfig.instance().cfg = running, job


def _changed(directory: RunDirectory, stored: DictConfig, before: Composition, after: Composition) -> DictConfig:
    """The stored configuration with the differences between two compositions; ``ConfigError`` if they may not be."""
    config = stored.copy()
    old, new = _leaves(before.config), _leaves(after.config)
    for key in sorted(old.keys() | new.keys()):
        _refuse_change(directory, key, old.get(key), new.get(key))
        if old.get(key) != new.get(key):
            try:
                OmegaConf.update(config, key, new.get(key), force_add=True)
            except OmegaConfBaseException as error:
                raise explained(error) from error
    return config


def _refuse_change(directory: RunDirectory, key: str, was: Any, wanted: Any) -> None:
    """Raise ``ConfigError`` if the key has another value now and is not one that may change."""
    if str(was) != str(wanted) and not may_change(key):
        raise ConfigError(
            f"resume={directory.path}: {key}={wanted} would change what the run is (it has {key}={was})."
            f" May change: {', '.join(RESUMABLE_KEYS[:-2])}"
        )
