"""Conditions of networks as checkpoints store them: a number of classes, or the components of vectors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gan_cli.protocols.conditions import Condition, ConditionKind, VectorCondition
from gan_cli.storage.state_values import number

# A checkpoint with more classes or components is damaged; memory for them would be allocated before any other check.
MAX_CLASSES, MAX_COMPONENTS = 1_000_000, 4096
# Longest name of a component, in characters.
MAX_NAME_LENGTH = 1000


def stored_condition(condition: Condition) -> int | dict[str, Any]:
    """Return a condition as plain values."""
    if not isinstance(condition, VectorCondition):
        return condition
    return {
        "kind": condition.kind.value,
        "names": list(condition.names),
        "ranges": [[float(low), float(high)] for low, high in condition.ranges],
    }


def read_condition(stored: object) -> Condition:
    """Return the condition of a checkpoint, which may be of unknown origin.

    Raises:
        ValueError: there are too many classes or components, or the latter have no names, or no ranges.
        TypeError: these are other values.
    """
    if isinstance(stored, Mapping):
        return _read_vectors(stored)
    classes = int(stored)  # type: ignore[call-overload]
    if not 0 <= classes <= MAX_CLASSES:
        raise ValueError(f"it has {classes} classes")
    return int(classes)


def _read_vectors(stored: Mapping[str, object]) -> VectorCondition:
    names, ranges = stored["names"], stored["ranges"]
    if not isinstance(names, list) or not isinstance(ranges, list) or len(names) != len(ranges):
        raise ValueError("its condition has other ranges than names")
    if not 1 <= len(names) <= MAX_COMPONENTS:
        raise ValueError(f"it has {len(names)} components of a condition")
    if not all(isinstance(name, str) and 0 < len(name) <= MAX_NAME_LENGTH for name in names):
        raise ValueError("its condition has components without a name")
    if not all(isinstance(each, list) and len(each) == 2 for each in ranges):
        raise ValueError("its condition has ranges that are no pairs")
    pairs = tuple((float(number(low)), float(number(high))) for low, high in ranges)
    if not all(math.isfinite(low) and math.isfinite(high) and low <= high for low, high in pairs):
        raise ValueError("its condition has ranges that are none")
    return VectorCondition(ConditionKind(stored["kind"]), tuple(names), pairs)
