"""When an alarm is raised, and when it is over, on sequences of severities."""

from __future__ import annotations

import pytest

from gan_cli.diagnostics.streaks import Streak


def lasts(severities: str, patience: float, release: int) -> str:
    """Return after which reports the alarm lasts, ``#`` for yes; a report with the problem is ``x``."""
    streak, shown = Streak(), ""
    for each in severities:
        streak = streak.after(float(each == "x"), patience, release)
        shown += "#" if streak.active else "."
    return shown


@pytest.mark.parametrize(
    ("patience", "release", "severities", "expected"),
    [
        (3, 3, "xx.xxx", ".....#"),
        (3, 3, "xxx..x..x...", "..#########."),
        (1, 4, "x.x...x....x", "##########.#"),
        (1, 1, "x.x.", "#.#."),
    ],
)
def test_an_alarm_is_raised_and_over_after_a_row_of_reports(
    patience: float, release: int, severities: str, expected: str
) -> None:
    assert lasts(severities, patience, release) == expected


def test_thirds_add_up_to_whole_reports() -> None:
    streak = Streak()
    for _ in range(11):
        streak = streak.after(1 / 3, 4, 4)
    assert not streak.active
    assert streak.after(1 / 3, 4, 4).active
