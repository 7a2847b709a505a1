"""Train the runs of claims, each once: two side by side, on one thread each."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf

from benchmarks.claims.claim import Arm
from benchmarks.claims.progress import ProgressDisplay
from benchmarks.claims.snapshot import Snapshot
from benchmarks.recipes import CONF_DIR
from gan_cli.config.compose import Composition, compose, register
from gan_cli.config.resume import recompose
from gan_cli.config.validate import validate_config
from gan_cli.errors import UserError
from gan_cli.metrics.modes import Modes, modes
from gan_cli.runtime.parent_watch import children_end_with_this_process, end_with_parent
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.tour.finished import FinishedRun
from gan_cli.training import planning, single

# Each run uses one thread of the CPU, whatever the machine has.
DEVICE_OVERRIDES = ("device=cpu", "device.threads=1")
# File in a run's directory: processor time of the whole run, which unlike its duration is no longer beside other work.
PROCESSOR_SECONDS = "processor_seconds.txt"
# Exit statuses of a run that a signal has ended are this and the signal's number.
SIGNALLED = 128
# Between two looks at the runs.
INTERVAL_SECONDS = 1.0


@dataclass(frozen=True)
class Job:
    """A run to train: an arm with a seed."""

    arm: Arm
    seed: int
    extra_overrides: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Recipe, what differs from it, and seed."""
        return " ".join([self.arm.recipe, *self.arm.overrides, f"seed {self.seed}"])

    @property
    def overrides(self) -> list[str]:
        """Overrides as on a command line."""
        return [
            f"experiment={self.arm.recipe}",
            *self.arm.overrides,
            f"seed={self.seed}",
            *DEVICE_OVERRIDES,
            *self.extra_overrides,
        ]

    def composition(self) -> Composition:
        """Compose the configuration of the run."""
        register()
        return compose(self.overrides, CONF_DIR)

    def run_dir(self, folder: Path) -> Path:
        """Return the run's directory: named by recipe, seed and a digest of all settings but ``dataset.root``."""
        config = self.composition().config.copy()
        if "root" in config.dataset:
            config.dataset.root = ""
        digest = hashlib.sha256(OmegaConf.to_yaml(config, resolve=True, sort_keys=True).encode()).hexdigest()[:12]
        return folder / self.arm.recipe / f"seed_{self.seed}_{digest}"


def is_completed(run_dir: Path) -> bool:
    """Return whether the run in a directory was completed."""
    with contextlib.suppress(OSError, ValueError):
        return bool(json.loads((run_dir / "summary.json").read_text())["status"] == "completed")
    return False


def train_run(job: Job, folder: Path) -> Path:
    """Train a run to its end, one that was interrupted from its checkpoint on, and return its directory."""
    run_dir = job.run_dir(folder)
    if is_completed(run_dir):
        return run_dir
    directory, before, start = RunDirectory(run_dir), 0.0, time.process_time()
    try:
        if directory.has_checkpoint:
            before = _processor_seconds(run_dir)
            register()
            status = single.resume(recompose(directory, [], CONF_DIR), directory)
        else:
            shutil.rmtree(run_dir, ignore_errors=True)
            status = single.start(job.composition(), run_dir)
    finally:
        if run_dir.exists():
            (run_dir / PROCESSOR_SECONDS).write_text(f"{before + time.process_time() - start:.3f}\n")
    if status > SIGNALLED:
        raise UserError(f"{job.name}: interrupted; the same command continues from its checkpoint")
    if status != 0:
        raise UserError(f"{' '.join(job.overrides)}: exit status {status}; see {run_dir / 'train.log'}")
    return run_dir


def _processor_seconds(run_dir: Path) -> float:
    """Return the processor time that a run has taken so far; 0 where a crash has kept it from being written."""
    try:
        return float((run_dir / PROCESSOR_SECONDS).read_text())
    except FileNotFoundError:
        return 0.0


def _init_worker() -> None:
    end_with_parent()
    torch.set_num_threads(1)
    sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - until the process ends; train.log has it all


@dataclass
class _Submission:
    """A job in a pool; its future is None until a worker is free for it."""

    job: Job
    steps: int
    future: Future[Path] | None = None

    @property
    def done(self) -> bool:
        return self.future is not None and self.future.done()


