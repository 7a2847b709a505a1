"""Sections ``init``, ``freeze`` and ``fork``: what a run takes from an earlier one. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from gan_cli.components.ranges import CountOrNone, check_ranges
from gan_cli.config.fields import setting
from gan_cli.errors import require


@dataclass
class InitSection:
    """Weights of an earlier run that a new run begins with; init=RUN_DIR is short for init.run=RUN_DIR."""

    run: str | None = setting(None, "run whose weights a new run begins with; null: none")
    checkpoint: str = setting("last", "which checkpoint of that run: last, best, or a step")
    networks: list[str] | None = setting(None, "networks to take from it, e.g. [g,average]; null: all")

    def __post_init__(self) -> None:
        require(self.networks is None or bool(self.networks), "networks", self.networks, "names of networks, or null")


@dataclass
class FreezeSection:
    """Layers that stay as they are, for fine-tuning."""

    d: CountOrNone = setting(0, "fix this many blocks of D, those nearest the samples (FreezeD); 0: none")
    g: CountOrNone = setting(0, "fix this many blocks of G, those nearest the latents (FreezeG); 0: none")

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass
class ForkSection:
    """Checkpoint of an earlier run that a run goes on from with other settings; fork=RUN_DIR step=N is short for it."""

    run: str | None = setting(None, "run to go on from, in a new directory and with other settings; null: none")
    step: str = setting("last", "which checkpoint of that run: last, best, or a step")
