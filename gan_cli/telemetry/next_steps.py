"""Commands to go on with, for the last lines of a run and of a sweep. Imports no torch."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

# TensorBoard keeps ten images of a tag unless told otherwise.
TENSORBOARD = "tensorboard --samples_per_plugin images=1000 --logdir"
# Files that it reads; there are none with logger=csv, say.
EVENTS = "events.out.*"
# Of the page with a chart for each question, and of that with a table of all runs.
CHARTS_PAGE, RUNS_PAGE = "http://localhost:6006/#custom_scalars", "http://localhost:6006/#hparams"


def after_run(
    directory: Path, longer: str = "", option_folder: Path | None = None, *, has_best: bool = False
) -> Iterator[str]:
    """Yield what to do with a run that has ended.

    Args:
        directory: of the run.
        longer: override that trains it on, where it has made all steps that it was to make, or has ended early.
        option_folder: the folder of ``--config-dir``, if there was one.
        has_best: whether its best checkpoint is kept.
    """
    path = _typed(directory)
    flag = "" if option_folder is None else f"--config-dir {_typed(option_folder)} "
    yield f"samples:   gan-sample {path}{' --checkpoint best' if has_best else ''}"
    if any(directory.glob(EVENTS)):
        yield f"curves:    {TENSORBOARD} {path}  ({CHARTS_PAGE})"
    yield f"train on:  gan-train {flag}resume={path}{f' {longer}' if longer else ''}"


def after_sweep(directory: Path) -> Iterator[str]:
    """Yield what to do with a sweep that has ended."""
    path = _typed(directory)
    yield f"compare:   gan-report {path}"
    if any(directory.glob(f"*/{EVENTS}")):
        yield f"curves:    {TENSORBOARD} {path}  ({CHARTS_PAGE}, {RUNS_PAGE})"


def _typed(path: Path) -> str:
    """Return a path as it is typed in a shell: relative where it lies below the working directory."""
    here, absolute = Path.cwd(), path.absolute()
    return shlex.quote(os.fspath(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute))
