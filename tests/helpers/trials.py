"""Benchmarks of small configurations in this process, and the work of fully connected layers by hand."""

from __future__ import annotations

from itertools import pairwise

from gan_cli.bench.trial import StepBenchmark
from gan_cli.config.compose import compose, register
from gan_cli.training import builder, planning


def on_trial(*overrides: str) -> StepBenchmark:
    """A configuration after its first steps, on the CPU, in float32 unless the overrides say otherwise."""
    register()
    plan = planning.plan(compose(["device=cpu", "device.precision=fp32", *overrides]).config)
    return StepBenchmark(plan, builder.assemble(plan))


def products(widths: list[int]) -> int:
    """Twice the weights of fully connected layers: the operations of one sample's way through them."""
    return sum(2 * before * after for before, after in pairwise(widths))
