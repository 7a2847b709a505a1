"""Ranges of the numbers of a configuration, declared in their annotations. Imports no torch.

``width: Annotated[int, Range(1, 65_536)]`` is checked wherever the annotation is read: :func:`check_ranges` does so in
``__post_init__``, and ``config/nodes.py`` for the constructor of every class that a ``_target_`` names. A number
without a range of its own has that of :data:`ANY_INTEGER` or :data:`ANY_NUMBER`.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias, Union

from gan_cli.errors import require


@dataclass(frozen=True)
class Range:
    """Smallest and largest value of a number, as metadata of its annotation.

    Attributes:
        low: the smallest value.
        high: the largest value.
        above: whether ``low`` itself is too small.
        below: whether ``high`` itself is too large.
        note: meaning of a value, for messages (``"0: none"``).
    """

    low: float
    high: float
    above: bool = False
    below: bool = False
    note: str = ""

    def __contains__(self, value: float) -> bool:
        """Return whether a number is inside; NaN never is."""
        return (self.low < value or (value == self.low and not self.above)) and (
            value < self.high or (value == self.high and not self.below)
        )

    def describe(self) -> str:
        """Return the range as the end of a message: ``from 1 to 65,536``."""
        low, high = _format(self.low), _format(self.high)
        if self.above or self.below:
            ends = f"{'>' if self.above else '>='} {low} and {'<' if self.below else '<='} {high}"
        else:
            ends = f"from {low} to {high}"
        return f"{ends} ({self.note})" if self.note else ends


# Of a number without a range of its own. Sizes beyond the first one fit into no memory, and loops of that many steps
# never end; numbers beyond the second one are infinite as float32.
ANY_INTEGER = Range(-(2**40), 2**40)
ANY_NUMBER = Range(-3.4e38, 3.4e38)
# Most values of a list.
MAX_ITEMS = 1024

Share: TypeAlias = Annotated[float, Range(0, 1)]
# At most this many generator updates, epochs or reports.
Count: TypeAlias = Annotated[int, Range(1, 1_000_000_000)]
CountOrNone: TypeAlias = Annotated[int, Range(0, 1_000_000_000, note="0: none")]
# Of a layer, a latent or an embedding.
Width: TypeAlias = Annotated[int, Range(1, 65_536)]
Widths: TypeAlias = tuple[Width, ...]
# Seeds of torch and of numpy.
Seed: TypeAlias = Annotated[int, Range(0, 2**63 - 1)]
# A factor, a deviation or a distance, above 0 or not below it.
Positive: TypeAlias = Annotated[float, Range(0, 1_000_000, above=True)]
NonNegative: TypeAlias = Annotated[float, Range(0, 1_000_000)]


def check_ranges(instance: object) -> None:
    """Check all fields of a dataclass against the ranges of their annotations; for its ``__post_init__``.

    Raises:
        InvalidValueError: a number is outside of its range.
    """
    hints = typing.get_type_hints(type(instance), include_extras=True)
    for field in dataclasses.fields(instance):  # type: ignore[arg-type]  # called by dataclasses alone
        if field.init:
            check_range(field.name, getattr(instance, field.name), hints[field.name])


def check_arguments(target: type, /, **arguments: object) -> None:
    """Check arguments of a class's constructor against the ranges of its parameters; for an ``__init__`` of its own.

    Raises:
        InvalidValueError: a number is outside of its range.
    """
    hints = typing.get_type_hints(inspect.getattr_static(target, "__init__"), include_extras=True)
    for key, value in arguments.items():
        check_range(key, value, hints[key])


def check_range(key: str, value: object, annotation: Any) -> None:
    """Check a value of the right type against the ranges in its annotation.

    Args:
        key: of the value, for messages.
        value: a number, or a list with numbers in it; anything else passes.
        annotation: a type, with a :class:`Range` as metadata of numbers in it.

    Raises:
        InvalidValueError: a number is outside of its range, or a list is too long.
    """
    members = union_members(annotation)
    null = " or null" if type(None) in members else ""
    for member in members:
        if isinstance(value, (list, tuple)) and typing.get_origin(member) in (tuple, list, Sequence):
            require(len(value) <= MAX_ITEMS, key, list(value), f"a list of at most {MAX_ITEMS:,} values")
            kinds = [kind for kind in typing.get_args(member) if kind is not Ellipsis]
            for item, kind in zip(value, kinds if len(kinds) > 1 else kinds * len(value), strict=False):
                number = number_range(kind)
                if number is not None and isinstance(item, (int, float)):
                    allowed = f"a list of {_noun(kind)}s {number.describe()}{null}"
                    require(item in number, key, list(value), allowed)
        number = number_range(member)
        if number is not None and isinstance(value, (int, float)) and not isinstance(value, bool):
            article = "an" if _noun(member) == "integer" else "a"
            require(value in number, key, value, f"{article} {_noun(member)} {number.describe()}{null}")


def number_range(annotation: Any) -> Range | None:
    """Return the range of a number with this annotation, or None where it is no number."""
    kind, *metadata = typing.get_args(annotation) if typing.get_origin(annotation) is Annotated else (annotation,)
    own = next((item for item in metadata if isinstance(item, Range)), None)
    return own or (ANY_INTEGER if kind is int else ANY_NUMBER if kind is float else None)


def without_metadata(annotation: Any) -> Any:
    """Return the type of an annotation whose outermost level may be ``Annotated``."""
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is Annotated else annotation


def union_members(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the annotation alone."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _noun(annotation: Any) -> str:
    return "integer" if without_metadata(annotation) is int else "number"


def _format(bound: float) -> str:
    whole = isinstance(bound, int) or (float(bound).is_integer() and abs(bound) < 1e15)
    return f"{int(bound):,}" if whole else f"{bound:g}"
