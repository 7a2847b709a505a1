"""Signals and the limit of time: whenever they come, what is on disk is whole, and the exit status says what it was."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
import torch

from gan_cli.datasets.digits import Digits
from gan_cli.evaluation.evaluator import Evaluator
from gan_cli.protocols.callbacks import EndEvent
from gan_cli.runtime.interrupts import Interrupts, deadline, exit_on_signal
from gan_cli.storage import checkpoint_archive
from gan_cli.telemetry.sample_writer import SampleWriter
from tests.conftest import TINY, Command
from tests.helpers.preloaded import PreloadedProcess
from tests.helpers.run_directories import read_summary
from tests.soak.equality import figures, same

pytestmark = pytest.mark.posix

RUN = (
    *TINY,
    "train.batch_size=8",
    "train.sample_count=4",
    "train.log_every=2",
    "train.sample_every=4",
    "train.checkpoint_every=4",
)
NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)


def last_step(run: str) -> int:
    return int(checkpoint_archive.load(Path(run, "checkpoints", "last.pt"))["step"])


def ignored(number: int, frame: FrameType | None) -> None:
    """A handler that does nothing."""


@pytest.fixture
def handlers() -> Iterator[None]:
    """Puts back whatever handlers a test installs."""
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


# ---- the signals by themselves


def test_first_signal_is_noted_and_handlers_are_put_back(handlers: None) -> None:
    before = [signal.getsignal(number) for number in NUMBERS]
    with Interrupts() as interrupted:
        assert not interrupted()
        assert interrupted.exit_status == 0
        signal.raise_signal(signal.SIGUSR1)
        assert interrupted()
        assert interrupted.exit_status == 138
    assert [signal.getsignal(number) for number in NUMBERS] == before


@pytest.mark.parametrize("number", NUMBERS)
def test_signal_that_would_end_the_process_stops_the_run(number: signal.Signals, handlers: None) -> None:
    signal.signal(number, signal.SIG_DFL)
    with Interrupts() as interrupted:
        signal.raise_signal(number)
        assert interrupted.exit_status == 128 + number


def test_closed_terminal_is_ignored_under_nohup(handlers: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with exit_on_signal(), Interrupts() as interrupted:
        signal.raise_signal(signal.SIGHUP)
        assert not interrupted()


@pytest.mark.parametrize("number", NUMBERS)
def test_signal_is_forwarded_to_its_earlier_handler(number: signal.Signals, handlers: None) -> None:
    heard = []
    signal.signal(number, lambda number, frame: heard.append((number, signal.getsignal(number))))
    theirs = signal.getsignal(number)
    with Interrupts():
        signal.raise_signal(number)
        assert heard == [], "not before all is written"
    assert heard == [(number, theirs)], "with its own handler in force again"


def test_signal_is_not_handed_on_after_an_error(handlers: None) -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: pytest.fail("would requeue a run that failed"))
    with contextlib.suppress(ZeroDivisionError), Interrupts() as interrupted:
        signal.raise_signal(signal.SIGTERM)
        assert interrupted()
        raise ZeroDivisionError


def test_before_training_a_signal_unwinds_the_process(handlers: None) -> None:
    for number in NUMBERS[1:]:
        signal.signal(number, signal.SIG_DFL)
        with pytest.raises(SystemExit) as left, exit_on_signal():
            signal.raise_signal(number)
        assert left.value.code == 128 + number
        assert signal.getsignal(number) is signal.SIG_DFL
    signal.signal(signal.SIGTERM, ignored)
    with exit_on_signal(), Interrupts():
        pass
    with exit_on_signal():
        signal.raise_signal(signal.SIGTERM)  # somebody else's


def test_other_threads_have_no_signals() -> None:
    def work() -> None:
        with exit_on_signal(), Interrupts() as interrupted:
            assert not interrupted()
            done.append(True)

    done: list[bool] = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done


def test_limit_of_time_is_not_measured_by_the_clock_on_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: ticks[0])
    monkeypatch.setattr(time, "time", lambda: pytest.fail("may jump"))
    over, never = deadline(0.5), deadline(0.0)
    ticks[0] += 29.9
    assert not over()
    ticks[0] += 0.2
    assert over()
    assert not never()


# ---- runs


def test_run_that_reaches_its_time_limit_can_be_resumed(
    gan_train: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gan_train(*RUN, "train.steps=12", "hydra.run.dir=whole").status == 0
    ticks = iter(range(0, 10_000, 10))  # ten seconds a look
    with monkeypatch.context() as slowly:
        slowly.setattr("gan_cli.runtime.interrupts.time.monotonic", lambda: next(ticks))
        done = gan_train(*RUN, "train.steps=12", "train.max_minutes=1", "hydra.run.dir=run")
        assert done.status == 0, done.err
        assert read_summary("run")["status"] == "interrupted"
        assert last_step("run") == read_summary("run")["step"] == 6
        assert "train.max_minutes=1 is over: resume=run continues" in done.err
        assert gan_train("resume=run").status == 0, "with a limit of its own"
    assert read_summary("run")["status"] == "completed"
    same(
        *(checkpoint_archive.load(Path(run, "checkpoints/last.pt"))["algorithm"] for run in ("run", "whole")),
        "algorithm",
    )
    assert figures(Path("run")) == figures(Path("whole"))


def test_evaluation_does_not_keep_waiting_who_interrupts(
    gan_train: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal comes in the middle of an evaluation, which ends at once, and is made anew by the resumed run."""
    measured, call = [], Evaluator.__call__

    def evaluate(self: Evaluator, *arguments: object) -> object:
        measured.append(len(measured))
        if len(measured) == 1:
            signal.raise_signal(signal.SIGTERM)
        return call(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Evaluator, "__call__", evaluate)
    wanted = (*RUN, "train.steps=8", "train.eval_every=4", "evaluation.samples=40", "evaluation.backbone=pixels")
    done = gan_train(*wanted, "hydra.run.dir=run")
    assert done.status == 143, done.err
    assert "the evaluation of step 4 is abandoned; the resumed run makes it" in done.err
    assert len(measured) == 1
    assert last_step("run") == read_summary("run")["step"] == 4
    assert read_summary("run")["status"] == "interrupted"
    assert gan_train("resume=run").status == 0
    assert len(measured) == 3
    evaluated = [line["step"] for line in figures(Path("run")) if any(tag.startswith("metrics/") for tag in line)]
    assert evaluated == [4, 8]


