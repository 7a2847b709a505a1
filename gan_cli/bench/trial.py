"""Timing of the steps of an algorithm, without synchronization between them."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from gan_cli.bench.results import Spread
from gan_cli.protocols.algorithm import Algorithm
from gan_cli.runtime.cuda_graphs import WARMUP_STEPS
from gan_cli.runtime.synchronization import synchronizer
from gan_cli.training.planning import Plan

BLOCKS = 5
# Share of the measuring time that is spent on finding out how many steps fit into it.
PILOT = 1 / 20


@dataclass(frozen=True)
class MeasuredPace:
    """Pace of several blocks of steps.

    Attributes:
        steps: number of steps of all blocks.
        steps_per_second: over the blocks.
        images_per_second: real samples shown to D, at the median.
        data_wait: share of the time that was spent waiting for data; None where data never have to be waited for.
    """

    steps: int
    steps_per_second: Spread
    images_per_second: float
    data_wait: float | None


class StepBenchmark:
    """Runs and times steps of an algorithm, from its first on.

    Attributes:
        algorithm: whose steps are timed.
        autocast: dtype of forward passes under autocast, or None.
        synchronize: waits until the device has done all its work.
        period: number of steps after which all kinds of steps have occurred.
        step: number of steps made so far.
        setup_steps: number of first steps, which compile or capture every kind of step.
        setup_seconds: how long these took.
    """

    def __init__(self, plan: Plan, algorithm: Algorithm) -> None:
        """Make the first steps, which are slower than later ones."""
        self.algorithm = algorithm
        self.autocast = plan.device.autocast
        self.synchronize = synchronizer(plan.device.torch_device)
        self.period = period(plan)
        self.step = 0
        self.setup_steps = (WARMUP_STEPS + 1) * self.period
        self.setup_seconds = self.time_steps(self.setup_steps)

    def advance(self, steps: int) -> None:
        """Launch ``steps`` more steps, without waiting for them."""
        for _ in range(steps):
            self.algorithm.update(self.step)
            self.step += 1

    def time_steps(self, steps: int) -> float:
        """Return the seconds for ``steps`` steps; waits for the device only before the first and after the last."""
        self.synchronize()
        start = time.perf_counter()
        self.advance(steps)
        self.synchronize()
        return time.perf_counter() - start

    def steps_within(self, seconds: float) -> int:
        """Return about how many steps fit into a time: whole periods, at least one."""
        steps = self.period
        while (elapsed := self.time_steps(steps)) < PILOT * seconds:
            steps *= 2
        return max(1, round(seconds * steps / elapsed / self.period)) * self.period

    def measure(self, seconds: float) -> MeasuredPace:
        """Measure the pace over blocks of steps that take about ``seconds`` in all."""
        steps = self.steps_within(seconds / BLOCKS)
        self.algorithm.report()  # so that the next report covers the blocks alone
        before = self.algorithm.images_seen
        rates = Spread.of([steps / self.time_steps(steps) for _ in range(BLOCKS)])
        images = (self.algorithm.images_seen - before) / (BLOCKS * steps)
        wait = self.algorithm.report().scalars.get("speed/data_wait")
        return MeasuredPace(BLOCKS * steps, rates, images * rates.median, wait)


def period(plan: Plan) -> int:
    """Return the number of steps after which the pattern of lazy penalties (``every``) repeats."""
    if plan.loss is None:
        return 1
    updates = math.lcm(*(penalty.every for penalty in plan.loss.penalties.values()))
    return updates // math.gcd(updates, plan.loss.d_steps.regular)
