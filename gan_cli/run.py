"""One run from its composition to its summary: directory, sinks, signals and the loop between them."""

from __future__ import annotations

import contextlib
import logging
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf

from gan_cli import __version__, build, checkpoint, learned, logs, loop, recovery, rundir
from gan_cli.attended import AlarmError, Attended
from gan_cli.compose import Composition
from gan_cli.data_protocols import Density, Images
from gan_cli.diagnostics.doctor import NON_FINITE, Alarm, Doctor
from gan_cli.errors import DivergedError, UserError
from gan_cli.evaluation import make
from gan_cli.evaluation.evaluator import Evaluator
from gan_cli.interrupts import Interrupts
from gan_cli.objective import require_among
from gan_cli.progress import Console
from gan_cli.protocols import Algorithm
from gan_cli.rundir import RunDirectory
from gan_cli.telemetry import Telemetry
from gan_cli.thresholds import OnAlarm

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
        source = plan.dataset.load()
        evaluator = evaluator_of(plan, source)
        algorithm = build.assemble(plan, source=source)
        with contextlib.closing(algorithm):
            directory = rundir.claim(wanted)
            directory.describe(composition.config, composition.hydra.hydra, composition.overrides)
            with directory.locked(), logs.copied_to([directory], kept):
                return _train(Run(plan, composition, algorithm, directory, _sinks(plan, directory), evaluator), step=0)


def resume(composition: Composition, directory: RunDirectory) -> int:
    """Go on with the run of ``directory`` from its latest whole checkpoint; returns the exit status."""
    with logs.console() as kept, directory.locked():
        plan = build.plan(composition.config)
        state = checkpoint.load_latest(directory.checkpoints)
        if plan.config.device.threads is None:
            with learned.fitting(directory):
                # Sums come out in another order with another number of threads.
                torch.set_num_threads(int(state["threads"]))
        source = plan.dataset.load()
        evaluator = evaluator_of(plan, source)
        algorithm = build.assemble(plan, source=source)
        with contextlib.closing(algorithm), logs.copied_to([directory], kept):
            sinks = _sinks(plan, directory)
            with learned.fitting(directory):
                step = int(state["step"])
                algorithm.load_state_dict(state["algorithm"])
                sinks.load_state_dict(state["sinks"])
            logger.info("going on from step %d in %s", step, directory.path)
            return _train(Run(plan, composition, algorithm, directory, sinks, evaluator), step)


@dataclass(frozen=True)
class Run:
    """Everything that belongs to one run while it trains."""

    plan: build.Plan
    composition: Composition
    algorithm: Algorithm
    directory: RunDirectory
    sinks: Attended
    evaluator: Evaluator | None = None

    def evaluate(self, step: int) -> None:
        """Measure samples and write what was found, where that is wanted at all."""
        if self.evaluator is not None:
            self.sinks.measure(step, self.evaluator(self.algorithm.samples).figures)

    def save(self, step: int) -> None:
        """Write a checkpoint of the state right after the update that led to ``step``."""
        self.sinks.telemetry.flush()  # what was reported before this checkpoint must not be lost after it
        state = whole(step, self.algorithm.state_dict(), self.sinks)
        checkpoint.save(self.directory.checkpoints, step, state, self.plan.config.train.keep_checkpoints)

    def open(self, step: int) -> None:
        """Open the sinks at ``step``."""
        config = OmegaConf.to_yaml(self.composition.config)
        self.sinks.telemetry.open(step, choices(self.composition), config)


def _sinks(plan: build.Plan, directory: RunDirectory) -> Attended:
    telemetry = Telemetry(directory, Console(plan.config.train.steps, torch.get_num_threads()))
    return attended(plan, telemetry)


def evaluator_of(plan: build.Plan, source: Images | Density) -> Evaluator | None:
    """What measures samples every ``train.eval_every`` steps; to be made before the algorithm seeds its weights."""
    config = plan.config
    if not config.train.eval_every:
        return None
    evaluator = make.for_training(config, plan.dataset, source, config.train.held_out, plan.device.torch_device)
    if config.objective is not None and config.objective.startswith("metrics/"):
        # What real samples score has the names of all figures, and is kept, so that it costs time only once.
        require_among(config.objective, [f"metrics/{name}" for name in evaluator.floor()])
    return evaluator


