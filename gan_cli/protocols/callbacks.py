"""Interface of callbacks: what happens in a run, as events, and the class that reacts to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from gan_cli.protocols.algorithm import Preview, Report, Sentences


@dataclass(frozen=True)
class Alarm:
    """A problem that was detected, from the step at which it was raised to the last one at which it was seen.

    Attributes:
        name: of its rule, for example ``mode_collapse``.
        step: at which it was raised.
        last_step: at which it was last seen.
        figures: tag -> metric behind it, at ``step``; None where it is not a finite number. The name is that of the key
            in checkpoints and ``summary.json``.
        message: one sentence with all metrics behind it.
        try_next: the overrides to try, and why, in one sentence.
        evidence: the one number that shows it, as a clause; empty in alarms that earlier versions have stored.
        overrides: those of ``try_next`` alone, to append to the run's command, separated by spaces; empty where those
            of an earlier alarm are to be tried first.
        see: that earlier alarm with its step; empty where there are overrides.
    """

    name: str
    step: int
    last_step: int
    figures: Mapping[str, float | None]
    message: str
    try_next: str
    evidence: str = ""
    overrides: str = ""
    see: str = ""

    @property
    def hint(self) -> str:
        """The overrides to try in a few words, or the earlier alarm that names some."""
        return f"Try {self.overrides or self.try_next}" if not self.see else f"See {self.see}"

    def __str__(self) -> str:
        """Return the alarm on one short line."""
        return f"{self.name}: {self.evidence or self.message}. {self.hint}"

    def summary(self) -> dict[str, Any]:
        """Return the entry of ``summary.json``."""
        entry = asdict(self)
        entry["try"] = entry.pop("try_next")
        return entry


@dataclass(frozen=True)
class Note:
    """Something that is worth knowing at the end of a run, although it does not endanger the training.

    Attributes:
        name: of its rule, for example ``discriminator_memorizes``.
        message: one short sentence.
        figures: tag -> metric behind it, at the last report.
        overrides: to append to the command, for a run without it.
        reason: why they help, as a clause.
    """

    name: str
    message: str
    figures: Mapping[str, float]
    overrides: str
    reason: str

    def __str__(self) -> str:
        """Return the note on one line."""
        return f"note: {self.message}. Try {self.overrides}"


@dataclass(frozen=True)
class StartEvent:
    """Training begins, or continues after a resume or a rollback.

    Attributes:
        step: updates made so far; what a callback has written of this step and later is obsolete.
    """

    step: int


@dataclass(frozen=True)
class StepEvent:
    """An update was launched on the device, which may still be computing it.

    Attributes:
        step: updates made so far.
    """

    step: int


@dataclass(frozen=True)
class CheckpointEvent:
    """A checkpoint is due; nothing of this step has been reported yet.

    Attributes:
        step: updates made so far.
        state: of the algorithm, with tensors on its device.
    """

    step: int
    state: dict[str, Any]


@dataclass(frozen=True)
class ReportEvent:
    """Metrics of the updates since the last report.

    Attributes:
        step: updates made so far.
        report: of the algorithm; its scalars include what earlier callbacks have added.
        images_seen: real samples used for training so far.
        alarms: those that this report has raised.
        ended: names of the alarms that were over with this report.
        stop: whether the run is to end after the next step; without effect on ``train.replicas``.
        finished: whether the run is to end at this step, as completed; for steps with a checkpoint alone
            (``train.checkpoint_every``), and without effect on ``train.replicas``.
    """

    step: int
    report: Report
    images_seen: int
    alarms: Sequence[Alarm] = ()
    ended: Sequence[str] = ()
    stop: bool = False
    finished: bool = False


@dataclass(frozen=True)
class EncodedImage:
    """An image as the bytes of a PNG file, with its size in pixels."""

    png: bytes
    width: int
    height: int


@dataclass(frozen=True)
class PreviewEvent:
    """Samples from the run's fixed latents.

    Attributes:
        step: updates made so far.
        preview: the samples, as arrays or as text.
        images: the grids as they were written to files, by name; the main one is ``""``.
    """

    step: int
    preview: Preview | Sentences
    images: Mapping[str, EncodedImage] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluationEvent:
    """An evaluation of samples is due (``train.eval_every``).

    Attributes:
        step: updates made so far.
        scalars: tag -> metric (``metrics/...``), once an earlier callback has measured them.
        seconds: time that measuring took, which is none of training.
        abandoned: whether a signal that ends the run came meanwhile; nothing was measured then.
        errors: tag -> standard error of those metrics whose error was estimated.
        finished: whether the run is to end at this step, as completed; without effect on ``train.replicas``.
    """

    step: int
    scalars: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    abandoned: bool = False
    errors: Mapping[str, float] = field(default_factory=dict)
    finished: bool = False


@dataclass(frozen=True)
class EndEvent:
    """Training has ended, for whatever reason.

    Attributes:
        step: updates made in all.
        status: ``completed``, ``interrupted``, ``stopped``, ``diverged`` or ``failed``, as in ``summary.json``.
    """

    step: int
    status: str

    @property
    def by_error(self) -> bool:
        """True where an error has ended the run."""
        return self.status in ("diverged", "failed")


class Callback:
    """Base class of callbacks, whose methods do nothing; a subclass overrides those that it needs.

    The methods are called on rank 0 alone, for one callback after the other (``training/callbacks.py`` has the order).
    Where an event is returned, it takes the place of the one received for later callbacks; None leaves it as it
    is. An exception ends the run. A constructor only keeps its parameters; files and connections are opened in
    :meth:`on_start`.
    """

    def on_start(self, event: StartEvent) -> None:
        """Open what reports are written to; called again after every rollback."""

    def on_step(self, event: StepEvent) -> None:
        """React to an update; called at every step, so it has to be quick and must not wait for the device."""

    def on_checkpoint(self, event: CheckpointEvent) -> None:
        """React to a checkpoint that is due."""

    def on_report(self, event: ReportEvent) -> ReportEvent | None:
        """React to a report, or return it with something added."""
        return None

    def on_preview(self, event: PreviewEvent) -> PreviewEvent | None:
        """React to preview samples, or return them with something added."""
        return None

    def on_evaluation(self, event: EvaluationEvent) -> EvaluationEvent | None:
        """React to an evaluation of samples, or return it with something added."""
        return None

    def on_end(self, event: EndEvent) -> None:
        """React to the end of training; after an error as well."""

    def close(self) -> None:
        """Release what :meth:`on_start` has opened; called after :meth:`on_end` and before a rollback."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run has to know: plain values and tensors."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; called before :meth:`on_start`."""
