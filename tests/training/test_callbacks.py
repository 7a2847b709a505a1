"""The list of callbacks: who receives what, in which order, on which rank, and the keys of their states."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gan_cli.config.diagnostics import DiagnosticsSection, OnAlarm
from gan_cli.diagnostics.monitor import AlarmMonitor
from gan_cli.protocols.algorithm import NonFiniteReport, Preview, Report
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
from gan_cli.runtime.distributed import SingleProcess
from gan_cli.storage.files import AppendOnlyFile
from gan_cli.telemetry.metric_tracker import MetricTracker
from gan_cli.telemetry.throughput import Throughput
from gan_cli.training.callbacks import CallbackList, Decisions, StatefulCallbacks
from gan_cli.training.monitoring import ActOnAlarms, AlarmError, CheckAlarms
from tests.conftest import SHORT, TINY, Command

# Functions of this package between the one that has read the metrics from the device and the write to the disk.
MAX_CALLS = 6


class FakeAlgorithm:
    """An algorithm whose report has one metric."""

    images_seen = 10

    def __init__(self, loss: float = 1.0, nonfinite: NonFiniteReport | None = None) -> None:
        self._loss = loss
        self._nonfinite = nonfinite
        self.asked: list[str] = []

    def report(self) -> Report:
        self.asked.append("report")
        return Report({"loss/d": self._loss}, {}, {"loss D": self._loss})

    def preview(self) -> Preview:
        self.asked.append("preview")
        return Preview(samples=None)  # type: ignore[arg-type]

    def state_dict(self) -> dict[str, Any]:
        self.asked.append("state_dict")
        return {"weight": 1}

    def nonfinite(self) -> NonFiniteReport | None:
        return self._nonfinite


class Recorder(Callback):
    """Writes down the events in a list that several share."""

    def __init__(self, name: str, events: list[tuple[str, Any]]) -> None:
        self._name = name
        self._events = events

    def _record(self, event: Any) -> None:
        self._events.append((self._name, event))

    on_start = on_step = on_checkpoint = on_report = on_preview = on_evaluation = on_end = _record  # type: ignore[assignment]

    def close(self) -> None:
        self._events.append((self._name, "closed"))


class AddsScalar(Callback):
    """Adds a metric to reports and evaluations, and asks for the end."""

    def on_report(self, event: ReportEvent) -> ReportEvent:
        report = replace(event.report, scalars={**event.report.scalars, "more": 2.0})
        return replace(event, report=report, stop=True)

    def on_evaluation(self, event: EvaluationEvent) -> EvaluationEvent:
        return replace(event, scalars={"metrics/x": 3.0})


class Rank1:
    """The group of a rank other than 0, which receives what rank 0 has computed."""

    rank, size = 1, 2

    def __init__(self, *received: Any) -> None:
        self._received = list(received)

    def broadcast_from_rank0(self, compute: Callable[[], Any]) -> Any:
        received = self._received.pop(0)
        if isinstance(received, Exception):
            raise received
        return received


def test_all_receive_every_event_in_order_and_are_closed_last_first() -> None:
    events: list[tuple[str, Any]] = []
    callbacks = CallbackList([Recorder("a", events), Recorder("b", events)], SingleProcess())
    algorithm: Any = FakeAlgorithm()
    callbacks.on_start(0)
    callbacks.on_step(1)
    callbacks.on_checkpoint(1, algorithm)
    callbacks.on_report(1, algorithm)
    callbacks.on_preview(1, algorithm)
    callbacks.on_evaluation(1)
    callbacks.on_end(EndEvent(1, "completed"))
    callbacks.close()
    received = [
        StartEvent(0),
        StepEvent(1),
        CheckpointEvent(1, {"weight": 1}),
        ReportEvent(1, FakeAlgorithm().report(), 10),
        PreviewEvent(1, FakeAlgorithm().preview()),
        EvaluationEvent(1),
        EndEvent(1, "completed"),
    ]
    assert events == [(name, event) for event in received for name in "ab"] + [("b", "closed"), ("a", "closed")]


def test_later_ones_see_what_earlier_ones_have_added() -> None:
    events: list[tuple[str, Any]] = []
    callbacks = CallbackList([Recorder("before", events), AddsScalar(), Recorder("after", events)], SingleProcess())
    algorithm: Any = FakeAlgorithm()
    assert not callbacks.stop_requested
    callbacks.on_report(5, algorithm)
    callbacks.on_evaluation(5)
    seen = {name: event.report.scalars for name, event in events[:2]}
    assert seen == {"before": {"loss/d": 1.0}, "after": {"loss/d": 1.0, "more": 2.0}}
    assert [dict(event.scalars) for _, event in events[2:]] == [{}, {"metrics/x": 3.0}]
    assert callbacks.stop_requested
    assert callbacks.step == 5


def test_a_state_that_is_not_finite_is_reported_before_it_could_be_saved() -> None:
    events: list[tuple[str, Any]] = []
    monitor = AlarmMonitor(DiagnosticsSection(), [])
    alarms = [CheckAlarms(monitor, MetricTracker()), Recorder("writer", events), ActOnAlarms(monitor, OnAlarm.warn)]
    algorithm: Any = FakeAlgorithm(nonfinite=NonFiniteReport("G's weight is nan", since=3))
    with pytest.raises(AlarmError) as raised:
        CallbackList(alarms, SingleProcess()).on_checkpoint(4, algorithm)
    assert raised.value.since == 3
    assert "state_dict" not in algorithm.asked
    ((_, event),) = events  # it is written although it ends the run
    assert [alarm.name for alarm in event.alarms] == ["non_finite"]


def test_an_empty_list_follows_rank_0() -> None:
    """It takes part in what all ranks compute together, and takes over what rank 0 decides."""
    error = AlarmError(AlarmMonitor(DiagnosticsSection(), []).check(1, {"loss/d": float("nan")}).raised[0], since=0)
    group: Any = Rank1(Decisions(), None, Decisions(stop=True), error)
    callbacks, algorithm = CallbackList([], group), FakeAlgorithm()
    shared: Any = algorithm
    callbacks.on_report(1, shared)
    assert not callbacks.stop_requested
    callbacks.on_checkpoint(1, shared)
    callbacks.on_preview(1, shared)
    callbacks.on_report(2, shared)
    assert callbacks.stop_requested
    with pytest.raises(AlarmError):
        callbacks.on_report(3, shared)
    assert algorithm.asked == ["report", "state_dict", "preview", "report", "report"]


def test_states_keep_the_keys_of_earlier_versions() -> None:
    def stateful() -> StatefulCallbacks:
        monitor, tracker = AlarmMonitor(DiagnosticsSection(), []), MetricTracker()
        return StatefulCallbacks(
            CheckAlarms(monitor, tracker), Throughput("images"), tracker, ActOnAlarms(monitor, OnAlarm.warn)
        )

    first, second = stateful(), stateful()
    first.tracker.on_report(ReportEvent(2, Report({"metrics/frechet/pixels": 0.5, "loss/d": 1.0}, {}, {}), 10))
    first.act_on_alarms.skipped = 7
    state = first.state_dict()
    assert state.keys() == {"sinks", "doctor", "rollbacks", "skipped", "callbacks"}
    assert state["sinks"].keys() == {"seconds", "last", "final", "best"}
    assert state["doctor"].keys() == {
        "streaks",
        "absent",
        "active",
        "leads",
        "gradients",
        "peak",
        "modes",
        "modes_peak",
        "alarms",
    }
    second.load_state_dict(state)
    assert second.state_dict() == state
    assert second.tracker.best == {"metrics/frechet/pixels": {"value": 0.5, "step": 2}}


def test_few_calls_lead_from_a_scalar_to_the_event_file(gan_train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    write, stacks = AppendOnlyFile.write, []

    def traced(self: AppendOnlyFile, record: bytes) -> None:
        frames = [frame.name for frame in traceback.extract_stack() if "gan_cli" in Path(frame.filename).parts]
        # The layout of the charts, which is written at the start, has tags too.
        if b"d/auc" in record and not record.startswith(b"{") and "on_report" in frames:
            stacks.append(frames)
        write(self, record)

    monkeypatch.setattr(AppendOnlyFile, "write", traced)
    done = gan_train(*TINY, *SHORT, "dataset=ring8", "train.sample_every=0", "hydra.run.dir=run")
    assert done.status == 0, done.err
    # The report is read from the device in `on_report`; the last call is the write itself.
    calls = [[*stack[stack.index("on_report") + 1 :], "write"] for stack in stacks]
    assert len(calls) == 2
    assert all(len(names) <= MAX_CALLS for names in calls), calls[0]
