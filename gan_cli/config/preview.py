"""Key ``augment.preview``, which asks for a picture and is no setting of the augmentation. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

from gan_cli.config.numbers import as_truth_value
from gan_cli.config.override_text import OverrideText
from gan_cli.errors import ConfigError, truncated_repr

KEY = "augment.preview"


def pop_preview(overrides: Sequence[str]) -> tuple[bool, list[str]]:
    """Return whether the picture is asked for, and the other overrides.

    Raises:
        ConfigError: the value is neither true nor false.
    """
    typed = [item for item in map(OverrideText.split, overrides) if item.key == KEY]
    others = [override for override in overrides if OverrideText.split(override).key != KEY]
    values = [as_truth_value(item.value or "") for item in typed if item.prefix != "~"]
    if None in values:
        raise ConfigError(f"{KEY}: expected true or false, got {truncated_repr(typed[values.index(None)].value)}")
    return bool(values and values[-1]), others
