"""The training loop: update, checkpoint, report, preview. Independent of the family of models and of Hydra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from gan_cli.config.schema import TrainSection


class Trainable(Protocol):
    """Interface of one algorithm, or of several that are trained as one; see ``protocols.algorithm.Algorithm``."""

    def update(self, step: int) -> None:
        """Make the update of number ``step``, counted from 0."""
        ...


AlgorithmT = TypeVar("AlgorithmT", bound=Trainable)
AlgorithmT_contra = TypeVar("AlgorithmT_contra", bound=Trainable, contravariant=True)


class LoopCallbacks(Protocol[AlgorithmT_contra]):
    """Interface of all that reacts to the loop; see ``training/callbacks.py``."""

    @property
    def stop_requested(self) -> bool:
        """True where training is to end after the next step."""
        ...

    @property
    def finished(self) -> bool:
        """True where training ends, complete, at the step of the latest report or evaluation."""
        ...

    @property
    def evaluation_abandoned(self) -> bool:
        """True where a signal ended the latest evaluation, and is to end training at its step."""
        ...

    def on_step(self, step: int) -> None:
        """React to the update that led to ``step``."""
        ...

    def on_checkpoint(self, step: int, algorithm: AlgorithmT_contra) -> None:
        """Save the state of a step."""
        ...

    def on_report(self, step: int, algorithm: AlgorithmT_contra) -> None:
        """Write the metrics since the last report."""
        ...

    def on_preview(self, step: int, algorithm: AlgorithmT_contra) -> None:
        """Write samples to look at."""
        ...

    def on_evaluation(self, step: int) -> None:
        """Measure the quality of samples, and write it."""
        ...


def train(
    algorithm: AlgorithmT,
    callbacks: LoopCallbacks[AlgorithmT],
    cadence: TrainSection,
    step: int,
    stop_requested: Callable[[], bool],
    report_first: bool = True,
) -> int:
    """Train from ``step`` to ``cadence.steps`` and return the step that was reached.

    A checkpoint holds the state right after an update, *before* anything of its step is reported. A resumed run
    therefore reports that step first (again, if the earlier process came to it), and neither loses nor doubles one.
    The last step is always reported, due or not; a run that is resumed for more steps drops a report that was not due.
    Evaluations, which may take long, are skipped where a run is interrupted. One that is abandoned ends training at its
    step, whose checkpoint exists already: the resumed run makes the evaluation anew. A report or an evaluation that
    finishes training ends it at its step, which has a checkpoint as well.

    Args:
        algorithm: what to train.
        callbacks: what reacts to it.
        cadence: how often to do what.
        step: updates made so far.
        stop_requested: returns whether to stop after the present step; the state is saved then.
        report_first: whether the updates before ``step`` are reported, if that is due; of a fork with other settings
            they are those of another run.
    """
    last, unreported = step >= cadence.steps, 0 if report_first else step
    while True:
        reported = step > unreported and (last or step % cadence.log_every == 0)
        if reported:
            callbacks.on_report(step, algorithm)
        shown = cadence.sample_every > 0 and (last or callbacks.finished or step % cadence.sample_every == 0)
        if shown:
            callbacks.on_preview(step, algorithm)
        # Whoever interrupts a run does not want to wait for an evaluation, which the resumed run makes anyway.
        if step >= cadence.steps or not last:
            if _evaluation_is_due(cadence, step, callbacks.finished):
                callbacks.on_evaluation(step)
                last = last or callbacks.evaluation_abandoned
            if callbacks.finished and not last:
                last = True
                if not reported:
                    callbacks.on_report(step, algorithm)
                if cadence.sample_every and not shown:
                    callbacks.on_preview(step, algorithm)
        if last:
            return step
        algorithm.update(step)
        step += 1
        callbacks.on_step(step)
        last = step >= cadence.steps or stop_requested() or callbacks.stop_requested
        if last or checkpoint_is_due(cadence, step):
            callbacks.on_checkpoint(step, algorithm)


def checkpoint_is_due(cadence: TrainSection, step: int) -> bool:
    """Return whether a checkpoint is saved at a step whatever happens, and not because a run is interrupted there."""
    evaluated = cadence.eval_every > 0 and step % cadence.eval_every == 0
    return step >= cadence.steps or evaluated or step % cadence.checkpoint_every == 0


def _evaluation_is_due(cadence: TrainSection, step: int, finished: bool) -> bool:
    """Return whether samples are measured at a step; those of the last one always are, if any."""
    if not cadence.eval_every or step == 0:
        return False
    return step >= cadence.steps or finished or step % cadence.eval_every == 0
