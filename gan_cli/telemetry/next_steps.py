"""Commands to go on with, for the last lines of a run and of a sweep. Imports no torch."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

# TensorBoard keeps ten images of a tag unless told otherwise.
TENSORBOARD = "tensorboard --samples_per_plugin images=1000 --logdir"
# Of the page with a chart for each question, and of that with a table of all runs.
CHARTS_PAGE, RUNS_PAGE = "http://localhost:6006/#custom_scalars", "http://localhost:6006/#hparams"


def after_run(directory: Path, step: int, completed: bool, option_folder: Path | None = None) -> Iterator[str]:
    """Yield what to do with a run that has ended.

    Args:
        directory: of the run.
        step: updates made in all.
        completed: whether these are all that it was to make.
        option_folder: the folder of ``--config-dir``, if there was one.
    """
    path = _typed(directory)
    flag = "" if option_folder is None else f"--config-dir {_typed(option_folder)} "
    yield f"samples:   gan-sample {path}"
    yield f"curves:    {TENSORBOARD} {path}  ({CHARTS_PAGE})"
    yield f"train on:  gan-train {flag}resume={path}{f' train.steps={2 * step}' if completed else ''}"


def after_sweep(directory: Path) -> Iterator[str]:
    """Yield what to do with a sweep that has ended."""
    path = _typed(directory)
    yield f"compare:   gan-report {path}"
    yield f"curves:    {TENSORBOARD} {path}  ({CHARTS_PAGE}, {RUNS_PAGE})"


def _typed(path: Path) -> str:
    """Return a path as it is typed in a shell: relative where it lies below the working directory."""
    here, absolute = Path.cwd(), path.absolute()
    return shlex.quote(os.fspath(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute))
