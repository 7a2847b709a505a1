"""Conversion of a composed configuration to a typed one: types, interpolations and the ranges of all sections."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf, SCMode
from omegaconf.errors import OmegaConfBaseException

from gan_cli.config.fields import section_class
from gan_cli.config.hydra_errors import explain_hydra_error
from gan_cli.config.schema import Config
from gan_cli.errors import InvalidValueError, Mistakes

S = TypeVar("S")


def validate_config(config: DictConfig) -> Config:
    """Return the configuration as a :class:`Config`, with interpolations resolved.

    Raises:
        ConfigError: a key is unknown, or a value has the wrong type or is out of range.
    """
    try:
        # From plain values: a key that `+` has added to a section is to be rejected like any other unknown one.
        plain = OmegaConf.to_container(config, resolve=False)
        merged = OmegaConf.merge(OmegaConf.structured(Config), plain)
        values = OmegaConf.to_container(merged, resolve=True, throw_on_missing=True, structured_config_mode=SCMode.DICT)
    except (OmegaConfBaseException, OverflowError) as error:
        raise explain_hydra_error(error) from error
    assert isinstance(values, dict)
    return _section(Config, values, "")


def _section(section: type[S], values: Mapping[Any, Any], path: str) -> S:
    """Return a section, those inside it first, so that the one that rejects a value is named with its full path."""
    arguments = dict(values)
    with Mistakes() as mistakes:
        for item in dataclasses.fields(section):  # type: ignore[arg-type]  # every section is a dataclass
            inner = section_class(item)
            if inner is not None:
                with mistakes.collect():
                    name = f"{path}.{item.name}" if path else item.name
                    arguments[item.name] = _section(inner, values[item.name], name)
    try:
        return section(**arguments)
    except InvalidValueError as error:
        raise error.with_path(path) from error
