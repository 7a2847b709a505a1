"""What the diagnosis costs: blocks of steps and a report, with and without it, in turn, in one process.

    python benchmarks/diagnostics.py --rows digits mlp_wgan mlp_gan dcgan64 ring8

The two runs of a row differ in ``diagnostics.every`` (1 or 0) alone. A block is ``train.log_every`` steps, the report
after them and the doctor's look at it; blocks alternate, and the overhead is the median over pairs of neighbours.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import time
from dataclasses import dataclass
from statistics import median, quantiles

import torch

from gan_cli.config.compose import compose, register
from gan_cli.diagnostics.monitor import Doctor
from gan_cli.protocols.algorithm import Algorithm
from gan_cli.runs import builder

ROWS = {
    "digits": [],
    "ring8": ["dataset=ring8"],
    "mlp_wgan": ["experiment=bench_mlp_wgan"],
    "mlp_gan": ["experiment=bench_mlp_gan"],
    "dcgan64": ["experiment=bench_dcgan64"],
}


@dataclass
class Side:
    """One of the two runs of a row."""

    algorithm: Algorithm
    doctor: Doctor
    log_every: int
    step: int = 0

    def block(self) -> float:
        """Seconds of ``log_every`` steps and what is said after them."""
        start = time.perf_counter()
        for _ in range(self.log_every):
            self.algorithm.update(self.step)
            self.step += 1
        self.doctor.examine(self.step, self.algorithm.report().scalars)
        return time.perf_counter() - start


def side(overrides: list[str], every: int) -> Side:
    """A run that is examined at every ``every``-th report; 0: never."""
    plan = builder.plan(compose([*overrides, f"diagnostics.every={every}"]).config)
    doctor = Doctor(plan.config.diagnostics, plan.family.symptoms(plan.config.diagnostics, plan.loss))
    return Side(builder.assemble(plan), doctor, plan.config.train.log_every)


def measure(overrides: list[str], seconds: float) -> tuple[list[float], float]:
    """The overhead of each pair of blocks, as a share, and the median seconds of a block without diagnosis."""
    with contextlib.ExitStack() as stack:
        sides = [side(overrides, every) for every in (1, 0)]
        for each in sides:
            stack.callback(each.algorithm.close)
            each.block()
        pairs, end = [], time.perf_counter() + seconds
        while time.perf_counter() < end or len(pairs) < 6:
            order = sides if len(pairs) % 2 else sides[::-1]
            spent = {id(each): each.block() for each in order}
            pairs.append((spent[id(sides[0])], spent[id(sides[1])]))
    return [examined / plain - 1 for examined, plain in pairs], median(plain for _, plain in pairs)


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seconds", type=float, default=30.0, help="of each row, about")
    parser.add_argument("--override", action="append", default=[], help="for every run: --override dataset.root=DIR")
    arguments = parser.parse_args()
    logging.disable()
    register()
    print(
        f"torch {torch.__version__}\n\n| work | ms a block | overhead | quartiles | pairs |\n|---|---|---|---|---|",
        flush=True,
    )
    for row in arguments.rows:
        shares, plain = measure([*ROWS[row], *arguments.override], arguments.seconds)
        low, _, high = quantiles(shares, n=4)
        said = f"{median(shares):.1%} | {low:.1%} to {high:.1%} | {len(shares)}"
        print(f"| {row} | {1000 * plain:.0f} | {said} |", flush=True)


if __name__ == "__main__":
    main()
