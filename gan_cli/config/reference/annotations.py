"""Annotations of modules that are read as source: evaluated with what their names stand for, and described in words."""

from __future__ import annotations

import ast
import builtins
import importlib
import importlib.util
import inspect
import os
import typing
from collections.abc import Iterator
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import gan_cli
from gan_cli.components.ranges import ANY_INTEGER, ANY_NUMBER, Range, number_range, union_members, without_metadata

PACKAGE = Path(gan_cli.__file__).parent
# Modules whose names are imported: ranges are needed as objects, and none of these loads torch.
IMPORTED = ("gan_cli.components.ranges", "typing", "collections.abc", "pathlib")
# A larger bound is one of the machine, not of the meaning: it is left out.
LARGEST_BOUND = 100_000
SIMPLE = {bool: "true or false", int: "integer", float: "number", str: "text", Path: "path", type(None): "null"}


class _AnyAttribute(type):
    def __getattr__(cls, name: str) -> type[Unknown]:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Unknown,), {})


class Unknown(metaclass=_AnyAttribute):
    """Stands for a class that is not looked at, in annotations; a subclass for each."""

    def __class_getitem__(cls, item: object) -> type[Unknown]:
        return cls


class Module(dict[str, Any]):
    """A module as a namespace for ``eval``, whose names are looked up in its source when needed."""

    def __init__(self, name: str, file: Path) -> None:
        super().__init__()
        self.name = name
        self.definitions = dict(_definitions(ast.parse(file.read_text(encoding="utf-8"))))

    def __missing__(self, name: str) -> Any:
        if name.startswith("__"):
            raise KeyError(name)
        definition = self.definitions.get(name)
        if definition is None:
            value = getattr(builtins, name, None) or type(name, (Unknown,), {})
        elif isinstance(definition, ast.ImportFrom):
            value = self._imported(definition, name)
        elif isinstance(definition, ast.ClassDef):
            value = self._class(definition)
        else:
            value = self.evaluate(definition)
        self[name] = value
        return value

    def evaluate(self, expression: ast.expr) -> Any:
        """Return what an expression of this module stands for, a type or constant; one that fails, as it is written."""
        try:
            return eval(compile(ast.Expression(expression), self.name, "eval"), {"__builtins__": {}}, self)
        except Exception:  # whatever a user's own module has in its annotations
            return type(ast.unparse(expression), (Unknown,), {})

    def class_definition(self, name: str) -> tuple[Module, ast.ClassDef] | None:
        """Return the source of a class that is defined or imported here, and its module; None outside the package."""
        definition = self.definitions.get(name)
        if isinstance(definition, ast.ClassDef):
            return self, definition
        if isinstance(definition, ast.ImportFrom) and (definition.module or "").startswith("gan_cli."):
            original = next(alias.name for alias in definition.names if (alias.asname or alias.name) == name)
            module = read_module(str(definition.module))
            return None if module is None else module.class_definition(original)
        return None

    def _imported(self, definition: ast.ImportFrom, name: str) -> Any:
        original = next(alias.name for alias in definition.names if (alias.asname or alias.name) == name)
        module = str(definition.module)
        if module in IMPORTED:
            return getattr(importlib.import_module(module), original)
        source = read_module(module) if module.startswith("gan_cli.") else None
        return source[original] if source is not None else type(original, (Unknown,), {})

    def _class(self, definition: ast.ClassDef) -> type:
        if any(isinstance(base, ast.Name) and base.id == "Enum" for base in definition.bases):
            members = [
                target.id
                for statement in definition.body
                if isinstance(statement, ast.Assign)
                for target in statement.targets
                if isinstance(target, ast.Name)
            ]
            return Enum(definition.name, members)  # type: ignore[return-value]  # the functional form makes a class
        return type(definition.name, (Unknown,), {})


@cache
def read_module(name: str) -> Module | None:
    """Return a module, found without importing it; None where there is no source of it."""
    parts = name.split(".")
    if not all(map(str.isidentifier, parts)):
        return None
    if parts[0] == "gan_cli":
        path = PACKAGE.parent.joinpath(*parts)
        candidates = [path.with_suffix(".py"), path / "__init__.py"]
    else:  # a user's own
        spec = importlib.util.find_spec(name) if len(parts) == 1 else None
        candidates = [Path(spec.origin)] if spec is not None and spec.origin else []
    for file in candidates:
        if file.suffix == ".py" and os.path.isfile(file):  # noqa: PTH113 - raises for no name
            return Module(name, file)
    return None


def describe_type(annotation: Any) -> str:
    """Return what an annotation allows, in words: ``an integer from 1 to 65,536, or null``.

    What a value stands for (``0: none``) is left to the text of the parameter.
    """
    return ", or ".join(dict.fromkeys(_describe(member) for member in union_members(annotation)))


def is_part(annotation: Any) -> bool:
    """Return whether a value of this type is a part with a class of its own, not a plain value."""
    members = [without_metadata(member) for member in union_members(annotation)]
    return any(inspect.isclass(member) and issubclass(member, Unknown) for member in members)


def _describe(annotation: Any) -> str:
    kind = without_metadata(annotation)
    if typing.get_origin(kind) in (tuple, list) or kind in (tuple, list):
        items = [item for item in typing.get_args(kind) if item is not Ellipsis]
        if len(items) > 1 and Ellipsis not in typing.get_args(kind):
            described = [_describe(item) for item in items]
            alike = len(set(described)) == 1
            return (
                f"a list of {len(items)} {_plural(described[0])}"
                if alike
                else (f"a list of {len(items)}: {', '.join(described)}")
            )
        return f"a list of {_plural(_describe(items[0]))}" if items else "a list"
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(map(str, typing.get_args(kind)))
    if inspect.isclass(kind) and issubclass(kind, Enum):
        *first, last = [member.name for member in kind]
        return f"{', '.join(first)} or {last}" if first else last
    if kind in (int, float):
        return _number(annotation)
    return SIMPLE.get(kind, getattr(kind, "__name__", str(kind)))


def _number(annotation: Any) -> str:
    own = number_range(annotation)
    noun = "an integer" if without_metadata(annotation) is int else "a number"
    return noun if own is None or own in (ANY_INTEGER, ANY_NUMBER) else f"{noun} {_bounds(own)}".rstrip()


def _bounds(own: Range) -> str:
    if own.high <= LARGEST_BOUND:
        return own.describe().removesuffix(f" ({own.note})")
    return f"{'>' if own.above else '>='} {own.low:g}" if own.low >= -LARGEST_BOUND else ""


def _plural(words: str) -> str:
    for singular, plural in (("an integer", "integers"), ("a number", "numbers")):
        if words.startswith(singular):
            return plural + words[len(singular) :]
    return words


def _definitions(node: ast.AST) -> Iterator[tuple[str, Any]]:
    """Yield every name that a module defines or imports at its top, also for type checkers alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If):
            yield from _definitions(child)
        elif isinstance(child, ast.ClassDef):
            yield child.name, child
        elif isinstance(child, ast.ImportFrom):
            yield from ((alias.asname or alias.name, child) for alias in child.names)
        elif isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name) and child.value is not None:
            yield child.target.id, child.value
        elif isinstance(child, ast.Assign):
            yield from ((target.id, child.value) for target in child.targets if isinstance(target, ast.Name))
