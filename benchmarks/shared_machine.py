"""Measure what a run loses to other busy processes, against the cores that they leave to it.

    python benchmarks/shared_machine.py --recipe experiment=bench_mlp_wgan

A run trains for a while alone, then beside one and beside two processes that compute without end. Its speed is the
median of ``speed/images_per_second`` over the reports of the second half, when it has had time to give up threads.
Beside k others it is left n - k of n cores, or of all of them the part of one thread, n / (k + 1), if that is more.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.formatting import heading, row
from benchmarks.recipes import CONFIG_DIR_FLAGS, ROOT

BUSY = "while True: pass"


@dataclass(frozen=True)
class Measured:
    """Speed of a run in images a second, and the number of threads at its end."""

    images_per_second: float
    threads: int


@contextlib.contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Keep as many processes computing during the block."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def train(recipe: Sequence[str], minutes: float, busy: int) -> Measured:
    """Train for some minutes, in a new directory, beside busy processes that start when its first report is there."""
    endless = ("train.steps=100000000", f"train.max_minutes={minutes}", "train.sample_every=0")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "gan_cli", *CONFIG_DIR_FLAGS, *endless, *recipe, f"hydra.run.dir={folder}/run"]
        run, metrics = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL), Path(folder, "run/metrics.jsonl")
        while run.poll() is None and not (metrics.exists() and metrics.stat().st_size):
            with contextlib.suppress(subprocess.TimeoutExpired):
                run.wait(0.1)
        with busy_processes(busy):
            assert run.wait() == 0, "the run failed: start it alone to see why"
        reports = [json.loads(line) for line in metrics.read_text().splitlines()]
        middle = (reports[0]["time"] + reports[-1]["time"]) / 2
        speeds = [each["speed/images_per_second"] for each in reports if each["time"] > middle]
        summary = json.loads(Path(folder, "run/summary.json").read_text())
        return Measured(statistics.median(speeds), summary["device"]["threads"])


def cores_left(busy: int) -> float:
    """Return the share of all cores that busy processes leave."""
    cores = len(os.sched_getaffinity(0))
    return max(cores - busy, min(1.0, cores / (busy + 1))) / cores


def main() -> None:
    """Run the command: measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", nargs="+", default=["experiment=bench_mlp_wgan"], help="overrides of gan-train")
    parser.add_argument("--minutes", type=float, default=0.5, help="of each run; it reacts after a sixth of one")
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    print(heading(["busy processes", "images/s", "of alone", "cores left", "threads"]))
    alone: float | None = None
    for busy in arguments.busy:
        measured = train(arguments.recipe, arguments.minutes, busy)
        alone = alone or measured.images_per_second
        shares = (f"{measured.images_per_second / alone:.0%}", f"{cores_left(busy):.0%}")
        print(row([busy, f"{measured.images_per_second:,.0f}", *shares, measured.threads]), flush=True)


if __name__ == "__main__":
    main()
