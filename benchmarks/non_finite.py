"""Measure the overhead of the checks for numbers that are not finite: blocks of steps of three runs, in turn.

    python benchmarks/non_finite.py --rows mlp_wgan mlp_gan ring8

The runs of a row, all in one process, differ in how their updates are checked: not at all, as ``train.non_finite=stop``
and ``rollback`` do, and as ``skip`` does. Processor time of one thread is taken, so that other processes on the machine
count for little.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import time
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from benchmarks.formatting import heading, overhead, row
from benchmarks.recipes import CONF_DIR, WORKLOADS
from gan_cli.algorithms.gan.trainer import GANTrainer
from gan_cli.algorithms.nonfinite import NonFinitePolicy, SkipNonFinite, TrackNonFinite
from gan_cli.components.optimizers import ScheduledOptimizer
from gan_cli.config.compose import compose, register
from gan_cli.training import builder, planning


class Unchecked(TrackNonFinite):
    """Policy that makes every update and checks nothing."""

    def apply_update(self, side: str, optimizer: ScheduledOptimizer, loss: Tensor) -> None:
        optimizer.step()

    def finish_step(self) -> None:
        pass


@dataclass
class TimedRun:
    """One of the three runs of a row."""

    algorithm: GANTrainer
    step: int = 0

    def block(self, steps: int) -> float:
        """Return the processor seconds of ``steps`` steps and one report."""
        start = time.process_time()
        for _ in range(steps):
            self.algorithm.update(self.step)
            self.step += 1
        self.algorithm.report()
        return time.process_time() - start


def build_run(overrides: list[str], policy_class: type[NonFinitePolicy]) -> TimedRun:
    """Build a run whose updates are checked by a policy."""
    policy = "skip" if policy_class is SkipNonFinite else "stop"
    composition = compose([*overrides, f"train.non_finite={policy}"], CONF_DIR)
    algorithm = builder.assemble(planning.plan(composition.config))
    assert isinstance(algorithm, GANTrainer)
    if policy_class is Unchecked:
        algorithm.step_scope.nonfinite_policy = Unchecked(algorithm.context.device.torch_device)
    return TimedRun(algorithm)


def main() -> None:
    """Run the command: measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rows", nargs="+", choices=WORKLOADS, default=[name for name in WORKLOADS if name != "dcgan64"]
    )
    parser.add_argument("--blocks", type=int, default=7)
    parser.add_argument("--steps", type=int, default=300, help="of a block")
    parser.add_argument("--override", action="append", default=[], help="for every run: --override dataset.root=DIR")
    arguments = parser.parse_args()
    logging.disable()
    register()
    policy_classes: list[type[NonFinitePolicy]] = [Unchecked, TrackNonFinite, SkipNonFinite]
    columns = ("work", "ms a step", "stop, rollback", "quartiles", "skip", "quartiles")
    print(f"torch {torch.__version__}\n\n{heading(columns)}", flush=True)
    for name in arguments.rows:
        options = [*WORKLOADS[name], "device.threads=1", *arguments.override]
        with contextlib.ExitStack() as stack:
            runs = [build_run(options, policy_class) for policy_class in policy_classes]
            for each in runs:
                stack.callback(each.algorithm.close)
                each.block(arguments.steps)
            blocks = []
            for number in range(arguments.blocks):
                order = runs[number % 3 :] + runs[: number % 3]
                elapsed = {id(each): each.block(arguments.steps) for each in order}
                blocks.append([elapsed[id(each)] for each in runs])
        plain = median(block[0] for block in blocks) / arguments.steps
        checked = [overhead([block[column] / block[0] - 1 for block in blocks]) for column in (1, 2)]
        print(row([name, f"{1000 * plain:.3f}", *checked[0], *checked[1]]), flush=True)


if __name__ == "__main__":
    main()
