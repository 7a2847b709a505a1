"""Summary at the end of a sweep, from the directories of its jobs, whatever processes they ran in. Imports no torch."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from gan_cli.sweeps.command import Command
from gan_cli.sweeps.job_registry import JobEntry, JobRegistry
from gan_cli.sweeps.job_status import JobState, JobStatus, job_status

MAX_NAMES = 20


class SweepSummaryCallback(Callback):
    """Callback of Hydra's that counts failed, skipped and resumed jobs, in the process that the user started."""

    def __init__(self) -> None:
        self._before: Mapping[int, JobStatus] = {}

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Remember the status of earlier jobs, and store the command for ``sweep.continue``."""
        registry = _job_registry(config)
        self._before = {entry.index: job_status(entry.path) for entry in registry.entries()}
        registry.reopen()
        Command.from_hydra_config(config.hydra.overrides).write(registry.folder)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print how many jobs failed, and which.

        Raises:
            SystemExit: with status 1, if any did. Hydra passes on no exit status in any other way.
        """
        registry = _job_registry(config)
        after = {entry: job_status(entry.path) for entry in registry.entries()}
        failed = [entry for entry, now in after.items() if _has_failed(now, bool(config.dry_run))]
        for line in self._lines(registry, after, failed):
            print(f"gan-train: {line}", file=sys.stderr)
        if failed:
            sys.exit(1)

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


def _has_failed(now: JobStatus, dry_run: bool) -> bool:
    """Return whether a job failed, also by the death of its process. A dry run leaves a summary only of failures."""
    died = now.state in (JobState.absent, JobState.started) and not dry_run
    return died or now.state in (JobState.failed, JobState.abandoned)


def _job_registry(config: DictConfig) -> JobRegistry:
    return JobRegistry(Path(config.hydra.sweep.dir).absolute())
