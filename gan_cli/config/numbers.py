"""Numbers in another notation than their type's: text from the environment, and ``1e5`` where an integer is meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omegaconf import IntegerNode

# Longer ones are out of every range; Python converts no more than 4300 digits, and slowly.
MAX_LENGTH = 40
MAX_INTEGER = 2**63
NUMBER = re.compile(r"[+-]?(?:\d+(?:_\d+)*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
TRUTH_VALUES = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
ORIGINAL = "_validate_and_convert_impl"


def as_integer(value: object) -> int | None:
    """Return a whole number as an integer, be it ``5``, ``5.0``, ``5e0`` or such a text; None for anything else."""
    if isinstance(value, str):
        value = as_number(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < MAX_INTEGER:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def as_number(text: str) -> int | float | None:
    """Return the number that a text is, or None where it is none."""
    if len(text) > MAX_LENGTH or not NUMBER.fullmatch(text):
        return None
    return float(text) if any(mark in text for mark in ".eE") else int(text)


def as_truth_value(text: str) -> bool | None:
    """Return the truth value that a text is, in the words of YAML, or None where it is none."""
    return TRUTH_VALUES.get(text.lower())


def accept_whole_floats() -> None:
    """Let OmegaConf's integers take whole numbers in any notation (``train.steps=1e5``); may be called repeatedly."""
    from omegaconf import IntegerNode  # here, so that the schema and its help are there without OmegaConf

    original = getattr(IntegerNode, ORIGINAL)
    if getattr(original, "takes_whole_floats", False):
        return

    def convert(node: IntegerNode, value: Any) -> int:
        whole = as_integer(value) if isinstance(value, float | str) else None
        converted: int = original(node, value) if whole is None else whole
        return converted

    convert.takes_whole_floats = True  # type: ignore[attr-defined]  # a mark on a function
    setattr(IntegerNode, ORIGINAL, convert)
