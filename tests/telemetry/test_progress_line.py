"""What a line of progress says, and what of it is left where there is little room."""

from __future__ import annotations

import pytest

from gan_cli.telemetry.progress_line import Pace, ProgressLine, progress_line
from gan_cli.telemetry.quantities import format_duration

GAN = {"loss D": 1.2345, "loss G": 0.733, "D(x)": 0.55, "D(G(z))": 0.42, "jsd": 0.1, "sigma": 0.05, "images/s": 18502.7}


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (
            120,
            "step 1200/3600  4 min 10 s left  loss D 1.23  G 0.733  D(x) 0.55  D(G(z)) 0.42  jsd 0.1  sigma 0.05"
            "  images/s 18,503",
        ),
        (80, "step 1200/3600  4 min 10 s left  loss D 1.23  G 0.733  D(x) 0.55  D(G(z)) 0.42"),
        (60, "step 1200/3600  4 min 10 s left  loss D 1.23  G 0.733"),
        (40, "step 1200/3600  4 min 10 s left"),
        (20, "step 1200/3600"),
        (5, "step "),
    ],
)
def test_least_important_parts_are_left_out_where_there_is_no_room(width: int, text: str) -> None:
    assert progress_line(1200, 3600, Pace(1200, 125.0), GAN).fit(width) == text


def test_alarms_come_before_losses() -> None:
    line = progress_line(1, 2, Pace(1, 3.0), GAN, ["mode_collapse"])
    assert line.fit(60) == "step 1/2  3 s left  alarm: mode_collapse  loss D 1.23  G 0.733"[:60].rsplit("  ", 1)[0]
    assert "3 alarms" in str(progress_line(1, 2, Pace(1, 3.0), GAN, ["a", "b", "c"]))


def test_time_left_is_only_shown_where_it_is_known_and_there_is_some() -> None:
    assert str(progress_line(0, 10, Pace(0, 5.0), {})) == "step 0/10"
    assert str(progress_line(10, 10, Pace(10, 5.0), {})) == "step 10/10"
    # Resumed at 100: only what this process has made counts.
    assert str(progress_line(110, 200, Pace(10, 5.0), {})) == "step 110/200  45 s left"


def test_phase_is_named() -> None:
    line = progress_line(3, 9, Pace(3, 3.0), {"NLL test": 5.0}, phase="epoch 3 of maximum likelihood")
    assert str(line) == "step 3/9  6 s left  epoch 3 of maximum likelihood  NLL test 5"


def test_line_without_parts_is_empty() -> None:
    assert ProgressLine([]).fit(10) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (-1, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (599.6, "10 min"),
        (725, "12 min"),
        (3599, "60 min"),
        (3600, "1 h"),
        (3900, "1 h 5 min"),
        (86_390, "24 h"),
        (183_600, "2 d 3 h"),
        (2_000_000, "23 d"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
