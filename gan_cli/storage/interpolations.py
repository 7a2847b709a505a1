"""Interpolations (``${key}``, ``${resolver:...}``) in plain text, examined without resolving any. Imports no torch.

A few lines of them can stand for gigabytes (``b: ${a}${a}``, ``c: ${b}${b}``, ...), so their expanded size is computed
before any is expanded: over the graph of values, each visited once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gan_cli.errors import ConfigError, printable, truncated_repr

# A resolver is code: it may read the environment or make directories. Only the variable of the data root is allowed.
# An interpolation inside another one counts as a resolver, as its text is known only once it is resolved.
RESOLVER = re.compile(r"(?<!\\)(?:\\\\)*(?:\$\{\s*(?!oc\.env:GAN_DATA\s*[,}])[^${}]*:|\$\{[^}:]*\$\{)")
# A value that the program chooses, and the usual one (config/automatic.py).
AUTOMATIC = re.compile(r"\$\{auto:(\w+),([^${},]+)\}")
INTERPOLATION_START = re.compile(r"(\\*)\$\{")
KEY_PARTS = re.compile(r"[^.\[\]]+")
# Resolvers that return another value of the configuration, which their first argument names.
REFERRING = ("oc.select", "oc.deprecated", "oc.dict.keys", "oc.dict.values")
# A configuration of gan-train has some 300 values, 10,000 characters and chains of three.
MAX_SIZE = 2**20
MAX_LEVELS = 60  # of mappings and lists in each other; an interpolation that is followed counts as two
MAX_TEXT = 50_000  # characters of values with interpolations, which take a slow parser
NODE_SIZE = 50  # of a value beside its characters: what it takes in memory and time

Path = tuple[str | int, ...]


def calls_resolver(text: str) -> bool:
    """Return whether access to a value of this text would call a resolver, other than for the data root."""
    return RESOLVER.search(text) is not None


def escape(text: str) -> str:
    """Return text in which each ``${`` stands for itself: what a resolver has returned is no interpolation."""
    return INTERPOLATION_START.sub(lambda found: rf"{found[1] * 2}\${{", text)


def reject_growth(tree: object, where: str = "") -> None:
    """Check that the values of a configuration stay small when their interpolations are expanded.

    Args:
        tree: mappings, lists and plain values, with interpolations unresolved.
        where: beginning of the message: the file that holds them.

    Raises:
        ConfigError: they would grow, follow each other too far or lead back to themselves, or have too much text.
    """
    expansion = _Expansion(tree, where)
    if expansion.size(tree, (), 0) > MAX_SIZE:
        raise ConfigError(f"{where}the interpolations expand to more than {MAX_SIZE} characters")


@dataclass
class _Expansion:
    """Sizes of the values of one configuration with interpolations expanded, in characters; each is computed once."""

    tree: object
    where: str
    sizes: dict[Path, int | None] = field(default_factory=dict)
    text: int = 0

    def size(self, value: object, path: Path, levels: int) -> int:
        if path in self.sizes:
            known = self.sizes[path]
            if known is None:
                raise ConfigError(f"{self.where}{_key(path)}: its interpolation leads back to itself")
            return known
        if levels > MAX_LEVELS:
            raise ConfigError(f"{self.where}{_key(path)}: more than {MAX_LEVELS // 2} interpolations follow each other")
        self.sizes[path] = None  # under way
        if isinstance(value, dict | list):
            inner = value.items() if isinstance(value, dict) else enumerate(value)
            size = NODE_SIZE + sum(self.size(each, (*path, key), levels + 1) for key, each in inner)
        elif isinstance(value, str) and "${" in value:
            size = self._text_size(value, path, levels)
        else:
            size = NODE_SIZE + (len(value) if isinstance(value, str) else 0)
        # Numbers of thousands of digits would take time themselves.
        self.sizes[path] = size = min(size, 2 * MAX_SIZE)
        return size

    def _text_size(self, text: str, path: Path, levels: int) -> int:
        self.text += len(text)
        if self.text > MAX_TEXT:
            raise ConfigError(f"{self.where}more than {MAX_TEXT} characters of values with interpolations")
        size = NODE_SIZE + len(text)
        for key in _references(text):
            target = self._target(key, path)
            if target is not None:
                size += self.size(_value(self.tree, target), target, levels + 2)
        return size

    def _target(self, key: str, path: Path) -> Path | None:
        """Return the path that an interpolation names, or None where there is no such value."""
        dots = len(key) - len(key.lstrip("."))
        if dots > len(path):
            return None
        target: Path = path[: len(path) - dots] if dots else ()
        for part in KEY_PARTS.findall(key[dots:]):
            node = _value(self.tree, target)
            step = int(part) if isinstance(node, list) and part.isdecimal() and len(part) < 9 else part
            if not ((isinstance(node, dict) and step in node) or (isinstance(node, list) and step in range(len(node)))):
                return None
            target = (*target, step)
        return target


def _references(text: str) -> Iterator[str]:
    """Yield the keys that a text refers to: those of its interpolations, also inside those of resolvers."""
    for found in INTERPOLATION_START.finditer(text):
        if len(found[1]) % 2:
            continue
        inner = re.split(r"[}$]", text[found.end() :], maxsplit=1)[0]
        name, colon, arguments = inner.partition(":")
        if not colon:
            yield inner.strip()
        elif name.strip() in REFERRING:
            yield arguments.partition(",")[0].strip(" '\"")


def _value(tree: object, path: Path) -> object:
    for key in path:
        tree = tree[key]  # type: ignore[index]  # the path was made of this tree
    return tree


def _key(path: Sequence[str | int]) -> str:
    name = printable(".".join(map(str, path)))
    return name if len(name) <= 100 else truncated_repr(name)
