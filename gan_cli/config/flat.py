"""Nested configurations as flat ones: dotted.key -> value. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf


def flatten(node: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield ``dotted.key, value`` of everything in nested mappings that is no mapping, or an empty one."""
    for key, value in node.items():
        if isinstance(value, dict) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def flatten_config(config: DictConfig) -> dict[str, Any]:
    """Return ``dotted.key -> value`` of everything that is not a mapping, with interpolations unresolved."""
    content = OmegaConf.to_container(config, resolve=False)
    assert isinstance(content, dict)
    return {key: value for key, value in flatten(content) if value != {}}
