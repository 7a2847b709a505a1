"""What a step takes at least on this card: its products at the measured rate, its launches one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu import findings, runs
from benchmarks.gpu.setting import Setting
from benchmarks.gpu.speed.ways import OwnSteps
from gan_cli.bench import recording
from gan_cli.bench.limit import MinimalSteps
from gan_cli.bench.recording import Recording

# The costliest kernels of a step are listed in this file of the results folder, so many of each way.
KERNELS, LISTED = "kernels.txt", 14
PROFILED_STEPS = 3
REPLAYS = 50
TURNS = 5


@dataclass(frozen=True)
class Limit:
    """Milliseconds that a step takes at least.

    Attributes:
        alone: its products and updates of state without anything else, in a CUDA graph where there is one.
        products: its floating-point operations at the rate of a large product in its number format; None: no such rate.
        launches: its kernels in a CUDA graph, if each did next to nothing; None where they were not counted.
    """

    alone: float
    products: float | None
    launches: float | None


def limit(eager: OwnSteps, kernels: float | None, setting: Setting) -> Limit:
    """Measure the limit of a step, with the rates of step ``facts`` where they are in the results."""
    facts = {name: finding.values for (step, name), finding in findings.read(setting.out).items() if step == "facts"}
    # TF32 is what float32 products are rounded to on a GPU, unless a run forbids it.
    rate = facts.get("products_bf16" if eager.plan.device.autocast else "products_tf32", {}).get("tflops")
    launch = facts.get("launch", {}).get("graphed_microseconds")
    recorded = recording.record(eager.bench)
    return Limit(
        alone=milliseconds_alone(recorded, eager.plan.device.torch_device, setting),
        products=None if rate is None else 1e3 * recorded.work.flops_per_step / (rate * 1e12),
        launches=None if kernels is None or launch is None else kernels * launch / 1e3,
    )


def milliseconds_alone(recorded: Recording, device: torch.device, setting: Setting) -> float:
    """Time the products and updates of state of a step, the shortest of several turns."""
    minimal, periods = MinimalSteps(recorded, device), setting.pick(50, 2)
    return 1e3 * min(minimal.time(periods) for _ in range(TURNS)) / (periods * recorded.steps)


def profile(name: str, way: OwnSteps, setting: Setting) -> dict[str, float]:
    """Count the kernels of a step and their milliseconds, where torch can; list the costliest in a file."""
    from torch.profiler import ProfilerActivity, supported_activities
    from torch.profiler import profile as profiled

    if ProfilerActivity.CUDA not in supported_activities():
        return {}
    with profiled(activities=[ProfilerActivity.CUDA]) as profiler:
        way.advance(PROFILED_STEPS)
        runs.synchronize()
    rows = sorted(profiler.key_averages(), key=lambda each: -each.self_device_time_total)
    with Path(setting.out, KERNELS).open("a") as file:
        file.write(f"\n{name}: microseconds of a step, calls, kernel\n")
        for each in rows[:LISTED]:
            share = each.self_device_time_total / PROFILED_STEPS
            file.write(f"{share:10.1f} {each.count / PROFILED_STEPS:7.1f}  {each.key[:150]}\n")
    busy = sum(each.self_device_time_total for each in rows) / PROFILED_STEPS / 1e3
    return {"kernels": sum(each.count for each in rows) / PROFILED_STEPS, "busy_ms": busy}


def host_ms(advance: Callable[[int], object], steps: int) -> float:
    """Return the milliseconds that launching a step takes the host, the device having nothing else to do."""
    runs.synchronize()
    start = time.perf_counter()
    advance(steps)
    elapsed = time.perf_counter() - start
    runs.synchronize()
    return 1e3 * elapsed / steps


def data_wait(way: OwnSteps, steps: int) -> float | None:
    """Return the share of time that steps wait for streamed data; None where data never have to be waited for."""
    way.bench.algorithm.report()
    way.bench.time_steps(steps)
    return way.bench.algorithm.report().scalars.get("speed/data_wait")


def replay_ms(trainer: Any) -> float | None:
    """Return the device's own milliseconds of a captured step; None where none was captured."""
    captured = next(iter(trainer._captured_step._graphs.values()), None)
    if captured is None:
        return None
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    captured.replay()
    begin.record()
    for _ in range(REPLAYS):
        captured.replay()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / REPLAYS
