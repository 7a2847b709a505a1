"""How long training stands still for a checkpoint that is written in the background, and in the foreground.

    python benchmarks/checkpoints.py --override device.threads=1

Both ways in turn, in one process, of one run of a DCGAN. A round is a checkpoint and then some steps, during which the
one way still writes. "Stands still" is the time from the end of a step to the beginning of the next; "steps after" is
what these steps take, against the same number of steps while nothing is written.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

import torch

from gan_cli.bench.trial import Trial
from gan_cli.config.compose import compose, register
from gan_cli.runs import builder
from gan_cli.storage import checkpoints
from gan_cli.storage.async_writer import BackgroundWriter
from gan_cli.storage.files import OnWriteError, WriteErrors
from gan_cli.storage.snapshot import snapshot

DCGAN = ("experiment=bench_dcgan64",)
KEPT = 3


@dataclass
class Costs:
    """Seconds of each round: standing still, steps after that, and steps while nothing was written."""

    still: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    quiet: list[float] = field(default_factory=list)

    def row(self, name: str) -> str:
        """A row of the table."""
        low, _, high = quantiles(self.still, n=4)
        slower = median(after / quiet - 1 for after, quiet in zip(self.after, self.quiet, strict=True))
        return (
            f"| {name} | {1000 * median(self.still):.1f} | {1000 * low:.1f} to {1000 * high:.1f}"
            f" | {1000 * median(self.after):.0f} | {1000 * median(self.quiet):.0f} | {slower:+.1%} |"
        )


def measure(trial: Trial, folder: Path, rounds: int, steps: int) -> tuple[dict[str, Costs], int]:
    """The costs of both ways, and the bytes of a checkpoint."""
    writer = BackgroundWriter(WriteErrors(OnWriteError.stop), folder)

    def state() -> dict[str, object]:
        return {"step": trial.step, "algorithm": trial.algorithm.state_dict()}

    def foreground() -> None:
        checkpoints.save(folder, trial.step, state(), KEPT)

    def background() -> None:
        writer.settle()
        copied, step = snapshot(state()), trial.step

        def write() -> None:
            checkpoints.save(folder, step, copied.state(), KEPT)

        writer.begin(write)

    ways: dict[str, Callable[[], None]] = {"background": background, "foreground": foreground}
    costs = {name: Costs() for name in ways}
    with contextlib.closing(writer):
        for number in range(rounds + 1):
            for name in sorted(ways, reverse=bool(number % 2)):
                quiet = trial.timed(steps)
                start = time.perf_counter()
                ways[name]()
                still = time.perf_counter() - start
                after = trial.timed(steps)
                writer.settle()
                if number:  # the first round makes folders and asks for memory
                    costs[name].still.append(still)
                    costs[name].after.append(after)
                    costs[name].quiet.append(quiet)
    return costs, (folder / checkpoints.LAST).stat().st_size


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="of each way")
    parser.add_argument("--seconds", type=float, default=1.0, help="of steps after a checkpoint, about")
    parser.add_argument("--folder", type=Path, help="where checkpoints are written and removed again")
    parser.add_argument("--override", action="append", default=[], help="of the run: --override dataset.root=DIR")
    arguments = parser.parse_args()
    logging.disable()
    register()
    plan = builder.plan(compose([*DCGAN, *arguments.override]).config)
    algorithm = builder.assemble(plan)
    with contextlib.closing(algorithm), tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        trial = Trial(plan, algorithm)
        steps = trial.within(arguments.seconds)
        costs, size = measure(trial, Path(scratch), arguments.rounds, steps)
    facts = ", ".join(f"{key}={value}" for key, value in plan.device.facts().items())
    print(f"torch {torch.__version__}; {facts}; {size / 1e6:.0f} MB a checkpoint; {steps} steps after each\n")
    print("| written in the | ms stands still | quartiles | ms, steps after | ms, steps alone | slower |")
    print("|---|---|---|---|---|---|")
    for name, each in costs.items():
        print(each.row(name))


if __name__ == "__main__":
    main()
