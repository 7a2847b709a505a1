"""The public functions: a run is trained, or opened by its path, or all of a folder are opened. Imports no torch."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gan_cli.errors import ConfigError, did_you_mean, truncated_repr
from gan_cli.interface.run import Run
from gan_cli.interface.training import train_in_process
from gan_cli.report.run_search import find_runs
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.run_search import OUTPUTS, locate_run

if TYPE_CHECKING:
    from gan_cli.protocols.callbacks import Callback

DEVICES = ("auto", "cpu", "cuda", "mps")
DIGITS = re.compile(r"(\d+)")


def train(*overrides: str, callbacks: Sequence[Callback] = (), config_dir: str | os.PathLike[str] | None = None) -> Run:
    """Train a run in this process, as ``gan-train`` with the same overrides does, and return it.

    The run gets a directory of its own below ``outputs/``; weights, metrics and samples are those of the command, bit
    for bit on the same machine with the same number of threads. The working directory, Hydra's state, random states,
    loggers and signal handlers are afterwards what they were before. Several threads may train: they take turns.

    ``train("resume=outputs/2026-01-31/12-00-00", "train.steps=2000")`` trains an earlier run on, in its directory.

    Args:
        *overrides: ``group=option`` or ``key=value`` each, as on the command line: ``"dataset=ring8"``,
            ``"train.steps=100"``; paths as they are, without quotes.
        callbacks: objects that receive what happens in the run, after the alarms and the writers of files; their
            states are in no checkpoint. One that returns its :class:`~gan_cli.protocols.callbacks.ReportEvent` with
            ``stop=True`` ends the run.
        config_dir: folder of options of your own (``--config-dir``).

    Returns:
        The run. Its ``status`` is ``completed``; ``stopped`` where a callback or ``diagnostics.on_alarm=stop`` ended
        it; or ``interrupted`` where ``train.max_minutes`` did.

    Raises:
        ConfigError: an override is wrong; the message has what was probably meant.
        DataError: the data cannot be read or downloaded.
        DivergedError: a number became infinite or NaN, or an alarm ended training by an error.
        OutputError: a file of the run cannot be written.
        OutOfMemoryError: the sizes need more memory than this machine has.
        KeyboardInterrupt: Ctrl-C, or a notebook's stop button; the run saved a checkpoint and can be resumed.
    """
    return Run(train_in_process(overrides, callbacks, config_dir))


def open(path: str | os.PathLike[str], device: str = "auto") -> Run:
    """Open a run that was trained before, or is being trained.

    Args:
        path: the run directory or a file in it; ``"last"``: the run below ``outputs/`` that was last trained.
        device: what its networks compute on, ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``; ``"auto"`` is a GPU where
            there is one. A seed's random numbers are the same on each, results differ by rounding.

    Raises:
        ConfigError: there is no such run; the message names one that may be meant. Or there is no such device.
    """
    if device not in DEVICES:
        hint = did_you_mean(str(device), DEVICES)
        raise ConfigError(f"device: expected {' or '.join(DEVICES)}, got {truncated_repr(device)}.{hint}")
    directory = locate_run(Path(path).expanduser(), "")
    directory.stored_config()  # raises where the folder is no run of ours
    return Run(directory, device)


def runs(folder: str | os.PathLike[str] = OUTPUTS) -> list[Run]:
    """Open all runs at and below a folder, those of sweeps too.

    Args:
        folder: a run directory, a sweep, or any folder above them.

    Returns:
        The runs in the order of their paths, numbers in them by size: job 2 comes before job 10. Empty where there are
        none.

    Raises:
        ConfigError: there is no such folder; the message names one that may be meant.
    """
    found = find_runs([Path(folder).expanduser()]).runs
    return [Run(RunDirectory(path)) for path in sorted(found, key=_in_natural_order)]


def _in_natural_order(path: Path) -> list[tuple[int, str]]:
    """Return a key that sorts paths by their parts, and digits in them as numbers."""
    parts = DIGITS.split(str(path).replace(os.sep, "\0"))
    return [(int(part), "") if index % 2 and len(part) < 20 else (-1, part) for index, part in enumerate(parts)]
