"""One run from its composition to its summary: directory, sinks, signals and the loop between them."""

from __future__ import annotations

import contextlib
import logging
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf

from gan_cli import __version__, build, checkpoint, logs, loop, rundir
from gan_cli.compose import Composition
from gan_cli.errors import DivergedError, UserError
from gan_cli.interrupts import Interrupts
from gan_cli.progress import Console
from gan_cli.protocols import Algorithm
from gan_cli.rundir import RunDirectory
from gan_cli.telemetry import Telemetry

logger = logging.getLogger(__name__)


@dataclass
class Outcome:
    """How a run ended, or that it has not yet."""

    status: str = "failed"
    step: int = 0


def dry_run(composition: Composition) -> str:
    """Check and build everything but the data; what would run, for a person."""
    return build.plan(composition.config).summary()


def start(composition: Composition, wanted: Path) -> int:
    """Train in a new run directory, ``wanted`` or the next free name like it; returns the exit status."""
    with logs.console() as kept:
        plan = build.plan(composition.config)
        algorithm = build.assemble(plan)
        with contextlib.closing(algorithm):
            directory = rundir.claim(wanted)
            directory.describe(composition.config, composition.hydra.hydra, composition.overrides)
            with directory.locked(), logs.copied_to([directory], kept):
                telemetry = Telemetry(directory, Console(plan.config.train.steps, torch.get_num_threads()))
                return _train(plan, composition, algorithm, telemetry, directory, step=0)


def resume(composition: Composition, directory: RunDirectory) -> int:
    """Go on with the run of ``directory`` from its latest whole checkpoint; returns the exit status."""
    with logs.console() as kept, directory.locked():
        plan = build.plan(composition.config)
        state = checkpoint.load_latest(directory.checkpoints)
        if plan.config.device.threads is None:
            with build.fitting(directory):
                # Sums come out in another order with another number of threads.
                torch.set_num_threads(int(state["threads"]))
        algorithm = build.assemble(plan)
        with contextlib.closing(algorithm), logs.copied_to([directory], kept):
            telemetry = Telemetry(directory, Console(plan.config.train.steps, torch.get_num_threads()))
            with build.fitting(directory):
                step = int(state["step"])
                algorithm.load_state_dict(state["algorithm"])
                telemetry.load_state_dict(state["telemetry"])
            logger.info("going on from step %d in %s", step, directory.path)
            return _train(plan, composition, algorithm, telemetry, directory, step)


def whole(step: int, algorithm: dict[str, Any], telemetry: Telemetry) -> dict[str, Any]:
    """What a checkpoint holds."""
    return {
        "step": step,
        "threads": torch.get_num_threads(),
        "algorithm": algorithm,
        "telemetry": telemetry.state_dict(),
    }


def _train(
    plan: build.Plan,
    composition: Composition,
    algorithm: Algorithm,
    telemetry: Telemetry,
    directory: RunDirectory,
    step: int,
) -> int:
    """Train from ``step`` on, and write the summary however that ends."""
    cadence = plan.config.train

    def save(step: int) -> None:
        telemetry.flush()  # what was reported before this checkpoint must not be lost after it
        state = whole(step, algorithm.state_dict(), telemetry)
        checkpoint.save(directory.checkpoints, step, state, cadence.keep_checkpoints)

    outcome = Outcome(step=step)
    with Interrupts() as interrupted, _summarised(plan, algorithm, telemetry, directory, outcome):
        logger.info("training in %s", directory.path)
        telemetry.open(step, choices(composition), OmegaConf.to_yaml(composition.config))
        try:
            outcome.step = loop.train(algorithm, telemetry, save, cadence, step, interrupted)
        except DivergedError:
            outcome.status = "diverged"
            raise
        outcome.status = "completed" if outcome.step >= cadence.steps else "interrupted"
        telemetry.finish()
        logger.info("%s at step %d after %.1f s: %s", outcome.status, outcome.step, telemetry.seconds, directory.path)
        return interrupted.exit_status if outcome.status == "interrupted" else 0


@contextlib.contextmanager
def _summarised(
    plan: build.Plan, algorithm: Algorithm, telemetry: Telemetry, directory: RunDirectory, outcome: Outcome
) -> Iterator[None]:
    """Close the sinks and write ``summary.json`` at the end, whatever the end is."""
    try:
        yield
    except BaseException:
        # The first error is the one to tell; on a full disk the summary may well fail as the rest did.
        with contextlib.suppress(UserError):
            finish(plan, algorithm, telemetry, directory, outcome)
        raise
    finish(plan, algorithm, telemetry, directory, outcome)


def finish(
    plan: build.Plan, algorithm: Algorithm, telemetry: Telemetry, directory: RunDirectory, outcome: Outcome
) -> None:
    """Write a run's summary and close its sinks."""
    summary: dict[str, Any] = {
        "status": outcome.status,
        "step": outcome.step,
        "seconds": round(telemetry.seconds, 3),
        "images_seen": algorithm.images_seen,
        "final": telemetry.final,
        "best": telemetry.best,
        "alarms": [],
        "versions": {
            "gan_cli": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "device": plan.device.facts(),
    }
    directory.write_summary(summary)
    telemetry.close()


def choices(composition: Composition) -> dict[str, Any]:
    """The run's choices for TensorBoard's HParams page: options of the groups and the usual numbers."""
    config = composition.config
    return {
        **{group: str(option) for group, option in composition.choices.items() if option is not None},
        "batch_size": config.train.batch_size,
        "lr_g": config.optimizer.lr_g,
        "lr_d": config.optimizer.lr_d,
        "d_steps": config.loss.d_steps,
        "ema_half_life": config.ema.half_life,
        "seed": config.seed,
    }
