"""Section ``logger`` of the configuration: loggers by name, and the reaction to one that fails. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from omegaconf import DictConfig, OmegaConf

from gan_cli.config.fields import setting
from gan_cli.errors import ConfigError, truncated_repr

ON_ERROR = "on_error"
# What every run wrote before there was a choice.
EARLIER = {"tensorboard": {"_target_": "gan_cli.telemetry.loggers.tensorboard.TensorBoard"}}


class OnLoggerError(Enum):
    """Reaction of a run to a tracker that fails: one warning, and go on without it; or end."""

    warn = "warn"
    stop = "stop"


@dataclass
class LoggerSection:
    """Reaction of a run to a logger that fails; the loggers themselves stand beside it, by name."""

    on_error: OnLoggerError = setting(
        OnLoggerError.warn,
        "a tracker (wandb, mlflow, trackio) without login, network or room: warn once and go on, or stop",
    )


@dataclass(frozen=True)
class ChosenLoggers:
    """The section ``logger``, whose keys but one are names.

    Attributes:
        on_error: reaction to a tracker that fails.
        nodes: of the loggers, by name, unchecked.
    """

    on_error: OnLoggerError
    nodes: Mapping[str, Any]

    @classmethod
    def read(cls, section: object) -> ChosenLoggers:
        """Return the loggers of a section as it stands in the configuration; None has none.

        Raises:
            ConfigError: it is no mapping, or its ``on_error`` has another value.
        """
        if not isinstance(section, dict | None):
            raise ConfigError(f"logger: expected loggers by name, got {truncated_repr(section)}")
        nodes = dict(section or {})
        on_error = nodes.pop(ON_ERROR, OnLoggerError.warn.name)
        if on_error not in OnLoggerError.__members__:
            allowed = " or ".join(OnLoggerError.__members__)
            raise ConfigError(f"logger.{ON_ERROR}: expected {allowed}, got {truncated_repr(on_error)}")
        return cls(OnLoggerError[on_error], nodes)


def with_loggers(stored: DictConfig) -> DictConfig:
    """Return a stored configuration with the loggers of its run, which versions without a choice did not store."""
    if "logger" in stored:
        return stored
    return OmegaConf.merge(stored, {"logger": {ON_ERROR: OnLoggerError.warn.name, **EARLIER}})  # type: ignore[return-value]
