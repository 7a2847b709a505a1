"""Classes that samples are drawn from, as a user names them: by name or by number. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gan_cli.errors import MAX_VALUE_LENGTH, ConfigError, did_you_mean, printable, truncated_repr
from gan_cli.protocols.conditions import Condition, ConditionKind, VectorCondition

# Names that a message or a card lists.
MAX_NAMES = 20
NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class ClassLabel:
    """A class of a conditional model.

    Attributes:
        index: its number, from 0 on, which the network is conditioned on.
        name: its name; None where the classes of the data have numbers alone.
    """

    index: int
    name: str | None

    def describe(self, word: str) -> str:
        """Return in one line which class a user's word was taken for."""
        name = "" if self.name is None else f"class {truncated_repr(self.name)}, "
        return f"label {printable(word)}: {name}index {self.index}"


def find_class(word: str, classes: int, names: Sequence[str]) -> ClassLabel:
    """Return the class of that name, or else of that number.

    A name comes first: of folders 0 to 11, which are sorted as text, ``2`` is the folder of that name, whose number
    is 4.

    Args:
        word: what the user wrote.
        classes: number of classes.
        names: name of each class; names of another number of classes are not used.

    Raises:
        ConfigError: there is no such class.
    """
    known = _usable(names, classes)
    if word in known:
        return ClassLabel(known.index(word), word)
    if NUMBER.fullmatch(word) and int(word) < classes:
        return ClassLabel(int(word), known[int(word)] if known else None)
    listed = ", ".join(map(truncated_repr, known[:MAX_NAMES])) + (", ..." if len(known) > MAX_NAMES else "")
    named = f"the name of a class ({listed}) or " if known else ""
    advice = did_you_mean(word, known)
    raise ConfigError(
        f"--label: expected {named}an integer from 0 to {classes - 1}, got {word[:MAX_VALUE_LENGTH]}"
        f"{'.' if advice else ''}{advice}"
    )


def describe_classes(classes: int, names: Sequence[str]) -> str:
    """Return the numbers of the classes in words, with their names where these are known."""
    known = _usable(names, classes)
    listed = [f"{index} {truncated_repr(name)}" for index, name in enumerate(known[:MAX_NAMES])]
    listed += ["..."] if len(known) > MAX_NAMES else []
    return f"classes 0 to {classes - 1}" + (f": {', '.join(listed)}" if listed else "")


def describe_condition(condition: Condition, names: Sequence[str] = ()) -> str:
    """Return in words what samples are conditional on: classes or components of vectors, with their names and ranges.

    Args:
        condition: classes or vectors.
        names: of the classes, where these are known.
    """
    if not isinstance(condition, VectorCondition):
        return describe_classes(condition, names)
    numbers = condition.kind is ConditionKind.numbers
    listed = [
        printable(truncated_repr(name)) + (f" from {low:.6g} to {high:.6g}" if numbers else "")
        for name, (low, high) in zip(condition.names[:MAX_NAMES], condition.ranges[:MAX_NAMES], strict=True)
    ]
    listed += ["..."] if condition.size > MAX_NAMES else []
    noun = ("number" if numbers else "label") + "s" * (condition.size > 1)
    return f"{condition.size} {noun}{'' if numbers else ', of which several may hold'}: {', '.join(listed)}"


def _usable(names: Sequence[str], classes: int) -> tuple[str, ...]:
    """Return the names if there is one for each class, else none: a damaged checkpoint may have others."""
    return tuple(names) if len(names) == classes else ()
