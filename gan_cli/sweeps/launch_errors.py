"""Errors of callbacks, sweepers and launchers on their way out of Hydra, as those to report. Imports no torch."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from contextvars import ContextVar

from gan_cli.errors import ConfigError, OutputError, UserError
from gan_cli.sweeps.command import CONTINUE
from gan_cli.sweeps.job_registry import JobRegistry
from gan_cli.sweeps.job_status import JobState, job_status

LAUNCHER = "hydra/launcher"
# Modules of launchers' libraries that define the exceptions for a lost process.
LAUNCHER_ERROR_MODULES = ("joblib.externals.loky.process_executor", "submitit.core.utils", "ray.exceptions")
SLURM_MISSING_MESSAGE = 'Could not detect "srun"'
MAX_NAMES = 20

# The sweep that Hydra runs, as its callback has found it: Hydra hands on nothing from a callback.
_running: ContextVar[JobRegistry | None] = ContextVar("running sweep", default=None)


class JobProcessLostError(UserError):
    """The process of a job that ended unexpectedly, or could not be started."""

    exit_status = 1


class CallbackError(BaseException):
    """An exception of a callback on its way through Hydra, which would reduce an ``Exception`` to a warning."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@contextlib.contextmanager
def passing_through_hydra() -> Iterator[None]:
    """Let an exception of the block, which is of a callback, reach :func:`launch_errors_explained`."""
    try:
        yield
    except Exception as error:
        raise CallbackError(error) from error


def announce(registry: JobRegistry) -> None:
    """Tell :func:`launch_errors_explained` which sweep begins."""
    _running.set(registry)


def is_running() -> bool:
    """Return whether a sweep has begun, inside :func:`launch_errors_explained`."""
    return _running.get() is not None


@contextlib.contextmanager
def launch_errors_explained() -> Iterator[None]:
    """Raise errors of callbacks as they were, and of launchers those to report, with the jobs that were lost.

    Raises:
        JobProcessLostError: a process of the launcher has ended, or could not be started.
        OutputError: a file of Hydra, its launcher or its sweeper cannot be written.
    """
    token = _running.set(None)
    try:
        yield
    except CallbackError as wrapped:
        # With what has led to it, which this statement would replace by the wrapper.
        raise wrapped.error from wrapped.error.__cause__ or wrapped.error.__context__
    except OSError as error:
        # Jobs handle their own: this one is of the files of Hydra, its launcher or its sweeper.
        lost = as_job_process_lost(error, _running.get())
        if lost is None and (not isinstance(error.filename, str) or error.errno == errno.ENAMETOOLONG):
            raise
        raise lost or OutputError(f"cannot write {error.filename}: {error.strerror}") from error
    except Exception as error:
        lost = as_job_process_lost(error, _running.get())
        if lost is None:
            raise
        raise lost from error
    finally:
        _running.reset(token)


def as_job_process_lost(error: BaseException, registry: JobRegistry | None) -> UserError | None:
    """Return a launcher's exception as the error to report, or None where it is a bug.

    Args:
        error: as it came out of Hydra.
        registry: the jobs of the sweep, where it had begun.
    """
    if isinstance(error, RuntimeError) and str(error).startswith(SLURM_MISSING_MESSAGE):
        return JobProcessLostError(f"{LAUNCHER}=submitit_slurm: there is no Slurm here; submitit_local does without")
    if isinstance(error, TimeoutError) or type(error).__name__ == "TimeoutError":
        return JobProcessLostError(f"a job took longer than hydra.launcher.timeout{_lost_jobs(registry)}")
    if type(error).__module__ not in LAUNCHER_ERROR_MODULES or type(error).__name__.startswith("RayTaskError"):
        return None
    first = " ".join(str(error).split()).partition(". ")[0].rstrip(".")
    return JobProcessLostError(f"a job's process is gone: {first}{_lost_jobs(registry)}")


def _lost_jobs(registry: JobRegistry | None) -> str:
    """Describe the jobs that were started and have no end, and how the sweep continues."""
    if registry is None:
        return ""
    with contextlib.suppress(ConfigError):  # a registry that cannot be read: the loss is the error to report
        entries = sorted(registry.entries(), key=lambda entry: entry.identity.number)
        lost = [entry.label for entry in entries if job_status(entry.path).state in (JobState.absent, JobState.started)]
        names = "; ".join(lost[:MAX_NAMES]) + (f"; {len(lost) - MAX_NAMES} more" if len(lost) > MAX_NAMES else "")
        jobs = f". Lost: {len(lost)} of {len(entries)} jobs that were started ({names})" if lost else ""
        return f"{jobs}. The same command with {CONTINUE}={registry.sweep} continues the sweep"
    return ""
