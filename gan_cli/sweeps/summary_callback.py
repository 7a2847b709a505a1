"""How a sweep ended, counted from the directories of its jobs, whatever processes they ran in. Imports no torch."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from gan_cli.sweeps.command import Command
from gan_cli.sweeps.job_registry import Ledger, Place
from gan_cli.sweeps.job_status import Progress, Standing, standing

MOST_NAMES = 20


class Tally(Callback):
    """Hydra calls it at the beginning and at the end of a sweep, in the process that the user began."""

    def __init__(self) -> None:
        self._before: Mapping[int, Standing] = {}

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Keep what there is already, and the command for whoever continues the sweep."""
        ledger = _ledger(config)
        self._before = {place.index: standing(place.path) for place in ledger.places()}
        ledger.reopen()
        Command.of(config.hydra.overrides).write(ledger.folder)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Say how many jobs failed, and which.

        Raises:
            SystemExit: with status 1, if any did. Hydra has no other way to hand a status through.
        """
        ledger = _ledger(config)
        after = {place: standing(place.path) for place in ledger.places()}
        failed = [place for place, now in after.items() if _has_failed(now, bool(config.dry_run))]
        for line in self._lines(ledger, after, failed):
            print(f"gan-train: {line}", file=sys.stderr)
        if failed:
            sys.exit(1)

    def _lines(self, ledger: Ledger, after: Mapping[Place, Standing], failed: Sequence[Place]) -> list[str]:
        before = [(self._before[place.index], now) for place, now in after.items() if place.index in self._before]
        skipped = sum(was.progress is Progress.completed and now == was for was, now in before)
        resumed = sum(was.has_checkpoint and now != was for was, now in before)
        open_end = sum(now.progress is Progress.interrupted for now in after.values())
        lines = []
        if skipped or resumed:
            lines.append(f"{skipped} skipped (completed before), {resumed} resumed")
        if open_end:
            lines.append(
                f"{open_end} ended before all steps: the same command with sweep.continue={ledger.sweep} goes on"
            )
        if failed:
            names = [place.label for place in failed[:MOST_NAMES]]
            more = [f"{len(failed) - MOST_NAMES} more"] if len(failed) > MOST_NAMES else []
            lines.append(f"{len(failed)} of {len(after)} jobs failed: {'; '.join([*names, *more])}")
        if ledger.ended:
            lines.append("sweep.fail_fast: no job was begun after the first that failed")
        return lines


def _has_failed(now: Standing, dry_run: bool) -> bool:
    """Whether a job failed; one whose process died without a word did. A dry run leaves a word only of failures."""
    silent = now.progress in (Progress.absent, Progress.begun) and not dry_run
    return silent or now.progress in (Progress.failed, Progress.given_up)


def _ledger(config: DictConfig) -> Ledger:
    return Ledger(Path(config.hydra.sweep.dir).absolute())