class RunPool:
    """Pool of worker processes that train runs below a folder."""

    def __init__(self, folder: Path, workers: int) -> None:
        self._folder = folder
        self._workers = workers
        self._submissions: dict[Path, _Submission] = {}
        self._display = ProgressDisplay()

    @contextlib.contextmanager
    def open(self) -> Iterator[RunPool]:
        """Start the workers for the duration of the context; jobs that have not begun at its end do not begin."""
        # Workers keep a loaded torch between runs; forked ones would share the state of its threads.
        pool = ProcessPoolExecutor(self._workers, multiprocessing.get_context("spawn"), initializer=_init_worker)
        self._pool = pool
        with children_end_with_this_process():
            try:
                yield self
            finally:
                self._display.clear()
                pool.shutdown()

    def submit(self, jobs: Sequence[Job], fresh: bool) -> None:
        """Submit runs for training, each once; ``fresh`` deletes earlier runs first.

        Raises:
            ConfigError: a setting is out of its range.
        """
        for job in jobs:
            run_dir = job.run_dir(self._folder)
            if run_dir not in self._submissions:
                if fresh:
                    shutil.rmtree(run_dir, ignore_errors=True)
                # A mistake in the settings is found before any run begins.
                steps = validate_config(job.composition().config).train.steps
                self._submissions[run_dir] = _Submission(job, steps)

    def run(self, job: Job) -> Run:
        """Wait for a submitted run, show the progress of all, and return it."""
        run_dir = job.run_dir(self._folder)
        submission = self._submissions[run_dir]
        while not submission.done:
            self._start_next()
            running = {path: each for path, each in self._submissions.items() if each.future and not each.done}
            positions = {path / "metrics.jsonl": (each.job.name, each.steps) for path, each in running.items()}
            self._display.show(positions, sum(each.done for each in self._submissions.values()), len(self._submissions))
            futures = [each.future for each in running.values() if each.future is not None]
            wait(futures, timeout=INTERVAL_SECONDS, return_when=FIRST_COMPLETED)
        self._display.clear()
        assert submission.future is not None
        return Run(RunDirectory(submission.future.result()))

    def _start_next(self) -> None:
        """Hand jobs to the workers that are free, and no more: what a worker has not begun, an interrupt forgets."""
        running = sum(each.future is not None and not each.done for each in self._submissions.values())
        waiting = [each for each in self._submissions.values() if each.future is None]
        for each in waiting[: self._workers - running]:
            each.future = self._pool.submit(train_run, each.job, self._folder)


@dataclass(frozen=True)
class Run(FinishedRun):
    """A completed run of a claim, read from its directory."""

    @property
    def processor_seconds(self) -> float:
        """Processor time of the whole run, with loading its data."""
        return _processor_seconds(self.directory.path)

    def first_alarm_step(self, name: str) -> float:
        """Return the step of the first alarm of that name; infinite where there was none."""
        return min((float(each["step"]) for each in self.alarms if each["name"] == name), default=np.inf)

    @property
    def alarm_names(self) -> list[str]:
        """Names of all alarms that were raised, sorted."""
        return sorted({str(each["name"]) for each in self.alarms})

    def snapshots(self) -> list[Snapshot]:
        """Return the networks of the run's checkpoints that are kept, in the order of their steps."""
        return [Snapshot.load(self.plan, file) for file in sorted(self.directory.checkpoints.glob("step_*.pt"))]

    def modes(self, count: int = 2500) -> Modes:
        """Return how ``count`` samples cover the modes of the mixture that the run learned."""
        mixture: Any = self.plan.dataset
        return modes(self.samples(count), mixture.centres().numpy(), mixture.std)

    @cached_property
    def plan(self) -> planning.Plan:
        """Plan that the run's stored configuration describes."""
        return planning.plan(self.directory.stored_config())


def add_run_options(parser: argparse.ArgumentParser, name: str, seeds: int, page: Path) -> None:
    """Add the options of a command that trains runs with several seeds and writes a page.

    Args:
        parser: of the command.
        name: of the folder below ``outputs`` where runs are kept.
        seeds: of the full protocol, and the default.
        page: what the full protocol writes.
    """
    parser.add_argument("--seeds", type=int, default=seeds, help=f"seeds of each run, from 0 on; default: {seeds}")
    parser.add_argument("--jobs", type=int, default=2, help="runs side by side, one thread each; default: 2")
    parser.add_argument("--fresh", action="store_true", help="train finished runs anew")
    parser.add_argument("--folder", type=Path, default=Path("outputs", name), help="where runs are kept")
    default = f"{page} with {seeds} seeds or more, else {page.name} in the folder, with --override another one there"
    parser.add_argument("--page", type=Path, help=f"what to write; default: {default}")
    parser.add_argument("--override", action="append", default=[], help="for every run: --override train.steps=100")


def parse_run_options(parser: argparse.ArgumentParser, seeds: int, page: Path) -> argparse.Namespace:
    """Parse and check the command line; the page lies in the folder of the runs if the protocol is not the full one."""
    arguments = parser.parse_args()
    if min(arguments.seeds, arguments.jobs) < 1:
        parser.error("--seeds and --jobs: expected an integer >= 1")
    if arguments.page is None:
        full_protocol = arguments.seeds >= seeds and not arguments.override
        changed = "_changed" * bool(arguments.override)  # another protocol, and no part of the same page
        arguments.page = page if full_protocol else arguments.folder / f"{page.stem}{changed}{page.suffix}"
    return arguments


def run_command(command: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> None:
    """Call a command on one thread; a user's mistake costs one line, and exit status 2 or 3."""
    torch.set_num_threads(1)
    try:
        command(arguments)
    except KeyboardInterrupt:
        print("interrupted; the same command continues from the checkpoints", file=sys.stderr)
        sys.exit(SIGNALLED + signal.SIGINT)
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_status)