def attended(plan: build.Plan, telemetry: Telemetry) -> Attended:
    """The sinks with the doctor that the plan asks for."""
    limits, objective = plan.config.diagnostics, plan.loss.objective
    return Attended(telemetry, Doctor(limits, objective.divergence_name, objective.ceiling), limits.on_alarm)


def whole(step: int, algorithm: dict[str, Any], sinks: Attended) -> dict[str, Any]:
    """What a checkpoint holds."""
    return {
        "step": step,
        "threads": torch.get_num_threads(),
        "algorithm": algorithm,
        "sinks": sinks.state_dict(),
    }


def _train(run: Run, step: int) -> int:
    """Train from ``step`` on, and write the summary however that ends."""
    cadence, telemetry, outcome = run.plan.config.train, run.sinks.telemetry, Outcome(step=step)
    with Interrupts() as interrupted, _summarised(run, outcome):
        logger.info("training in %s", run.directory.path)
        run.open(step)
        if step == 0 and run.plan.config.diagnostics.on_alarm is OnAlarm.rollback:
            run.save(0)  # so that there is always something to go back to
        try:
            outcome.step = _trained(run, step, interrupted)
        except DivergedError:
            outcome.status, outcome.step = "diverged", run.sinks.step
            raise
        if outcome.step >= cadence.steps:
            outcome.status = "completed"
        else:
            outcome.status = "interrupted" if interrupted() else "stopped"
        telemetry.finish()
        logger.info(
            "%s at step %d after %.1f s: %s", outcome.status, outcome.step, telemetry.seconds, run.directory.path
        )
        return {"completed": 0, "stopped": DivergedError.exit_status}.get(outcome.status, interrupted.exit_status)


def _trained(run: Run, step: int, interrupted: Callable[[], bool]) -> int:
    """Train, over rollbacks where they are configured; returns the step that was reached."""
    sinks, limits = run.sinks, run.plan.config.diagnostics
    while True:
        try:
            return loop.train(
                run.algorithm,
                sinks,
                run.save,
                run.plan.config.train,
                step,
                lambda: interrupted() or sinks.stopping,
                run.evaluate,
            )
        except AlarmError as error:
            alarm = error.alarm if error.alarm.name != NON_FINITE else _located(run, error.alarm)
            if limits.on_alarm is not OnAlarm.rollback:
                raise recovery.diverged(alarm) from error
            sinks.telemetry.close()
            step = recovery.roll_back(alarm, limits, run.algorithm, sinks, run.directory)
            run.open(step)
            run.save(step)  # whoever resumes is to find the run as it goes on


def _located(run: Run, alarm: Alarm) -> Alarm:
    """The alarm of a number that is not finite, with the tensor that was the first: the run is played again for it."""
    state, threads = recovery.finite_state(run.directory, alarm.step), torch.get_num_threads()
    logger.info("playing the run again, to find the first tensor that was not finite")
    plan = build.plan(run.composition.config)
    torch.set_num_threads(threads)  # another number would give other sums
    with contextlib.closing(build.assemble(plan)) as again:
        culprit = recovery.first_not_finite(again, state, alarm.step)
    if culprit is None:
        return alarm
    found = f"the first tensor that was not finite: {culprit.tensor}, after step {culprit.step}"
    logger.warning(found)
    return run.sinks.doctor.add(alarm, found)


@contextlib.contextmanager
def _summarised(run: Run, outcome: Outcome) -> Iterator[None]:
    """Close the sinks and write ``summary.json`` at the end, whatever the end is."""
    try:
        yield
    except BaseException:
        # The first error is the one to tell; on a full disk the summary may well fail as the rest did.
        with contextlib.suppress(UserError):
            finish(run, outcome)
        raise
    finish(run, outcome)


def finish(run: Run, outcome: Outcome) -> None:
    """Write a run's summary and close its sinks."""
    telemetry = run.sinks.telemetry
    summary: dict[str, Any] = {
        "status": outcome.status,
        "step": outcome.step,
        "seconds": round(telemetry.seconds, 3),
        "images_seen": run.algorithm.images_seen,
        "final": telemetry.final,
        "best": telemetry.best,
        "alarms": [alarm.summary() for alarm in run.sinks.doctor.alarms],
        "versions": {
            "gan_cli": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "device": run.plan.device.facts(),
    }
    run.directory.write_summary(summary)
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
