"""The training loop: update, checkpoint, log, preview. Independent of the family of models and of Hydra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from gan_cli.config.schema import TrainSection

ReportT = TypeVar("ReportT")
PreviewT = TypeVar("PreviewT")
ReportT_co = TypeVar("ReportT_co", covariant=True)
PreviewT_co = TypeVar("PreviewT_co", covariant=True)
ReportT_contra = TypeVar("ReportT_contra", contravariant=True)
PreviewT_contra = TypeVar("PreviewT_contra", contravariant=True)


class Trainable(Protocol[ReportT_co, PreviewT_co]):
    """Interface of one algorithm, or of several that are trained as one; see ``protocols.algorithm.Algorithm``."""

    @property
    def images_seen(self) -> int:
        """Number of real samples used so far."""
        ...

    def update(self, step: int) -> None:
        """Make the update of number ``step``, counted from 0."""
        ...

    def report(self) -> ReportT_co:
        """Return what has happened since the last report."""
        ...

    def preview(self) -> PreviewT_co:
        """Return samples to look at."""
        ...


class Sinks(Protocol[ReportT_contra, PreviewT_contra]):
    """Interface of the destination of reports and previews; see ``telemetry/recorder.py``."""

    def advance(self) -> None:
        """Move the progress on by a step."""
        ...

    def log(self, step: int, report: ReportT_contra, images_seen: int) -> None:
        """Write the report of a step."""
        ...

    def show(self, step: int, preview: PreviewT_contra) -> None:
        """Write the preview of a step."""
        ...


def train(
    algorithm: Trainable[ReportT, PreviewT],
    telemetry: Sinks[ReportT, PreviewT],
    save: Callable[[int], None],
    cadence: TrainSection,
    step: int,
    stop_requested: Callable[[], bool],
    evaluate: Callable[[int], None],
) -> int:
    """Train from ``step`` to ``cadence.steps`` and return the step that was reached.

    A checkpoint holds the state right after an update, *before* anything of its step is reported. A resumed run
    therefore reports that step first (again, if the earlier process came to it), and neither loses nor doubles one.
    The last step is always reported, due or not; a run that is resumed for more steps drops a report that was not due.
    Evaluations, which may take long, are skipped where a run is interrupted.

    Args:
        algorithm: what to train.
        telemetry: where reports go.
        save: writes a checkpoint of the given step.
        cadence: how often to do what.
        step: updates made so far.
        stop_requested: returns whether to stop after the present step; the state is saved then.
        evaluate: measures the quality of samples at the given step, and writes it.
    """

    def report(last: bool) -> None:
        if step > 0 and (last or step % cadence.log_every == 0):
            telemetry.log(step, algorithm.report(), algorithm.images_seen)
        if cadence.sample_every and (last or step % cadence.sample_every == 0):
            telemetry.show(step, algorithm.preview())
        # Whoever interrupts a run does not want to wait for an evaluation, which the resumed run makes anyway.
        if cadence.eval_every and step > 0 and (step >= cadence.steps or (not last and step % cadence.eval_every == 0)):
            evaluate(step)

    stopping = step >= cadence.steps
    report(last=stopping)
    while not stopping:
        algorithm.update(step)
        step += 1
        telemetry.advance()
        stopping = step >= cadence.steps or stop_requested()
        if stopping or step % cadence.checkpoint_every == 0:
            save(step)
        report(last=stopping)
    return step
