"""Declaration of settings as documented dataclass fields, and their listing. Imports no torch."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import field
from enum import Enum
from typing import Any


def setting(default: Any, doc: str) -> Any:
    """Return a dataclass field that carries the line which ``gan-train --help`` prints for it."""
    return field(default=default, metadata={"doc": doc})


def describe(section: type, prefix: str = "") -> list[tuple[str, str, str]]:
    """List ``(key, default, documentation)`` of every setting of a section and of the sections inside it."""
    rows: list[tuple[str, str, str]] = []
    for item in dataclasses.fields(section):
        key = f"{prefix}{item.name}"
        if item.default_factory is not dataclasses.MISSING:
            rows += describe(type(item.default_factory()), f"{key}.")
        elif item.metadata.get("doc") and item.type != "Any":
            default = item.default.name if isinstance(item.default, Enum) else json.dumps(item.default)
            rows.append((key, default, item.metadata["doc"]))
    return rows
