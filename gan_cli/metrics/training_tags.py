"""Tags and alarms of a family's own, which its folder declares for sweeps and for ``gan-report``; imports no torch.

A family that has any lists them in ``gan_cli/algorithms/<family>/tags.py``, a module without torch: ``TAGS``, and as
``ALARMS`` the names of alarms whose thresholds are not in the section ``diagnostics``.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Literal

PACKAGE, MODULE = "gan_cli.algorithms", "tags"


@dataclass(frozen=True)
class TrainingTag:
    """Direction of a tag of training, and whether its curve is drawn.

    Attributes:
        name: the tag.
        better: ``lower`` or ``higher``, by which a sweep may optimize it; ``-`` where neither is.
        drawn: whether reports draw its curve beside those of the columns of their table.
    """

    name: str
    better: Literal["lower", "higher", "-"] = "-"
    drawn: bool = False


@cache
def training_tags() -> tuple[TrainingTag, ...]:
    """Return the tags of all families, in the alphabetical order of their folders."""
    return tuple(tag for module in _modules() for tag in module.TAGS)


@cache
def own_alarms() -> tuple[str, ...]:
    """Return the names of the alarms of all families that have no section in the configuration."""
    return tuple(name for module in _modules() for name in getattr(module, "ALARMS", ()))


def _modules() -> list[ModuleType]:
    files = sorted((Path(__file__).parents[1] / "algorithms").glob(f"*/{MODULE}.py"))
    return [importlib.import_module(f"{PACKAGE}.{file.parent.name}.{MODULE}") for file in files]
