"""Quicker composition of configurations by Hydra, which takes longer than a tiny run."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra.core.config_store import ConfigStore
from omegaconf import read_write

from gan_cli.config import compose


@contextlib.contextmanager
def composing_once() -> Iterator[None]:
    """Let Hydra compose equal command lines once."""
    composed: dict[tuple[str, ...], bytes] = {}
    hydra_compose, store = compose.hydra_compose, ConfigStore.store

    def compose_once(name: str, overrides: list[str], **options: Any) -> Any:
        if any("hydra.searchpath" in override for override in overrides):  # files of a test's own
            return hydra_compose(name, overrides, **options)
        if (key := (name, *overrides)) not in composed:
            composed[key] = pickle.dumps(hydra_compose(name, overrides, **options))
        config = pickle.loads(composed[key])
        with read_write(config.hydra.runtime):
            config.hydra.runtime.cwd = str(Path.cwd())
        return config

    def store_once(self: ConfigStore, name: str, node: Any, group: str | None = None, **options: Any) -> None:
        if node is not compose.Config or f"{name}.yaml" not in self.repo:
            store(self, name, node, group, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compose, "hydra_compose", compose_once)
        patch.setattr(ConfigStore, "store", store_once)
        yield
