"""Loggers: which are chosen, the table, runs of their own place in a tracker, and trackers that fail."""

from __future__ import annotations

import csv
import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from gan_cli.config import extras
from gan_cli.config.compose import compose, register
from gan_cli.config.loggers import OnLoggerError
from gan_cli.errors import OutputError
from gan_cli.protocols.algorithm import Report
from gan_cli.protocols.callbacks import (
    Alarm,
    Callback,
    EndEvent,
    EvaluationEvent,
    PreviewEvent,
    ReportEvent,
    StartEvent,
)
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.tracked_runs import TrackedRun, TrackedRuns
from gan_cli.telemetry.loggers import tracking
from gan_cli.telemetry.loggers.interface import LoggedRun
from gan_cli.telemetry.loggers.pictures import advice, histograms
from gan_cli.telemetry.loggers.tracking import Tracker, TrackerConfig, TrackerWriter
from gan_cli.training.logged_run import folder_name
from tests.conftest import SHORT, TINY, Command

RUN = (*TINY, *SHORT, "train.steps=6", "train.sample_every=2", "train.checkpoint_every=2", "hydra.run.dir=run")
OWN = f"+logger.own._target_={__name__}.OwnConfig"


def lines(folder: str = "run") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(folder, "metrics.jsonl").read_text().splitlines()]


def rows(folder: str = "run") -> list[dict[str, str]]:
    with Path(folder, "metrics.csv").open(newline="") as table:
        return list(csv.DictReader(table))


def assert_table_has_all_lines() -> None:
    assert [int(row["step"]) for row in rows()] == [line["step"] for line in lines()]
    for row, line in zip(rows(), lines(), strict=True):
        assert {tag: float(cell) for tag, cell in row.items() if cell and tag != "time"} == {
            tag: value for tag, value in line.items() if value is not None and tag != "time"
        }


def weights(folder: str) -> torch.Tensor:
    state = torch.load(Path(folder, "checkpoints", "last.pt"), weights_only=True)["algorithm"]
    return torch.cat([tensor.flatten() for tensor in state["generator"].values()])


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


# Which loggers a run has


def test_tensorboard_is_the_default_and_may_be_left_out(gan_train: Command) -> None:
    assert gan_train(*RUN).status == 0
    done = gan_train(*RUN[:-1], "logger=none", "hydra.run.dir=without")
    assert done.status == 0, done.err
    assert "tensorboard" not in done.err
    assert len(list(Path("run").glob("events.out.*"))) == 1
    assert list(Path("without").glob("events.out.*")) == []
    written = {path.name for path in Path("without").iterdir()} | {"samples"}
    assert {"metrics.jsonl", "train.log", "summary.json"} <= written
    assert [line["loss/d"] for line in lines("without")] == [line["loss/d"] for line in lines()]
    assert torch.equal(weights("run"), weights("without"))


def test_several_are_chosen_as_a_list(gan_train: Command) -> None:
    done = gan_train(*RUN, "logger=[tensorboard,csv]")
    assert done.status == 0, done.err
    assert len(list(Path("run").glob("events.out.*"))) == 1
    assert_table_has_all_lines()


def test_loggers_are_no_hyperparameters_of_a_run() -> None:
    from gan_cli.training.summary import hparams

    register()
    plain, logged = (hparams(compose(choice)) for choice in ([], ["logger=csv", "logger.on_error=stop"]))
    assert set(plain.values) == set(logged.values)
    assert not any("logger" in key for key in logged.values)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("logger.on_error=never", "logger.on_error: expected warn or stop, got 'never'"),
        ("logger.on_eror=stop", "logger.on_eror: logger has no such key. Did you mean logger.on_error=stop?"),
        ("logger.wandb.mode=offline", "Did you mean logger=wandb logger.wandb.mode=offline?"),
        ("+logger.csv=3", "logger.csv: expected a class and its settings, as an option of logger brings them, got 3"),
        ("+logger.mine._target_=torch.nn.ReLU", "logger.mine._target_: expected LoggerConfig, got 'torch.nn.ReLU'"),
        ("logger=tensorbord", "Did you mean logger=tensorboard?"),
    ],
)
def test_mistakes_cost_one_line(override: str, message: str, gan_train: Command, workplace: Path) -> None:
    done = gan_train(override, *RUN)
    assert (done.status, len(done.err.splitlines())) == (2, 1), done.err
    assert message in done.err
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize("name", ["wandb", "mlflow", "trackio"])
def test_missing_package_costs_a_line_that_installs_it(
    name: str, gan_train: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda package: None)
    done = gan_train(f"logger={name}", *RUN)
    message = f"logger={name}: this takes {name}, not installed here: pip install 'gan-cli[{name}]'"
    assert (done.status, done.err) == (2, f"gan-train: {message}\n")
    assert list(workplace.iterdir()) == []


