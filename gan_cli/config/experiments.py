"""Options typed beside an experiment (``experiment=wgan_mnist loss=jsd``): each replaces what the experiment set there.

An experiment chooses options, and sets keys of these. Another option has other keys: merged into it, the experiment's
would be neither the experiment nor the option. So a typed option takes the place of the experiment's option, of its
settings, and of the options and settings below. What the experiment sets elsewhere stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository
from hydra.core.default_element import ConfigDefault, GroupDefault
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf

GROUP = "experiment"
# Hydra calls it once for each composition, of a run and of each job of a sweep, before it reads any option.
ORIGINAL = "_parse_overrides_and_create_caching_repo"


def register() -> None:
    """Let typed options replace those of experiments in all compositions; may be called repeatedly."""
    original = getattr(ConfigLoaderImpl, ORIGINAL)
    if getattr(original, "options_replace", False):
        return

    def parse(loader: ConfigLoaderImpl, *arguments: Any) -> tuple[list[Override], CachingConfigRepository]:
        overrides, repository = original(loader, *arguments)
        replace_options(overrides, repository)
        return overrides, repository

    parse.options_replace = True  # type: ignore[attr-defined]  # a mark on a function
    setattr(ConfigLoaderImpl, ORIGINAL, parse)


def replace_options(overrides: Sequence[Override], repository: CachingConfigRepository) -> None:
    """Remove from the experiments of a composition what typed options replace.

    Args:
        overrides: of the command line.
        repository: the options of this composition, each read once: they are changed in place.
    """
    typed = {
        str(item.key_or_group): item.value()
        for item in overrides
        if not item.is_sweep_override() and repository.group_exists(str(item.key_or_group))
    }
    names = typed.pop(GROUP, None)
    files = [file for name in _as_list(names) for file in _files(repository, f"{GROUP}/{name}")]
    own = {group: option for file in reversed(files) for group, option in _choices(file).items()}
    for group, option in typed.items():
        if option != own.get(group):
            for file in files:
                _remove(file, group)


def _as_list(names: object) -> list[object]:
    return names if isinstance(names, list) else [] if names is None else [names]


def _files(repository: CachingConfigRepository, path: str) -> Iterator[ConfigResult]:
    """Yield an experiment's file, then those of the experiments that it extends."""
    loaded = repository.load_config(path) if repository.config_exists(path) else None
    if loaded is None:
        return  # Hydra says so
    yield loaded
    for default in loaded.defaults_list or ():
        if isinstance(default, ConfigDefault) and default.path != "_self_":
            yield from _files(repository, f"{GROUP}/{default.path}")


def _choices(file: ConfigResult) -> Mapping[str, object]:
    """Return group -> option of an experiment's defaults list."""
    defaults = file.defaults_list or ()
    return {_group(default): default.value for default in defaults if isinstance(default, GroupDefault)}


def _remove(file: ConfigResult, group: str) -> None:
    """Remove the keys of a group from an experiment, and the choices of groups below it."""
    key = group.replace("/", ".")
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(file.config, parent) if parent else file.config
    if isinstance(node, DictConfig):
        node.pop(name, None)
    file.defaults_list = [
        default
        for default in file.defaults_list or ()
        if not (isinstance(default, GroupDefault) and _group(default).startswith(f"{group}/"))
    ]


def _group(default: GroupDefault) -> str:
    return str(default.group).lstrip("/")
