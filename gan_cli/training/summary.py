"""Summary of a whole run: its hyper-parameters and its outcome."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf

from gan_cli import __version__
from gan_cli.config.compose import Composition
from gan_cli.data.fingerprint import DataIdentity
from gan_cli.protocols.algorithm import Algorithm
from gan_cli.runtime.device import Device
from gan_cli.telemetry.plugin_values import HParams
from gan_cli.training.callbacks import StatefulCallbacks


@dataclass
class Outcome:
    """Outcome of a run; until it is known, that of a failure.

    Attributes:
        status: ``completed``, ``interrupted``, ``stopped``, ``diverged`` or ``failed``, as in ``summary.json``.
        step: updates made in all.
    """

    status: str = "failed"
    step: int = 0


# Of an identity of data: names of classes, or kind and names of what vectors consist of.
LABEL_KEYS = ("classes", "condition", "components")


def summary(
    outcome: Outcome,
    algorithm: Algorithm,
    callbacks: StatefulCallbacks,
    device: Device,
    data: DataIdentity | None = None,
) -> dict[str, Any]:
    """Return the content of ``summary.json``."""
    return {
        "status": outcome.status,
        "step": outcome.step,
        "seconds": round(callbacks.throughput.seconds, 3),
        "images_seen": algorithm.images_seen,
        "final": callbacks.tracker.final,
        "best": callbacks.tracker.best,
        **{key: value for callback in callbacks.chosen.values() for key, value in callback.summary().items()},
        "alarms": [alarm.summary() for alarm in callbacks.check_alarms.monitor.alarms],
        "notes": [asdict(note) for note in callbacks.check_alarms.monitor.notes],
        "versions": {
            "gan_cli": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "device": device.facts(),
        **{key: data[key] for key in LABEL_KEYS if data is not None and key in data},
    }


# Groups whose options say what a run writes, not what it is.
NO_HPARAMS = ("callback", "logger")
# Settings that the HParams page always has, each under a name of its own.
USUAL_NUMBERS = {
    "train.batch_size": "batch_size",
    "optimizer.lr_g": "lr_g",
    "optimizer.lr_d": "lr_d",
    "loss.d_steps": "d_steps",
    "ema.half_life": "ema_half_life",
    "seed": "seed",
}


def hparams(composition: Composition) -> HParams:
    """Return hyper-parameters for TensorBoard's HParams page.

    They are the options of the groups, the usual numbers, and what tells the run from others.
    """
    config = composition.config
    chosen = {group: option for group, option in composition.choices.items() if group not in NO_HPARAMS}
    telling = [key for key in composition.distinguishing if key.partition(".")[0] not in NO_HPARAMS]
    distinguishing = {USUAL_NUMBERS.get(key, key): key for key in telling}
    values = {
        **{group: str(option) for group, option in chosen.items() if option is not None},
        **{name: OmegaConf.select(config, key) for key, name in USUAL_NUMBERS.items()},
    }
    others = {name: _as_hparam(OmegaConf.select(config, key)) for name, key in distinguishing.items()}
    return HParams({**others, **values}, frozenset(distinguishing))


def _as_hparam(value: object) -> str | float | None:
    """Return a setting as a number or a text; None where it has no value."""
    if value is None or isinstance(value, int | float):
        return value
    return str(value.name if isinstance(value, Enum) else value)
