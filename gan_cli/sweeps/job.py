"""One job of a sweep, in any process: started, resumed or skipped, depending on the state of its directory.

:func:`job` can be imported by its name and needs nothing from the process that started the sweep: its configuration and
the sweep's directory are enough. Imports torch only when a run is to be trained.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gan_cli.config.compose import Composition
from gan_cli.config.resume import resume_config
from gan_cli.config.sweep_metric import SweepMetric
from gan_cli.errors import ConfigError, DivergedError, UserError, as_user_error, printable
from gan_cli.runtime.parent_watch import end_with_parent
from gan_cli.storage import run_directory
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.sweeps.command import Command
from gan_cli.sweeps.job_registry import JobEntry, JobIdentity, JobRegistry
from gan_cli.sweeps.job_status import JobState, JobStatus, job_status
from gan_cli.sweeps.launch_errors import passing_through_hydra
from gan_cli.sweeps.sweep_check import sweeps_over_grid
from gan_cli.sweeps.sweep_progress import SweepProgress

BUG_EXIT_STATUS = 1
# What a dry run returns for a metric: a sweeper that searches proposes its next job only after a number.
DRY_VALUE = 0.0


def job(config: DictConfig) -> float | None:
    """Run the job that Hydra's launcher is at; an error is reported in one line and recorded in its summary.

    A bug also shows its traceback; the jobs that follow are run after it as after any other error.

    Returns:
        The value of ``sweep.metric``, for a sweeper such as Optuna, in a dry run :data:`DRY_VALUE`; None without one,
        or where the job failed.

    Raises:
        SystemExit: a signal has ended the run, after its checkpoint, and ends the sweep.
        CallbackError: with the ``UserError`` that ends the sweep, as its registry cannot be used.
    """
    end_with_parent()
    # Not as an Exception, which Hydra would print in its own words.
    with passing_through_hydra():
        composition = Composition.from_running_job(config)
        # From Hydra's own copy, where the sweep's directory is resolved; its resolver would make a new one elsewhere.
        hydra = HydraConfig.get()
        sweep = Path(hydra.runtime.cwd, hydra.sweep.dir)  # hydra.job.chdir=true has changed the working directory
        registry, output_dir = JobRegistry(sweep), Path(hydra.runtime.output_dir)
        if registry.closed:
            _remove_if_empty(output_dir)
            return None
        entry = _register(composition, registry, output_dir)
        composition = replace(composition, distinguishing=Command.stored(sweep).varying(composition.overrides))

    from gan_cli.sweeps.isolation import isolated_job
    from gan_cli.telemetry import run_log

    several_at_once = hydra.runtime.choices.get("hydra/launcher") != "basic"
    with isolated_job(), run_log.console_of_job(run_log.JobConsole(entry.label if several_at_once else "")):
        status = _run_locked(composition, registry, entry)
    if status > 128:
        _print(f"interrupted; the same command with sweep.continue={registry.sweep} continues")
        sys.exit(status)
    if status and composition.config.sweep.fail_fast:
        registry.close(entry.label)
    if composition.dry_run and not status:
        return DRY_VALUE
    return None if status else _sweep_metric_value(composition, entry)


def _register(composition: Composition, registry: JobRegistry, output_dir: Path) -> JobEntry:
    """Return the job's entry in the registry, with the directory that it has had from its start.

    Raises:
        ConfigError: the registry or the sweep's command cannot be read, or the job of this number was another one.
        OutputError: the registry cannot be written.
    """
    hydra = composition.hydra.hydra
    label = Command.stored(registry.sweep).label(composition.overrides) or output_dir.name
    identity = JobIdentity.from_overrides(hydra.job.num, composition.overrides)
    if sweeps_over_grid(hydra):
        registry.reject_other_job(identity)
    entry = registry.register(identity, output_dir, label)
    if entry.path != output_dir:
        _remove_if_empty(output_dir)
    return entry


def _sweep_metric_value(composition: Composition, entry: JobEntry) -> float | None:
    """Return the sweep's metric of a finished job, the mean over replicas; None without one, or if not measured."""
    metric = SweepMetric.from_keys(composition.config.sweep.metric, composition.config.objective)
    if metric is None:
        return None
    try:
        return fmean(metric.final_value(run.stored_summary()) for run in job_status(entry.path).runs)
    except ConfigError as error:
        _report(entry, str(error))
        return None


def _run_locked(composition: Composition, registry: JobRegistry, entry: JobEntry) -> int:
    """Run a job unless another process holds its lock; returns the exit status."""
    try:
        with registry.locked(entry):
            found = job_status(entry.path)
            for directory in found.runs:
                with directory.locked():  # it may have been resumed outside the sweep
                    pass
            _reject_resumed_replicas(composition, found)
            return _run_reporting_errors(composition, registry, entry, found)
    except UserError as error:
        # Another process is using the directory, or its content must be kept: the summary stays as it is.
        _report(entry, str(error))
        return error.exit_status


