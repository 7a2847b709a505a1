"""Measure the overhead of the diagnosis: blocks of steps and a report, with and without it, in turn, in one process.

    python benchmarks/diagnostics.py --rows digits mlp_wgan mlp_gan dcgan64 ring8

The two runs of a row differ in ``diagnostics.every`` (1 or 0) alone. A block is ``train.log_every`` steps, the report
after them and the alarms' check of it; blocks alternate, and the overhead is the median over pairs of neighbours.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import time
from dataclasses import dataclass
from statistics import median

import torch

from benchmarks.formatting import heading, overhead, row
from benchmarks.recipes import CONF_DIR, WORKLOADS
from gan_cli.config.compose import compose, register
from gan_cli.diagnostics.monitor import AlarmMonitor
from gan_cli.protocols.algorithm import Algorithm
from gan_cli.training import builder, planning


@dataclass
class Variant:
    """One of the two runs of a row, with or without diagnosis."""

    algorithm: Algorithm
    monitor: AlarmMonitor
    log_every: int
    step: int = 0

    def block(self) -> float:
        """Return the seconds of ``log_every`` steps, their report and its check for alarms."""
        start = time.perf_counter()
        for _ in range(self.log_every):
            self.algorithm.update(self.step)
            self.step += 1
        self.monitor.check(self.step, self.algorithm.report().scalars)
        return time.perf_counter() - start


def build_variant(overrides: list[str], every: int) -> Variant:
    """Build a run that is diagnosed at every ``every``-th report; 0: never."""
    plan = planning.plan(compose([*overrides, f"diagnostics.every={every}"], CONF_DIR).config)
    monitor = AlarmMonitor(plan.config.diagnostics, plan.family.alarm_rules(plan.config, plan))
    return Variant(builder.assemble(plan), monitor, plan.config.train.log_every)


def measure(overrides: list[str], seconds: float) -> tuple[list[float], float]:
    """Return the overhead of each pair of blocks, as a share, and the median seconds of a block without diagnosis."""
    with contextlib.ExitStack() as stack:
        variants = [build_variant(overrides, every) for every in (1, 0)]
        for each in variants:
            stack.callback(each.algorithm.close)
            each.block()
        pairs, end = [], time.perf_counter() + seconds
        while time.perf_counter() < end or len(pairs) < 6:
            order = variants if len(pairs) % 2 else variants[::-1]
            elapsed = {id(each): each.block() for each in order}
            pairs.append((elapsed[id(variants[0])], elapsed[id(variants[1])]))
    return [diagnosed / plain - 1 for diagnosed, plain in pairs], median(plain for _, plain in pairs)


def main() -> None:
    """Run the command: measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--seconds", type=float, default=30.0, help="of each row, about")
    parser.add_argument("--override", action="append", default=[], help="for every run: --override dataset.root=DIR")
    arguments = parser.parse_args()
    logging.disable()
    register()
    columns = ("work", "ms a block", "overhead", "quartiles", "pairs")
    print(f"torch {torch.__version__}\n\n{heading(columns)}", flush=True)
    for name in arguments.rows:
        shares, plain = measure([*WORKLOADS[name], *arguments.override], arguments.seconds)
        print(row([name, f"{1000 * plain:.0f}", *overhead(shares), len(shares)]), flush=True)


if __name__ == "__main__":
    main()
