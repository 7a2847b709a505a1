"""Choice of a run's checkpoint: the latest, the best, or that of a step; what is not there names the nearest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from gan_cli.errors import ConfigError
from gan_cli.storage import checkpoints
from gan_cli.storage.checkpoint_choice import CheckpointChoice, NamedCheckpoint, nearest_step, parse_checkpoint_choice
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.stored_model import RunCheckpoint


def state(step: int) -> dict[str, Any]:
    return {"step": step, "algorithm": {"generator": {"weight": torch.full((2,), float(step))}}}


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path)
    for step in (10, 20, 30):
        checkpoints.save(directory.checkpoints, step, state(step), 3)
    return directory


@pytest.mark.parametrize(("choice", "step"), [(NamedCheckpoint.last, 30), (20, 20), (10, 10)])
def test_chosen_checkpoint_is_loaded(run: RunDirectory, choice: CheckpointChoice, step: int) -> None:
    assert RunCheckpoint(run, choice).load_state()["step"] == step


def test_best_is_the_file_of_that_name(run: RunDirectory) -> None:
    checkpoints.write(run.checkpoints / checkpoints.BEST, state(15))
    assert RunCheckpoint(run, NamedCheckpoint.best).load_state()["step"] == 15
    assert RunCheckpoint(run).load_state()["step"] == 30


@pytest.mark.parametrize(("choice", "nearest"), [(14, 10), (15, 10), (16, 20), (10**6, 30), (0, 10)])
def test_missing_step_names_the_nearest(run: RunDirectory, choice: int, nearest: int) -> None:
    with pytest.raises(ConfigError, match=f"no checkpoint of step {choice} in .*: the nearest is of step {nearest}$"):
        RunCheckpoint(run, choice).load_state()


def test_missing_best_says_how_to_keep_one(run: RunDirectory) -> None:
    with pytest.raises(ConfigError, match=r"no best checkpoint in .*: a run keeps one with checkpoint\.best=METRIC$"):
        RunCheckpoint(run, NamedCheckpoint.best).load_state()


def test_step_of_a_run_without_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no checkpoint of step 5 in "):
        RunCheckpoint(RunDirectory(tmp_path), 5).load_state()


def test_damaged_chosen_checkpoint_is_an_error_of_one_line(run: RunDirectory) -> None:
    path = run.checkpoints / "step_00000020.pt"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ConfigError, match=r"step_00000020\.pt is damaged") as error:
        RunCheckpoint(run, 20).load_state()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("text", "choice"), [("last", NamedCheckpoint.last), ("best", NamedCheckpoint.best), ("0", 0)])
def test_choice_is_parsed(text: str, choice: CheckpointChoice) -> None:
    assert parse_checkpoint_choice(text, "--checkpoint") == choice


@pytest.mark.parametrize("text", ["", "-1", "1.5", "Best", "²", "9" * 5000, "latest"])
def test_other_text_is_rejected(text: str) -> None:
    with pytest.raises(ConfigError, match="--checkpoint: expected last, best or a step, got "):
        parse_checkpoint_choice(text, "--checkpoint")


def test_nearest_step_of_two_is_the_earlier() -> None:
    assert nearest_step(15, [20, 10]) == 10
    assert nearest_step(15, []) is None
