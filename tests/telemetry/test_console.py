"""What a run shows in terminals of several widths, in a dumb one, and in a pipe."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import pytest

from gan_cli.protocols.algorithm import Report
from gan_cli.protocols.callbacks import Alarm, EvaluationEvent, ReportEvent, StartEvent, StepEvent
from gan_cli.telemetry import run_log
from gan_cli.telemetry.console import Progress
from tests.helpers.terminals import terminal

HEADLINE = {"loss D": 1.2345, "loss G": 0.733, "D(x)": 0.55, "D(G(z))": 0.42, "images/s": 18502.7}
ALARM = Alarm("mode_collapse", 400, 400, {}, "modes are missing", "loss=wgan_gp")


def pass_seconds(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let so much time pass whenever the console asks for it."""
    times = itertools.count()
    clock = SimpleNamespace(perf_counter=lambda: seconds * next(times))
    monkeypatch.setattr("gan_cli.telemetry.console.time", clock)


@pytest.fixture(autouse=True)
def quick_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of the tests take the same time on any machine."""
    pass_seconds(monkeypatch, 0.005)


@pytest.fixture(autouse=True)
def no_other_consoles() -> Iterator[None]:
    """Lines go to the console of the test alone."""
    before = list(run_log.PACKAGE_LOGGER.handlers)
    run_log.PACKAGE_LOGGER.handlers[:] = []
    yield
    run_log.PACKAGE_LOGGER.handlers[:] = before


def train(steps: int = 1000, log_every: int = 10, alarms: Sequence[int] = (), evaluated: Sequence[int] = ()) -> None:
    """Report the same numbers throughout a run."""
    with run_log.console():
        progress = Progress(steps, log_every)
        progress.on_start(StartEvent(0))
        for step in range(1, steps + 1):
            progress.on_step(StepEvent(step))
            if step % log_every == 0:
                raised = [ALARM] if step in alarms else []
                progress.on_report(ReportEvent(step, Report({}, {}, HEADLINE), step * 8, raised))
            if step in evaluated:
                progress.on_evaluation(EvaluationEvent(step, {"metrics/modes": 8.0, "metrics/high_quality": 0.9312}))
        progress.close()
        logging.getLogger("gan_cli.test").info("the end")


@pytest.mark.parametrize("width", [200, 80, 60, 40, 20])
def test_terminal_shows_one_line_that_is_redrawn_and_a_history(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch, width) as screen:
        train()
    history, (end, after) = screen.lines[:-2], screen.lines[-2:]
    assert [line.partition("  ")[0] for line in history] == [f"step {step}/1000" for step in range(50, 1001, 50)]
    assert (end, after) == ("the end", ""), "the line that is redrawn is gone at the end, and none was wrapped"
    assert screen.text.count("\r") > 20
    assert ("loss D 1.23" in history[0]) == (width >= 40)
    assert ("D(G(z)) 0.42" in history[0]) == (width >= 80)


@pytest.mark.parametrize("width", [0, 80])
def test_terminal_that_does_not_say_how_wide_it_is_has_80_columns(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch, width) as screen:
        train()
    assert "D(G(z)) 0.42" in screen.lines[0]
    assert all(len(line) <= 80 for line in screen.lines)


def test_line_between_is_that_of_the_present_step(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch, 80) as screen, run_log.console():
        progress = Progress(1000, 500)
        progress.on_start(StartEvent(0))
        progress.on_step(StepEvent(7))
    assert screen.lines[-1].startswith("step 7/1000  ")
    assert screen.lines[-1].endswith(" left")


def test_dumb_terminal_gets_the_history_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch, 60, term="dumb") as screen:
        train()
    assert "\x1b" not in screen.text
    assert len(screen.lines) == 23
    assert all(len(line) <= 60 for line in screen.lines)


@pytest.mark.parametrize("no_color", [None, "1"])
def test_alarms_are_colored_unless_that_is_not_wanted(no_color: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    with terminal(monkeypatch, 80) as screen, run_log.console():
        logging.getLogger("gan_cli.test").warning("step 3: mode_collapse")
    assert ("\x1b[33mstep 3: mode_collapse\x1b[0m" in screen.text) == (no_color is None)
    assert screen.lines[0] == "step 3: mode_collapse"


def test_alarm_stays_in_the_line_until_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch, 80) as screen, run_log.console():
        progress = Progress(30, 10)
        progress.on_start(StartEvent(0))
        progress.on_report(ReportEvent(10, Report({}, {}, HEADLINE), 80, [ALARM]))
        progress.on_report(ReportEvent(20, Report({}, {}, HEADLINE), 160))
        progress.on_report(ReportEvent(30, Report({}, {}, HEADLINE), 240, ended=["mode_collapse"]))
        progress.close()
    assert ["alarm: mode_collapse" in line for line in screen.lines[:3]] == [True, True, False]


def test_pipe_gets_the_first_report_and_twenty_lines_whole_and_with_the_time_left(
    capfd: pytest.CaptureFixture[str],
) -> None:
    train(evaluated=[500])
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 23
    assert "\r" not in "".join(lines)
    assert [line.partition("  ")[0] for line in lines[:3]] == [f"step {step}/1000" for step in (10, 50, 100)]
    assert all(" left  " in line for line in lines[:3])
    assert " left  loss D 1.23  G 0.733  D(x) 0.55  D(G(z)) 0.42  images/s 18,503" in lines[0]
    assert "step 500/1000  modes 8  high_quality 0.931" in lines
    assert " left" not in lines[-2]


def test_short_run_has_a_line_for_each_report(capfd: pytest.CaptureFixture[str]) -> None:
    train(steps=6, log_every=2)
    assert [line.split()[1] for line in capfd.readouterr().err.splitlines()[:-1]] == ["2/6", "4/6", "6/6"]


def test_run_with_rare_reports_says_early_how_long_it_takes(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pass_seconds(monkeypatch, 1.0)
    with run_log.console():
        progress = Progress(1000, 500)
        progress.on_start(StartEvent(0))
        for step in range(1, 21):
            progress.on_step(StepEvent(step))
    assert capfd.readouterr().err == "step 5/1000  about 17 min left\n"


def test_resumed_run_says_the_time_left_at_its_first_report_after_a_step(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with run_log.console():
        progress = Progress(10_000, 10)
        progress.on_start(StartEvent(510))
        report = Report({}, {}, HEADLINE)
        progress.on_report(ReportEvent(510, report, 0))  # once more, from the checkpoint
        for step in range(511, 531):
            progress.on_step(StepEvent(step))
        progress.on_report(ReportEvent(520, report, 0))
        progress.on_report(ReportEvent(530, report, 0))
    lines = capfd.readouterr().err.splitlines()
    assert [line.partition("  ")[0] for line in lines] == ["step 520/10000"]
    assert " left  loss" in lines[0]


def test_slow_first_step_does_not_count_once_there_are_others(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([0.0, 100.0, 101.0, 102.0, 103.0])
    monkeypatch.setattr("gan_cli.telemetry.console.time", SimpleNamespace(perf_counter=lambda: next(times)))
    monkeypatch.setattr("gan_cli.telemetry.console.ESTIMATE_AFTER", 1000.0)
    with run_log.console():
        progress = Progress(13, 3)
        progress.on_start(StartEvent(0))
        for step in (1, 2, 3):
            progress.on_step(StepEvent(step))
        progress.on_report(ReportEvent(3, Report({}, {}, HEADLINE), 0))
    # Three seconds for two steps after the first; ten are left.
    assert "step 3/13  15 s left  " in capfd.readouterr().err


def test_evaluations_are_counted_until_one_was_made_and_then_timed(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([0.0, 1.0, 2.0, 3.0, 103.0, 104.0])
    monkeypatch.setattr("gan_cli.telemetry.console.time", SimpleNamespace(perf_counter=lambda: next(times)))
    report = Report({}, {}, HEADLINE)
    with run_log.console():
        progress = Progress(11, 1, eval_every=2)
        progress.on_start(StartEvent(0))
        progress.on_step(StepEvent(1))
        progress.on_report(ReportEvent(1, report, 0))
        progress.on_step(StepEvent(2))
        progress.on_evaluation(EvaluationEvent(2, {"metrics/modes": 8.0}, seconds=100.0))
        progress.on_step(StepEvent(3))
        progress.on_report(ReportEvent(3, report, 0))
    first, _, later = capfd.readouterr().err.splitlines()
    assert first.startswith("step 1/11  20 s and 6 evaluations left  ")
    # Evaluations at 4, 6, 8, 10 and at the end; a second and a half a step.
    assert later.startswith("step 3/11  8 min 32 s left  ")


def test_jobs_that_share_a_console_say_which_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch, 60) as screen, run_log.console_of_job(run_log.JobConsole("seed=1")):
        train()
    assert screen.lines[0].startswith("[seed=1] step 10/1000  ")
    assert screen.lines[-2] == "[seed=1] the end"
    assert all(len(line) <= 60 for line in screen.lines), "other jobs would overwrite a line that is redrawn"
    assert len(screen.lines) == 23


def test_jobs_leave_out_what_is_for_a_person_who_has_started_one_run(capfd: pytest.CaptureFixture[str]) -> None:
    for job in (None, run_log.JobConsole()):
        with run_log.console_of_job(job) if job else run_log.console_of_job(run_log.JobConsole("x")), run_log.console():
            run_log.single_run_logger.info("curves: tensorboard")
    assert capfd.readouterr().err == ""
    with run_log.console():
        run_log.single_run_logger.info("curves: tensorboard")
        run_log.log_only_logger.info("again")
    assert capfd.readouterr().err == "curves: tensorboard\n"
