"""Runs that are trained as one (``train.replicas``): a directory, sinks, checkpoints and a summary for each."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import torch
from omegaconf import OmegaConf

from gan_cli import build, checkpoint, logs, loop, recovery, run, rundir
from gan_cli.algorithms.adversarial import Adversarial
from gan_cli.algorithms.replicas import Replicas
from gan_cli.attended import AlarmError, Attended
from gan_cli.compose import Composition
from gan_cli.errors import DivergedError, UserError
from gan_cli.evaluation.evaluator import Evaluator
from gan_cli.interrupts import Interrupts
from gan_cli.progress import Console, Overheard
from gan_cli.protocols import Preview, Report
from gan_cli.run import Outcome
from gan_cli.rundir import RunDirectory
from gan_cli.telemetry import Telemetry

logger = logging.getLogger(__name__)


@dataclass
class Member:
    """One of the runs.

    Attributes:
        composition: its own, as if it were trained alone.
        algorithm: what is trained.
        directory: where it writes.
        progress: keeps its latest figures.
        sinks: where it writes, and the doctor that looks at it.
        outcome: how it ended, or that it has not yet.
    """

    composition: Composition
    algorithm: Adversarial
    directory: RunDirectory
    progress: Overheard
    sinks: Attended
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def goes_on(self) -> bool:
        """Whether there is still something to write: a run that has diverged is trained along, and that is all."""
        return self.outcome.status != "diverged"


def start(composition: Composition, wanted: Path) -> int:
    """Train ``train.replicas`` runs in ``wanted/seed_0``, ``wanted/seed_1`` and so on; returns the exit status."""
    with logs.console() as kept:
        plan = build.plan(composition.config)
        source = plan.dataset.load()
        evaluator = run.evaluator_of(plan, source)
        replicas = build.assemble_replicas(plan, source)
        with contextlib.closing(replicas), contextlib.ExitStack() as open_files:
            members = [_member(plan, composition, algorithm, wanted) for algorithm in replicas.runs]
            for member in members:
                open_files.enter_context(member.directory.locked())
            open_files.enter_context(logs.copied_to([member.directory for member in members], kept))
            return _train(plan, replicas, members, evaluator)


def _member(plan: build.Plan, composition: Composition, algorithm: Adversarial, wanted: Path) -> Member:
    alone = composition.replica(algorithm.context.seed)
    directory = rundir.claim(wanted / f"seed_{algorithm.context.seed}")
    directory.describe(alone.config, alone.hydra.hydra, alone.overrides)
    progress = Overheard()
    sinks = run.attended(plan, Telemetry(directory, progress))
    return Member(alone, algorithm, directory, progress, sinks)


def _train(plan: build.Plan, replicas: Replicas, members: Sequence[Member], evaluator: Evaluator | None) -> int:
    cadence = plan.config.train
    sinks = _FleetSinks(members, evaluator, Console(cadence.steps, torch.get_num_threads()))

    def save(step: int) -> None:
        for member, state in zip(members, replicas.states(), strict=True):
            if member.goes_on:
                member.sinks.telemetry.flush()
                whole = run.whole(step, state, member.sinks)
                checkpoint.save(member.directory.checkpoints, step, whole, cadence.keep_checkpoints)

    with Interrupts() as interrupted, _summarised(plan, members), contextlib.closing(sinks):
        sinks.open()
        logger.info("training %d runs as one in %s", len(members), members[0].directory.path.parent)
        step = loop.train(replicas, sinks, save, cadence, 0, interrupted, sinks.evaluate)
        completed = step >= cadence.steps
        for member in members:
            member.outcome.step = step
            if member.goes_on:
                member.outcome.status = "completed" if completed else "interrupted"
                member.sinks.telemetry.finish()
        diverged = sum(not member.goes_on for member in members)
        logger.info("%s at step %d", "completed" if completed else "interrupted", step)
        if diverged:
            logger.warning("%d of %d runs diverged", diverged, len(members))
        return interrupted.exit_status if not completed else DivergedError.exit_status if diverged else 0


class _FleetSinks:
    """The sinks of all runs, and one progress for all of them: mean figures."""

    def __init__(self, members: Sequence[Member], evaluator: Evaluator | None, console: Console) -> None:
        self._members = members
        self._evaluator = evaluator
        self._console = console

    def open(self) -> None:
        """Open all sinks."""
        for member in self._members:
            config = OmegaConf.to_yaml(member.composition.config)
            member.sinks.telemetry.open(0, run.choices(member.composition), config)
        self._console.open(0)

    def advance(self) -> None:
        """One more step is done."""
        self._console.advance()

    def log(self, step: int, report: Sequence[Report], images_seen: int) -> None:
        """Write each run's report.

        Raises:
            DivergedError: every run has diverged.
        """
        for member, each in zip(self._members, report, strict=True):
            if member.goes_on:
                member.outcome.step = step
                try:
                    member.sinks.log(step, each, images_seen)
                except AlarmError as error:
                    member.outcome.status = "diverged"
                    logger.warning("%s: %s", member.directory.path.name, recovery.diverged(error.alarm))
        said = [member.progress.headline for member in self._members if member.goes_on]
        if not said:
            raise DivergedError(f"training diverged: all {len(self._members)} runs, by step {step}")
        self._console.say(step, {name: fmean(headline[name] for headline in said) for name in said[0]})

    def show(self, step: int, preview: Sequence[Preview]) -> None:
        """Write each run's samples."""
        for member, each in zip(self._members, preview, strict=True):
            if member.goes_on:
                member.sinks.show(step, each)

    def evaluate(self, step: int) -> None:
        """Measure each run's samples, where that is wanted at all."""
        for member in self._members:
            if member.goes_on and self._evaluator is not None:
                member.sinks.measure(step, self._evaluator(member.algorithm.samples).figures)

    def close(self) -> None:
        """Close the progress."""
        self._console.close()


@contextlib.contextmanager
def _summarised(plan: build.Plan, members: Sequence[Member]) -> Iterator[None]:
    """Close all sinks and write every ``summary.json`` at the end, whatever the end is."""
    try:
        yield
    except BaseException:
        # The first error is the one to tell.
        for member in members:
            with contextlib.suppress(UserError):
                _finish(plan, member)
        raise
    for member in members:
        _finish(plan, member)


def _finish(plan: build.Plan, member: Member) -> None:
    run.finish(run.Run(plan, member.composition, member.algorithm, member.directory, member.sinks), member.outcome)
