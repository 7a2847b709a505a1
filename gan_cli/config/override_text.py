"""Text of overrides in Hydra's grammar, taken apart and written. Imports no torch."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum

QUOTE = re.compile(r"(\\*)'")
LAST_BACKSLASHES = re.compile(r"(\\+)\Z")


@dataclass(frozen=True)
class OverrideText:
    """One override as typed: ``+train.steps=5`` has the prefix ``+``, the key ``train.steps`` and the value ``5``.

    Attributes:
        prefix: ``+``, ``++``, ``~`` or empty.
        key: of a setting, or a config group.
        value: None where there is no equals sign.
    """

    prefix: str
    key: str
    value: str | None

    @classmethod
    def split(cls, override: str) -> OverrideText:
        """Take an override apart at its first equals sign."""
        left, sign, value = override.partition("=")
        key = left.lstrip("+~")
        return cls(left[: len(left) - len(key)], key, value if sign else None)

    @property
    def is_of_hydra(self) -> bool:
        """True for one of Hydra itself (``hydra.run.dir``, ``hydra/launcher``), which says nothing about a run."""
        return self.key.startswith(("hydra.", "hydra/"))

    def with_value(self, value: str) -> str:
        """Return the override with another value, a text in Hydra's grammar."""
        return f"{self.prefix}{self.key}={value}"


def quoted(text: str) -> str:
    """Return text in quotes of Hydra's grammar, inside which all characters stand for themselves."""
    inner = QUOTE.sub(lambda found: rf"{found[1] * 2}\'", text)
    return f"'{LAST_BACKSLASHES.sub(lambda found: found[1] * 2, inner)}'"


def value_text(value: object) -> str:
    """Return a plain value of the configuration as text in Hydra's grammar."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(map(value_text, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{value_text(inner)}' for key, inner in value.items())}}}"
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)
