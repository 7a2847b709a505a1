"""Errors of Hydra and OmegaConf as one line that names key, value and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, OmegaConfBaseException

from gan_cli.config import hydra_plugins
from gan_cli.errors import LONGEST_VALUE, ConfigError, UserError, nearest, shown

# How Hydra and OmegaConf word what is said better in a word of ours.
AMBIGUOUS = re.compile(r"Ambiguous value for argument '(.*?)'")
WRONG_TYPE = re.compile(r"Value (.*) of type '\w+' could not be converted to (\w+)")
TYPE_WORDS = {"Integer": "an integer", "Float": "a number", "Boolean": "true or false", "String": "text"}
NO_INTERVALS = "BasicSweeper does not support sweep type"
POSITIONS = ("full_key:", "object_type=", "reference_type=", "See http")


def explained(error: BaseException) -> UserError:
    """An error of Hydra or OmegaConf as a user reads it: key, value, what is allowed, the nearest match."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    for link in chain:
        if isinstance(link, UserError):
            return link
    for link in chain:
        if isinstance(link, OmegaConfBaseException) and link.full_key:
            return ConfigError(_explain_key(link))
    first = chain[0]
    if isinstance(first, MissingConfigException) and first.missing_cfg_file:
        group, _, option = first.missing_cfg_file.rpartition("/plugin/")
        if group:
            return ConfigError(f"{group}={option} needs a plugin that is not installed: {hydra_plugins.INSTALL}")
        if first.options is not None:
            return ConfigError(_explain_option(first.missing_cfg_file, first.options))
    if isinstance(first, OverrideParseException):
        return ConfigError(f"cannot read the override {shown(first.override)}: {_one_line(str(first))}")
    if NO_INTERVALS in str(first):
        return ConfigError(
            "hydra/sweeper=basic takes lists (key=1,2,3) and runs each; intervals are for hydra/sweeper=optuna"
        )
    ambiguous = AMBIGUOUS.match(str(first))
    if ambiguous:
        return ConfigError(
            f"{_shortened(ambiguous[1])}: several values; add --multirun (-m) to run each, or quote a list: key=[a,b]"
        )
    return ConfigError(_one_line(str(first)))


def _explain_option(missing: str, options: Sequence[str]) -> str:
    group, _, option = missing.rpartition("/")
    if not group:
        return f"there is no configuration {shown(option)}"
    return (
        f"{group}={_shortened(option)}: no such option.{nearest(option, options)} Options: {', '.join(sorted(options))}"
    )


def _explain_key(error: OmegaConfBaseException) -> str:
    full = str(error.full_key)
    parent, _, name = full.rpartition(".")
    key, parent_shown = _shortened(full), _shortened(parent)
    siblings = [str(sibling) for sibling in error.parent_node] if isinstance(error.parent_node, DictConfig) else []
    if name and siblings and name not in siblings:
        where = f"{parent_shown} has" if parent else "there is"
        hint = nearest(name, siblings) or f" Allowed: {', '.join(siblings)}"
        return f"{key}: {where} no such key.{hint}"
    if isinstance(error, ConfigAttributeError) and not siblings:
        return f"{key}: {parent_shown} is null; choose an option of {parent_shown} first"
    wrong_type = WRONG_TYPE.match(error.msg or "")
    if wrong_type:
        return f"{key}: expected {TYPE_WORDS.get(wrong_type[2], wrong_type[2])}, got {_shortened(wrong_type[1])}"
    return f"{key}: {_one_line(error.msg or str(error))}"


def _one_line(message: str) -> str:
    """The part of a message that says what is wrong; Hydra and OmegaConf add positions and types below it."""
    lines = [line.strip() for line in message.strip().splitlines()]
    return _shortened(" ".join(line for line in lines if line and not line.startswith(POSITIONS)))


def _shortened(text: str) -> str:
    """The beginning and the end of a text, where it is long: Hydra repeats what it was given, whatever its length."""
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE // 2]}...{text[-LONGEST_VALUE // 2 :]}"
