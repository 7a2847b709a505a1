"""Configuration of a resumed run: the stored one, with changes to the keys that may change."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan_cli.config.compose import Composition, compose, named_option_folder
from gan_cli.config.data_places import moved_places, moves
from gan_cli.config.flat import flatten_config
from gan_cli.config.hydra_errors import explain_hydra_error
from gan_cli.config.loggers import ON_ERROR, with_loggers
from gan_cli.config.override_text import OverrideText, value_text
from gan_cli.config.schema import RESUMABLE_KEYS, may_change
from gan_cli.config.sweep_metric import drop_replaced
from gan_cli.errors import ConfigError, printable, truncated_repr
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.run_search import shell_line


def recompose(directory: RunDirectory, overrides: Sequence[str], user_conf_dir: Path | None = None) -> Composition:
    """Return the stored composition of an earlier run with the changes that new overrides make.

    The changes are the difference between two compositions, with and without the overrides, so that a default which
    this version of the program has changed does not get into a run that began under another version.

    Raises:
        ConfigError: an override would change a key that is not in ``RESUMABLE_KEYS``.
    """
    stored, earlier = with_loggers(directory.stored_config()), earlier_overrides(directory)
    overrides = [override for override in overrides if override.lstrip("+").partition("=")[0] != "resume"]
    before = compose_again(directory, earlier, overrides, user_conf_dir)
    # Options first, by name: one that does not suit the earlier overrides could not be composed with them.
    for override in overrides:
        group, _, option = override.partition("=")
        if group in before.choices:
            _reject_change(directory, group, before.choices[group], option)
    combined = [*_drop_replaced_nodes(drop_replaced(earlier, overrides), overrides), *overrides]
    after = compose(combined, user_conf_dir) if overrides else before
    config = apply_changes(stored, before, after, overrides, partial(_reject_change, directory))
    return Composition(config, after.hydra, after.overrides, augment_preview=after.augment_preview)


def compose_again(
    directory: RunDirectory, earlier: Sequence[str], overrides: Sequence[str], user_conf_dir: Path | None
) -> Composition:
    """Compose the configuration of an earlier run again, with the data where they are now.

    Args:
        directory: of the run.
        earlier: its overrides.
        overrides: new ones, of which those count that move data: what follows their number is then the same.
        user_conf_dir: a folder of the user's own options (``--config-dir``).

    Raises:
        ConfigError: they cannot be composed; the message names the folder of options that the run had.
    """
    try:
        return compose([*earlier, *moves(overrides)], user_conf_dir)
    except ConfigError as error:
        folder = named_option_folder(directory.stored_option_sources(), earlier) if user_conf_dir is None else None
        if folder is None:
            raise
        raise ConfigError(
            f"the run was started with --config-dir {printable(folder)}, which it needs: {error}"
        ) from error


def earlier_overrides(directory: RunDirectory) -> list[str]:
    """Return the overrides that an earlier run was composed of, to compose them again.

    Hydra's own, but for its search path, are left out: where the run was to be written, say. Hydra would call the
    resolvers in some of them, and a run directory is data.

    Raises:
        ConfigError: an override calls a resolver; gan-train stores what it returned instead.
    """
    kept = []
    for override in directory.stored_overrides():
        item = OverrideText.split(override)
        if item.is_of_hydra and (item.key != "hydra.searchpath" or item.calls_resolver):
            continue
        if item.calls_resolver:
            file = directory.hydra / "overrides.yaml"
            raise ConfigError(f"{file}: expected plain values (key=value), got {truncated_repr(override)}")
        kept.append(override)
    return kept


def _drop_replaced_nodes(earlier: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """Return earlier overrides without those of callbacks or loggers where new ones choose others, with other keys."""
    chosen = {override.partition("=")[0] for override in overrides} & {"callback", "logger"}
    keys = [override.lstrip("+~").partition("=")[0] for override in earlier]
    return [
        override
        for override, key in zip(earlier, keys, strict=True)
        if key.partition(".")[0] not in chosen or key == f"logger.{ON_ERROR}"
    ]


def resume_config(directory: RunDirectory, wanted: Composition) -> Composition:
    """Return the stored composition of an earlier run with the changes of ``wanted``, the same run composed anew.

    Raises:
        ConfigError: a change concerns a key that is not in ``RESUMABLE_KEYS``.
    """
    earlier, moved = earlier_overrides(directory), moves(wanted.overrides)
    before = wanted
    if earlier != list(wanted.overrides):
        with _suspended_hydra_job():
            before = compose([*earlier, *moved], wanted.user_conf_dir)
    config = apply_changes(
        with_loggers(directory.stored_config()), before, wanted, moved, partial(_reject_change, directory)
    )
    return Composition(config, wanted.hydra, wanted.overrides)


# Settings of a resumed run that hold from now on: what decides on its length, and on its best checkpoint.
LASTING_KEYS = ("train.steps", "checkpoint.best", "stop.metric", "stop.patience", "stop.margin")


def store_changes(directory: RunDirectory, config: DictConfig) -> None:
    """Store the :data:`LASTING_KEYS` of a resumed run, and where its data lie, so that they hold from now on."""
    stored = directory.stored_config()
    changes = moved_places(stored, config)
    for key in LASTING_KEYS:
        if (value := OmegaConf.select(config, key)) != OmegaConf.select(stored, key):
            changes[key] = value
    directory.store_changes(changes, [f"{key}={value_text(value)}" for key, value in changes.items()])


@contextlib.contextmanager
def _suspended_hydra_job() -> Iterator[None]:
    """Set the running job of Hydra aside inside, so that another can be composed: Hydra's state is global."""
    running, job = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra, HydraConfig.instance().cfg = running, job


