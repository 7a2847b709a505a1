"""Progress of the claims: steps and the time left, on a terminal and in a file."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from benchmarks.claims import progress


def test_progress_says_steps_and_time_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0, 45.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    stream, metrics = io.StringIO(), tmp_path / "metrics.jsonl"
    display = progress.ProgressDisplay(stream)
    running = {metrics: ("claim_x seed 0", 1000)}
    display.show(running, 0, 3)
    metrics.write_text('{"step": 100, "a": 1}\n{"step": 2')
    display.show(running, 1, 3)  # at once: a run is done
    metrics.write_text('{"step": 100}\n{"step": 450}\n')
    display.show(running, 1, 3)  # after half a minute
    assert stream.getvalue().splitlines() == [
        "0 of 3 runs done; claim_x seed 0 starting",
        "1 of 3 runs done; claim_x seed 0 step 100 of 1,000",
        "1 of 3 runs done; claim_x seed 0 step 450 of 1,000, 55 s left",
    ]


def test_progress_without_a_terminal_is_quiet_and_in_one_redraws_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    file, terminal = io.StringIO(), Terminal()
    for stream in (file, terminal):
        display = progress.ProgressDisplay(stream)
        for _ in range(3):
            display.show({}, 1, 3)
        display.clear()
    assert file.getvalue() == "1 of 3 runs done\n"
    assert terminal.getvalue() == 3 * "\r\033[K1 of 3 runs done" + "\r\033[K"


def test_durations_are_in_seconds_or_minutes() -> None:
    positions = [progress.Position("a", 1, 2, seconds) for seconds in (0.4, 59.4, 60, 150, 1500)]
    durations = ["0 s", "59 s", "1 min", "2 min 30 s", "25 min"]
    assert [*map(str, positions)] == [f"a step 1 of 2, {duration} left" for duration in durations]
