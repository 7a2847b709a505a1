"""Compare many small runs in one process with two processes at a time: steps a second in all, as ratios.

    python benchmarks/replicas.py --replicas 32

A pair is two runs of ring8 side by side, one seed each, and one run of as many seeds as asked for (``train.replicas``),
every other pair in reverse order. Speeds are those of the summaries: steps over seconds of the training loop. Measured
twice: training alone (no pictures, and a report, like a checkpoint, at the end) and everything at its default cadence.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.formatting import Spread, heading, row
from benchmarks.recipes import ROOT

RUN = (
    "dataset=ring8",
    "train.batch_size=64",
    "architecture.generator_hidden=[128,128]",
    "architecture.discriminator_hidden=[128,128]",
)
PARALLEL_RUNS = 2
GOAL = 3.0


@dataclass(frozen=True)
class Pair:
    """Steps a second in all: of single runs, two at a time, and of one process with many replicas."""

    single: float
    stacked: float

    @property
    def ratio(self) -> float:
        """Speed of one process over that of single runs."""
        return self.stacked / self.single


def start(folder: Path, *overrides: str) -> subprocess.Popen[bytes]:
    """Start a training process."""
    command = [sys.executable, "-m", "gan_cli", *RUN, *overrides, f"hydra.run.dir={folder}"]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)


def speed(folder: Path) -> float:
    """Return the steps a second of all runs below a folder."""
    summaries = [json.loads(file.read_text()) for file in folder.rglob("summary.json")]
    return sum(summary["step"] / summary["seconds"] for summary in summaries)


def measure(replicas: int, steps: int, cadence: Sequence[str], stacked_first: bool) -> Pair:
    """Measure one pair, in either order."""

    def single() -> float:
        with tempfile.TemporaryDirectory() as folder:
            runs = [
                start(Path(folder, str(seed)), f"seed={seed}", f"train.steps={steps}", *cadence)
                for seed in range(PARALLEL_RUNS)
            ]
            assert [run.wait() for run in runs] == [0] * PARALLEL_RUNS
            return speed(Path(folder))

    def stacked() -> float:
        # About as long as the single runs: a step of many replicas takes about three times as long as one.
        own = [f"train.replicas={replicas}", f"train.steps={max(1, steps // 4)}"]
        with tempfile.TemporaryDirectory() as folder:
            assert start(Path(folder), *own, *cadence).wait() == 0
            return speed(Path(folder))

    if stacked_first:
        found = stacked()
        return Pair(single(), found)
    return Pair(single(), stacked())


def main() -> None:
    """Run the command: measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicas", type=int, default=32)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6000, help="of each single run")
    arguments = parser.parse_args()
    training_only = ("train.sample_every=0", "train.log_every=1000", "train.checkpoint_every=1000000")
    columns = (f"singles, {PARALLEL_RUNS} at a time, steps/s", f"{arguments.replicas} replicas, steps/s")
    print(heading(["cadence", *columns, "ratio", "goal"]))
    for name, cadence in (("training alone", training_only), ("everything at its default", ())):
        pairs = [
            measure(arguments.replicas, arguments.steps, cadence, bool(number % 2)) for number in range(arguments.pairs)
        ]
        single, stacked = (statistics.median(getattr(pair, field) for pair in pairs) for field in ("single", "stacked"))
        ratio = Spread.of(pair.ratio for pair in pairs)
        print(row([name, f"{single:,.0f}", f"{stacked:,.0f}", ratio.text(2), f"{GOAL:g}"]), flush=True)


if __name__ == "__main__":
    main()
