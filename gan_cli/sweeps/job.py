"""One job of a sweep, in whatever process a launcher runs it: begun, gone on with or skipped, as its directory asks.

:func:`job` is found by its name and needs nothing from the process that began the sweep: what it has to know stands in
its configuration and in the sweep's directory. Imports no torch before it has to.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gan_cli.config.compose import Composition
from gan_cli.config.resume import resume_config
from gan_cli.config.sweep_metric import SweepMetric
from gan_cli.errors import ConfigError, DivergedError, UserError, as_user_error
from gan_cli.storage import run_directory
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.sweeps.command import Command
from gan_cli.sweeps.job_registry import JobIdentity, JobRegistry, JobEntry
from gan_cli.sweeps.job_status import JobState, JobStatus, job_status

BUG_EXIT_STATUS = 1  # exit status


def job(config: DictConfig) -> float | None:
    """Carry out the job that Hydra's launcher is at; what goes wrong is told in one line and noted in its summary.

    A bug shows its traceback besides; it is no reason either not to begin the jobs that follow.

    Raises:
        SystemExit: a signal has ended the run, after its checkpoint, and ends the sweep.
    """
    composition = Composition.from_running_job(config)
    # From Hydra's own copy, which knows what the name of the sweep's directory has come to; it is made anew elsewhere.
    hydra = HydraConfig.get()
    registry, made = JobRegistry(Path(hydra.sweep.dir).absolute()), Path(hydra.runtime.output_dir)
    if registry.closed:
        _drop_if_empty(made)
        return None
    label = Command.from_sweep(registry.sweep).label(composition.overrides) or made.name
    place = registry.register(JobIdentity.from_overrides(hydra.job.num, composition.overrides), made, label)
    if place.path != made:
        _drop_if_empty(made)

    from gan_cli.sweeps.isolation import isolated_job

    with isolated_job():
        status = _run_locked(composition, registry, place)
    if status > 128:
        _print(f"interrupted; the same command with sweep.continue={registry.sweep} goes on")
        sys.exit(status)
    if status and composition.config.sweep.fail_fast:
        registry.close(place.label)
    return None if status or composition.dry_run else _sweep_metric_value(composition, place)


def _sweep_metric_value(composition: Composition, place: JobEntry) -> float | None:
    """What a finished job made of its objective, the mean over runs that are trained as one; None: it has none."""
    metric = SweepMetric.from_keys(composition.config.sweep.metric, composition.config.objective)
    if metric is None:
        return None
    try:
        return fmean(metric.final_value(run.stored_summary()) for run in job_status(place.path).runs)
    except ConfigError as error:
        _report(place, str(error))
        return None


def _run_locked(composition: Composition, registry: JobRegistry, place: JobEntry) -> int:
    """Carry out a job that no other process is at; returns its exit status."""
    try:
        with registry.locked(place):
            found = job_status(place.path)
            for directory in found.runs:
                with directory.locked():  # somebody may have resumed it by hand
                    pass
            _reject_resumed_replicas(composition, found)
            return _run_reporting_errors(composition, place, found)
    except UserError as error:
        # The directory is another's, or holds what must not be touched: its summary stays as it is.
        _report(place, str(error))
        return error.exit_status


def _reject_resumed_replicas(composition: Composition, found: JobStatus) -> None:
    """Raise ``ConfigError`` for runs that are trained as one and have more than they could be begun again without."""
    open_end = found.state in (JobState.started, JobState.interrupted, JobState.failed) or (
        found.state is JobState.completed and found.step < composition.config.train.steps
    )
    if composition.replicas > 1 and open_end and found.has_checkpoint:
        raise ConfigError(
            f"{found.message or 'it has fewer steps'}; runs that are trained as one (train.replicas) cannot be resumed:"
            f" delete {found.runs[0].path.parent} to train them again"
        )


def _run_reporting_errors(composition: Composition, place: JobEntry, found: JobStatus) -> int:
    """Carry out a job; what it raises is told and noted in its summary."""
    try:
        status = _run_or_skip(composition, place, found)
    except Exception as error:
        told = as_user_error(error)
        if told is None:
            traceback.print_exc()
        message = str(told) if told is not None else f"a bug: {traceback.format_exception_only(error)[-1].strip()}"
        status = BUG_EXIT_STATUS if told is None else told.exit_status
        # The first error is the one to tell: where the run could not write, its summary may well fail as the rest did.
        with contextlib.suppress(UserError):
            _record_error(composition, place, message, status, "diverged" if isinstance(told, DivergedError) else "failed")
        _report(place, message)
        return status
    if 0 < status < 128:
        now = job_status(place.path)
        _report(place, f"{now.message}{'; not run again, since nothing has changed' if now == found else ''}")
    return status


def _run_or_skip(composition: Composition, place: JobEntry, found: JobStatus) -> int:
    """Skip a job that is done, go on with one that has a checkpoint, else begin; returns the exit status."""
    from gan_cli.runs import replicas, single

    if composition.dry_run:
        print(single.dry_run(composition))
        return 0
    if found.state is JobState.completed and found.step >= composition.config.train.steps:
        return 0
    alone = composition.replicas == 1
    if found.state is JobState.given_up and not (alone and _config_changed(composition, found.runs[0])):
        return DivergedError.exit_status
    if alone and found.has_checkpoint:
        return single.resume(resume_config(found.runs[0], composition), found.runs[0])
    for directory in found.runs:
        directory.clear()  # of a run that died before its first checkpoint
    return (single.start if alone else replicas.start)(composition, place.path)


def _config_changed(composition: Composition, directory: RunDirectory) -> bool:
    """Whether a run is to go on otherwise than it began."""
    configs = (resume_config(directory, composition).config, directory.stored_config())
    now, before = (OmegaConf.to_container(config, resolve=False) for config in configs)
    return now != before


def _record_error(composition: Composition, place: JobEntry, error: str, exit_status: int, status: str) -> None:
    """Note in the summary of the job, or of each of its runs, what went wrong; one that was never begun gets one."""
    empty = {"step": 0, "seconds": 0.0, "images_seen": 0, "final": {}, "best": {}, "alarms": []}
    for directory in job_status(place.path).runs or _claim_directory(composition, place):
        summary = {**empty, **directory.stored_summary()}
        directory.write_summary({**summary, "status": status, "error": error, "exit_status": exit_status})


def _claim_directory(composition: Composition, place: JobEntry) -> Sequence[RunDirectory]:
    directory = run_directory.claim(place.path)
    directory.write_hydra_config(composition.config, composition.hydra.hydra, composition.overrides)
    return [directory]


def _drop_if_empty(folder: Path) -> None:
    """Remove a directory that Hydra made for a job that does not need it."""
    with contextlib.suppress(OSError):
        folder.rmdir()


def _report(place: JobEntry, what: str) -> None:
    _print(f"job {place.identity.number} ({place.label}): {what}")


def _print(line: str) -> None:
    # At once, also from a process whose output somebody else collects.
    print(f"gan-train: {line}", file=sys.stderr, flush=True)