def _reject_resumed_replicas(composition: Composition, found: JobStatus) -> None:
    """Raise ``ConfigError`` for unfinished replicas with checkpoints, which can be neither resumed nor discarded."""
    unfinished = found.state in (JobState.started, JobState.interrupted, JobState.failed) or (
        found.state is JobState.completed and found.step < composition.config.train.steps
    )
    if composition.replicas > 1 and unfinished and found.has_checkpoint:
        raise ConfigError(
            f"{found.message or 'it has fewer steps'}; runs that are trained as one (train.replicas) cannot be resumed:"
            f" delete {found.runs[0].path.parent} to train them again"
        )


def _run_reporting_errors(composition: Composition, registry: JobRegistry, entry: JobEntry, found: JobStatus) -> int:
    """Run a job; an exception is reported and recorded in its summary. Returns the exit status."""
    try:
        status = _run_or_skip(composition, registry, entry, found)
    except Exception as error:
        user_error = as_user_error(error)
        if user_error is None:
            traceback.print_exc()
        message = (
            str(user_error)
            if user_error is not None
            else f"a bug: {traceback.format_exception_only(error)[-1].strip()}"
        )
        status = BUG_EXIT_STATUS if user_error is None else user_error.exit_status
        summary_status = "diverged" if isinstance(user_error, DivergedError) else "failed"
        # Report the first error: where the run could not write, writing its summary may fail for the same reason.
        with contextlib.suppress(UserError):
            _record_error(composition, entry, message, status, summary_status)
        _report(entry, message)
        return status
    if 0 < status < 128:
        now = job_status(entry.path)
        _report(entry, f"{now.message}{'; not run again, since nothing has changed' if now == found else ''}")
    return status


def _run_or_skip(composition: Composition, registry: JobRegistry, entry: JobEntry, found: JobStatus) -> int:
    """Skip a job that is done, resume one that has a checkpoint, else start it; returns the exit status."""
    if composition.dry_run:
        from gan_cli.sweeps.dry_job import leave_outline

        leave_outline(composition, registry, entry)
        return 0
    from gan_cli.training import replicas, single

    if found.state is JobState.completed and found.step >= composition.config.train.steps:
        return 0
    single_run = composition.replicas == 1
    if found.state is JobState.abandoned and not (single_run and _config_changed(composition, found.runs[0])):
        return DivergedError.exit_status
    _print_line(f"{SweepProgress.read(registry).place(entry.identity.number)}: {entry.label}")
    if single_run and found.has_checkpoint:
        return single.resume(resume_config(found.runs[0], composition), found.runs[0])
    for directory in found.runs:
        directory.clear()  # of a run that died before its first checkpoint
    return (single.start if single_run else replicas.start)(composition, entry.path)


def _config_changed(composition: Composition, directory: RunDirectory) -> bool:
    """Return whether a run would be resumed with another configuration than it has."""
    configs = (resume_config(directory, composition).config, directory.stored_config())
    now, before = (OmegaConf.to_container(config, resolve=False) for config in configs)
    return now != before


def _record_error(composition: Composition, entry: JobEntry, error: str, exit_status: int, status: str) -> None:
    """Record an error in the summary of each run of the job; a job that never started gets a directory for it."""
    empty = {"step": 0, "seconds": 0.0, "images_seen": 0, "final": {}, "best": {}, "alarms": []}
    for directory in job_status(entry.path).runs or _claim_directory(composition, entry):
        summary = {**empty, **directory.stored_summary()}
        directory.write_summary({**summary, "status": status, "error": error, "exit_status": exit_status})


def _claim_directory(composition: Composition, entry: JobEntry) -> Sequence[RunDirectory]:
    directory = run_directory.claim(entry.path)
    directory.write_hydra_config(composition.config, composition.hydra.hydra, composition.overrides)
    return [directory]


def _remove_if_empty(folder: Path) -> None:
    """Remove a directory that Hydra made for a job and that the job does not use."""
    with contextlib.suppress(OSError):
        folder.rmdir()


def _report(entry: JobEntry, message: str) -> None:
    # Several mistakes are a line each.
    _print(f"job {entry.identity.number} ({entry.label}): {'; '.join(message.splitlines())}")


def _print(line: str) -> None:
    _print_line(f"gan-train: {line}")


def _print_line(line: str) -> None:
    # Flushed, since a launcher may collect the output of this process.
    print(printable(line), file=sys.stderr, flush=True)
