"""Translation of errors of Hydra and OmegaConf into one line that names key, value and what is allowed."""

from __future__ import annotations

import re
import traceback
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra._internal import defaults_list
from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationResolutionError,
    OmegaConfBaseException,
)

from gan_cli.config.extras import EXTRAS
from gan_cli.config.override_errors import explain_unreadable_override
from gan_cli.config.override_text import OverrideText
from gan_cli.errors import ConfigError, UserError, did_you_mean, truncate_middle, truncated_repr

# Messages of Hydra and OmegaConf that are replaced by clearer ones.
SEVERAL_VALUES = (
    re.compile(r"Ambiguous value for argument '(.*?)'\n", re.DOTALL),
    re.compile(r"Sweep parameters '(.*)' requires --multirun", re.DOTALL),
)
ALREADY_CHOSEN = re.compile(r"Multiple values for (\S+)\. To override")
NO_OPTION_NAME = "Config group override must be a string or a list"
NO_SECTION = re.compile(r"is not a subclass of \w+Section\. value: (.*)")
WRONG_TYPE = re.compile(r"Value (.*) of type '\w+' could not be converted to (\w+)")
TYPE_DESCRIPTIONS = {"Integer": "an integer", "Float": "a number", "Boolean": "true or false", "String": "text"}
RESOLUTION_ERROR = re.compile(r"(\w+) raised while resolving interpolation: (.*)", re.DOTALL)
PARSER_WORDS = re.compile(
    r"(?:mismatched|extraneous|viable alternative at) input|token recognition error|missing [A-Z_]+ at"
)
NOT_OPTIONAL = "is not Optional"
UNSUPPORTED_INTERVAL = "BasicSweeper does not support sweep type"
# OmegaConf adds the key also to errors that are none of its own, such as an AttributeError of None.
FAILURE_KEY = re.compile(r"^\s+full_key: (\S+)", re.MULTILINE)
DETAIL_PREFIXES = ("full_key:", "object_type=", "reference_type=", "See http")


def explain_hydra_error(error: BaseException, overrides: Sequence[str] = ()) -> UserError:
    """Return the :class:`UserError` for an error of Hydra or OmegaConf: key, value, what is allowed, nearest match.

    Args:
        error: any error that composing, or reading a value, has raised.
        overrides: of the command line, to say which of them is meant otherwise, and how.
    """
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    for link in chain:
        if isinstance(link, UserError):
            return link
    from gan_cli.config import answers  # here, as it reads all options, which is in vain where there is no mistake

    typed = list(map(OverrideText.split, overrides))
    for link in chain:
        if isinstance(link, OmegaConfBaseException) and link.full_key:
            return _explain_key(link, typed)
    first = chain[0]
    if isinstance(first, OverflowError) and (key := FAILURE_KEY.search(str(first))):
        return ConfigError(f"{truncate_middle(key[1])}: expected a number, got an integer that no float can hold")
    if not isinstance(first, OmegaConfBaseException) and is_omegaconf_failure(first):
        key = FAILURE_KEY.search(str(first))
        return ConfigError(
            f"{'an override' if key is None else truncate_middle(key[1])}: a key below one that is null cannot be set"
        )
    if is_defaults_failure(first):
        return ConfigError("group=[...]: expected a list of names of options, such as loss/penalty=[r1,r2]")
    if isinstance(first, MissingConfigException) and first.missing_cfg_file:
        group, _, option = first.missing_cfg_file.rpartition("/plugin/")
        if group:
            return ConfigError(f"{group}={option} needs a plugin that is not installed: {EXTRAS['sweep'].install}")
        if first.options is not None:
            return answers.explain_option(first.missing_cfg_file, first.options, typed)
    if isinstance(first, OverrideParseException):
        return ConfigError(explain_unreadable_override(first.override))
    if isinstance(first, KeyError):
        return ConfigError(f"hydra.job.env_copy: there is no environment variable {truncated_repr(first.args[0])}")
    message = str(first)
    if UNSUPPORTED_INTERVAL in message:
        return ConfigError(
            "hydra/sweeper=basic takes lists (key=1,2,3) and runs each; intervals are for hydra/sweeper=optuna"
        )
    # Hydra rejects a number with an error of its own, and null (`dataset=null`) with one of Python's.
    if (NO_OPTION_NAME in message or type(first) is ValueError) and (no_name := answers.explain_no_name(typed)):
        return no_name
    if chosen := ALREADY_CHOSEN.match(message):
        return answers.explain_chosen(chosen[1], typed)
    for pattern in SEVERAL_VALUES:
        if found := pattern.match(message):
            return answers.explain_several(found[1])
    return ConfigError(_explain_interpolation(_one_line(message)))


