"""An algorithm on trial: it makes steps, and how long they take is measured without disturbing them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from gan_cli.bench.results import Spread
from gan_cli.protocols.algorithm import Algorithm
from gan_cli.runs.builder import Plan
from gan_cli.runtime.cuda_graphs import WARMUP_STEPS

BLOCKS = 5
# Share of the time to measure for that is spent on finding out how many steps fit.
PILOT = 1 / 20


@dataclass(frozen=True)
class MeasuredPace:
    """Blocks of steps: how many steps in all, how fast, real samples a second, and the share of waiting for data."""

    steps: int
    steps_per_second: Spread
    images_per_second: float
    data_wait: float | None


class StepBenchmark:
    """Steps of an algorithm, from its first on.

    Attributes:
        algorithm: which is on trial.
        synchronise: waits until the device has done all its work.
        period: steps after which all kinds of steps have come by.
        step: how many steps were made.
        setup_steps: the first steps, which compile or record every kind of step.
        setup_seconds: how long these took.
    """

    def __init__(self, plan: Plan, algorithm: Algorithm) -> None:
        """Make the first steps."""
        self.algorithm = algorithm
        self.synchronize = synchronizer(plan.device.torch_device)
        self.period = period(plan)
        self.step = 0
        self.setup_steps = (WARMUP_STEPS + 1) * self.period
        self.setup_seconds = self.time_steps(self.setup_steps)

    def advance(self, steps: int) -> None:
        """Launch that many more steps."""
        for _ in range(steps):
            self.algorithm.update(self.step)
            self.step += 1

    def time_steps(self, steps: int) -> float:
        """Seconds that so many steps take; waits for the device at both ends alone."""
        self.synchronize()
        start = time.perf_counter()
        self.advance(steps)
        self.synchronize()
        return time.perf_counter() - start

    def steps_within(self, seconds: float) -> int:
        """About how many steps fit: whole periods, at least one."""
        steps = self.period
        while (spent := self.time_steps(steps)) < PILOT * seconds:
            steps *= 2
        return max(1, round(seconds * steps / spent / self.period)) * self.period

    def measure(self, seconds: float) -> MeasuredPace:
        """How fast steps go, from blocks that take about ``seconds`` in all."""
        steps = self.steps_within(seconds / BLOCKS)
        self.algorithm.report()  # the next one is about the blocks alone
        before = self.algorithm.images_seen
        rates = Spread.of([steps / self.time_steps(steps) for _ in range(BLOCKS)])
        images = (self.algorithm.images_seen - before) / (BLOCKS * steps)
        wait = self.algorithm.report().scalars.get("speed/data_wait")
        return MeasuredPace(BLOCKS * steps, rates, images * rates.median, wait)


def period(plan: Plan) -> int:
    """Steps after which penalties that are due now and then are due as at the first again."""
    updates = math.lcm(*(penalty.every for penalty in plan.loss.penalties.values()))
    return updates // math.gcd(updates, plan.loss.d_steps)


def synchronizer(device: torch.device) -> Callable[[], None]:
    """What waits for a device."""
    waits: dict[str, Callable[[], None]] = {
        "cuda": partial(torch.cuda.synchronize, device),
        "mps": torch.mps.synchronize,
    }
    return waits.get(device.type, _nothing)


def _nothing() -> None:
    """A CPU has done what it was told when the call returns."""
