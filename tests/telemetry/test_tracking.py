"""Trackers: what they receive, resume and rollback without doubles, those that fail or do not keep up."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest
import torch

from gan_cli.config.loggers import OnLoggerError
from gan_cli.errors import OutputError
from gan_cli.protocols.algorithm import Report
from gan_cli.protocols.callbacks import (
    Callback,
    EndEvent,
    EvaluationEvent,
    PreviewEvent,
    ReportEvent,
    StartEvent,
)
from gan_cli.storage.tracked_runs import TrackedRuns
from gan_cli.telemetry.loggers import tracking
from gan_cli.telemetry.loggers.interface import LoggedRun
from gan_cli.telemetry.loggers.tracking import Tracker, TrackerConfig, TrackerWriter
from gan_cli.training.logged_run import folder_name
from tests.conftest import Command
from tests.helpers.logged_runs import RUN, lines, weights

OWN = f"+logger.own._target_={__name__}.OwnConfig"


@dataclass
class OwnConfig(TrackerConfig):
    """Settings of a tracker that keeps what it receives."""

    name_of_option: ClassVar[str] = "own"
    fails: bool = False

    def tracker(self) -> OwnTracker:
        OwnTracker.latest = OwnTracker(self.fails)
        return OwnTracker.latest


class OwnTracker(Tracker):
    latest: ClassVar[OwnTracker]

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails
        self.received: list[tuple[str, Any]] = []
        self.run: LoggedRun | None = None

    def _record(self, kind: str, content: Any) -> None:
        if self.fails:
            raise ConnectionError("no route to host\nTraceback: many lines")
        self.received.append((kind, content))

    def open(self, run: LoggedRun, identity: str | None) -> str:
        self.run = run
        self._record("open", identity)
        return identity or "first"

    @property
    def place(self) -> str:
        return "a list"

    def report(self, event: ReportEvent) -> None:
        self._record("report", event.step)

    def preview(self, event: PreviewEvent) -> None:
        self._record("preview", event.step)

    def evaluation(self, event: EvaluationEvent) -> None:
        self._record("evaluation", event.step)

    def end(self, event: EndEvent, outcome: Mapping[str, Any]) -> None:
        self._record("end", (event.status, outcome))


@pytest.fixture
def own_logger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_PLUGINS", __name__)


def writer(folder: Path, tracker: Tracker, on_error: OnLoggerError = OnLoggerError.warn) -> TrackerWriter:
    run = SimpleNamespace(on_error=on_error, tracked=TrackedRuns(folder / "loggers.json"), outcome=dict)
    return TrackerWriter("own", tracker, cast(LoggedRun, run))


def report(step: int) -> ReportEvent:
    return ReportEvent(step, Report({"loss/d": 1.0}, {}, {}), step)


def finish(callback: Callback, step: int) -> None:
    callback.on_end(EndEvent(step, "completed"))
    callback.close()


@pytest.mark.usefixtures("own_logger")
def test_tracker_receives_all_that_a_run_reports(gan_train: Command) -> None:
    done = gan_train("dataset=ring8", *RUN, OWN, "train.eval_every=3", "evaluation.samples=100")
    assert done.status == 0, done.err
    received = OwnTracker.latest.received
    assert received[0] == ("open", None)
    assert [step for kind, step in received if kind == "report"] == [1, 2, 3, 4, 5, 6]
    assert [step for kind, step in received if kind == "preview"] == [0, 2, 4, 6]
    assert [step for kind, step in received if kind == "evaluation"] == [3, 6]
    kind, (status, outcome) = received[-1]
    summary = json.loads(Path("run/summary.json").read_text())
    assert (kind, status) == ("end", "completed")
    assert outcome == {"final": summary["final"], "best": summary["best"]}
    run = OwnTracker.latest.run
    assert run is not None
    assert (run.name, run.group, run.settings["optimizer.lr_g"]) == ("run", None, run.settings["optimizer.lr"])
    assert "own: a list" in done.err


@pytest.mark.usefixtures("own_logger")
def test_a_resumed_run_goes_on_in_the_same_tracked_run_without_doubles(gan_train: Command) -> None:
    assert gan_train(*RUN, OWN).status == 0
    for name in ("step_00000006.pt", "last.pt"):
        Path("run/checkpoints", name).unlink()
    assert gan_train("resume=run", "train.steps=8").status == 0
    received = OwnTracker.latest.received
    assert received[0] == ("open", "first")
    assert [step for kind, step in received if kind == "report"] == [7, 8]
    assert [step for kind, step in received if kind == "preview"] == [8]
    assert [line["step"] for line in lines()] == list(range(1, 9))


@pytest.mark.usefixtures("own_logger")
def test_a_rollback_goes_on_in_the_same_tracked_run(gan_train: Command) -> None:
    rollback = ("optimizer.lr_d=1e38", "train.non_finite=rollback", "diagnostics.rollback.lr_d=1e-38")
    done = gan_train(*RUN, OWN, *rollback, "train.checkpoint_every=1")
    assert done.status == 0, done.err
    assert "rollback 1 of 3" in done.err
    received = OwnTracker.latest.received
    assert [kind for kind, _ in received].count("open") == 1
    assert [kind for kind, _ in received].count("end") == 1
    assert [step for kind, step in received if kind == "report"] == [1, 2, 3, 4, 5, 6]


@pytest.mark.usefixtures("own_logger")
def test_a_tracker_that_fails_costs_one_warning(gan_train: Command) -> None:
    done = gan_train(*RUN, OWN, "+logger.own.fails=true")
    assert done.status == 0, done.err
    assert done.err.count("no route to host") == 1
    assert "logger=own: no route to host: the run goes on without it\n" in done.err
    assert "Traceback" not in done.err
    assert json.loads(Path("run/summary.json").read_text())["status"] == "completed"


@pytest.mark.usefixtures("own_logger")
def test_a_tracker_that_fails_ends_the_run_where_it_is_to(gan_train: Command) -> None:
    done = gan_train(*RUN, OWN, "+logger.own.fails=true", "logger.on_error=stop")
    assert done.status == 2
    assert "gan-train: logger=own: no route to host (logger.on_error=warn goes on without it)\n" in done.err
    assert json.loads(Path("run/summary.json").read_text())["status"] == "failed"
    assert lines() == []


@pytest.mark.usefixtures("own_logger")
def test_every_seed_of_many_has_a_tracked_run_of_its_own(gan_train: Command) -> None:
    done = gan_train(*RUN, OWN, "train.replicas=2")
    assert done.status == 0, done.err
    assert {Path("run", seed, "loggers.json").is_file() for seed in ("seed_0", "seed_1")} == {True}
    run = OwnTracker.latest.run
    assert run is not None
    assert (run.name, run.group) == ("seed_1", "run")


@pytest.mark.usefixtures("own_logger")
def test_jobs_of_a_sweep_are_a_group(gan_train: Command) -> None:
    done = gan_train("-m", "seed=0,1", *RUN[:-1], OWN, "hydra.sweep.dir=2026-11-30/09-15-00")
    assert done.status == 0, done.err
    run = OwnTracker.latest.run
    assert run is not None
    assert (run.name, run.group) == ("seed=1", "2026-11-30/09-15-00")


@pytest.mark.usefixtures("own_logger")
def test_loggers_leave_the_results_as_they_are(gan_train: Command) -> None:
    assert gan_train(*RUN, OWN).status == 0
    assert gan_train(*RUN[:-1], "logger=none", "hydra.run.dir=without").status == 0
    assert torch.equal(weights("run"), weights("without"))


def test_names_of_folders() -> None:
    assert folder_name(Path("outputs/2026-11-30/09-15-00")) == "2026-11-30/09-15-00"
    assert folder_name(Path("mine/first")) == "first"


def test_records_wait_in_a_queue_of_bounded_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tracking, "CAPACITY", 5)
    monkeypatch.setattr(tracking, "END_SECONDS", 0.01)
    released = threading.Event()
    tracker = OwnTracker()
    monkeypatch.setattr(tracker, "report", lambda event: released.wait())
    callback = writer(tmp_path, tracker)
    with caplog.at_level(logging.WARNING, logger="gan_cli"):
        callback.on_start(StartEvent(0))
        for step in range(1, 20):  # returns at once, although the tracker does not
            callback.on_report(report(step))
        finish(callback, 20)
    released.set()
    assert [record.getMessage() for record in caplog.records] == [
        "logger=own: does not keep up: 5 records wait: the run goes on without it"
    ]


def test_an_end_that_takes_too_long_ends_the_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tracking, "END_SECONDS", 0.01)
    released = threading.Event()
    tracker = OwnTracker()
    monkeypatch.setattr(tracker, "end", lambda event, outcome: released.wait())
    callback = writer(tmp_path, tracker)
    with caplog.at_level(logging.WARNING, logger="gan_cli"):
        callback.on_start(StartEvent(0))
        finish(callback, 1)
    released.set()
    assert "has not taken everything" in caplog.text


def test_a_failure_while_training_is_raised_at_the_next_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = OwnTracker()
    callback = writer(tmp_path, tracker, OnLoggerError.stop)
    callback.on_start(StartEvent(0))
    tracker.fails = True
    callback.on_report(report(1))
    assert callback._worker is not None
    assert callback._worker.wait(10)
    with pytest.raises(OutputError, match="logger=own: no route to host"):
        callback.on_report(report(2))
    finish(callback, 2)  # raised once


def test_a_tracker_that_answers_again_receives_what_is_new(tmp_path: Path) -> None:
    tracker = OwnTracker()
    callback = writer(tmp_path, tracker)
    callback.on_start(StartEvent(0))
    assert callback._worker is not None
    assert callback._worker.wait(10)
    tracker.fails = True
    callback.on_report(report(1))
    assert callback._worker.wait(10)
    tracker.fails = False
    callback.on_report(report(2))
    finish(callback, 2)
    assert [content for kind, content in tracker.received if kind == "report"] == [2]
