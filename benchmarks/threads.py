"""Compare one thread with all of them, by the work of a forward pass: what ``MIN_FLOPS_PER_THREAD`` comes from.

    python benchmarks/threads.py

For MLPs of several widths and batch sizes, steps in alternating blocks of either number; the ratio is the median over
the pairs. A run takes a thread for each so many operations of its forward pass.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Sequence

import torch

from benchmarks.formatting import Spread, heading, row
from benchmarks.openmp import restart_with_settings
from gan_cli.bench.trial import StepBenchmark
from gan_cli.config.compose import compose, register
from gan_cli.runtime.flops import FlopCounter
from gan_cli.training import builder, planning

WIDTHS, BATCHES = (64, 128, 256, 512), (64, 256)


def ratio(overrides: Sequence[str], seconds: float, pairs: int) -> tuple[int, float, Spread]:
    """Measure a configuration.

    Returns:
        Operations of a forward pass, steps a second with one thread, and how many times as many there are with all.
    """
    plan = planning.plan(compose([*overrides, "device=cpu"], None).config)
    rates: dict[int, list[float]] = {1: [], os.cpu_count() or 1: []}
    with contextlib.closing(builder.assemble(plan)) as algorithm:
        bench = StepBenchmark(plan, algorithm)
        steps = bench.steps_within(seconds)
        for pair in range(pairs):
            for threads in sorted(rates, reverse=bool(pair % 2)):
                torch.set_num_threads(threads)
                bench.time_steps(max(1, steps // 4))
                rates[threads].append(steps / bench.time_steps(steps))
    one, several = rates.values()
    with torch.device("meta"), FlopCounter() as counter, torch.no_grad():
        plan.outline.run()  # two samples
    flops = counter.total * plan.config.train.batch_size // 2
    return flops, Spread.of(one).median, Spread.of(b / a for a, b in zip(one, several, strict=True))


def main() -> None:
    """Run the command: measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.4, help="of a block of steps")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS)
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    arguments = parser.parse_args()
    register()
    print(heading(["width", "batch", "MFLOP forward", "steps/s, one thread", f"{os.cpu_count()} threads"]))
    for width in arguments.widths:
        for batch in arguments.batches:
            hidden = [f"architecture.{name}_hidden=[{width},{width}]" for name in ("generator", "discriminator")]
            recipe = ["dataset=digits", "architecture=mlp", *hidden, f"train.batch_size={batch}"]
            flops, one, several = ratio(recipe, arguments.seconds, arguments.pairs)
            print(row([width, batch, f"{flops / 1e6:.0f}", f"{one:,.0f}", several.text(2)]), flush=True)


if __name__ == "__main__":
    restart_with_settings()
    main()
