"""Declaration of settings as documented dataclass fields. Imports no torch."""

from __future__ import annotations

import dataclasses
from dataclasses import field
from enum import Enum
from typing import Any


def setting(default: Any, doc: str) -> Any:
    """Return a dataclass field that carries the line which ``gan-train --help KEY`` prints for it."""
    return field(default=default, metadata={"doc": doc})


def section_class(item: dataclasses.Field[Any]) -> type | None:
    """Return the class of a field that is a section of its own, or None for a single setting."""
    return item.default_factory if isinstance(item.default_factory, type) else None


class Auto(Enum):
    """Value of a setting that the data decide, and that is stored once they have."""

    auto = "auto"
