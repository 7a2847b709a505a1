"""What is run, continued and left as it is when a station is visited again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from matplotlib.figure import Figure

from gan_cli.errors import UserError
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.sweeps.command import Command as SweepCommand
from gan_cli.tour.runner import Tour
from gan_cli.tour.station import Command, Station
from tests.helpers.run_directories import write_run

# As the run that `write_run` writes.
BASE = "loss=jsd optimizer.lr=0.0002 seed=0"
COMMAND = Command("few", f"{BASE} train.steps=20")


def station(*commands: Command) -> Station:
    return Station("example", "Why?", "theory", commands, "see", (), lambda finished: Figure((1, 1)))


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The arguments of gan-train, which is not run."""
    calls: list[Sequence[str]] = []

    def run(command: Sequence[str], **_: Any) -> SimpleNamespace:
        assert command[:3] == [sys.executable, "-m", "gan_cli"]
        calls.append(command[3:])
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def run_directory(tour: Tour, status: str, steps: int = 20) -> RunDirectory:
    """A run in the folder of the command, with that status, as one that was begun there."""
    overrides = [f"train.steps={steps}", f"hydra.run.dir={tour.folder_of(COMMAND)}"]
    return RunDirectory(write_run(tour.folder_of(COMMAND), status=status, overrides=overrides))


def test_a_station_runs_its_command_and_draws_its_picture(tmp_path: Path, called: list[Sequence[str]]) -> None:
    tour = Tour(tmp_path)
    picture = tour.visit(station(COMMAND))
    assert called == [[*COMMAND.arguments, f"hydra.run.dir={tmp_path / 'runs' / 'few'}"]]
    assert picture == tmp_path / "example.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_sweep_is_continued_and_another_one_started_anew(tmp_path: Path, called: list[Sequence[str]]) -> None:
    command = Command("both", "-m dataset=ring8 loss=jsd,wgan")
    folder = tmp_path / "runs" / "both"
    Tour(tmp_path).visit(station(command))
    SweepCommand(("dataset=ring8", "loss=jsd,wgan"), ()).write(folder / ".jobs")
    Tour(tmp_path).visit(station(command))
    Tour(tmp_path).visit(station(Command("both", "-m dataset=ring8 loss=jsd,hinge")))
    assert [call[-1].partition("=")[0] for call in called] == ["hydra.sweep.dir", "sweep.continue", "hydra.sweep.dir"]
    assert not folder.exists()


def test_a_finished_run_is_kept(tmp_path: Path, called: list[Sequence[str]]) -> None:
    tour = Tour(tmp_path)
    run_directory(tour, "completed")
    tour.visit(station(COMMAND))
    assert called == []


def test_fresh_trains_a_finished_run_anew(tmp_path: Path, called: list[Sequence[str]]) -> None:
    tour = Tour(tmp_path, fresh=True)
    directory = run_directory(tour, "completed")
    tour.visit(station(COMMAND))
    assert len(called) == 1
    assert not directory.is_claimed


def test_another_command_of_that_name_is_trained_anew(tmp_path: Path, called: list[Sequence[str]]) -> None:
    tour = Tour(tmp_path)
    run_directory(tour, "completed", steps=10)
    tour.visit(station(COMMAND))
    assert called[0][-1].startswith("hydra.run.dir=")


def test_an_interrupted_run_is_resumed(tmp_path: Path, called: list[Sequence[str]]) -> None:
    tour = Tour(tmp_path)
    directory = run_directory(tour, "interrupted")
    directory.checkpoints.mkdir(exist_ok=True)
    (directory.checkpoints / "step_00000010.pt").touch()
    tour.visit(station(COMMAND))
    assert called == [[f"resume={directory.path}"]]


def test_a_command_that_fails_ends_the_station_with_its_exit_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=3))
    with pytest.raises(UserError, match=r"ended with exit status 3: gan-train loss=jsd") as caught:
        Tour(tmp_path).visit(station(COMMAND))
    assert caught.value.exit_status == 3
    assert not (tmp_path / "example.png").exists()
