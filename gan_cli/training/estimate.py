"""Estimate of what a run will take: time, from a few of its steps on made-up data, and space on the disk."""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from gan_cli.errors import OutOfMemoryError
from gan_cli.protocols.algorithm import Algorithm
from gan_cli.protocols.data import Density, Images, LoadedData, Rows, Sequences, data_kinds
from gan_cli.runtime import torchrun
from gan_cli.runtime.cuda_graphs import WARMUP_STEPS
from gan_cli.runtime.memory import PeakMemory
from gan_cli.runtime.synchronization import synchronizer
from gan_cli.training import builder
from gan_cli.training.memory import weight_bytes
from gan_cli.training.planning import Plan

# Time in which steps are measured, after the first ones, which are slower. A longer first step is all that is measured.
MEASURING_SECONDS = 0.5
# A step of more operations is not tried: on a CPU it would take longer than a dry run is to take.
MAX_FORWARD_FLOPS = {"cpu": 3e10}
# Images that stand for the data; more would not make a step slower.
STAND_INS = 512
# Packs of a smaller batch whose steps are measured in place of long ones, at least; samples that are drawn for timing.
MIN_PACKS, DRAWN = 4, 32
# Bytes of a report in metrics.jsonl and TensorBoard's file, which has histograms too.
REPORT_BYTES = 12_000


@dataclass(frozen=True)
class StepCosts:
    """Seconds that parts of training take, and memory.

    Attributes:
        step: of an update.
        report: of the metrics of a report.
        preview: of sample pictures.
        sample: of one generated sample, as evaluations draw them.
        peak: bytes that the process, or a GPU, needed at most; 0 where that is unknown.
        batch: samples of a smaller batch that a step was measured with and scaled up from; 0: of the whole one.
        why_not: why they were not measured; empty where they were.
    """

    step: float = math.nan
    report: float = math.nan
    preview: float = math.nan
    sample: float = 0.0
    peak: int = 0
    batch: int = 0
    why_not: str = ""


@dataclass(frozen=True)
class Estimate:
    """Time and disk space that one run is likely to take.

    Attributes:
        steps: of the run.
        seconds: that it trains, without evaluations; None where its steps could not be measured.
        disk: bytes that its directory takes.
        costs: of its steps.
        checkpoints: number of those that are kept.
        checkpoint: bytes of one.
        evaluations: number of them.
        drawn: samples that each of them draws.
    """

    steps: int
    seconds: float | None
    disk: int
    costs: StepCosts
    checkpoints: int = 0
    checkpoint: int = 0
    evaluations: int = 0
    drawn: int = 0

    @property
    def drawing(self) -> float:
        """Seconds in which one evaluation draws its samples, before it compares them with real ones."""
        return self.drawn * self.costs.sample


