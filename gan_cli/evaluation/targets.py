"""Runs that a command line asks to measure: run directories, and completed runs below other folders. No torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gan_cli.errors import ConfigError
from gan_cli.inference.exported_model import find_exported
from gan_cli.inference.hub import PREFIX
from gan_cli.report.formatting import format_count, join_words
from gan_cli.report.run_search import find_runs, run_names
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.run_search import shell_line

COMPLETED = "completed"


@dataclass(frozen=True)
class Targets:
    """Runs that are to be measured.

    Attributes:
        runs: their directories, each once.
        names: a name for each, to tell them apart.
        notes: a line for what was left out.
        single: whether it is one run, named by its own directory.
    """

    runs: tuple[RunDirectory, ...]
    names: tuple[str, ...]
    notes: tuple[str, ...]
    single: bool


def find_targets(paths: Sequence[Path]) -> Targets:
    """Find the runs to measure: a run that is named itself in any state, those below a folder once completed.

    Raises:
        ConfigError: a path is no folder, or there is no completed run below it; or it is an exported model.
    """
    for path in paths:
        _reject_exported(path)
    named = [path for path in paths if RunDirectory(path).is_claimed]
    if len(named) == len(paths) == 1:
        return Targets((RunDirectory(named[0]),), (named[0].name,), (), single=True)
    found: dict[Path, Path] = {}
    notes: list[str] = []
    for path in paths:
        if path in named:
            found.setdefault(path.resolve(), path)
            continue
        below = find_runs([path])
        completed = [run for run in below.runs if _state(run) == COMPLETED]
        others = Counter(_state(run) for run in below.runs if run not in completed)
        notes += [*below.notes, *([_left_out(path, others)] if others else [])]
        if not completed:
            reason = f": {_states(others)}" if others else ": a run directory has a .hydra/config.yaml"
            raise ConfigError(f"no completed run in {str(path)!r}{reason}")
        for run in completed:
            found.setdefault(run.resolve(), run)
    runs = list(found.values())
    return Targets(tuple(map(RunDirectory, runs)), tuple(run_names(runs)), tuple(notes), single=False)


def _reject_exported(path: Path) -> None:
    """Raise ``ConfigError`` for a model that was exported, from which no data can be found to compare it with."""
    if str(path).startswith(PREFIX) or (not RunDirectory(path).is_claimed and find_exported(path) is not None):
        line = shell_line("gan-sample ", path)
        raise ConfigError(
            f"{path} is an exported model, without its data: {line} --n 10000 --out samples.npy, then gan-eval RUN_DIR"
            " --samples samples.npy with a run on the same data"
        )


def _state(run: Path) -> str:
    directory = RunDirectory(run)
    return "running" if directory.is_locked else str(directory.stored_summary().get("status", "died"))


def _left_out(path: Path, others: Counter[str]) -> str:
    return f"{path}: left out {_states(others)}; a run that is named itself is measured in any state"


def _states(others: Counter[str]) -> str:
    return join_words([f"{format_count(count, 'run')} {state}" for state, count in others.items()])
