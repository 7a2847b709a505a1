"""Checks of the plain values in a checkpoint, which may be of unknown origin. Imports no torch."""

from __future__ import annotations

import sys


def number(value: object) -> float:
    """Return a number that fits a float as it is, NaN and infinities included; raises ``TypeError`` for all else."""
    if isinstance(value, float) or (isinstance(value, int) and abs(value) <= sys.float_info.max):
        return value
    raise TypeError(f"expected a number, got a value of type {type(value).__name__}")


def numbers(values: object) -> list[float]:
    """Return a list of numbers; raises ``TypeError`` for all else."""
    if not isinstance(values, list):
        raise TypeError(f"expected a list of numbers, got a value of type {type(values).__name__}")
    return [number(value) for value in values]


def numbers_by_name(values: object) -> dict[str, float]:
    """Return a dictionary of names and numbers; raises ``TypeError`` for all else."""
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise TypeError(f"expected numbers by name, got a value of type {type(values).__name__}")
    return {name: number(value) for name, value in values.items()}