def estimate(plan: Plan, costs: StepCosts) -> Estimate:
    """Return what a run takes whose steps have these costs."""
    train = plan.config.train
    reports, previews = train.steps / train.log_every, train.steps / train.sample_every if train.sample_every else 0
    seconds = train.steps * costs.step + reports * costs.report + previews * costs.preview
    evaluations = -(-train.steps // train.eval_every) if train.eval_every else 0
    checkpoints = min(train.keep_checkpoints, -(-train.steps // train.checkpoint_every))
    # The best one may be older than those that are kept, each of which has its own best one of before at most.
    checkpoints += plan.config.checkpoint.best is not None
    checkpoint = weight_bytes(plan.outline, 1 + plan.optimizer.num_moments)
    picture = 2 * train.sample_count * math.prod(plan.dataset.shape)  # also in TensorBoard's file
    disk = checkpoints * checkpoint + previews * picture + reports * REPORT_BYTES
    return Estimate(
        train.steps,
        None if costs.why_not else seconds * train.replicas,
        int(train.replicas * disk),
        costs,
        train.replicas * checkpoints,
        checkpoint,
        evaluations,
        plan.config.evaluation.samples if evaluations else 0,
    )


def measure(plan: Plan) -> StepCosts:
    """Measure a few steps of a run, on data that are made up unless they are drawn anyway; writes nothing.

    A run of replicas counts as many single runs. Steps that take long on this machine are those of a smaller batch, and
    scaled up. Torch's own generators are left as they were.
    """
    plan, scale = _shortened(plan)
    why_not = _why_not(plan)
    if why_not:
        return StepCosts(why_not=why_not)
    peak = PeakMemory(plan.device.torch_device)
    with (
        _quiet(),
        torch.random.fork_rng(devices=[]),
        contextlib.closing(builder.assemble(plan, source=_data(plan))) as algorithm,
    ):
        costs = _costs(plan, algorithm)
    if scale == 1:
        return replace(costs, peak=peak.read())
    return replace(costs, step=scale * costs.step, batch=plan.config.train.batch_size)


def _costs(plan: Plan, algorithm: Algorithm) -> StepCosts:
    """Measure steps, a report, a preview and samples of an algorithm."""
    steps, wait = itertools.count(), synchronizer(plan.device.torch_device)

    def step() -> None:
        algorithm.update(next(steps))

    # The first step is slower than others; those before a capture as well.
    first = max(_timed(step, wait) for _ in range(WARMUP_STEPS + 1 if plan.device.graph else 1))
    seconds = _repeated(step, 0.0 if first > MEASURING_SECONDS else MEASURING_SECONDS, wait)
    sample = 0.0
    if plan.config.train.eval_every:
        sample = _timed(lambda: algorithm.samples(DRAWN), wait) / DRAWN
    if seconds > MEASURING_SECONDS:  # beside such a step, reports are quick
        return StepCosts(seconds, 0.0, 0.0, sample)
    algorithm.report()  # the first one is slower
    step()
    return StepCosts(seconds, _timed(algorithm.report, wait), _timed(algorithm.preview, wait), sample)


def _shortened(plan: Plan) -> tuple[Plan, float]:
    """Return a plan whose steps this machine makes soon, and how many times as much a step of the run takes."""
    limit, train = MAX_FORWARD_FLOPS.get(plan.device.torch_device.type, math.inf), plan.config.train
    unit = MIN_PACKS * plan.config.pac
    size = int(train.batch_size * limit / max(1, plan.forward_flops)) // unit * unit if limit < math.inf else 0
    if plan.forward_flops <= limit or size < unit or train.replicas > 1 or torchrun.is_distributed():
        return plan, 1.0
    config = replace(plan.config, train=replace(train, batch_size=size, micro_batch=None))
    scale = train.batch_size / size
    return replace(plan, config=config, forward_flops=int(plan.forward_flops / scale)), scale


def _why_not(plan: Plan) -> str:
    """Return why the steps of a run are not measured here; empty where they are."""
    if Sequences in data_kinds(type(plan.dataset)):
        return "a step is a whole epoch"
    if torchrun.is_distributed():
        return "in several processes"
    if plan.device.compile:
        return "networks are compiled first"
    if plan.forward_flops > MAX_FORWARD_FLOPS.get(plan.device.torch_device.type, math.inf):
        return "a step takes long on this machine"
    try:
        plan.memory.require_available(plan.device.torch_device)
    except OutOfMemoryError:
        return "it does not fit into the memory of this machine"
    return ""


def _data(plan: Plan) -> LoadedData:
    """Return images of the dataset's shape, the rows, or the density that it is."""
    if not {Density, Rows}.isdisjoint(data_kinds(type(plan.dataset))):
        return plan.dataset.load()
    count = max(STAND_INS, 4 * plan.config.train.batch_size)
    numbers = np.random.default_rng(0)
    pixels = numbers.integers(0, 256, (count, *plan.dataset.shape), dtype=np.uint8)
    return Images(pixels, np.arange(count, dtype=np.int64) % (plan.dataset.classes or 2))


def _repeated(function: Callable[[], object], seconds: float, wait: Callable[[], None]) -> float:
    """Return the mean seconds of calls over about ``seconds``, of at least one."""
    calls, elapsed = 1, _timed(function, wait)
    while elapsed < seconds:
        elapsed += _timed(function, wait)
        calls += 1
    return elapsed / calls


def _timed(function: Callable[[], object], wait: Callable[[], None]) -> float:
    start = time.perf_counter()
    function()
    wait()
    return time.perf_counter() - start


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what loggers say inside: it is of the made-up data."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)
