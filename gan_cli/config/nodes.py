"""Nodes of the configuration, mappings with a ``_target_``: the signature of the class is the schema.

:meth:`Node.parse` compares a mapping with the signature and reports every mistake with its full path;
:meth:`Node.build` makes the object. Which classes may be named at all: ``config/targets.py``.
"""

from __future__ import annotations

import inspect
import os
import sys
import typing
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from gan_cli.components.ranges import check_range, union_members, without_metadata
from gan_cli.config.interfaces import lacking, may_be_instance
from gan_cli.config.numbers import as_integer, as_number, as_truth_value
from gan_cli.config.targets import ALLOWED_PREFIXES, parameters, resolve
from gan_cli.errors import ConfigError, InvalidValueError, Mistakes, did_you_mean, truncated_repr


@dataclass(frozen=True)
class Node:
    """A class and the arguments to build it with, checked against the signature of its constructor.

    Attributes:
        path: where the node stands in the configuration (``"loss.objective"``).
        name: of the class, as the configuration writes it.
        target: the class.
        kind: what the object must be: a class, a protocol that can be checked at run time, or a union of these.
        arguments: by parameter, in the types of the annotations: nodes parsed, enums looked up, lists as tuples.
    """

    path: str
    name: str
    target: type
    kind: Any
    arguments: Mapping[str, object]

    @classmethod
    def parse(cls, value: object, path: str, kind: Any, provided: Collection[str] = ()) -> Node:
        """Check a value of the configuration, and the nodes inside it, without building anything.

        Args:
            value: plain mapping with ``_target_`` and the target's parameters.
            path: where it stands in the configuration, for messages.
            kind: what the object must be.
            provided: names of parameters that the program supplies; the configuration may not set them.

        Raises:
            ConfigError: one line for each mistake.
        """
        if not isinstance(value, Mapping) or "_target_" not in value:
            group = path.partition(".")[0]
            raise ConfigError(
                f"{path}: expected a class and its settings, as an option of {group} brings them, got"
                f" {truncated_repr(value)}"
            )
        target = resolve(value["_target_"], path)
        settable = {name: each for name, each in parameters(target).items() if name not in provided}
        arguments: dict[str, object] = {}
        with Mistakes() as mistakes:
            for key, argument in value.items():
                with mistakes.collect():
                    if key in settable:
                        arguments[key] = _parse_argument(argument, settable[key].annotation, f"{path}.{key}")
                    elif key != "_target_":
                        hint = did_you_mean(str(key), settable) or f" Allowed: {', '.join(settable) or 'no keys'}."
                        raise ConfigError(f"{path}.{key}: {target.__name__} has no such key.{hint}")
            for name, parameter in settable.items():
                with mistakes.collect():
                    if name not in value and parameter.default is inspect.Parameter.empty:
                        raise ConfigError(f"{path}.{name}: required by {target.__name__}, but not set")
        _check_ranges(arguments, settable, path)
        node = cls(path, value["_target_"], target, kind, arguments)
        if not node.may_be(kind):
            raise node.wrong_kind()
        return node

    def may_be(self, kind: Any) -> bool:
        """Return whether the object may be of a kind, as far as its class shows."""
        return any(may_be_instance(self.target, choice) for choice in _interfaces(kind))

    def wrong_kind(self) -> ConfigError:
        """Return the error for a class that is not of the kind that is needed."""
        kinds = _interfaces(self.kind)
        parts = lacking(self.target, kinds[0]) if len(kinds) == 1 and self.is_own else []
        what = f", which lacks {', '.join(parts)}" if parts else ""
        return ConfigError(f"{self.path}._target_: expected {_type_name(self.kind)}, got {self.name!r}{what}")

    @property
    def is_own(self) -> bool:
        """True for a class of the user's own, which may be meant to be of the kind that is needed."""
        return not self.name.startswith(ALLOWED_PREFIXES)

    def build(self, **provided: object) -> Any:
        """Build the object, and those of the nodes inside it first.

        Args:
            provided: arguments that the program supplies.

        Raises:
            ConfigError: the class rejects a value, or its object is not of the kind that is needed.
        """
        arguments = {key: each.build() if isinstance(each, Node) else each for key, each in self.arguments.items()}
        try:
            built = self.target(**arguments, **provided)
        except InvalidValueError as error:
            raise error.with_path(self.path) from error
        except (TypeError, ValueError, RuntimeError) as error:
            if not self.target.__module__.startswith("torch."):
                raise  # classes of ours raise InvalidValueError; anything else is a bug
            raise ConfigError(f"{self.path}: {self.target.__name__} rejects its parameters: {error}") from error
        if not any(isinstance(built, choice) for choice in _interfaces(self.kind)):
            raise self.wrong_kind()
        return built


