"""Numbers in another notation than their type's: text from the environment, and ``1e5`` where an integer is meant."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

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


def adapt_omegaconf() -> None:
    """Let OmegaConf's values take whole numbers in any notation, and no number as true; may be called repeatedly."""
    from omegaconf import BooleanNode, IntegerNode  # here, so that the schema and its help are there without OmegaConf

    for kind, read in ((IntegerNode, _read_integer), (BooleanNode, _read_truth_value)):
        original = getattr(kind, ORIGINAL)
        if not getattr(original, "is_adapted", False):
            setattr(kind, ORIGINAL, _adapted(original, read))


def _adapted(original: Callable[[Any, Any], Any], read: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """Return a conversion of OmegaConf that is asked where ``read`` returns None."""

    def convert(node: Any, value: Any) -> Any:
        converted = read(value)
        return original(node, value) if converted is None else converted

    convert.is_adapted = True  # type: ignore[attr-defined]  # a mark on a function
    return convert


def _read_integer(value: object) -> int | None:
    """Return a whole number in another notation: ``train.steps=1e5``."""
    return as_integer(value) if isinstance(value, float | str) else None


def _read_truth_value(value: object) -> None:
    """Raise ``ValidationError`` for a number that is neither 0 nor 1: ``conditional=10`` means something else."""
    from omegaconf.errors import ValidationError

    if isinstance(value, int | float) and value not in (0, 1):
        raise ValidationError(f"Value '{value}' of type '{type(value).__name__}' could not be converted to Boolean")
