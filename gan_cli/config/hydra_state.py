"""Global state of Hydra and OmegaConf, set aside while a run is composed inside another program. Imports no torch."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl

# They register options when they are imported, which a program around has to keep.
from hydra._internal.core_plugins import basic_launcher, basic_sweeper  # noqa: F401
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobRuntime
from hydra.version import VersionBase
from omegaconf import BooleanNode, IntegerNode
from omegaconf.basecontainer import BaseContainer

from gan_cli.config import experiments, numbers

# Functions of both libraries that ``compose.register`` replaces.
REPLACED: tuple[tuple[type, str], ...] = (
    (ConfigLoaderImpl, experiments.ORIGINAL),
    (IntegerNode, numbers.ORIGINAL),
    (BooleanNode, numbers.ORIGINAL),
)
# Threads of a program take turns: there is one state for all of them.
_turn = threading.RLock()


@contextmanager
def separate_hydra() -> Iterator[None]:
    """Compose inside as in a new process, and restore the state of the program around it: options, job, resolvers."""
    with _turn, ExitStack() as restored:
        for restore in (_singletons(), _contents(BaseContainer._resolvers), _replaced_functions()):
            restored.callback(restore)
        yield


def _singletons() -> Callable[[], None]:
    """Put new singletons in the place of those that composing changes."""
    instances: dict[Any, Any] = Singleton._instances
    store, registry = ConfigStore.instance(), SourcesRegistry.instance()
    restore_sources, restore_instances = _contents(registry.types), _contents(instances)
    for kind in (GlobalHydra, HydraConfig, JobRuntime, VersionBase):
        instances.pop(kind, None)
    own_store = copy.copy(store)
    own_store.repo = copy.deepcopy(store.repo)
    instances[ConfigStore] = own_store

    def restore() -> None:
        restore_instances()
        restore_sources()

    return restore


def _contents(mapping: dict[Any, Any]) -> Callable[[], None]:
    """Return what restores the present contents of a dictionary."""
    before = dict(mapping)

    def restore() -> None:
        mapping.clear()
        mapping.update(before)

    return restore


def _replaced_functions() -> Callable[[], None]:
    before = [(owner, name, getattr(owner, name)) for owner, name in REPLACED]

    def restore() -> None:
        for owner, name, function in before:
            setattr(owner, name, function)

    return restore
