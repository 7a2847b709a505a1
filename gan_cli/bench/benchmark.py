"""A benchmark from a run's composition to its result."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from gan_cli import __version__
from gan_cli.algorithms.context import StepTimer, untimed
from gan_cli.bench import hardware, overhead, profiling, results
from gan_cli.bench.profiling import PartTimer, SwitchableTimer
from gan_cli.bench.results import Network, Peak, Result, ModeResult, Setting, Speed, Work
from gan_cli.bench.trial import StepBenchmark
from gan_cli.config.compose import Composition
from gan_cli.errors import ConfigError
from gan_cli.protocols.algorithm import Algorithm
from gan_cli.runs import builder
from gan_cli.runs.builder import Plan

logger = logging.getLogger(__name__)

# Share of the time to measure for that is spent on the parts of a step.
APART = 1 / 4


@dataclass(frozen=True)
class ExecutionMode:
    """A way of running a step: as it is, compiled, recorded, or both of these."""

    compile: bool = False
    graph: bool = False

    @property
    def name(self) -> str:
        """As the table calls it."""
        words = {"compiled": self.compile, "graphed": self.graph}
        return "+".join(word for word, on in words.items() if on) or "eager"


EAGER = ExecutionMode()
OTHER_MODES = (ExecutionMode(compile=True), ExecutionMode(graph=True))


class _GraphFallbackError(Exception):
    """Steps did not go the way that they were to go; says why."""


@dataclass(frozen=True)
class _EagerMeasurements:
    """What an eager trial alone can tell.

    Attributes:
        setting: of all trials.
        work: of a step.
        speed: of steps as they are.
        part_seconds: seconds of ``part_steps`` steps by part.
        part_steps: how many these were.
        sink_seconds: seconds of reports, pictures and checkpoints, each time.
    """

    setting: Setting
    work: Work
    speed: Speed
    part_seconds: dict[str, float]
    part_steps: int
    sink_seconds: dict[str, float]


def benchmark(composition: Composition, seconds: float, profile: Path | None) -> Result:
    """Measure a run's configuration.

    Args:
        composition: the run.
        seconds: how long steps are timed in each way of running.
        profile: file for a trace of a few steps, or None.

    Raises:
        ConfigError: the configuration is wrong, as ``gan-train`` would say.
        DataError: the data cannot be read.
        OutputError: the trace cannot be written.
    """
    own = builder.plan(composition.config)
    if own.config.train.replicas > 1:
        raise ConfigError(f"train.replicas: expected 1, got {own.config.train.replicas}: gan-bench measures one run")
    device, chosen = own.device.torch_device, ExecutionMode(own.device.compile, own.device.graph)
    logger.info("measuring matrix products")
    peak = hardware.peak_rates(own.device)
    eager = _eager(own, composition, seconds, peak, profile)
    rows = [ModeResult(EAGER.name, chosen == EAGER, eager.speed)]
    for way in dict.fromkeys((*OTHER_MODES, chosen)):
        if way.graph and device.type != "cuda":
            rows.append(ModeResult(way.name, False, None, "CUDA only"))
        elif way != EAGER:
            rows.append(_row(way, way == chosen, composition, seconds, eager.work, peak))
    # A run that cannot go its own way goes on eagerly.
    speed = next((row.speed for row in rows if row.chosen and row.speed), eager.speed)
    telemetry = results.costs(
        eager.sink_seconds, overhead.cadences(own.config.train), 1 / speed.steps_per_second.median
    )
    return Result(
        setting=eager.setting,
        work=eager.work,
        peak=peak,
        memory=hardware.memory_meaning(device),
        ways=rows,
        parts=results.parts(eager.part_seconds, eager.part_steps),
        telemetry=telemetry,
        telemetry_share=sum(cost.share for cost in telemetry.values()),
    )


def _eager(own: Plan, composition: Composition, seconds: float, peak: Peak, profile: Path | None) -> _EagerMeasurements:
    switch = SwitchableTimer()
    with _trial(EAGER, composition, switch) as (plan, trial):
        setting, work = _setting(own, trial.algorithm), hardware.count_work(trial)
        speed = _speed(plan, trial, seconds, work, peak)
        steps = trial.steps_within(APART * seconds)
        stopwatch = PartTimer(trial.synchronize)
        with switch.to(stopwatch):
            trial.advance(steps)
        part_seconds = stopwatch.read()
        sink_seconds = overhead.seconds(trial, composition, plan)
        if profile is not None:
            profiling.write_trace(trial, switch, profile)
    return _EagerMeasurements(setting, work, speed, part_seconds, steps, sink_seconds)


def _row(
    way: ExecutionMode, chosen: bool, composition: Composition, seconds: float, work: Work, peak: Peak
) -> ModeResult:
    """The row of a way that may not be open here."""
    try:
        with _raise_on_graph_fallback(), _trial(way, composition) as (plan, trial):
            return ModeResult(way.name, chosen, _speed(plan, trial, seconds, work, peak))
    # What a compiler stumbles over has no end, and the same steps have just run as they are.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        return ModeResult(way.name, chosen, None, reason)


@contextlib.contextmanager
def _trial(
    way: ExecutionMode, composition: Composition, timer: StepTimer = untimed
) -> Iterator[tuple[Plan, StepBenchmark]]:
    """A run that goes that way, after its first steps."""
    plan = builder.plan(_configured(composition.config, way))
    hardware.reset_peak_memory(plan.device.torch_device)
    with contextlib.closing(builder.assemble(plan, timer)) as algorithm:
        trial = StepBenchmark(plan, algorithm)
        logger.info("%s: %.2f s for the first %d steps; measuring", way.name, trial.setup_seconds, trial.setup_steps)
        yield plan, trial


def _configured(config: DictConfig, way: ExecutionMode) -> DictConfig:
    """The configuration of a run that goes that way, and whose steps are all of the usual kind."""
    changed = config.copy()
    settings = {"device.compile": way.compile, "device.graph": way.graph, "loss.warmup.enabled": False}
    for key, value in settings.items():
        OmegaConf.update(changed, key, value)
    return changed


def _speed(plan: Plan, trial: StepBenchmark, seconds: float, work: Work, peak: Peak) -> Speed:
    pace = trial.measure(seconds)
    rate = work.flops_per_step * pace.steps_per_second.median
    return Speed(
        steps_per_second=pace.steps_per_second,
        images_per_second=pace.images_per_second,
        flops_per_second=rate,
        share_of_peak=rate / peak.flops_per_second,
        peak_memory=hardware.peak_memory(plan.device.torch_device),
        setup_seconds=trial.setup_seconds,
        setup_steps=trial.setup_steps,
        steps=pace.steps,
        data_wait=pace.data_wait,
    )


def _setting(plan: Plan, algorithm: Algorithm) -> Setting:
    networks = {name: part for name, part in vars(algorithm).items() if isinstance(part, nn.Module) and name[0] != "_"}
    return Setting(
        versions={"gan_cli": __version__, "python": platform.python_version(), "torch": torch.__version__},
        processor=_processor(),
        cores=os.cpu_count() or 1,
        device=plan.device.facts(),
        dataset=type(plan.dataset).__name__,
        architecture=type(plan.architecture).__name__,
        networks={
            name: Network(type(network).__name__, sum(parameter.numel() for parameter in network.parameters()))
            for name, network in networks.items()
        },
        batch_size=plan.config.train.batch_size,
        d_steps=plan.loss.d_steps,
        without_warmup=plan.loss.warmup.enabled,
    )


def _processor() -> str:
    """The CPU's name, as far as the system tells it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


@contextlib.contextmanager
def _raise_on_graph_fallback() -> Iterator[None]:
    """Raise ``_GraphFallbackError`` if steps could not be recorded and went on as they are, as the log alone says."""
    said = _CollectWarnings()
    graphs = logging.getLogger("gan_cli.runtime.cuda_graphs")
    graphs.addHandler(said)
    try:
        yield
    finally:
        graphs.removeHandler(said)
    if said.messages:
        raise _GraphFallbackError(said.messages[0])


class _CollectWarnings(logging.Handler):
    """Keeps warnings."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
