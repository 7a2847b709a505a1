"""What it costs to look out for numbers that are not finite: blocks of steps of three runs, in turn, in one process.

    python benchmarks/non_finite.py --rows mlp_wgan mlp_gan ring8

The runs of a row differ in what watches over their updates: nothing at all, what ``train.non_finite=stop`` and
``rollback`` do, and what ``skip`` does. Processor time of one thread is taken, so that others on the machine count for
little.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import time
from dataclasses import dataclass
from statistics import median, quantiles

import torch
from torch import Tensor

from gan_cli.algorithms.gan.trainer import Adversarial
from gan_cli.algorithms.nonfinite import Lookout, Soundness, Sparing
from gan_cli.components.optimizers import ScheduledOptimizer
from gan_cli.config.compose import compose, register
from gan_cli.runs import builder

ROWS = {
    "digits": [],
    "ring8": ["dataset=ring8"],
    "mlp_wgan": ["experiment=bench_mlp_wgan"],
    "mlp_gan": ["experiment=bench_mlp_gan"],
}


class Careless(Lookout):
    """Makes every update and looks at nothing."""

    def take(self, side: str, optimizer: ScheduledOptimizer, loss: Tensor) -> None:
        """Make the update."""
        optimizer.step()

    def finish_step(self) -> None:
        """Nothing is counted."""


@dataclass
class Run:
    """One of the runs of a row."""

    algorithm: Adversarial
    step: int = 0

    def block(self, steps: int) -> float:
        """Seconds of the processor for so many steps and one report."""
        start = time.process_time()
        for _ in range(steps):
            self.algorithm.update(self.step)
            self.step += 1
        self.algorithm.report()
        return time.process_time() - start


def run(overrides: list[str], watch: type[Soundness]) -> Run:
    """A run whose updates are watched over in that way."""
    policy = "skip" if watch is Sparing else "stop"
    algorithm = builder.assemble(builder.plan(compose([*overrides, f"train.non_finite={policy}"]).config))
    assert isinstance(algorithm, Adversarial)
    if watch is Careless:
        algorithm._soundness = Careless(algorithm.context.device.torch_device)
    return Run(algorithm)


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--blocks", type=int, default=7)
    parser.add_argument("--steps", type=int, default=300, help="of a block")
    parser.add_argument("--override", action="append", default=[], help="for every run: --override dataset.root=DIR")
    arguments = parser.parse_args()
    logging.disable()
    register()
    watches: list[type[Soundness]] = [Careless, Lookout, Sparing]
    print(
        f"torch {torch.__version__}\n\n| work | ms a step | stop, rollback | quartiles | skip | quartiles |", flush=True
    )
    print("|---|---|---|---|---|---|", flush=True)
    for row in arguments.rows:
        options = [*ROWS[row], "device.threads=1", *arguments.override]
        with contextlib.ExitStack() as stack:
            runs = [run(options, watch) for watch in watches]
            for each in runs:
                stack.callback(each.algorithm.close)
                each.block(arguments.steps)
            blocks = []
            for number in range(arguments.blocks):
                order = runs[number % 3 :] + runs[: number % 3]
                spent = {id(each): each.block(arguments.steps) for each in order}
                blocks.append([spent[id(each)] for each in runs])
        plain = median(block[0] for block in blocks) / arguments.steps
        said = [f"{row} | {1000 * plain:.3f}"]
        for column in (1, 2):
            shares = [block[column] / block[0] - 1 for block in blocks]
            low, _, high = quantiles(shares, n=4)
            said.append(f"{median(shares):.1%} | {low:.1%} to {high:.1%}")
        print(f"| {' | '.join(said)} |", flush=True)


if __name__ == "__main__":
    main()
