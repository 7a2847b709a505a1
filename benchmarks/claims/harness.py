"""Train the runs of claims, each once: two side by side, on one thread each."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf
from PIL import Image

from benchmarks.claims.claim import Arm
from benchmarks.recipes import CONF_DIR
from gan_cli.config.compose import Composition, compose, register
from gan_cli.errors import UserError
from gan_cli.inference.generator import load_generator
from gan_cli.inference.loading import GeneratorWeights
from gan_cli.metrics.modes import Modes, modes
from gan_cli.protocols.arrays import FloatArray
from gan_cli.report.curves import read_curves
from gan_cli.report.records import Curve
from gan_cli.runs import planning, single
from gan_cli.runtime import rng
from gan_cli.runtime.parent_watch import children_end_with_this_process, end_with_parent
from gan_cli.storage import checkpoints
from gan_cli.storage.run_directory import RunDirectory

# Each run uses one thread of the CPU, whatever the machine has.
DEVICE_OVERRIDES = ("device=cpu", "device.threads=1")
# File in a run's directory: processor time of the whole run, which unlike its duration is no longer beside other work.
PROCESSOR_SECONDS = "processor_seconds.txt"
# Seed of latents that no run draws its previews from.
LATENT_SEED = 1


@dataclass(frozen=True)
class Job:
    """A run to train: an arm with a seed."""

    arm: Arm
    seed: int
    extra_overrides: tuple[str, ...] = ()

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
    """Train a run unless it is completed already, and return its directory; an interrupted run is trained anew."""
    run_dir = job.run_dir(folder)
    if not is_completed(run_dir):
        shutil.rmtree(run_dir, ignore_errors=True)
        start = time.process_time()
        status = single.start(job.composition(), run_dir)
        if status != 0:
            raise UserError(f"{' '.join(job.overrides)}: exit status {status}; see {run_dir / 'train.log'}")
        (run_dir / PROCESSOR_SECONDS).write_text(f"{time.process_time() - start:.3f}\n")
    return run_dir


def _init_worker() -> None:
    end_with_parent()
    torch.set_num_threads(1)
    sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - until the process ends; train.log has it all


class RunPool:
    """Pool of worker processes that train runs below a folder."""

    def __init__(self, folder: Path, workers: int) -> None:
        self._folder = folder
        self._workers = workers
        self._jobs: dict[Path, Future[Path]] = {}

    @contextlib.contextmanager
    def open(self) -> Iterator[RunPool]:
        """Start the workers for the duration of the context; jobs that are still queued at its end are cancelled."""
        # Workers keep a loaded torch between runs; forked ones would share the state of its threads.
        pool = ProcessPoolExecutor(self._workers, multiprocessing.get_context("spawn"), initializer=_init_worker)
        self._pool = pool
        with children_end_with_this_process():
            try:
                yield self
            finally:
                pool.shutdown(cancel_futures=True)

    def submit(self, jobs: Sequence[Job], fresh: bool) -> None:
        """Submit runs for training, each once; ``fresh`` deletes earlier runs first."""
        for job in jobs:
            run_dir = job.run_dir(self._folder)
            if run_dir not in self._jobs:
                if fresh:
                    shutil.rmtree(run_dir, ignore_errors=True)
                self._jobs[run_dir] = self._pool.submit(train_run, job, self._folder)

    def run(self, job: Job) -> Run:
        """Wait for a submitted run and return it."""
        return Run(self._jobs[job.run_dir(self._folder)].result())


@dataclass(frozen=True)
class Run:
    """A completed run, read from its directory."""

    path: Path

    @property
    def directory(self) -> RunDirectory:
        return RunDirectory(self.path)

    @cached_property
    def _curves(self) -> Mapping[str, Curve]:
        return read_curves(self.directory.metrics)

    def curve(self, tag: str) -> Curve:
        """Return a logged scalar over the steps."""
        return self._curves[tag]

    def tail_mean(self, tag: str, share: float = 0.1) -> float:
        """Return the mean of a logged scalar over the last ``share`` of its reports."""
        values = self.curve(tag).values
        return float(values[-max(1, round(share * len(values))) :].mean())

    @cached_property
    def summary(self) -> Mapping[str, Any]:
        """Content of ``summary.json``."""
        summary: Mapping[str, Any] = json.loads(self.directory.summary.read_text())
        return summary

    @property
    def processor_seconds(self) -> float:
        """Processor time of the whole run, with loading its data."""
        try:
            return float((self.path / PROCESSOR_SECONDS).read_text())
        except FileNotFoundError:
            raise UserError(f"{self.path}: has no {PROCESSOR_SECONDS}; --fresh trains it anew") from None

    def first_alarm_step(self, name: str) -> float:
        """Return the step of the first alarm of that name; infinite where there was none."""
        return min((float(each["step"]) for each in self.summary["alarms"] if each["name"] == name), default=np.inf)

    @property
    def alarm_names(self) -> list[str]:
        """Names of all alarms that were raised, sorted."""
        return sorted({str(each["name"]) for each in self.summary["alarms"]})

    def samples(self, count: int) -> FloatArray:
        """Return samples ``(count, *shape)`` of the raw generator, not its average, in the data's own coordinates."""
        trained = load_generator(self.directory, GeneratorWeights.raw)
        z = rng.fixed_latents(LATENT_SEED, count, trained.latent_dim)
        return trained.dataset.coordinates(trained.samples(z))

    def modes(self, count: int = 2500) -> Modes:
        """Return how ``count`` samples cover the modes of the mixture that the run learned."""
        mixture: Any = self.plan.dataset
        return modes(self.samples(count), mixture.centres().numpy(), mixture.std)

    @cached_property
    def plan(self) -> planning.Plan:
        """Plan that the run's stored configuration describes."""
        return planning.plan(self.directory.stored_config())

    @torch.no_grad()
    def probability(self, points: FloatArray) -> FloatArray:
        """Return D's probability of real at points ``(N, 2)``: ``(N,)`` in [0, 1], float64."""
        plan = self.plan
        network = plan.architecture.discriminator(plan.dataset.shape, 0)
        network.load_state_dict(checkpoints.load_latest(self.directory.checkpoints)["algorithm"]["judge"]["network"])
        logits = network.eval()(torch.from_numpy(np.asarray(points, np.float32)))
        probabilities: FloatArray = logits.double().sigmoid().numpy()
        return probabilities

    def last_sample_grid(self) -> Image.Image:
        """Return the last of the run's sample grids."""
        with Image.open(max(self.directory.samples.glob("step_*.png"))) as image:
            return Image.Image.convert(image, "RGB")


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
    default = f"{page} with {seeds} seeds or more, else {page.name} in the folder"
    parser.add_argument("--page", type=Path, help=f"what to write; default: {default}")
    parser.add_argument("--override", action="append", default=[], help="for every run: --override train.steps=100")


def parse_run_options(parser: argparse.ArgumentParser, seeds: int, page: Path) -> argparse.Namespace:
    """Parse and check the command line; the page lies in the folder of the runs if the protocol is not the full one."""
    arguments = parser.parse_args()
    if min(arguments.seeds, arguments.jobs) < 1:
        parser.error("--seeds and --jobs: expected an integer >= 1")
    if arguments.page is None:
        full_protocol = arguments.seeds >= seeds and not arguments.override
        arguments.page = page if full_protocol else arguments.folder / page.name
    return arguments


def run_command(command: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> None:
    """Call a command on one thread; a user's mistake costs one line, and exit status 2 or 3."""
    torch.set_num_threads(1)
    try:
        command(arguments)
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_status)
