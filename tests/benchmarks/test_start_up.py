"""The benchmark of start-up times, on its quickest commands."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from benchmarks import start_up
from benchmarks.start_up import COMMANDS, Place, Times


def test_a_row_has_medians_and_says_whether_the_goal_is_met() -> None:
    times = [Times(0.5, 0.4), Times(0.7, 0.6), Times(0.3, 0.2)]
    quick = start_up.line(COMMANDS["help"], times)
    assert quick == "| `gan-train --help` | 0.50 (0.30 to 0.70) | 0.40 (0.20 to 0.60) | 0.6 | yes |"
    assert start_up.line(COMMANDS["help"], [Times(0.61, 0.4)]).endswith("| 0.6 | no |")
    assert start_up.line(COMMANDS["python"], times).endswith("|  |  |")


def test_a_command_is_timed_and_has_to_end_as_expected(tmp_path: Path) -> None:
    times = start_up.timed(COMMANDS["python"], Place(tmp_path, 1))
    assert 0 < times.wall < 60
    assert 0 < times.processor < 60
    with pytest.raises(SystemExit, match="exit status 0"):
        start_up.timed(dataclasses.replace(COMMANDS["python"], status=2), Place(tmp_path, 1))


@pytest.mark.slow
def test_every_command_runs(tmp_path: Path) -> None:
    measured = start_up.measure(list(COMMANDS), 1, tmp_path)
    assert {name: len(times) for name, times in measured.items()} == dict.fromkeys(COMMANDS, 1)
