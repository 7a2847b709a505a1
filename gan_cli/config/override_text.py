"""Text of overrides in Hydra's grammar, taken apart and written. Imports no torch."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString, Sweep
from hydra.errors import HydraException

from gan_cli.storage.interpolations import calls_resolver

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

    @property
    def calls_resolver(self) -> bool:
        """True where its value, as Hydra reads it, would call a resolver; its text may hide that by backslashes."""
        if self.value is None or "{" not in self.value:
            return False
        try:
            parsed = OverridesParser.create().parse_override(f"key={self.value}")
        except HydraException:
            return True  # it cannot be told, and cannot be composed
        return any(map(calls_resolver, _texts(parsed._value)))

    def with_value(self, value: str) -> str:
        """Return the override with another value, a text in Hydra's grammar."""
        return f"{self.prefix}{self.key}={value}"


def is_sweep(override: str) -> bool:
    """Return whether an override has several values, as a sweep takes them; False where it cannot be read."""
    try:
        return bool(OverridesParser.create().parse_override(override).is_sweep_override())
    except HydraException:
        return False


def split_flags(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split arguments into flags with their values, and overrides."""
    overrides = [item for item in arguments if not item.startswith("-") and ("=" in item or item.startswith("~"))]
    return [item for item in arguments if item not in overrides], overrides


def _texts(value: object) -> Iterator[str]:
    """Yield all texts in the value of a parsed override: in lists, mappings and sweeps as well."""
    if isinstance(value, QuotedString):
        yield value.text
    elif isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, dict):
        yield from _texts([*value.keys(), *value.values()])
    elif isinstance(value, Sweep):
        yield from _texts([getattr(value, name, None) for name in ("list", "args", "start", "stop")])


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
