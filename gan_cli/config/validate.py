"""Conversion of a composed configuration to a typed one: types, interpolations and the ranges of all sections."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan_cli.config.diagnostics import ALARMS
from gan_cli.config.hydra_errors import explain_hydra_error
from gan_cli.config.schema import Config
from gan_cli.errors import InvalidValueError

# Sections that check ranges, the innermost first, so that the first to reject a value knows its full path.
SECTIONS = (
    "loss.warmup",
    "loss",
    "ema",
    "device",
    "train",
    "evaluation",
    "diagnostics.rollback",
    *(f"diagnostics.{name}" for name in ALARMS),
    "diagnostics",
    "",
)


def validate_config(config: DictConfig) -> Config:
    """Return the configuration as a :class:`Config`, with interpolations resolved.

    Raises:
        ConfigError: a key is unknown, or a value has the wrong type or is out of range.
    """
    try:
        # From plain values: a key that `+` has added to a section is to be rejected like any other unknown one.
        plain = OmegaConf.to_container(config, resolve=False)
        merged = OmegaConf.merge(OmegaConf.structured(Config), plain)
        for path in SECTIONS:
            try:
                OmegaConf.to_object(OmegaConf.select(merged, path) if path else merged)
            except InvalidValueError as error:
                raise error.with_path(path) from error
        typed = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise explain_hydra_error(error) from error
    assert isinstance(typed, Config)
    return typed
