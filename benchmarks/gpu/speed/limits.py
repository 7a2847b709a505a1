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
from gan_cli.bench.hardware import count_work

# The costliest kernels of a step are listed in this file of the results folder, so many of each way.
KERNELS, LISTED = "kernels.txt", 14
PROFILED_STEPS = 3
REPLAYS = 50


@dataclass(frozen=True)
class Limit:
    """Milliseconds that a step takes at least.

    Attributes:
        products: of its floating-point operations at the rate of a large product in its number format.
        launches: of its kernels in a CUDA graph, if each did next to nothing; None where they were not counted.
    """

    products: float
    launches: float | None

    @property
    def milliseconds(self) -> float:
        """The larger of both."""
        return max(self.products, self.launches or 0.0)


def limit(eager: OwnSteps, kernels: float | None, setting: Setting) -> Limit | None:
    """Return the limit of a step by the rates of step ``facts``; None where they were not measured."""
    facts = {name: finding.values for (step, name), finding in findings.read(setting.out).items() if step == "facts"}
    # TF32 is what float32 products are rounded to on a GPU, unless a run forbids it.
    products = facts.get("products_bf16" if eager.plan.device.autocast else "products_tf32", {}).get("tflops")
    launch = facts.get("launch", {}).get("graphed_microseconds")
    if products is None:
        return None
    launches = None if kernels is None or launch is None else kernels * launch / 1e3
    return Limit(1e3 * count_work(eager.bench).flops_per_step / (products * 1e12), launches)


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
