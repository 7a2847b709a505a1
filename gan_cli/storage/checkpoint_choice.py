"""Choice of a run's checkpoint, as commands take it: ``last``, ``best`` or a step. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TypeAlias

from gan_cli.errors import ConfigError, truncated_repr

# No checkpoint is of a later step: so many steps take no run.
MAX_STEP = 10**12


class NamedCheckpoint(Enum):
    """A checkpoint with a name of its own: the latest undamaged one, or the one whose metric was best."""

    last = "last"
    best = "best"


# A named checkpoint, or the step of one.
CheckpointChoice: TypeAlias = NamedCheckpoint | int


def parse_checkpoint_choice(text: str, option: str) -> CheckpointChoice:
    """Parse ``last``, ``best`` or a step.

    Args:
        text: as typed.
        option: name of the option, for the message.

    Raises:
        ConfigError: it is none of these.
    """
    if text in NamedCheckpoint.__members__:
        return NamedCheckpoint[text]
    if text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_STEP)) and int(text) <= MAX_STEP:
        return int(text)
    names = ", ".join(NamedCheckpoint.__members__)
    raise ConfigError(f"{option}: expected {names} or a step, got {truncated_repr(text)}")


def nearest_step(wanted: int, steps: Sequence[int]) -> int | None:
    """Return the step nearest to the wanted one, the earlier of two; None without steps."""
    return min(sorted(steps), key=lambda step: abs(step - wanted), default=None)
