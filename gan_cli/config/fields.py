"""Declaration of settings as documented dataclass fields, and their listing. Imports no torch."""

from __future__ import annotations

import dataclasses
import json
import typing
from dataclasses import field
from enum import Enum
from typing import Any


def setting(default: Any, doc: str) -> Any:
    """Return a dataclass field that carries the line which ``gan-train --help`` prints for it."""
    return field(default=default, metadata={"doc": doc})


def describe(section: type, prefix: str = "") -> list[tuple[str, str, str]]:
    """List ``(key, default, documentation)`` of every setting of a section and of the sections inside it.

    The default of an enumeration is followed by its names: ``auto; auto|fp32|bf16``.
    """
    types = typing.get_type_hints(section)
    rows: list[tuple[str, str, str]] = []
    for item in dataclasses.fields(section):
        key = f"{prefix}{item.name}"
        inner = section_class(item)
        if inner is not None:
            rows += describe(inner, f"{key}.")
        elif item.metadata.get("doc") and not _is_node(types[item.name]):
            default = item.default.name if isinstance(item.default, Enum) else json.dumps(item.default)
            names = _enum_names(types[item.name])
            default = f"{default}; {'|'.join(names)}" if names else default
            rows.append((key, default, item.metadata["doc"]))
    return rows


def _is_node(annotation: Any) -> bool:
    """Return whether a field holds nodes, which are chosen by group=option; see ``config.schema.NodeConfig``."""
    return Any in (annotation, *typing.get_args(annotation))


def section_class(item: dataclasses.Field[Any]) -> type | None:
    """Return the class of a field that is a section of its own, or None for a single setting."""
    return item.default_factory if isinstance(item.default_factory, type) else None


def _enum_names(annotation: Any) -> list[str]:
    """Return the names of an enumeration, also of an optional one; empty for other types."""
    for part in (annotation, *typing.get_args(annotation)):
        if isinstance(part, type) and issubclass(part, Enum):
            return [member.name for member in part]
    return []
