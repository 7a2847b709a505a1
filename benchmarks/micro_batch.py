"""Measure the memory and the time of a batch that is passed through the networks whole, or in micro-batches.

    python benchmarks/micro_batch.py --override device.threads=2

A DCGAN of 64x64 images, which are noise: neither memory nor time depends on what they show. Each run is a process of
its own; the modes alternate. "Steps" is the largest resident memory of the steps less what the process had before the
first one, with its networks, the data and torch; "process" is the largest in all. Other processes slow the steps down;
the time that processors spend on them depends on those less.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.formatting import heading, row
from benchmarks.machine import cpu_model
from gan_cli.config.compose import compose, register
from gan_cli.training import builder, planning

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
IMAGES, SIDE = 2048, 64


@dataclass(frozen=True)
class Measured:
    """Bytes and seconds of one process.

    Attributes:
        process: largest resident memory.
        steps: the part of it that steps have added.
        seconds: of one step, without the first.
        processors: seconds of all threads in that step.
    """

    process: int
    steps: int
    seconds: float
    processors: float


def resident(field: str) -> int:
    """Return bytes of resident memory, ``VmRSS`` at present or ``VmHWM`` at most."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return 1024 * int(line.split()[1])


def measure(overrides: list[str], steps: int) -> Measured:
    """Train a few steps in this process."""
    logging.disable()
    register()
    algorithm = builder.assemble(planning.plan(compose(overrides).config))
    CLEAR.write_text("5")  # what was largest before does not count
    before, times = resident("VmRSS"), []
    for step in range(steps):
        start = time.perf_counter(), time.process_time()
        algorithm.update(step)
        times.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    largest = resident("VmHWM")
    seconds, processors = (median(each) for each in zip(*times[1:], strict=True))
    return Measured(largest, largest - before, seconds, processors)


def in_process_of_its_own(overrides: list[str], steps: int) -> Measured:
    """Measure a run in a new process."""
    command = [sys.executable, "-m", "benchmarks.micro_batch", "--child", "--steps", str(steps)]
    named = [f"--override={override}" for override in overrides]
    done = subprocess.run([*command, *named], check=True, capture_output=True, text=True)
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Run the command: measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="processes of each mode, of which the median counts")
    parser.add_argument("--steps", type=int, default=3, help="of each process")
    parser.add_argument("--batch", type=int, default=256, help="samples of a batch")
    parser.add_argument("--micro", type=int, nargs="+", default=[64], help="samples of a micro-batch")
    parser.add_argument("--override", action="append", default=[], help="of the run: --override device.threads=2")
    parser.add_argument("--child", action="store_true", help="measure one mode in this process, as the command does")
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(asdict(measure(arguments.override, arguments.steps))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "images.npy"
        np.save(file, np.random.default_rng(0).integers(0, 256, (IMAGES, SIDE, SIDE, 3), dtype=np.uint8))
        fixed = ["dataset=arrays", f"dataset.path={file}", "architecture=dcgan", "augment=none", *arguments.override]
        modes = {
            "whole": [],
            **{f"{arguments.batch // size} x {size}": [f"train.micro_batch={size}"] for size in arguments.micro},
        }
        found: dict[str, list[Measured]] = {name: [] for name in modes}
        for _ in range(arguments.rounds):
            for name, overrides in modes.items():
                command = [*fixed, f"train.batch_size={arguments.batch}", *overrides]
                found[name].append(in_process_of_its_own(command, arguments.steps))
                print(f"{name}: {found[name][-1]}", file=sys.stderr)
    print(f"{cpu_model()}, torch {torch.__version__}; batch {arguments.batch}, {' '.join(arguments.override)}\n")
    print(heading(["batch", "MiB, steps", "MiB, process", "s a step", "CPU s"]))
    for name, each in found.items():
        mib = (median(getattr(one, part) for one in each) / 2**20 for part in ("steps", "process"))
        times = (median(getattr(one, part) for one in each) for part in ("seconds", "processors"))
        print(row([name, *(f"{size:.0f}" for size in mib), *(f"{seconds:.1f}" for seconds in times)]))


if __name__ == "__main__":
    main()
