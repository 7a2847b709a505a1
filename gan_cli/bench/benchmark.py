"""Benchmark of a configuration: training speed in each execution mode, parts of a step, cost of telemetry."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from gan_cli import __version__
from gan_cli.algorithms.context import StepTimer, untimed
from gan_cli.bench import hardware, limit, overhead, profiling, recording, results
from gan_cli.bench.profiling import PartTimer, SwitchableTimer
from gan_cli.bench.results import Limit, ModeResult, Network, Peak, Result, Setting, Speed, Work
from gan_cli.bench.trial import StepBenchmark
from gan_cli.config.compose import Composition
from gan_cli.errors import ConfigError
from gan_cli.protocols.algorithm import Algorithm
from gan_cli.protocols.data import LoadedData
from gan_cli.runtime import cuda_graphs
from gan_cli.runtime.distributed import SingleProcess
from gan_cli.runtime.host import processor_name
from gan_cli.training import builder, planning
from gan_cli.training.assembly import AssembledRun, assemble_run
from gan_cli.training.planning import Plan

logger = logging.getLogger(__name__)

# Share of the measuring time that is spent on the parts of a step.
PARTS_SHARE = 1 / 4
# Share of the measuring time that is spent on turns of steps and their limit.
LIMIT_SHARE = 1 / 2


@dataclass(frozen=True)
class ExecutionMode:
    """Execution mode of steps: eager, compiled, captured as CUDA graphs, or both of these."""

    compile: bool = False
    graph: bool = False

    @property
    def name(self) -> str:
        """Name of the mode in the table and in the JSON."""
        words = {"compiled": self.compile, "graphed": self.graph}
        return "+".join(word for word, on in words.items() if on) or "eager"


EAGER = ExecutionMode()
OTHER_MODES = (ExecutionMode(compile=True), ExecutionMode(graph=True))


class _GraphFallbackError(Exception):
    """Steps that should have been captured as CUDA graphs ran eagerly; the message says why."""


@dataclass(frozen=True)
class _EagerMeasurements:
    """Measurements of eager steps, of which other modes are only measured for speed.

    Attributes:
        setting: of all modes.
        work: of a step.
        speed: of eager steps.
        limit: of a step.
        part_seconds: seconds of ``part_steps`` steps by part.
        part_steps: number of steps behind ``part_seconds``.
        sink_seconds: seconds of each report, picture and checkpoint.
    """

    setting: Setting
    work: Work
    speed: Speed
    limit: Limit
    part_seconds: dict[str, float]
    part_steps: int
    sink_seconds: dict[str, float]


def benchmark(composition: Composition, seconds: float, profile: Path | None) -> Result:
    """Measure how fast a configuration trains, and where its time goes.

    Args:
        composition: of the run.
        seconds: how long steps are timed in each execution mode.
        profile: file for a trace of a few steps, or None.

    Raises:
        ConfigError: the configuration is invalid, with the message of ``gan-train``.
        DataError: the data cannot be read.
        OutputError: the trace cannot be written.
    """
    own = planning.plan(composition.config)
    if own.config.train.replicas > 1:
        raise ConfigError(f"train.replicas: expected 1, got {own.config.train.replicas}: gan-bench measures one run")
    device, chosen = own.device.torch_device, ExecutionMode(own.device.compile, own.device.graph)
    logger.info("measuring matrix products")
    peak = hardware.peak_rates(own.device)
    eager = _eager(own, composition, seconds, peak, profile)
    rows = [ModeResult(EAGER.name, chosen == EAGER, eager.speed)]
    for mode in dict.fromkeys((*OTHER_MODES, chosen)):
        if mode.graph and device.type != "cuda":
            rows.append(ModeResult(mode.name, False, None, "CUDA only"))
        elif mode != EAGER:
            rows.append(_row(mode, mode == chosen, composition, seconds, eager.work, peak))
    # A run whose own mode is not available trains eagerly.
    speed = next((row.speed for row in rows if row.chosen and row.speed), eager.speed)
    telemetry = results.costs(
        eager.sink_seconds, overhead.cadences(own.config.train), 1 / speed.steps_per_second.median
    )
    return Result(
        setting=eager.setting,
        work=eager.work,
        peak=peak,
        limit=eager.limit,
        memory=hardware.memory_meaning(device),
        ways=rows,
        parts=results.parts(eager.part_seconds, eager.part_steps),
        telemetry=telemetry,
        telemetry_share=sum(cost.share for cost in telemetry.values()),
    )


def _eager(own: Plan, composition: Composition, seconds: float, peak: Peak, profile: Path | None) -> _EagerMeasurements:
    timer = SwitchableTimer()
    with step_benchmark(EAGER, composition, timer) as (assembled, bench):
        setting, recorded = _setting(own, bench.algorithm), recording.record(bench)
        speed = _speed(assembled.plan, bench, seconds, recorded.work, peak)
        minimal = limit.MinimalSteps(recorded, own.device.torch_device)
        measured_limit = limit.measure(bench, minimal, LIMIT_SHARE * seconds)
        steps = bench.steps_within(PARTS_SHARE * seconds)
        part_timer = PartTimer(bench.synchronize)
        with timer.using(part_timer):
            bench.advance(steps)
        part_seconds = part_timer.read()
        sink_seconds = overhead.seconds(bench, assembled)
        if profile is not None:
            profiling.write_trace(bench, timer, profile)
    return _EagerMeasurements(setting, recorded.work, speed, measured_limit, part_seconds, steps, sink_seconds)


def _row(
    mode: ExecutionMode, chosen: bool, composition: Composition, seconds: float, work: Work, peak: Peak
) -> ModeResult:
    """Measure a mode other than eager, which may not be available here."""
    try:
        with _raise_on_graph_fallback(), step_benchmark(mode, composition) as (assembled, bench):
            return ModeResult(mode.name, chosen, _speed(assembled.plan, bench, seconds, work, peak))
    # A compiler can raise anything, and the same steps have just run eagerly.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        return ModeResult(mode.name, chosen, None, reason)


@contextlib.contextmanager
def step_benchmark(
    mode: ExecutionMode, composition: Composition, timer: StepTimer = untimed
) -> Iterator[tuple[AssembledRun[Algorithm], StepBenchmark]]:
    """Yield a run in an execution mode, after its first steps."""
    composition = replace(composition, config=_configured(composition.config, mode))
    plan = planning.plan(composition.config)
    hardware.reset_peak_memory(plan.device.torch_device)

    def build(plan: Plan, source: LoadedData) -> Algorithm:
        return builder.assemble(plan, timer, source)

    assembled = assemble_run(plan, composition, build, SingleProcess(), evaluated=False)
    with contextlib.closing(assembled.algorithm):
        bench = StepBenchmark(plan, assembled.algorithm)
        logger.info("%s: %.2f s for the first %d steps; measuring", mode.name, bench.setup_seconds, bench.setup_steps)
        yield assembled, bench


def _configured(config: DictConfig, mode: ExecutionMode) -> DictConfig:
    """Return the configuration of a run in an execution mode, without the longer steps of a warmup."""
    changed = config.copy()
    settings = {"device.compile": mode.compile, "device.graph": mode.graph, "loss.warmup.enabled": False}
    for key, value in settings.items():
        OmegaConf.update(changed, key, value)
    return changed


def _speed(plan: Plan, bench: StepBenchmark, seconds: float, work: Work, peak: Peak) -> Speed:
    measured = bench.measure(seconds)
    rate = work.flops_per_step * measured.steps_per_second.median
    return Speed(
        steps_per_second=measured.steps_per_second,
        images_per_second=measured.images_per_second,
        flops_per_second=rate,
        share_of_peak=rate / peak.flops_per_second,
        peak_memory=hardware.peak_memory(plan.device.torch_device),
        setup_seconds=bench.setup_seconds,
        setup_steps=bench.setup_steps,
        steps=measured.steps,
        data_wait=measured.data_wait,
    )


def _setting(plan: Plan, algorithm: Algorithm) -> Setting:
    networks = {name: part for name, part in vars(algorithm).items() if isinstance(part, nn.Module) and name[0] != "_"}
    return Setting(
        versions={"gan_cli": __version__, "python": platform.python_version(), "torch": torch.__version__},
        processor=processor_name(),
        cores=os.cpu_count() or 1,
        device=plan.device.facts(),
        dataset=type(plan.dataset).__name__,
        architecture=type(plan.architecture).__name__,
        networks={
            name: Network(type(network).__name__, sum(parameter.numel() for parameter in network.parameters()))
            for name, network in networks.items()
        },
        batch_size=plan.config.train.batch_size,
        d_steps=plan.config.loss.d_steps,
        without_warmup=plan.config.loss.warmup.enabled,
    )


@contextlib.contextmanager
def _raise_on_graph_fallback() -> Iterator[None]:
    """Raise ``_GraphFallbackError`` if steps of the block could not be captured, which only a log line reports."""
    warnings = _CollectWarnings()
    cuda_graphs.logger.addHandler(warnings)
    try:
        yield
    finally:
        cuda_graphs.logger.removeHandler(warnings)
    if warnings.messages:
        raise _GraphFallbackError(warnings.messages[0])


class _CollectWarnings(logging.Handler):
    """Handler that collects the messages of warnings."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
