"""Ways of making the steps of a workload, behind one interface: gan_cli's, and plain loops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.gpu import runs
from benchmarks.gpu.setting import Setting
from benchmarks.gpu.speed.plain_loop import PlainLoop
from benchmarks.gpu.speed.workloads import Workload
from gan_cli.bench.trial import StepBenchmark
from gan_cli.protocols.data import LoadedData
from gan_cli.training import builder
from gan_cli.training.planning import Plan

RECORDED, EAGER, COMPILED = "recorded", "eager", "compiled and recorded"
STREAMED = "recorded, streamed"
PLAIN, PLAIN_READING = "plain loop", "plain loop that reads its losses"


class Way(Protocol):
    """A way of making the steps of a workload."""

    @property
    def units_per_step(self) -> float:
        """Images, or steps of runs, that count for one step."""
        ...

    def advance(self, steps: int) -> None:
        """Launch steps, without waiting for them."""
        ...


@dataclass(frozen=True)
class OwnSteps:
    """Steps of gan_cli.

    Attributes:
        plan: of the run.
        bench: makes the steps; its first ones, which compile and capture, are made.
        units_per_step: as of :class:`Way`.
        trainer: the algorithm whose steps are captured: of replicas, the one that trains all of them.
    """

    plan: Plan
    bench: StepBenchmark
    units_per_step: float
    trainer: Any

    def advance(self, steps: int) -> None:
        self.bench.advance(steps)


def load(workload: Workload, setting: Setting) -> LoadedData:
    """Return the data of a workload, random pixels in place of images."""
    run = runs.plan(setting, workload.options(setting))
    if "dataset=ring8" in workload.overrides:
        return run.dataset.load()
    return runs.images(run, setting.pick(runs.COUNT, 256))


def own_steps(
    workload: Workload, source: LoadedData, setting: Setting, *overrides: str, graph: bool, replicas: int = 1
) -> OwnSteps:
    """Assemble a run, and make its first steps; on a CPU it is never recorded."""
    mode = str(graph and setting.device == "cuda").lower()
    options = (*workload.options(setting), f"train.replicas={replicas}", f"device.graph={mode}", *overrides)
    plan = runs.plan(setting, options)
    if replicas > 1:
        stacked: Any = builder.assemble_replicas(plan, source)
        return OwnSteps(plan, StepBenchmark(plan, stacked), float(replicas), stacked._trainer)
    algorithm = builder.assemble(plan, source=source)
    bench = StepBenchmark(plan, algorithm)
    images = algorithm.images_seen / bench.setup_steps
    return OwnSteps(plan, bench, 1.0 if workload.replicas else images, algorithm)


def makers(workload: Workload, source: LoadedData, setting: Setting) -> Mapping[str, Callable[[], Way]]:
    """Return what makes each way of a workload, by its name."""

    def plain(reads_losses: bool) -> Way:
        plan = runs.plan(setting, (*workload.options(setting), "device.graph=false"))
        return PlainLoop(plan, workload, source, reads_losses=reads_losses)

    ways: dict[str, Callable[[], Way]] = {
        RECORDED: lambda: own_steps(workload, source, setting, graph=True),
        EAGER: lambda: own_steps(workload, source, setting, graph=False),
        PLAIN: lambda: plain(False),
        PLAIN_READING: lambda: plain(True),
    }
    if workload.streamed:
        ways[STREAMED] = lambda: own_steps(workload, source, setting, "device.data=streamed", graph=True)
    if workload.replicas:
        count = setting.pick(workload.replicas, 3)
        ways[stacked_name(workload, RECORDED)] = lambda: own_steps(
            workload, source, setting, graph=True, replicas=count
        )
        ways[stacked_name(workload, EAGER)] = lambda: own_steps(workload, source, setting, graph=False, replicas=count)
    return ways


def compiled_makers(workload: Workload, source: LoadedData, setting: Setting) -> Mapping[str, Callable[[], Way]]:
    """Return what makes recorded steps of compiled networks, and of the same networks as they are.

    In tiny sizes nothing is compiled: that takes longer than all the rest.
    """
    compiled = f"device.compile={str(not setting.tiny).lower()}"
    return {
        RECORDED: lambda: own_steps(workload, source, setting, graph=True),
        COMPILED: lambda: own_steps(workload, source, setting, compiled, graph=True),
    }


def stacked_name(workload: Workload, way: str) -> str:
    """Return the name of a way in which many runs are trained as one."""
    return f"{workload.replicas} replicas, {way}"
