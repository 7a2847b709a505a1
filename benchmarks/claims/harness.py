"""Trains the runs of claims, each once: two side by side, on one thread each."""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
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
from gan_cli.config.compose import Composition, compose, register
from gan_cli.errors import UserError
from gan_cli.inference.generator import trained_generator
from gan_cli.inference.loading import Weights
from gan_cli.metrics.modes import Modes, modes
from gan_cli.protocols.arrays import FloatArray
from gan_cli.report import loading
from gan_cli.report.records import Curve
from gan_cli.runs import builder, single
from gan_cli.runtime import rng
from gan_cli.storage import checkpoints
from gan_cli.storage.run_directory import RunDirectory

# Each run on one thread of the CPU, whatever the machine has.
WHERE = ("device=cpu", "device.threads=1")
# Latents that no run draws its previews from.
SEED = 1


@dataclass(frozen=True)
class Job:
    """One run."""

    arm: Arm
    seed: int
    extra: tuple[str, ...] = ()

    @property
    def overrides(self) -> list[str]:
        """What the command line would say."""
        return [f"experiment={self.arm.recipe}", *self.arm.overrides, f"seed={self.seed}", *WHERE, *self.extra]

    def composition(self) -> Composition:
        """The run, composed."""
        register()
        return compose(self.overrides)

    def place(self, folder: Path) -> Path:
        """Where it lies: told apart by recipe, seed and a digest of all settings but the data's place."""
        config = self.composition().config.copy()
        if "root" in config.dataset:
            config.dataset.root = ""
        digest = hashlib.sha256(OmegaConf.to_yaml(config, resolve=True, sort_keys=True).encode()).hexdigest()[:12]
        return folder / self.arm.recipe / f"seed_{self.seed}_{digest}"


def finished(place: Path) -> bool:
    """Whether a run there came to its end."""
    with contextlib.suppress(OSError, ValueError):
        return bool(json.loads((place / "summary.json").read_text())["status"] == "completed")
    return False


def work(job: Job, folder: Path) -> Path:
    """Train a run, unless there is one from before; one that was cut short is done anew."""
    place = job.place(folder)
    if not finished(place):
        shutil.rmtree(place, ignore_errors=True)
        status = single.start(job.composition(), place)
        if status != 0:
            raise UserError(f"{' '.join(job.overrides)}: exit status {status}; see {place / 'train.log'}")
    return place


def _quiet() -> None:
    torch.set_num_threads(1)
    sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - until the process ends; train.log has it all


class Bench:
    """Workers, and the folder of runs."""

    def __init__(self, folder: Path, workers: int) -> None:
        self._folder = folder
        self._workers = workers
        self._jobs: dict[Path, Future[Path]] = {}

    @contextlib.contextmanager
    def opened(self) -> Iterator[Bench]:
        """With its workers; what has not begun is dropped at the end."""
        # Workers keep a loaded torch between runs; forked ones would share the state of its threads.
        pool = ProcessPoolExecutor(self._workers, multiprocessing.get_context("spawn"), initializer=_quiet)
        self._pool = pool
        try:
            yield self
        finally:
            pool.shutdown(cancel_futures=True)

    def submit(self, jobs: Sequence[Job], fresh: bool) -> None:
        """Have the runs trained, each once."""
        for job in jobs:
            place = job.place(self._folder)
            if place not in self._jobs:
                if fresh:
                    shutil.rmtree(place, ignore_errors=True)
                self._jobs[place] = self._pool.submit(work, job, self._folder)

    def run(self, job: Job) -> Run:
        """A run, once it is there."""
        return Run(self._jobs[job.place(self._folder)].result())


@dataclass(frozen=True)
class Run:
    """A finished run, as its directory tells of it."""

    path: Path

    @property
    def directory(self) -> RunDirectory:
        """The same, as the product sees it."""
        return RunDirectory(self.path)

    @cached_property
    def _curves(self) -> Mapping[str, Curve]:
        return loading.read_curves(self.directory.metrics)

    def curve(self, tag: str) -> Curve:
        """A figure over the steps."""
        return self._curves[tag]

    def level(self, tag: str, share: float = 0.1) -> float:
        """Mean of a figure over the last share of its reports."""
        values = self.curve(tag).values
        return float(values[-max(1, round(share * len(values))) :].mean())

    @cached_property
    def summary(self) -> Mapping[str, Any]:
        """``summary.json``."""
        summary: Mapping[str, Any] = json.loads(self.directory.summary.read_text())
        return summary

    def alarm(self, name: str) -> float:
        """Step of the first alarm of that name; infinite where there was none."""
        return min((float(each["step"]) for each in self.summary["alarms"] if each["name"] == name), default=np.inf)

    @property
    def alarms(self) -> list[str]:
        """Names of all alarms that were raised."""
        return sorted({str(each["name"]) for each in self.summary["alarms"]})

    def samples(self, count: int) -> FloatArray:
        """``(count, *shape)`` of the network as training left it, in the data's own coordinates."""
        trained = trained_generator(self.directory, Weights.raw)
        z = rng.fixed_latents(SEED, count, trained.latent_dim)
        return trained.dataset.coordinates(trained.samples(z))

    def modes(self, count: int = 2500) -> Modes:
        """What samples make of the mixture that the run learned."""
        mixture: Any = self.plan.dataset
        return modes(self.samples(count), mixture.centres().numpy(), mixture.std)

    @cached_property
    def plan(self) -> builder.Plan:
        """The run's parts."""
        return builder.plan(self.directory.stored_config())

    @torch.no_grad()
    def probability(self, points: FloatArray) -> FloatArray:
        """D at points ``(N, 2)``: ``(N,)`` in [0, 1], float64."""
        plan = self.plan
        network = plan.architecture.discriminator(plan.dataset.shape, 0)
        network.load_state_dict(checkpoints.load_latest(self.directory.checkpoints)["algorithm"]["judge"]["network"])
        logits = network.eval()(torch.from_numpy(np.asarray(points, np.float32)))
        probabilities: FloatArray = logits.double().sigmoid().numpy()
        return probabilities

    def last_picture(self) -> Image.Image:
        """The last of the run's sample pictures."""
        with Image.open(max(self.directory.samples.glob("step_*.png"))) as image:
            return Image.Image.convert(image, "RGB")
