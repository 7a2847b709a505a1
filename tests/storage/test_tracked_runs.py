"""Tracked runs of a run directory (``loggers.json``): stored by logger, kept when the run starts anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.tracked_runs import TrackedRun, TrackedRuns


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
