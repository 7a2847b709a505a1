"""Explanations of overrides that do not exist, with what was probably meant. Imports no torch.

Apart from ``hydra_errors``, which imports it where a message is needed: it reads all options.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan_cli.config import suggestions
from gan_cli.config.flat import flatten
from gan_cli.config.numbers import as_number, as_truth_value
from gan_cli.config.override_text import OverrideText
from gan_cli.config.suggestions import mistyped, shell_words
from gan_cli.config.vocabulary import MULTIPLE, vocabulary
from gan_cli.errors import ConfigError, truncate_middle, truncated_repr

DECIMAL_COMMA = re.compile(r"[+-]?\d+,0\d+")


def explain_option(missing: str, options: Sequence[str], typed: Sequence[OverrideText]) -> ConfigError:
    """Explain an option that its group does not have; ``missing`` is ``group/option``."""
    group, _, option = missing.rpartition("/")
    if not group:
        return ConfigError(f"there is no configuration {truncated_repr(option)}")
    for item in typed:
        if f"{item.key}/{item.value}" == missing:  # an option that is a path has slashes itself
            group, option = item.key, str(item.value)
    mistake = f"{group}={truncate_middle(option)}: no such option."
    listed = f" Options: {', '.join(sorted(options))}"
    return mistyped(mistake, f"{group}={option}", suggestions.for_option(group, option, options), listed)


def explain_no_name(typed: Sequence[OverrideText]) -> ConfigError | None:
    """Explain a number, a truth value or null in the place of an option's name (``noise=0.1``); None where none is."""
    for item in typed:
        if not item.key:
            return ConfigError(f"={truncate_middle(str(item.value))}: expected key=value, got no key")
        options = vocabulary().groups.get(item.key)
        if options is not None and item.value is not None and _is_no_name(item.value):
            mistake = f"{item.key}={truncate_middle(item.value)}: expected the name of an option."
            meant = suggestions.for_option(item.key, item.value, options)
            return mistyped(mistake, f"{item.key}={item.value}", meant, f" Options: {', '.join(sorted(options))}")
    return None


def explain_chosen(group: str, typed: Sequence[OverrideText]) -> ConfigError:
    """Explain a group whose option is to be added (``+loss=wgan``) though it has one."""
    mistake = f"{group}: this group has an option already, which another replaces without a plus."
    for item in typed:
        if item.key == group and item.prefix:
            line = f"{item.key}={item.value}"
            return mistyped(mistake, f"{item.prefix}{line}", suggestions.Suggestion((line,)))
    return ConfigError(mistake)


def _is_no_name(value: str) -> bool:
    return as_number(value) is not None or value.lower() == "null" or as_truth_value(value) is not None


def explain_several(override: str) -> ConfigError:
    """Explain several values outside a sweep."""
    item = OverrideText.split(override)
    shown = truncate_middle(override)
    if item.value is not None and DECIMAL_COMMA.fullmatch(item.value):
        meant = suggestions.Suggestion((item.with_value(item.value.replace(",", ".")),))
        return mistyped(f"{shown}: several values.", override, meant)
    listed = ""
    if item.value is not None and "(" not in item.value and "[" not in item.value:
        both = item.key in MULTIPLE or ("/" not in item.key and "." in item.key)
        listed = f", or for a list: {shell_words([item.with_value(f'[{item.value}]')])}" if both else ""
    line = shell_words(["gan-train", "-m", override])
    return ConfigError(f"{shown}: several values; --multirun (-m) runs each: {truncate_middle(line)}{listed}")


def explain_missing(
    error: OmegaConfBaseException, mistake: str, typed: Sequence[OverrideText], hint: str = ""
) -> ConfigError:
    """Explain a key that there is not, with what the override that names it may mean, or else with a hint."""
    full = str(error.full_key)
    for item in reversed(typed):
        if item.value is not None and (item.key == full or item.key.startswith(f"{full}.")):
            meant = suggestions.for_key(item.key, item.value, _composed(error, full.startswith("hydra.")))
            return mistyped(mistake, f"{item.prefix}{item.key}={item.value}", meant, "" if meant else hint)
    return ConfigError(f"{mistake}{hint}")


def _composed(error: OmegaConfBaseException, of_hydra: bool) -> dict[str, Any]:
    """Return key -> value of the configuration in which a key was looked for: Hydra's own, or that of the run."""
    node = error.parent_node
    root = None if node is None else node._get_root()
    if not isinstance(root, DictConfig):
        return {}
    content = OmegaConf.to_container(root, resolve=False, enum_to_str=True)
    assert isinstance(content, dict)
    return dict(flatten({key: value for key, value in content.items() if (key == "hydra") == of_hydra}))


def explain_no_section(section: str, value: str) -> ConfigError:
    """Explain a value for a section, which has keys of its own (``ema=0.999``)."""
    mistake = f"{section}: expected keys of its own, got {truncate_middle(value)}."
    keys = ", ".join(vocabulary().keys_of(section))
    return mistyped(mistake, f"{section}={value}", suggestions.for_section(section, value, {}), f" Its keys: {keys}")
