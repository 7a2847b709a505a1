"""How a sweep ended, counted from the directories of its jobs, whatever processes they ran in. Imports no torch."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from gan_cli.sweeps.command import Command
from gan_cli.sweeps.job_registry import JobRegistry, JobEntry
from gan_cli.sweeps.job_status import JobState, JobStatus, job_status

MAX_NAMES = 20


class SweepSummaryCallback(Callback):
    """Hydra calls it at the beginning and at the end of a sweep, in the process that the user began."""

    def __init__(self) -> None:
        self._before: Mapping[int, JobStatus] = {}

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Keep what there is already, and the command for whoever continues the sweep."""
        registry = _job_registry(config)
        self._before = {place.index: job_status(place.path) for place in registry.entries()}
        registry.reopen()
        Command.from_hydra_config(config.hydra.overrides).write(registry.folder)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Say how many jobs failed, and which.

        Raises:
            SystemExit: with status 1, if any did. Hydra has no other way to hand a status through.
        """
        registry = _job_registry(config)
        after = {place: job_status(place.path) for place in registry.entries()}
        failed = [place for place, now in after.items() if _has_failed(now, bool(config.dry_run))]
        for line in self._lines(registry, after, failed):
            print(f"gan-train: {line}", file=sys.stderr)
        if failed:
            sys.exit(1)

    def _lines(self, registry: JobRegistry, after: Mapping[JobEntry, JobStatus], failed: Sequence[JobEntry]) -> list[str]:
        before = [(self._before[place.index], now) for place, now in after.items() if place.index in self._before]
        skipped = sum(was.state is JobState.completed and now == was for was, now in before)
        resumed = sum(was.has_checkpoint and now != was for was, now in before)
        open_end = sum(now.state is JobState.interrupted for now in after.values())
        lines = []
        if skipped or resumed:
            lines.append(f"{skipped} skipped (completed before), {resumed} resumed")
        if open_end:
            lines.append(
                f"{open_end} ended before all steps: the same command with sweep.continue={registry.sweep} goes on"
            )
        if failed:
            names = [place.label for place in failed[:MAX_NAMES]]
            more = [f"{len(failed) - MAX_NAMES} more"] if len(failed) > MAX_NAMES else []
            lines.append(f"{len(failed)} of {len(after)} jobs failed: {'; '.join([*names, *more])}")
        if registry.closed:
            lines.append("sweep.fail_fast: no job was begun after the first that failed")
        return lines


def _has_failed(now: JobStatus, dry_run: bool) -> bool:
    """Whether a job failed; one whose process died without a word did. A dry run leaves a word only of failures."""
    silent = now.state in (JobState.absent, JobState.started) and not dry_run
    return silent or now.state in (JobState.failed, JobState.given_up)


def _job_registry(config: DictConfig) -> JobRegistry:
    return JobRegistry(Path(config.hydra.sweep.dir).absolute())
