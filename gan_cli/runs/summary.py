"""Summary of a whole run: its hyper-parameters and its outcome."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from gan_cli import __version__
from gan_cli.config.compose import Composition
from gan_cli.protocols.algorithm import Algorithm
from gan_cli.runs.callbacks import StatefulCallbacks
from gan_cli.runtime.device import Device


@dataclass
class Outcome:
    """Outcome of a run; until it is known, that of a failure.

    Attributes:
        status: ``completed``, ``interrupted``, ``stopped``, ``diverged`` or ``failed``, as in ``summary.json``.
        step: updates made in all.
    """

    status: str = "failed"
    step: int = 0


def summary(outcome: Outcome, algorithm: Algorithm, callbacks: StatefulCallbacks, device: Device) -> dict[str, Any]:
    """Return the content of ``summary.json``."""
    return {
        "status": outcome.status,
        "step": outcome.step,
        "seconds": round(callbacks.throughput.seconds, 3),
        "images_seen": algorithm.images_seen,
        "final": callbacks.tracker.final,
        "best": callbacks.tracker.best,
        "alarms": [alarm.summary() for alarm in callbacks.check_alarms.monitor.alarms],
        "notes": [asdict(note) for note in callbacks.check_alarms.monitor.notes],
        "versions": {
            "gan_cli": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "device": device.facts(),
    }


def hparams(composition: Composition) -> dict[str, Any]:
    """Return hyper-parameters for TensorBoard's HParams page: the options of the groups and the usual numbers."""
    config = composition.config
    chosen = {group: option for group, option in composition.choices.items() if group != "callback"}
    return {
        **{group: str(option) for group, option in chosen.items() if option is not None},
        "batch_size": config.train.batch_size,
        "lr_g": config.optimizer.lr_g,
        "lr_d": config.optimizer.lr_d,
        "d_steps": config.loss.d_steps,
        "ema_half_life": config.ema.half_life,
        "seed": config.seed,
    }
