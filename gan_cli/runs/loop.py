"""The training loop: update, checkpoint, log, show. Knows no G, no D and no Hydra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from gan_cli.config.schema import TrainSection

ReportT = TypeVar("ReportT")
PreviewT = TypeVar("PreviewT")
SaidT = TypeVar("SaidT", covariant=True)
ShownT = TypeVar("ShownT", covariant=True)
HeardT = TypeVar("HeardT", contravariant=True)
SeenT = TypeVar("SeenT", contravariant=True)


class Trainee(Protocol[SaidT, ShownT]):
    """One algorithm, or several that are trained as one; see ``protocols.Algorithm``."""

    @property
    def images_seen(self) -> int:
        """Real samples used so far."""
        ...

    def update(self, step: int) -> None:
        """Make update number ``step``."""
        ...

    def report(self) -> SaidT:
        """What there is to say since the last report."""
        ...

    def preview(self) -> ShownT:
        """Samples to look at."""
        ...


class Sinks(Protocol[HeardT, SeenT]):
    """Where reports and previews go; see ``telemetry/recorder.py``."""

    def advance(self) -> None:
        """One more step is done."""
        ...

    def log(self, step: int, report: HeardT, images_seen: int) -> None:
        """Write a report."""
        ...

    def show(self, step: int, preview: SeenT) -> None:
        """Write a preview."""
        ...


def train(
    algorithm: Trainee[ReportT, PreviewT],
    telemetry: Sinks[ReportT, PreviewT],
    save: Callable[[int], None],
    cadence: TrainSection,
    step: int,
    interrupted: Callable[[], bool],
    evaluate: Callable[[int], None],
) -> int:
    """Train from ``step`` to ``cadence.steps`` and return the step that was reached.

    A checkpoint holds the state right after an update, *before* anything of its step is reported. A resumed run
    therefore reports that step first (again, if the earlier process came to it), and neither loses nor doubles one.
    The last step is always reported, due or not; a run that is resumed to go on takes an undue report back.
    Evaluations, which may take long, are left out where a run is interrupted.

    Args:
        algorithm: what to train.
        telemetry: where reports go.
        save: writes a checkpoint of the given step.
        cadence: how often to do what.
        step: updates made so far.
        interrupted: whether to stop after the present step; the state is saved then.
        evaluate: measures how good samples are at the given step, and writes that.
    """

    def report(last: bool) -> None:
        if step > 0 and (last or step % cadence.log_every == 0):
            telemetry.log(step, algorithm.report(), algorithm.images_seen)
        if cadence.sample_every and (last or step % cadence.sample_every == 0):
            telemetry.show(step, algorithm.preview())
        # Whoever interrupts a run does not want to wait for what the resumed one says anyway.
        if cadence.eval_every and step > 0 and (step >= cadence.steps or (not last and step % cadence.eval_every == 0)):
            evaluate(step)

    stopping = step >= cadence.steps
    report(last=stopping)
    while not stopping:
        algorithm.update(step)
        step += 1
        telemetry.advance()
        stopping = step >= cadence.steps or interrupted()
        if stopping or step % cadence.checkpoint_every == 0:
            save(step)
        report(last=stopping)
    return step