def _parse_argument(value: object, annotation: Any, path: str) -> object:
    """Return a value in the type of its annotation, a mapping as a node; a union is satisfied by any of its members."""
    if isinstance(value, Mapping) and "_target_" in value and _interfaces(annotation):
        return Node.parse(value, path, annotation)
    value = _in_type(value, annotation)
    if not _is_of(value, annotation):
        expected = " or ".join(map(_type_name, _kinds(annotation)))
        raise ConfigError(f"{path}: expected {expected}, got {truncated_repr(value)}")
    return _convert(value, annotation)


def _in_type(value: object, annotation: Any) -> object:
    """Return a number in the notation of its annotation, as OmegaConf does in sections; other values as they are."""
    for kind in () if _is_of(value, annotation) else _kinds(annotation):
        items = typing.get_args(kind)
        if typing.get_origin(kind) in (tuple, list, Sequence) and isinstance(value, list | tuple) and items:
            kinds = items if len(items) == len(value) and Ellipsis not in items else items[:1] * len(value)
            return [_in_type(item, each) for item, each in zip(value, kinds, strict=True)]
        converted: object = None
        if kind is int:
            converted = as_integer(value)
        elif isinstance(value, str) and kind in (float, bool):
            converted = as_number(value) if kind is float else as_truth_value(value)
        if converted is not None:
            return converted
    return value


def _is_of(value: object, annotation: Any) -> bool:
    return any(_has_type(value, kind) for kind in _kinds(annotation))


def _check_ranges(arguments: Mapping[str, object], settable: Mapping[str, inspect.Parameter], path: str) -> None:
    """Raise ``ConfigError`` for the first number outside of its range: others may be interpolations of the same."""
    for key, value in arguments.items():
        try:
            check_range(key, value, settable[key].annotation)
        except InvalidValueError as error:
            raise error.with_path(path) from error


def _kinds(annotation: Any) -> list[Any]:
    """Return the members of a union, or the type alone, without their ranges."""
    return [without_metadata(member) for member in union_members(annotation)]


def _interfaces(kind: Any) -> list[Any]:
    """Return the members of a union, or the type alone, that a node may stand for."""
    simple = (bool, int, float, str, Path, type(None))
    return [
        each for each in _kinds(kind) if inspect.isclass(each) and each not in simple and not issubclass(each, Enum)
    ]


def _has_type(value: object, annotation: Any) -> bool:
    kind = without_metadata(annotation)
    if kind is Any:
        return True
    if kind in (None, type(None)):
        return value is None
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return any(value == argument and type(value) is type(argument) for argument in arguments)
    if origin in (tuple, list, Sequence):
        if not isinstance(value, (list, tuple)):
            return False
        if origin is tuple and Ellipsis not in arguments:
            return len(value) == len(arguments) and all(map(_has_type, value, arguments))
        return all(_has_type(item, arguments[0]) for item in value)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if inspect.isclass(kind) and issubclass(kind, Enum):
        return isinstance(value, str) and value in kind.__members__
    if kind is Path:
        return isinstance(value, str)
    return inspect.isclass(kind) and kind in (bool, str) and isinstance(value, kind)


def _convert(value: Any, annotation: Any) -> object:
    """Return a checked value in the type of its annotation: an enum by its name, a float, a path, a tuple of a list."""
    for kind in _kinds(annotation):
        if inspect.isclass(kind) and issubclass(kind, Enum) and isinstance(value, str) and value in kind.__members__:
            return kind[value]
        if kind is Path and isinstance(value, str):
            return Path(os.path.expanduser(value))  # noqa: PTH111 - never raises
        if kind is float and _has_type(value, float):
            return float(value) if abs(value) <= sys.float_info.max else value  # out of range in any case
        if typing.get_origin(kind) is tuple and isinstance(value, (list, tuple)):
            kinds = typing.get_args(kind)
            kinds = kinds[:1] * len(value) if Ellipsis in kinds else kinds
            return tuple(_convert(item, each) for item, each in zip(value, kinds, strict=True))
    return value


def _type_name(annotation: Any) -> str:
    """Return the description of a type for a message."""
    kind = without_metadata(annotation)
    if kind in (None, type(None)):
        return "null"
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(map(repr, typing.get_args(kind)))
    if kind is Path:
        return "a path"
    if inspect.isclass(kind) and issubclass(kind, Enum):
        return " or ".join(kind.__members__)
    if typing.get_origin(kind) is tuple and Ellipsis not in typing.get_args(kind):
        return f"a list [{', '.join(map(_type_name, typing.get_args(kind)))}]"
    if typing.get_origin(kind) in (tuple, list, Sequence):
        return f"a list of {_type_name(typing.get_args(kind)[0])}"
    if typing.get_origin(kind) is not None:
        return str(kind).replace("typing.", "").replace("collections.abc.", "")
    return str(getattr(kind, "__name__", kind))