def test_a_resumed_run_may_have_other_loggers(gan_train: Command) -> None:
    assert gan_train(*RUN, "logger=csv", "logger.on_error=stop").status == 0
    done = gan_train("resume=run", "train.steps=8", "logger=[tensorboard]")
    assert done.status == 0, done.err
    assert [line["step"] for line in lines()] == list(range(1, 9))
    assert len(list(Path("run").glob("events.out.*"))) == 1
    assert [int(row["step"]) for row in rows()] == list(range(1, 7))
    # Without a choice the loggers of the run itself; the rows of the steps between are missing.
    assert gan_train("resume=run", "train.steps=9").status == 0
    assert [int(row["step"]) for row in rows()] == [*range(1, 7), 8, 9]


def test_a_run_of_earlier_versions_keeps_its_event_files(gan_train: Command) -> None:
    assert gan_train(*RUN).status == 0
    stored = OmegaConf.load("run/.hydra/config.yaml")
    del stored["logger"]
    OmegaConf.save(stored, "run/.hydra/config.yaml")
    assert gan_train("resume=run", "train.steps=7").status == 0
    assert len(list(Path("run").glob("events.out.*"))) == 2
    done = gan_train("resume=run", "train.steps=8", "logger=[tensorboard,csv]")
    assert done.status == 0, done.err
    assert len(list(Path("run").glob("events.out.*"))) == 3
    assert [int(row["step"]) for row in rows()] == [7, 8]


# The table


def test_table_gets_a_column_for_a_tag_that_is_new_and_drops_rows_of_a_later_step(gan_train: Command) -> None:
    done = gan_train("dataset=ring8", *RUN, "logger=csv", "train.eval_every=4", "evaluation.samples=100")
    assert done.status == 0, done.err
    assert_table_has_all_lines()
    assert [int(row["step"]) for row in rows() if row["metrics/modes"]] == [4, 6]
    before = rows()
    for name in ("step_00000006.pt", "last.pt"):
        Path("run/checkpoints", name).unlink()
    with Path("run/metrics.csv").open("a") as table:
        table.write("7,17")
    assert gan_train("resume=run").status == 0
    assert_table_has_all_lines()
    timed = ("time", "speed/steps_per_second", "speed/images_per_second")
    assert [{tag: row[tag] for tag in row if tag not in timed} for row in rows()] == [
        {tag: row[tag] for tag in row if tag not in timed} for row in before
    ]


@pytest.mark.parametrize("content", ["", "\n\n\n", "a,b\n1,2\n", "step,time,a\n" + "9" * 5000 + ",1,2\nx,1,2\n1,2\n"])
def test_rows_that_are_none_of_a_run_are_dropped(content: str, gan_train: Command) -> None:
    assert gan_train(*RUN, "logger=csv").status == 0
    Path("run/metrics.csv").write_text(content)
    assert gan_train("resume=run", "train.steps=7").status == 0
    assert [row["step"] for row in rows()] == ["6", "7"]


def test_table_of_another_program_costs_one_line(gan_train: Command) -> None:
    assert gan_train(*RUN, "logger=csv").status == 0
    Path("run/metrics.csv").write_text(f'step,time,a\n1,2,"{"x" * 200_000}"\n')
    done = gan_train("resume=run", "train.steps=7")
    assert done.status == 2
    assert "cannot write run/metrics.csv: no table" in done.err


# Trackers


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


# What it is stored in


def test_tracked_runs_are_stored_by_logger(tmp_path: Path) -> None:
    runs = TrackedRuns(tmp_path / "loggers.json")
    assert runs.load("wandb") is None
    runs.store("wandb", TrackedRun("a", {"report": 3}))
    runs.store("mlflow", TrackedRun("b"))
    assert runs.load("wandb") == TrackedRun("a", {"report": 3})
    assert runs.load("mlflow") == TrackedRun("b")


def test_a_run_that_starts_anew_in_its_directory_keeps_its_tracked_runs(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    for name in ("loggers.json", "metrics.csv", "metrics.jsonl"):
        (tmp_path / name).touch()
    directory.clear()  # a job of a sweep that died before its first checkpoint
    assert [path.name for path in tmp_path.iterdir()] == ["loggers.json"]


@pytest.mark.parametrize(
    "content", ["", "[]", '{"wandb": 3}', '{"wandb": {"identity": "a\\u001b"}}', '{"wandb": {"identity": ""}}']
)
def test_what_is_no_tracked_run_counts_as_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "loggers.json").write_text(content)
    assert TrackedRuns(tmp_path / "loggers.json").load("wandb") is None


def test_histograms_are_of_finite_values() -> None:
    values = {"d_real": np.linspace(0, 1, 100, dtype=np.float32), "none": np.zeros(0, np.float32)}
    broken = {"d_fake": np.array([1, np.nan], np.float32)}
    found = dict(histograms(Report({}, {**values, **broken}, {})))
    assert set(found) == {"d_real"}
    assert (found["d_real"].counts.sum(), len(found["d_real"].edges)) == (100, len(found["d_real"].counts) + 1)


@pytest.mark.parametrize(("see", "end"), [("", "Try loss=wgan."), ("mode_collapse at 3", "See mode_collapse at 3")])
def test_advice_of_an_alarm(see: str, end: str) -> None:
    alarm = Alarm("vanishing_gradient", 5, 5, {}, "the gradient has vanished", "loss=wgan.", see=see)
    assert advice(alarm) == f"the gradient has vanished. {end}"
