"""Classes that options name, read as source: what they are, and the parameters of their constructors."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from gan_cli.components.ranges import union_members
from gan_cli.config.reference import docstrings
from gan_cli.config.reference.annotations import Module, read_module


@dataclass(frozen=True)
class ClassParameter:
    """A parameter of a constructor.

    Attributes:
        annotation: its type, with ranges; classes that are parts themselves stand as :class:`~.annotations.Unknown`.
        text: what the docstring of the class, or of one it inherits from, says of it; empty if none does.
    """

    annotation: Any
    text: str


@dataclass(frozen=True)
class ClassDescription:
    """A class as its source describes it.

    Attributes:
        text: its docstring, up to the sections.
        parameters: those of its constructor, by name.
    """

    text: str
    parameters: Mapping[str, ClassParameter]


@cache
def describe_class(target: str) -> ClassDescription:
    """Return the description of a class by its full name, an empty one where its source is not found."""
    line = _line(target)
    if not line:
        return ClassDescription("", {})
    texts: dict[str, str] = {}
    for _, definition in line:
        for documented in (definition, *filter(_is_init, definition.body)):
            texts = docstrings.parameters(_docstring(documented)) | texts
    annotations = _constructor(line)
    parameters = {key: ClassParameter(kind, texts.get(key, "")) for key, kind in annotations.items()}
    return ClassDescription(docstrings.description(_docstring(line[0][1])), parameters)


def returned_types(target: str, method: str) -> tuple[str, ...] | None:
    """Return the names of the types that a method of a class returns as annotated; None where it has no such method."""
    for module, definition in _line(target):
        for item in definition.body:
            if isinstance(item, ast.FunctionDef) and item.name == method:
                kinds = [] if item.returns is None else union_members(module.evaluate(item.returns))
                return tuple(getattr(kind, "__name__", str(kind)) for kind in kinds)
    return None


@cache
def _line(target: str) -> tuple[tuple[Module, ast.ClassDef], ...]:
    """Return a class by its full name and those that it inherits from, nearest first; empty without its source."""
    module, _, name = target.rpartition(".")
    source = read_module(module)
    found = None if source is None else source.class_definition(name)
    return () if found is None else tuple(_with_bases(*found))


def _with_bases(module: Module, definition: ast.ClassDef) -> Iterator[tuple[Module, ast.ClassDef]]:
    """Yield a class and the classes of this package that it inherits from, nearest first."""
    yield module, definition
    for base in definition.bases:
        found = module.class_definition(base.id) if isinstance(base, ast.Name) else None
        if found is not None:
            yield from _with_bases(*found)


def _constructor(line: Sequence[tuple[Module, ast.ClassDef]]) -> dict[str, Any]:
    """Return the parameters of the constructor with their types: of an ``__init__``, or the fields of a dataclass."""
    fields: dict[str, Any] = {}
    for module, definition in line:
        own_init = next((item for item in definition.body if _is_init(item)), None)
        if isinstance(own_init, ast.FunctionDef):
            arguments = [*own_init.args.args[1:], *own_init.args.kwonlyargs]
            return {each.arg: module.evaluate(each.annotation) for each in arguments if each.annotation} | fields
        if any("dataclass" in ast.unparse(decorator) for decorator in definition.decorator_list):
            own = {name: module.evaluate(annotation) for name, annotation in _fields(definition)}
            fields = own | fields
    return fields


def _docstring(node: ast.AST) -> str:
    assert isinstance(node, ast.ClassDef | ast.FunctionDef)
    return ast.get_docstring(node) or ""


def _is_init(statement: ast.AST) -> bool:
    return isinstance(statement, ast.FunctionDef) and statement.name == "__init__"


def _fields(definition: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    """Yield the fields of a dataclass that its constructor takes."""
    for statement in definition.body:
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        kind, value = ast.unparse(statement.annotation), ast.unparse(statement.value) if statement.value else ""
        if not kind.startswith("ClassVar") and "init=False" not in value:
            yield statement.target.id, statement.annotation
