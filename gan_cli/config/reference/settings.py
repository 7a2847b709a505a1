"""The fixed settings of a configuration, those of the schema, as their declarations describe them."""

from __future__ import annotations

import dataclasses
import inspect
import json
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

from gan_cli.components.ranges import without_metadata
from gan_cli.config.fields import section_class
from gan_cli.config.loggers import LoggerSection
from gan_cli.config.reference.annotations import describe_type
from gan_cli.config.reference.options import Parameter
from gan_cli.config.schema import Config


@dataclass(frozen=True)
class Section:
    """Section of the configuration, with its own settings.

    Attributes:
        name: its key (``train``, ``diagnostics.mode_collapse``); empty for the top level.
        text: the docstring of its class.
        settings: its own settings; sections inside it stand by themselves.
    """

    name: str
    text: str
    settings: tuple[Parameter, ...]


@cache
def sections() -> tuple[Section, ...]:
    """Return all sections of the configuration, the top level first."""
    return (*_sections(Config, ""), *_sections(LoggerSection, "logger"))


def find_sections(name: str) -> tuple[Section, ...]:
    """Return the section of that name and those inside it; empty if there is none."""
    return tuple(each for each in sections() if each.name == name or each.name.startswith(f"{name}."))


def _sections(section: type, name: str) -> Iterator[Section]:
    types = typing.get_type_hints(section, include_extras=True)
    prefix = f"{name}." if name else ""
    fields = dataclasses.fields(section)
    settings = tuple(
        Parameter(f"{prefix}{item.name}", _default(item.default), describe_type(types[item.name]), item.metadata["doc"])
        for item in fields
        if "doc" in item.metadata and not _is_node(types[item.name])
    )
    yield Section(name, inspect.getdoc(section) or "", settings)
    for item in fields:
        inner = section_class(item)
        if inner is not None:
            yield from _sections(inner, f"{prefix}{item.name}")


def _is_node(annotation: Any) -> bool:
    """Return whether a field holds nodes, which are chosen by group=option; see ``config.schema.NodeConfig``."""
    return Any in (annotation, *map(without_metadata, typing.get_args(annotation)))


def _default(value: object) -> str:
    return value.name if isinstance(value, Enum) else str(value) if isinstance(value, str) else json.dumps(value)
