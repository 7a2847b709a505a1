"""Signals for the processes that a launcher has started, and what is said when one is lost. Imports no torch."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from gan_cli.errors import UserError
from gan_cli.runtime.interrupts import signal_handlers
from gan_cli.sweeps.command import CONTINUE
from gan_cli.sweeps.job_registry import override_key

LAUNCHER = "hydra/launcher"
# Launchers whose jobs run in child processes of this one, or under such that pass signals on.
LAUNCHERS_WITH_CHILDREN = ("joblib", "submitit_local")
# Where launchers' libraries define what they raise when a process of theirs is gone.
LAUNCHER_ERROR_MODULES = ("joblib.externals.loky.process_executor", "submitit.core.utils", "ray.exceptions")
SLURM_MISSING_MESSAGE = 'Could not detect "srun"'


class JobProcessLostError(UserError):
    """A process of a job has ended without a word, or could not be started."""

    exit_status = 1


def forward_signals(arguments: Sequence[str]) -> contextlib.AbstractContextManager[None]:
    """For the time of a sweep with these arguments: a signal that ends it is passed on to jobs in child processes."""
    launchers = [item.partition("=")[2] for item in arguments if override_key(item) == LAUNCHER]
    return _forward_signals() if launchers and launchers[-1] in LAUNCHERS_WITH_CHILDREN else contextlib.nullcontext()


@contextlib.contextmanager
def _forward_signals() -> Iterator[None]:
    """A first SIGINT or SIGTERM makes all child processes leave as SIGTERM does; a second one ends this process.

    The jobs in them save a checkpoint, and the launcher hears of their end. Where none has begun there is nothing to
    wait for.
    """
    received: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        received.append(number)
        children = list(_child_processes())
        if len(received) > 1 or not children:
            raise SystemExit(128 + number)
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                # SIGTERM also for SIGINT, which the keys of a terminal have sent them already: a second one of those
                # would end them at once.
                os.kill(child, signal.SIGTERM)

    try:
        with signal_handlers((signal.SIGINT, signal.SIGTERM), pass_on):
            yield
    except BaseException:
        if not received:
            raise
        # Whatever the launcher raises after a signal comes of it.
        raise SystemExit(128 + received[-1]) from None


def as_job_process_lost(error: BaseException) -> JobProcessLostError | None:
    """What a launcher raised as a user is told of it, or None where it is a bug."""
    if isinstance(error, RuntimeError) and str(error).startswith(SLURM_MISSING_MESSAGE):
        return JobProcessLostError(f"{LAUNCHER}=submitit_slurm: there is no Slurm here; submitit_local does without")
    if type(error).__module__ not in LAUNCHER_ERROR_MODULES or type(error).__name__.startswith("RayTaskError"):
        return None
    first = " ".join(str(error).split()).partition(". ")[0].rstrip(".")
    return JobProcessLostError(f"a job's process is gone: {first}. The same command with {CONTINUE}=DIR goes on with the sweep")


def _child_processes() -> Iterator[int]:
    """The processes that this one has started, by all of its threads; none where the system does not tell (macOS)."""
    for file in Path("/proc/self/task").glob("*/children"):
        yield from map(int, file.read_text().split())