def apply_changes(
    stored: DictConfig,
    before: Composition,
    after: Composition,
    overrides: Sequence[str],
    check: Callable[[str, Any, Any], None],
) -> DictConfig:
    """Return the stored configuration with the differences between two compositions.

    Args:
        stored: of an earlier run.
        before: its composition now, with the places of the data that the overrides name.
        after: the wanted composition.
        overrides: places of the data in them replace the stored ones.
        check: raises an error where a key must not change from one value to another.
    """
    config = stored.copy()
    old, new = flatten_config(before.config), flatten_config(after.config)
    # What the program chooses in both it may choose otherwise by now, for other data: the run keeps what it has.
    chosen = before.chosen.keys() & after.chosen.keys()
    for values in (old, new):
        for key in [key for key in values if _is_within(key, chosen)]:
            del values[key]
    for key in sorted(old.keys() | new.keys()):
        check(key, old.get(key), new.get(key))
    for key in old.keys() - new.keys():
        _delete(config, key)
    moved = {OverrideText.split(override).key for override in moves(overrides)}
    for key in sorted(new):
        if key in moved or key not in old or old[key] != new[key]:
            try:
                OmegaConf.update(config, key, new.get(key), force_add=True)
            except OmegaConfBaseException as error:
                raise explain_hydra_error(error) from error
    return config


def _is_within(key: str, parents: Collection[str]) -> bool:
    """Return True for one of some dotted keys, and for a key below one of them."""
    parts = key.split(".")
    return any(".".join(parts[: length + 1]) in parents for length in range(len(parts)))


def _delete(config: DictConfig, key: str) -> None:
    """Delete a dotted key that a change of options has left without a value, and parents that are empty then."""
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    if isinstance(node, DictConfig):
        node.pop(name, None)
        if parent and not node:
            _delete(config, parent)


def _reject_change(directory: RunDirectory, key: str, was: Any, wanted: Any) -> None:
    """Raise ``ConfigError`` if the key has another value now and is not in ``RESUMABLE_KEYS``."""
    if str(was) != str(wanted) and not may_change(key):
        raise ConfigError(
            f"resume={directory.path}: {key}={wanted} would change what the run is (it has {key}={was})."
            f" May change: {', '.join(RESUMABLE_KEYS[:-2])}. With the change, as a new run from its last checkpoint:"
            f" {shell_line('gan-train fork=', directory.path)} {shlex.quote(f'{key}={_as_typed(wanted)}')}"
        )


def _as_typed(value: Any) -> str:
    return value if isinstance(value, str) else value_text(value)