def test_signal_in_the_last_moments_loses_nothing_and_is_reported(
    gan_train: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_end = SampleWriter.on_end

    def interrupted_end(self: SampleWriter, event: EndEvent) -> None:
        signal.raise_signal(signal.SIGTERM)
        on_end(self, event)

    monkeypatch.setattr(SampleWriter, "on_end", interrupted_end)
    assert gan_train(*RUN, "train.steps=4", "hydra.run.dir=run").status == 143, "a sweep must not begin its next job"
    assert read_summary("run")["status"] == "completed"
    assert Path("run/samples/progress.webp").exists()


def test_signal_while_the_data_are_read_leaves_no_directory(
    gan_train: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch, handlers: None
) -> None:
    tidied = []

    def load(self: Digits) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            tidied.append(True)

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    monkeypatch.setattr(Digits, "load", load)
    done = gan_train(*RUN, "train.steps=4", "hydra.run.dir=run")
    assert done.status == 143
    assert "SIGTERM: leaving; there is nothing to save yet" in done.err
    assert tidied
    assert not Path("run").exists()


def test_launchers_handler_requeues_the_job_once_all_is_on_disk(workplace: Path) -> None:
    process = PreloadedProcess("tests.helpers.requeued", [*RUN, "train.steps=1000", "hydra.run.dir=run"])
    out, err = process.communicate(timeout=120)
    assert process.returncode == 75, err
    assert out.splitlines()[-1] == "requeue ['last.pt', 'step_00000003.pt'] True"
    assert read_summary("run")["status"] == "interrupted"
    assert torch.load("run/checkpoints/last.pt", weights_only=True)["step"] == 3
