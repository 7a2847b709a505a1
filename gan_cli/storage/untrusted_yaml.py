"""Safe loading of YAML of unknown origin: in a run directory, or a user's own options. Imports no torch.

The result is plain: mappings with text as keys, lists, text, integers, floats, truth values and null. YAML makes more
of text: dates, sets, bytes, ordered mappings, keys of any type, objects of Python; all of these cost one line.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf._utils import get_yaml_loader
from omegaconf.errors import OmegaConfBaseException

from gan_cli.errors import ConfigError, printable, truncated_repr
from gan_cli.storage.interpolations import calls_resolver
from gan_cli.storage.reading import read_bytes

Plain = dict[str, Any] | list[Any] | str | int | float | bool | None

# The files that gan-train writes have some 10 kB (with Hydra's help page 40), 1,000 values and five levels.
MAX_BYTES = 2**20
MAX_DEPTH = 40
MAX_VALUES = 20_000  # and characters in MAX_BYTES, with aliases expanded
MAX_DIGITS = 40
TAG = "tag:yaml.org,2002:"
BASES = {"0b": 2, "0x": 16}


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the C parser, where there is one
    """Parser that tells numbers from text as OmegaConf does, which writes the files."""

    yaml_implicit_resolvers = get_yaml_loader().yaml_implicit_resolvers


def load(file: Path) -> DictConfig | ListConfig:
    """Load the YAML of a file without resolving interpolations; an empty file is an empty mapping.

    Raises:
        ConfigError: it cannot be read as :func:`load_plain` says, or is a single value.
    """
    plain = load_plain(file)
    if not isinstance(plain, dict | list | None):
        raise ConfigError(f"{printable(str(file))}: expected a mapping or a list, got {truncated_repr(plain)}")
    try:
        return OmegaConf.create(plain or {}) if not isinstance(plain, list) else OmegaConf.create(plain)
    except OmegaConfBaseException as error:
        where = f"{printable(str(file))}: {truncated_repr(str(error.full_key))}"
        raise ConfigError(f"{where}: expected text with interpolations like ${{key}}") from error


def load_plain(file: Path) -> Plain:
    """Load the YAML of a file as plain values.

    Raises:
        ConfigError: it cannot be read, is no YAML, has values of other types, or is too large, also by aliases, of
            which a few lines can stand for gigabytes.
    """
    return parse(read_text(file), printable(str(file)))


def read_text(file: Path) -> str:
    """Read the text of a regular file of at most :data:`MAX_BYTES`; raises ``ConfigError``."""
    try:
        return read_bytes(file, MAX_BYTES).decode()
    except OSError as error:
        raise ConfigError(f"{printable(str(file))} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{printable(str(file))} cannot be read: it is no UTF-8 (byte {error.start})") from error


def parse(text: str, where: str) -> Plain:
    """Return the plain values of a text; ``where`` is its file, for the ``ConfigError`` of :func:`load_plain`."""
    try:
        _reject_growth(text, where)
        node = yaml.compose(text, Loader=Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} cannot be read: {_one_line(error)}") from error
    return None if node is None else _Constructor(where).plain(node)


def reject_resolvers(config: DictConfig, file: Path) -> None:
    """Raise ``ConfigError`` if access to a value would call a resolver."""
    pending: list[object] = [OmegaConf.to_container(config, resolve=False)]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, str) and calls_resolver(value):
            raise ConfigError(f"{printable(str(file))}: expected plain values and keys (${{key}}), got {value[:100]!r}")


def _reject_growth(text: str, where: str) -> None:
    """Raise ``ConfigError`` if the values are too many or too deep, with each alias counted as what it stands for."""
    anchors: dict[str, _Extent] = {}
    opened = [_Extent()]
    names: list[str | None] = []
    for event in yaml.parse(io.StringIO(text), Loader=Loader):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchors:
                name = printable(event.anchor or "")[:100]
                raise ConfigError(f"{where}: the alias *{name} stands for nothing before it")
            opened[-1].add(anchors[event.anchor])
        elif isinstance(event, yaml.ScalarEvent):
            scalar = _Extent(1, len(event.value))
            opened[-1].add(scalar)
            if event.anchor is not None:
                anchors[event.anchor] = scalar
        elif isinstance(event, yaml.CollectionStartEvent):
            opened.append(_Extent(1, 0, 1))
            names.append(event.anchor)
        elif isinstance(event, yaml.CollectionEndEvent):
            collection, anchor = opened.pop(), names.pop()
            opened[-1].add(collection, levels=1)
            if anchor is not None:
                anchors[anchor] = collection
        if len(opened) + opened[-1].depth > MAX_DEPTH + 2:
            raise ConfigError(f"{where}: expected {MAX_DEPTH} levels at most, aliases expanded")
        if sum(each.values for each in opened) > MAX_VALUES or sum(each.characters for each in opened) > MAX_BYTES:
            limits = f"{MAX_VALUES} values and {MAX_BYTES} characters"
            raise ConfigError(f"{where}: expected {limits} at most, aliases expanded")


@dataclass
class _Extent:
    """Size of a part of a document, with each alias counted as what it stands for."""

    values: int = 0
    characters: int = 0
    depth: int = 0

    def add(self, inner: _Extent, levels: int = 0) -> None:
        self.values += inner.values
        self.characters += inner.characters
        self.depth = max(self.depth, inner.depth + levels)


class _Constructor:
    """Makes plain values of the nodes of a document whose expanded size is known to be small."""

    def __init__(self, where: str) -> None:
        self._where = where

    def plain(self, node: yaml.Node) -> Plain:
        if isinstance(node, yaml.MappingNode) and node.tag == f"{TAG}map":
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{TAG}seq":
            return [self.plain(item) for item in node.value]
        if not isinstance(node, yaml.ScalarNode):
            raise self._error(node, f"a {_tag(node)}")
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Plain]:
        own: dict[str, Plain] = {}
        merged: dict[str, Plain] = {}
        for key, value in node.value:
            if key.tag == f"{TAG}merge":
                sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for source in reversed(sources):
                    if not isinstance(source, yaml.MappingNode):
                        raise self._error(source, "no mapping to merge")
                    merged |= self._mapping(source)
                continue
            if not isinstance(key, yaml.ScalarNode) or key.tag != f"{TAG}str":
                raise self._error(key, f"a {_tag(key)} as a key", "text (in quotes)")
            if key.value in own:
                raise self._error(key, f"{truncated_repr(key.value)} a second time", "each key once")
            own[key.value] = self.plain(value)
        return {**merged, **own}

    def _scalar(self, node: yaml.ScalarNode) -> str | int | float | bool | None:
        text: str = node.value
        try:
            match node.tag.removeprefix(TAG):
                case "str":
                    return text
                case "null":
                    return None
                case "bool":
                    return bool(yaml.SafeLoader.bool_values[text.lower()])
                case "int" if len(text) <= MAX_DIGITS:
                    return _integer(text)
                case "float" if len(text) <= MAX_BYTES:
                    return _float(text)
        except (KeyError, ValueError) as error:
            raise self._error(node, f"{truncated_repr(text[:100])} as a {_tag(node)}") from error
        shown = f"one of {len(text)} digits" if node.tag == f"{TAG}int" else f"a {_tag(node)}"
        raise self._error(node, shown)

    def _error(self, node: yaml.Node, got: str, expected: str = "text, a number, true, false or null") -> ConfigError:
        return ConfigError(f"{self._where}, line {node.start_mark.line + 1}: expected {expected}, got {got}")


def _tag(node: yaml.Node) -> str:
    return printable(node.tag.removeprefix(TAG))[:100]


def _integer(text: str) -> int:
    """Return an integer of YAML 1.1: with underscores, in bases 2, 8 and 16, and sexagesimal."""
    digits = text.replace("_", "").lower()
    sign, digits = (-1 if digits.startswith("-") else 1), digits.lstrip("+-")
    if digits[:2] in BASES:
        return sign * int(digits[2:], BASES[digits[:2]])
    if ":" in digits:
        return sign * int(_sexagesimal(digits))
    return sign * int(digits, 8 if digits != "0" and digits.startswith("0") else 10)


def _float(text: str) -> float:
    number = text.replace("_", "").lower()
    special = re.fullmatch(r"([+-]?)\.(inf|nan)", number)
    if special:
        return float(f"{special[1]}{special[2]}")
    sign, number = (-1 if number.startswith("-") else 1), number.lstrip("+-")
    return sign * (_sexagesimal(number) if ":" in number else float(number))


def _sexagesimal(digits: str) -> float:
    value = 0.0
    for part in digits.split(":"):
        value = value * 60 + float(part)
    return value


def _one_line(error: yaml.YAMLError) -> str:
    """Return what is wrong with a text that is no YAML, and where."""
    mark = getattr(error, "problem_mark", None)
    place = "" if mark is None else f" (line {mark.line + 1}, column {mark.column + 1})"
    reason = getattr(error, "problem", None) or next(iter(str(error).splitlines()), "it is no YAML")
    return f"{printable(str(reason))[:300]}{place}"
