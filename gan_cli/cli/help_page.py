"""``gan-train --help``: the page to begin with, or those of the groups, options, sections and keys that are named."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

FLAGS = ("--help", "-h")


def is_asked_for(arguments: Sequence[str]) -> bool:
    """Return whether a command line of ``gan-train`` asks for help."""
    return any(flag in arguments for flag in FLAGS)


def read(arguments: Sequence[str]) -> str:
    """Return what to print for a command line that asks for help.

    Args:
        arguments: of the command; what is no flag names a topic, and ``--config-dir`` a folder with more options.

    Raises:
        ConfigError: there is no topic of that name.
    """
    from gan_cli.config.reference.console import HelpPages
    from gan_cli.config.reference.options import Catalog
    from gan_cli.config.schema import conf_dir

    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config-dir", "-cd", type=Path)
    parser.add_argument("topics", nargs="*")
    known, _ = parser.parse_known_intermixed_args(arguments)
    pages = HelpPages(Catalog((conf_dir(), *_own_folder(known.config_dir))))
    return "\n\n".join(map(pages.topic, known.topics)) if known.topics else pages.overview()


def _own_folder(typed: Path | None) -> list[Path]:
    if typed is None:
        return []
    from gan_cli.config.path_overrides import user_conf_dir

    folder = user_conf_dir(typed)
    return [] if folder is None else [folder]
