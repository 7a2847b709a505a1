"""Vocabulary of the command line: groups with their options, keys with the options that bring them. Imports no torch.

Whether an option is chosen or not; needed for messages alone.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from gan_cli.config.reference.groups import GROUPS
from gan_cli.config.reference.options import Catalog, Option
from gan_cli.config.reference.settings import sections

# Options of these set keys of others, and bring none of their own.
WITHOUT_KEYS = ("experiment", "sweep")
# Groups that take several options at once: loss/penalty=[r1,r2].
MULTIPLE = ("loss/penalty", "logger", "callback", "experiment", "sweep")


@dataclass(frozen=True)
class Vocabulary:
    """Names that can be typed on a command line.

    Attributes:
        catalog: the options.
        groups: config group -> its options, without those of Hydra itself.
        settings: keys that are always there.
        switches: those of them that are true or false.
    """

    catalog: Catalog
    groups: Mapping[str, tuple[str, ...]]
    settings: tuple[str, ...]
    switches: tuple[str, ...]

    @functools.cached_property
    def brought(self) -> dict[str, list[str]]:
        """Key -> the options (``loss/penalty=r1``) that bring it, the likeliest first; reads all options."""
        groups = [group for group in self.groups if group not in WITHOUT_KEYS]
        options = [option for group in groups for option in self.catalog.options(group)]
        found: dict[str, list[str]] = {}
        for option in sorted(options, key=functools.partial(_likelihood, self.catalog)):
            for parameter in option.parameters:
                found.setdefault(parameter.key, []).append(f"{option.group}={option.name}")
        return {key: lines for key, lines in found.items() if key not in self.settings}

    def keys_of(self, section: str) -> list[str]:
        """Return the keys of a section of the schema, with their full names."""
        return [key for key in self.settings if key.startswith(f"{section}.")]


@functools.cache
def vocabulary() -> Vocabulary:
    """Return all that can be typed without options of the user's own."""
    catalog, groups = Catalog(), [group for group in GROUPS if not group.startswith("hydra/")]
    described = [parameter for section in sections() for parameter in section.settings]
    return Vocabulary(
        catalog,
        {group: tuple(catalog.names(group)) for group in groups},
        tuple(parameter.key for parameter in described),
        tuple(parameter.key for parameter in described if parameter.default in ("true", "false")),
    )


def _likelihood(catalog: Catalog, option: Option) -> tuple[bool, bool, bool, int, str]:
    """Return what options are sorted by: the default, one listed as such, those that need no file, the shortest name.

    Listed is what data without an option of their own in that group get: ``architecture=dcgan``.
    """
    default, listed = (options.get(option.group) == option.name for options in (catalog.defaults, catalog.listed))
    needs_file = any(parameter.key == f"{option.group}.path" for parameter in option.parameters)
    return not default, not listed, needs_file, len(option.name), option.name
