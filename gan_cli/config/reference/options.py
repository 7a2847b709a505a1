"""The options of the config groups, as their files and the classes that they name describe them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from gan_cli.config.reference import docstrings
from gan_cli.config.reference.annotations import describe_type
from gan_cli.config.reference.classes import describe_class
from gan_cli.config.reference.groups import GROUPS
from gan_cli.config.schema import conf_dir
from gan_cli.storage.interpolations import AUTOMATIC

# Interpolations: of another key, and of a variable of the environment with what holds where it is not set.
KEY = re.compile(r"\$\{\.?([\w.]+)\}")
ENVIRONMENT = re.compile(r"\$\{oc\.env:(\w+),'?([^'}]*)'?\}")
OVERRIDE = re.compile(r"override /?(?P<group>[\w/]+)(@\S+)?")
# Options that are Hydra's own, without a file here.
FOREIGN = {
    "hydra/launcher": ("basic", "One job after another, in this process."),
    "hydra/sweeper": ("basic", "Every combination of the values."),
}


@dataclass(frozen=True)
class Parameter:
    """A parameter that an option sets, which the command line may set otherwise.

    Attributes:
        key: as on the command line (``loss.penalty.r1.weight``).
        default: as the option's file has it, as text.
        allowed: type and range, in words.
        text: meaning.
    """

    key: str
    default: str
    allowed: str
    text: str


@dataclass(frozen=True)
class Option:
    """One option of a group.

    Attributes:
        group: its group.
        name: its name.
        text: the comment at the head of its file; its first sentence says what it is.
        parameters: of the classes that it names.
        settings: keys of fixed sections that it sets, with their values.
        selects: options of other groups that it chooses (``optimizer=rmsprop``).
    """

    group: str
    name: str
    text: str
    parameters: tuple[Parameter, ...]
    settings: Mapping[str, str]
    selects: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The first sentence of the text, without a period."""
        return docstrings.first_sentence(self.text)


@dataclass(frozen=True)
class SharedParameter:
    """A parameter of several options of a group, whose defaults may differ.

    Attributes:
        parameter: of the first option.
        defaults: by option.
    """

    parameter: Parameter
    defaults: Mapping[str, str]


@dataclass(frozen=True)
class Catalog:
    """The options that a command line may name.

    Attributes:
        folders: those with options, ``conf/`` of this package first, then the user's own (``--config-dir``).
    """

    folders: tuple[Path, ...] = field(default_factory=lambda: (conf_dir(),))

    @cache  # noqa: B019 - a process has one or two
    def options(self, group: str) -> tuple[Option, ...]:
        """Return the options of a group, sorted by name, those of Hydra's own first."""
        foreign = [Option(group, *FOREIGN[group], (), {}, ())] if group in FOREIGN else []
        return (*foreign, *(_read(group, file) for file in self._files(group)))

    def names(self, group: str) -> list[str]:
        """Return the names of a group's options, in the same order; reads no file."""
        foreign = [FOREIGN[group][0]] if group in FOREIGN else []
        return [*foreign, *(file.stem for file in self._files(group))]

    @cached_property
    def listed(self) -> Mapping[str, str]:
        """The option of each group that ``conf/config.yaml`` lists, or else the algorithm that it belongs to."""
        chosen = {group: name for group, (name, _) in FOREIGN.items()} | {"hydra/sweeper/sampler": "tpe"}
        files = [("", conf_dir() / "config.yaml"), *(("algorithm/", file) for file in self._files("algorithm"))]
        for prefix, file in files:
            for entry in _load(file.read_text(encoding="utf-8")).get("defaults", []):
                for key, name in entry.items() if isinstance(entry, dict) else ():
                    group = f"{prefix}{str(key).partition('@')[0]}".replace("algorithm//", "")
                    if group in GROUPS and name is not None:
                        chosen.setdefault(group, str(name))
        return chosen

    @cached_property
    def defaults(self) -> Mapping[str, str]:
        """The option of each group that is chosen where nothing else is.

        Those listed, but for what these choose in turn: the default dataset has networks of its own.
        """
        settled: Mapping[str, str] = {}
        present: Mapping[str, str] = self.listed
        while settled != present:
            settled, present = present, {**self.listed, **self._chosen_by(present)}
        return settled

    def _chosen_by(self, options: Mapping[str, str]) -> dict[str, str]:
        """Return the option of each group that these options choose."""
        files = [file for group, name in options.items() for file in self._files(group) if file.stem == name]
        selected = [choice for file in files for choice in _selected(_load(file.read_text(encoding="utf-8")))]
        return dict(choice.partition("=")[::2] for choice in selected)

    def _files(self, group: str) -> list[Path]:
        found = (file for folder in self.folders for file in (folder / group).glob("*.yaml"))
        return sorted(found, key=lambda file: file.stem)


def shared_parameters(options: Sequence[Option]) -> list[SharedParameter]:
    """Return the parameters of all options, those of one meaning in several options once."""
    found: dict[tuple[str, str, str], dict[str, Parameter]] = {}
    for option in options:
        for parameter in option.parameters:
            found.setdefault((parameter.key, parameter.allowed, parameter.text), {})[option.name] = parameter
    return [
        SharedParameter(next(iter(each.values())), {name: parameter.default for name, parameter in each.items()})
        for each in found.values()
    ]


def _read(group: str, file: Path) -> Option:
    source = file.read_text(encoding="utf-8")
    values = _load(source)
    base = "" if "# @package _global_" in source else f"{group.replace('/', '.')}."
    parameters, settings = [], {}
    for path, target, key, value in _leaves(values, base, None):
        if target is None:
            settings[path] = _as_text(value)
        else:
            described = describe_class(target).parameters.get(key)
            allowed, text = ("", "") if described is None else (describe_type(described.annotation), described.text)
            parameters.append(Parameter(path, _as_text(value), allowed, text))
    return Option(group, file.stem, _head(source), tuple(parameters), settings, tuple(_selected(values)))


def _leaves(node: Mapping[str, Any], path: str, target: str | None) -> Iterator[tuple[str, str | None, str, Any]]:
    """Yield ``(dotted key, class that takes it or None, key, value)`` of everything in a file that is set."""
    target = node.get("_target_", target if "_target_" in node else None)
    for key, value in node.items():
        if key in ("_target_", "defaults"):
            continue
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{path}{key}.", None)
        else:
            yield f"{path}{key}", target, str(key), value


def _selected(values: Mapping[str, Any]) -> Iterator[str]:
    for entry in values.get("defaults", []):
        for key, name in entry.items() if isinstance(entry, dict) else ():
            override = OVERRIDE.fullmatch(str(key))
            if override:
                yield f"{override['group']}={_as_text(name)}"


def _head(source: str) -> str:
    """Return the comment at the head of a file, its lines joined; an indented block stays as it is."""
    lines = source.splitlines()
    comment = []
    for line in lines[1:] if lines and lines[0].startswith("# @package") else lines:
        if not line.startswith("#"):
            break
        comment.append(line.removeprefix("#").removeprefix(" "))
    return re.sub(r"(?<=\S)\n(?=\S)", " ", "\n".join(comment)).strip()


def _as_text(value: object) -> str:
    """Return a value as one would type it."""
    if isinstance(value, str):
        return KEY.sub(r"\1", ENVIRONMENT.sub(r"$\1, else \2", AUTOMATIC.sub(r"\2 or chosen", value)))
    return json.dumps(value).replace('"', "").replace(", ", ",")


def _load(source: str) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same values, ten times as fast
    return yaml.load(source, loader) or {}
