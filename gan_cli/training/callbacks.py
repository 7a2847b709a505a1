"""The callbacks of a run: how an event gets to all of them, and their states in checkpoints.

On several processes the list is empty on all ranks but 0. What rank 0 decides in it - a stop request, an error that
ends the run - is broadcast to the others, which wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from gan_cli.protocols.algorithm import Algorithm, NonFiniteReport
from gan_cli.protocols.callbacks import (
    Callback,
    CheckpointEvent,
    EndEvent,
    EvaluationEvent,
    PreviewEvent,
    ReportEvent,
    StartEvent,
    StepEvent,
)
from gan_cli.runtime.distributed import ProcessGroup
from gan_cli.telemetry.metric_tracker import MetricTracker
from gan_cli.telemetry.throughput import Throughput
from gan_cli.training.best_checkpoint import KeepBest
from gan_cli.training.early_stopping import StopWithoutImprovement
from gan_cli.training.monitoring import ActOnAlarms, CheckAlarms


@dataclass(frozen=True)
class Decisions:
    """Decisions of the callbacks of rank 0 on an event, by the names of its attributes."""

    stop: bool = False
    finished: bool = False
    abandoned: bool = False


class CallbackList:
    """Callbacks that receive every event one after the other, each with what earlier ones have added to it.

    Attributes:
        step: of the latest report; 0 before the first.
        stop_requested: whether the run is to end after the next step, the same on all ranks.
        finished: whether the run is to end at the step of the latest event, as completed, the same on all ranks.
        evaluation_abandoned: whether a signal ended the latest evaluation, the same on all ranks.
    """

    def __init__(self, callbacks: Sequence[Callback], group: ProcessGroup) -> None:
        """``callbacks`` are those of rank 0, in their order; none on all other ranks."""
        self._callbacks = callbacks
        self._started: list[Callback] = []
        self._group = group
        self.step = 0
        self.stop_requested = False
        self.finished = False
        self.evaluation_abandoned = False

    def on_start(self, step: int) -> None:
        """Start all callbacks, to receive what happens from ``step`` on; only what has started is ended and closed."""
        for callback in self._callbacks:
            callback.on_start(StartEvent(step))
            self._started.append(callback)

    def on_step(self, step: int) -> None:
        event = StepEvent(step)
        for callback in self._callbacks:
            callback.on_step(event)

    def on_report(self, step: int, algorithm: Algorithm, nonfinite: NonFiniteReport | None = None) -> None:
        """Report what has happened since the last report; an error that a callback raises is raised on all ranks.

        Args:
            step: updates made so far.
            algorithm: whose report it is.
            nonfinite: numbers that were found not finite before the report was due.
        """
        report = algorithm.report()
        report = report if nonfinite is None else replace(report, nonfinite=nonfinite)
        event = ReportEvent(step, report, algorithm.images_seen)
        decided = self._group.broadcast_from_rank0(partial(self.pass_report, event))
        self.stop_requested = self.stop_requested or decided.stop
        self.finished = self.finished or decided.finished

    def on_preview(self, step: int, algorithm: Algorithm) -> None:
        self.pass_preview(PreviewEvent(step, algorithm.preview()))

    def on_evaluation(self, step: int) -> None:
        """Have samples measured, while all other ranks wait."""
        pass_event = partial(self._pass_evaluation, EvaluationEvent(step))
        decided = self._group.broadcast_from_rank0(pass_event)
        self.evaluation_abandoned = decided.abandoned
        self.finished = self.finished or decided.finished

    def on_checkpoint(self, step: int, algorithm: Algorithm) -> None:
        """Hand on the state right after an update; one that is not finite is reported first, which raises the alarm.

        The check waits for the device, as copying the state does.
        """
        nonfinite = algorithm.nonfinite()
        if nonfinite is not None:
            self.on_report(step, algorithm, nonfinite)
        event = CheckpointEvent(step, algorithm.state_dict())  # gathers the shards of all ranks
        self._group.broadcast_from_rank0(partial(self._pass_checkpoint, event))

    def on_end(self, event: EndEvent) -> None:
        for callback in self._started:
            callback.on_end(event)

    def close(self) -> None:
        """Close all callbacks that have been started, the last one first."""
        while self._started:
            self._started.pop().close()

    def pass_report(self, event: ReportEvent) -> Decisions:
        """Pass a report through the list, and return whether a callback asks for the run to end."""
        self.step = event.step
        for callback in self._callbacks:
            event = callback.on_report(event) or event
        return Decisions(stop=event.stop, finished=event.finished)

    def pass_preview(self, event: PreviewEvent) -> None:
        """Pass preview samples through the list."""
        for callback in self._callbacks:
            event = callback.on_preview(event) or event

    def _pass_evaluation(self, event: EvaluationEvent) -> Decisions:
        """Pass an evaluation through the list, and return whether it was abandoned, or finishes the run."""
        for callback in self._callbacks:
            event = callback.on_evaluation(event) or event
        return Decisions(finished=event.finished, abandoned=event.abandoned)

    def _pass_checkpoint(self, event: CheckpointEvent) -> None:
        for callback in self._callbacks:
            callback.on_checkpoint(event)


@dataclass(frozen=True)
class StatefulCallbacks:
    """Callbacks with a state in every checkpoint, which a rollback restores.

    Attributes:
        check_alarms: has the alarms so far.
        throughput: has the training time so far.
        tracker: has the latest and best metrics.
        act_on_alarms: has the counts of rollbacks and of skipped updates.
        user: those of the user, by name.
        best: keeps the best checkpoint; None without ``checkpoint.best``.
        stopping: ends a run that no longer improves; None without ``stop.metric``.
    """

    check_alarms: CheckAlarms
    throughput: Throughput
    tracker: MetricTracker
    act_on_alarms: ActOnAlarms
    user: Mapping[str, Callback] = field(default_factory=dict)
    best: KeepBest | None = None
    stopping: StopWithoutImprovement | None = None

    @property
    def chosen(self) -> Mapping[str, KeepBest | StopWithoutImprovement]:
        """Those of the last two that the run has, by the section of their settings."""
        named = {"checkpoint": self.best, "stop": self.stopping}
        return {name: callback for name, callback in named.items() if callback is not None}

    def state_dict(self) -> dict[str, Any]:
        """Return the states below the keys of earlier versions, in which two of them share one."""
        return {
            "sinks": {**self.throughput.state_dict(), **self.tracker.state_dict()},
            "doctor": self.check_alarms.state_dict(),
            **self.act_on_alarms.state_dict(),
            "callbacks": {name: callback.state_dict() for name, callback in self.user.items()},
            **{name: callback.state_dict() for name, callback in self.chosen.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the states; to be called before the callbacks are started.

        One that the checkpoint does not know, because it was added since, keeps its first state.
        """
        self.throughput.load_state_dict(state["sinks"])
        self.tracker.load_state_dict(state["sinks"])
        self.check_alarms.load_state_dict(state["doctor"])
        self.act_on_alarms.load_state_dict(state)
        stored = state.get("callbacks", {})  # checkpoints of older versions lack it
        for name, callback in self.user.items():
            if name in stored:
                callback.load_state_dict(stored[name])
        for name, chosen in self.chosen.items():
            if name in state:
                chosen.load_state_dict(state[name])

    def load_state_of_other_run(self, state: dict[str, Any]) -> None:
        """Restore the states of a run that this one goes on from; what was best there is not the best of this one."""
        self.load_state_dict({name: content for name, content in state.items() if name not in self.chosen})
        self.tracker.best.clear()
