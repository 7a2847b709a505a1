"""Command lines of ``gan-train`` and ``gan-bench`` that cannot be what was meant, answered with the line that can.

Before Hydra sees them: words that are no overrides, and options of one group that exclude each other. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gan_cli.config import command_words
from gan_cli.config.compose import compose, register
from gan_cli.config.override_text import OverrideText, is_sweep, split_flags
from gan_cli.config.reference.groups import GROUPS
from gan_cli.config.reference.options import Catalog
from gan_cli.config.suggestions import MistypedError, shell_words
from gan_cli.config.vocabulary import MULTIPLE
from gan_cli.errors import ConfigError, truncate_middle


def require_overrides(command: str, arguments: Sequence[str], user_conf_dir: Path | None = None) -> None:
    """Check that all arguments are flags and overrides, and that none takes back another.

    Args:
        command: its name.
        arguments: all of them, or the overrides alone.
        user_conf_dir: a folder of the user's own options.

    Raises:
        ConfigError: some are not; the message has the line that should have been typed, as far as that can be told.
    """
    pieces = command_words.read(arguments)
    wrong = [piece for piece in pieces if not piece.is_right]
    if not wrong:
        _reject_dotted_groups(arguments)
        _reject_several_options(arguments)
        return
    typed = truncate_middle(shell_words(word for piece in wrong for word in piece.typed))
    if any(piece.meant is None for piece in wrong):
        raise ConfigError(f"{typed}: expected key=value or group=option; {command} --help lists them, and all flags")
    if wrong[0].meant is not None and wrong[0].meant[:1] == ("--help",):
        raise ConfigError(f"{typed}: not a setting. Did you mean {shell_words([command, *wrong[0].meant])}?")
    meant = [word for piece in pieces for word in piece.meant or ()]
    flags, overrides = split_flags(meant)
    overrides = correct(overrides, user_conf_dir)
    if any(map(is_sweep, overrides)) and not {"-m", "--multirun"} & set(flags):
        flags = ["-m", *flags]
    line = shell_words([command, *flags, *overrides])
    raise ConfigError(f"{typed}: not a setting (key=value, in one word). Did you mean {line}?")


def correct(overrides: Sequence[str], user_conf_dir: Path | None = None) -> list[str]:
    """Return overrides in which those that do not exist are replaced by what was probably meant.

    Raises:
        ConfigError: an override is wrong in another way, or nothing is close to it.
    """
    register(plugins=False)
    corrected = list(overrides)
    for _ in overrides:
        try:
            compose(corrected, user_conf_dir)
        except MistypedError as error:
            if error.typed not in corrected:
                return corrected
            place = corrected.index(error.typed)
            corrected[place : place + 1] = [word for word in error.meant if word not in corrected]
        except ConfigError:
            if any(map(is_sweep, corrected)):
                return corrected  # it is for Hydra to compose the jobs
            raise
        else:
            return corrected
    return corrected


def _reject_dotted_groups(arguments: Sequence[str]) -> None:
    """Raise ``ConfigError`` for an option that is given to a key: ``loss.penalty=r1`` for ``loss/penalty=r1``."""
    for item in map(OverrideText.split, arguments):
        group, option = item.key.replace(".", "/"), (item.value or "").strip("[]").partition(",")[0]
        if "." in item.key and group in GROUPS and option in Catalog().names(group):
            raise ConfigError(
                f"{item.key}={truncate_middle(str(item.value))}: an option is chosen with a slash. Did you mean"
                f" {group}={truncate_middle(str(item.value))}?"
            )


def _reject_several_options(arguments: Sequence[str]) -> None:
    """Raise ``ConfigError`` for several options of a group that takes one: Hydra takes the last, or merges them."""
    options: dict[str, str] = {}
    for item in map(OverrideText.split, arguments):
        if item.prefix or item.value is None or item.key not in GROUPS:
            continue
        before = options.setdefault(item.key, item.value)
        both = f"{before},{item.value}" if before != item.value else item.value.strip("[]").replace(" ", "")
        listed = item.value.startswith("[") and "," in item.value and item.key not in MULTIPLE
        if before != item.value or listed:
            typed = f"{item.key}={before} {item.key}={item.value}" if before != item.value else f"{item.key}={before}"
            raise ConfigError(
                f"{truncate_middle(typed)}: {item.key} takes one option. Did you mean gan-train -m"
                f" {item.key}={truncate_middle(both)}, which runs each?"
            )
