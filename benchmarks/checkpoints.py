"""Measure how long a checkpoint blocks training, written in the background and in the foreground.

    python benchmarks/checkpoints.py --override device.threads=1

Both modes alternate in one process, on one run of a DCGAN. A round is a checkpoint and then some steps, during which
the background mode is still writing. "Blocked" is the time from the end of a step to the beginning of the next; "steps
after" is what these steps take, against the same number of steps while nothing is written.
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

from benchmarks.formatting import heading, row
from benchmarks.recipes import CONF_DIR
from gan_cli.bench.trial import StepBenchmark
from gan_cli.config.compose import compose, register
from gan_cli.storage import checkpoints
from gan_cli.storage.async_writer import BackgroundWriter
from gan_cli.storage.files import OnWriteError, WriteErrorHandler
from gan_cli.storage.snapshot import snapshot
from gan_cli.training import builder, planning

DCGAN = ("experiment=bench_dcgan64",)
KEEP = 3


@dataclass
class WriteTimes:
    """Seconds of each round: training blocked, the steps after that, and steps while nothing was written."""

    blocked: list[float] = field(default_factory=list)
    steps_after: list[float] = field(default_factory=list)
    steps_idle: list[float] = field(default_factory=list)

    def row(self, name: str) -> str:
        """Format the row of one mode in Markdown."""
        low, _, high = quantiles(self.blocked, n=4)
        slower = median(after / idle - 1 for after, idle in zip(self.steps_after, self.steps_idle, strict=True))
        blocked = (f"{1000 * median(self.blocked):.1f}", f"{1000 * low:.1f} to {1000 * high:.1f}")
        steps = (f"{1000 * median(self.steps_after):.0f}", f"{1000 * median(self.steps_idle):.0f}")
        return row([name, *blocked, *steps, f"{slower:+.1%}"])


def measure(trial: StepBenchmark, folder: Path, rounds: int, steps: int) -> tuple[dict[str, WriteTimes], int]:
    """Return the times of both modes, and the bytes of a checkpoint."""
    writer = BackgroundWriter(WriteErrorHandler(OnWriteError.stop), folder)

    def state() -> dict[str, object]:
        return {"step": trial.step, "algorithm": trial.algorithm.state_dict()}

    def foreground() -> None:
        checkpoints.save(folder, trial.step, state(), KEEP)

    def background() -> None:
        writer.wait()
        copied, step = snapshot(state()), trial.step

        def write() -> None:
            checkpoints.save(folder, step, copied.state(), KEEP)

        writer.submit(write)

    modes: dict[str, Callable[[], None]] = {"background": background, "foreground": foreground}
    times = {name: WriteTimes() for name in modes}
    with contextlib.closing(writer):
        for number in range(rounds + 1):
            for name in sorted(modes, reverse=bool(number % 2)):
                steps_idle = trial.time_steps(steps)
                start = time.perf_counter()
                modes[name]()
                blocked = time.perf_counter() - start
                steps_after = trial.time_steps(steps)
                writer.wait()
                if number:  # the first round makes folders and asks for memory
                    times[name].blocked.append(blocked)
                    times[name].steps_after.append(steps_after)
                    times[name].steps_idle.append(steps_idle)
    return times, (folder / checkpoints.LAST).stat().st_size


def main() -> None:
    """Run the command: measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="of each mode")
    parser.add_argument("--seconds", type=float, default=1.0, help="of steps after a checkpoint, about")
    parser.add_argument("--folder", type=Path, help="where checkpoints are written and removed again")
    parser.add_argument("--override", action="append", default=[], help="of the run: --override dataset.root=DIR")
    arguments = parser.parse_args()
    logging.disable()
    register()
    plan = planning.plan(compose([*DCGAN, *arguments.override], CONF_DIR).config)
    algorithm = builder.assemble(plan)
    with contextlib.closing(algorithm), tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        trial = StepBenchmark(plan, algorithm)
        steps = trial.steps_within(arguments.seconds)
        times, size = measure(trial, Path(scratch), arguments.rounds, steps)
    facts = ", ".join(f"{key}={value}" for key, value in plan.device.facts().items())
    print(f"torch {torch.__version__}; {facts}; {size / 1e6:.0f} MB a checkpoint; {steps} steps after each\n")
    print(heading(["written in the", "ms blocked", "quartiles", "ms, steps after", "ms, steps idle", "slower"]))
    for name, each in times.items():
        print(each.row(name))


if __name__ == "__main__":
    main()
