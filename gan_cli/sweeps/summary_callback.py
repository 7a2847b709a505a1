"""Summary at the end of a sweep, from the directories of its jobs, whatever processes they ran in. Imports no torch."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from gan_cli.config.path_overrides import own_directory
from gan_cli.errors import printable
from gan_cli.storage.files import writing
from gan_cli.storage.reading import open_for_writing
from gan_cli.sweeps.command import Command
from gan_cli.sweeps.job_registry import JobEntry, JobRegistry
from gan_cli.sweeps.job_status import JobState, JobStatus, job_status
from gan_cli.sweeps.launch_errors import announce, passing_through_hydra
from gan_cli.sweeps.outline import describe, read_outlines
from gan_cli.sweeps.sweep_check import check_sweep, grid_jobs, number_of_trials, sweeps_over_grid
from gan_cli.telemetry.next_steps import after_sweep

MAX_NAMES = 20
# What Hydra and its sweepers write into the directory of a sweep.
HYDRA_FILES = ("multirun.yaml", "optimization_results.yaml")


class SweepSummaryCallback(Callback):
    """Callback of Hydra's that counts failed, skipped and resumed jobs, in the process that the user started."""

    def __init__(self) -> None:
        self._before: Mapping[int, JobStatus] = {}
        self._jobs: int | None = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the sweep, remember the status of earlier jobs, and store the command for ``sweep.continue``.

        Raises:
            CallbackError: with the ``UserError`` of a setting out of its range, of too many jobs, or of a sweep's
                directory that cannot be read or written.
        """
        with passing_through_hydra():
            self._jobs = check_sweep(config)
            registry = _own_registry(config)
            _require_writable(registry.sweep)
            if sweeps_over_grid(config.hydra) and registry.entries():
                registry.renumber(grid_jobs(config.hydra))
            self._before = {entry.index: job_status(entry.path) for entry in registry.entries()}
            registry.reopen()
            jobs = number_of_trials(config.hydra) if self._jobs is None else self._jobs
            Command.from_hydra_config(config.hydra, jobs).write(registry.folder)
            announce(registry)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print how many jobs failed, and which.

        Raises:
            SystemExit: with status 1, if any did. Hydra passes on no exit status in any other way.
            CallbackError: with the ``UserError`` of a registry that cannot be read.
        """
        with passing_through_hydra():
            registry = _job_registry(config)
            # Jobs that run at once are registered in any order.
            entries = sorted(registry.entries(), key=lambda entry: (entry.identity.number, entry.index))
            after = {entry: job_status(entry.path) for entry in entries}
            failed = [entry for entry, now in after.items() if _has_failed(now, bool(config.dry_run))]
            if config.dry_run and (jobs := read_outlines(registry)):
                print(describe(jobs))
            never_started = self._never_started(registry, after)
            for line in self._lines(registry, after, failed):
                print(f"gan-train: {printable(line)}", file=sys.stderr)
            if not config.dry_run:
                for line in after_sweep(registry.sweep):
                    print(printable(line), file=sys.stderr)
            if never_started:
                print(f"gan-train: {never_started} of {self._jobs} jobs were never started", file=sys.stderr)
            if failed or never_started:
                sys.exit(1)

    def _never_started(self, registry: JobRegistry, after: Iterable[JobEntry]) -> int:
        """Return how many jobs the launcher has left out, of which it may say nothing."""
        if self._jobs is None or registry.closed:
            return 0
        return max(0, self._jobs - len({entry.identity.number for entry in after}))

    def _lines(
        self, registry: JobRegistry, after: Mapping[JobEntry, JobStatus], failed: Sequence[JobEntry]
    ) -> list[str]:
        before = [(self._before[entry.index], now) for entry, now in after.items() if entry.index in self._before]
        skipped = sum(was.state is JobState.completed and now == was for was, now in before)
        resumed = sum(was.has_checkpoint and now != was for was, now in before)
        unfinished = sum(now.state is JobState.interrupted for now in after.values())
        lines = []
        if skipped or resumed:
            lines.append(f"{skipped} skipped (completed before), {resumed} resumed")
        if unfinished:
            lines.append(
                f"{unfinished} ended before all steps: the same command with sweep.continue={registry.sweep} continues"
            )
        if failed:
            names = [entry.label for entry in failed[:MAX_NAMES]]
            more = [f"{len(failed) - MAX_NAMES} more"] if len(failed) > MAX_NAMES else []
            lines.append(f"{len(failed)} of {len(after)} jobs failed: {'; '.join([*names, *more])}")
        if registry.closed:
            lines.append("sweep.fail_fast: no job was started after the first that failed")
        return lines


def _own_registry(config: DictConfig) -> JobRegistry:
    """Return the registry of a sweep that begins or is continued; raises ``ConfigError`` as ``own_directory`` does."""
    missing = OmegaConf.is_missing(config.hydra.sweep, "dir")
    directory = "" if missing else str(config.hydra.sweep.dir or "")
    registry = JobRegistry(Path(directory).absolute())
    if not registry.folder.is_dir() or not directory:  # a sweep may be continued from inside
        own_directory("hydra.sweep.dir", directory)
    return registry


def _require_writable(sweep: Path) -> None:
    """Reject a sweep's directory where Hydra could not write its files, or would wait for ever as they are no files.

    Raises:
        OutputError: with the file or folder.
    """
    with writing(sweep):
        sweep.mkdir(parents=True, exist_ok=True)
    for name in HYDRA_FILES:
        with writing(sweep / name), contextlib.suppress(FileNotFoundError):
            open_for_writing(sweep / name, flags=0).close()


def _has_failed(now: JobStatus, dry_run: bool) -> bool:
    """Return whether a job failed, also by the death of its process. A dry run leaves a summary only of failures."""
    died = now.state in (JobState.absent, JobState.started) and not dry_run
    return died or now.state in (JobState.failed, JobState.abandoned)


def _job_registry(config: DictConfig) -> JobRegistry:
    return JobRegistry(Path(config.hydra.sweep.dir).absolute())