def raised_by_hydra(error: BaseException) -> bool:
    """Return whether Hydra itself has raised an error, of whatever kind: it checks few of its settings."""
    last = traceback.extract_tb(error.__traceback__)[-2:]  # the innermost may be one of Python, which it calls
    return any(Path(frame.filename).is_relative_to(Path(hydra.__file__).parent) for frame in last)


def _explain_interpolation(message: str) -> str:
    """Return why an interpolation cannot be resolved, without the words of a parser or of Python."""
    found = RESOLUTION_ERROR.match(message)
    kind, reason = found.groups() if found else ("", message)
    if kind == "GrammarParseError" or PARSER_WORDS.search(reason):
        return "cannot be read: expected ${key} or ${resolver:argument,...}, with all quotes and brackets closed"
    if kind == "TypeError":
        return "the resolver takes another number of arguments"
    return reason.strip("'\"") if kind else reason


def is_omegaconf_failure(error: BaseException) -> bool:
    """Return whether OmegaConf has failed at an override without an error of its own: a key below one that is null."""
    return FAILURE_KEY.search(str(error)) is not None or (
        isinstance(error, AssertionError) and str(error).startswith("Unexpected type")
    )


def is_defaults_failure(error: BaseException) -> bool:
    """Return whether Hydra has failed at a list of options without an error of its own: at a number in it."""
    frames = traceback.extract_tb(error.__traceback__)
    return isinstance(error, TypeError) and bool(frames) and frames[-1].filename == defaults_list.__file__


def missing_key(error: BaseException) -> str | None:
    """Return the dotted key that a configuration lacks, or None for any other error of Hydra or OmegaConf."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, ConfigAttributeError | ConfigKeyError) and link.full_key:
            return str(link.full_key)
        link = link.__cause__
    return None


def _explain_key(error: OmegaConfBaseException, typed: Sequence[OverrideText]) -> ConfigError:
    from gan_cli.config import answers

    full = str(error.full_key)
    parent, _, name = full.rpartition(".")
    key, parent_shown = truncate_middle(full), truncate_middle(parent)
    siblings = [str(sibling) for sibling in error.parent_node] if isinstance(error.parent_node, DictConfig) else []
    if name and siblings and name not in siblings and not isinstance(error, InterpolationResolutionError):
        where = f"{parent_shown} has" if parent else "there is"
        allowed = ", ".join(sibling for sibling in siblings if sibling != "hydra")
        hint = did_you_mean(name, siblings) or f" Allowed: {allowed}"
        return answers.explain_missing(error, f"{key}: {where} no such key.", typed, hint)
    if isinstance(error, ConfigKeyError) and not siblings:
        return answers.explain_missing(error, f"{key}: {parent_shown} has no such key, it is empty.", typed)
    if isinstance(error, ConfigAttributeError) and not siblings:
        hint = f" Choose an option of {parent_shown} first"
        return answers.explain_missing(error, f"{key}: {parent_shown} is null.", typed, hint)
    message = error.msg or ""
    if wrong_type := WRONG_TYPE.match(message):
        value, kind = wrong_type.groups()
        return ConfigError(f"{key}: expected {TYPE_DESCRIPTIONS.get(kind, kind)}, got {truncate_middle(value)}")
    if no_section := NO_SECTION.search(message):
        return answers.explain_no_section(full, no_section[1])
    if NOT_OPTIONAL in message:
        return ConfigError(f"{key}: expected a value, got null")
    return ConfigError(f"{key}: {_explain_interpolation(_one_line(message or str(error)))}")


def _one_line(message: str) -> str:
    """Return a message without the positions and types that Hydra and OmegaConf add below it, on one line."""
    lines = [line.strip() for line in message.strip().splitlines()]
    return truncate_middle(" ".join(line for line in lines if line and not line.startswith(DETAIL_PREFIXES)))
