"""``gan-tour`` as a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from gan_cli.tour.catalogue import STATIONS


def gan_tour(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gan_cli.cli.tour", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_without_a_station_they_are_listed(tmp_path: Path) -> None:
    done = gan_tour(cwd=tmp_path)
    assert done.returncode == 0
    assert all(f"{number}  {station.question}" in done.stdout for number, station in enumerate(STATIONS, 1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("99", "station '99': expected a number from 1 to 15 or one of information,"),
        ("mode_colapse", "Did you mean 'mode_collapse'?"),
    ],
)
def test_a_station_that_is_not_there_costs_one_line(asked: str, words: str, tmp_path: Path) -> None:
    done = gan_tour(asked, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_misspelt_option_costs_one_line(tmp_path: Path) -> None:
    done = gan_tour("1", "--shrt", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "Did you mean --short?" in done.stderr


def test_a_station_without_runs_draws_its_picture(tmp_path: Path) -> None:
    done = gan_tour("information", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "picture: outputs/tour/information.png" in done.stdout
    with Image.open(tmp_path / "outputs/tour/information.png") as picture:
        assert picture.width > 1000


@pytest.mark.slow
@pytest.mark.parametrize("station", [station.name for station in STATIONS if station.commands])
def test_each_station_in_short_form(station: str, tmp_path: Path) -> None:
    done = gan_tour(station, "--short", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / f"outputs/tour/{station}.png").exists()


@pytest.mark.slow
def test_a_station_that_is_visited_again_trains_nothing(tmp_path: Path) -> None:
    first, again = (gan_tour("saturation", "--short", cwd=tmp_path) for _ in range(2))
    assert first.stderr.count("training in") == 3
    assert "finished before: outputs/tour/runs/fixed_generator" in again.stdout
    assert "training in" not in again.stderr
    assert again.returncode == 0
