"""Many small runs in one process against two processes at a time: steps a second in all, as ratios.

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

ROOT = Path(__file__).parent.parent
RUN = (
    "dataset=ring8",
    "train.batch_size=64",
    "architecture.generator_hidden=[128,128]",
    "architecture.discriminator_hidden=[128,128]",
)
AT_A_TIME = 2
GOAL = 3.0


@dataclass(frozen=True)
class Pair:
    """Steps a second in all: of single runs, two at a time, and of one process with many."""

    single: float
    together: float

    @property
    def ratio(self) -> float:
        """How many times as fast one process is."""
        return self.together / self.single


def start(folder: Path, *overrides: str) -> subprocess.Popen[bytes]:
    """A training process."""
    command = [sys.executable, "-m", "gan_cli", *RUN, *overrides, f"hydra.run.dir={folder}"]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)


def speed(folder: Path) -> float:
    """Steps a second of all runs below a folder."""
    summaries = [json.loads(file.read_text()) for file in folder.rglob("summary.json")]
    return sum(summary["step"] / summary["seconds"] for summary in summaries)


def measure(replicas: int, steps: int, cadence: Sequence[str], one_first: bool) -> Pair:
    """One pair."""

    def single() -> float:
        with tempfile.TemporaryDirectory() as folder:
            runs = [
                start(Path(folder, str(seed)), f"seed={seed}", f"train.steps={steps}", *cadence)
                for seed in range(AT_A_TIME)
            ]
            assert [run.wait() for run in runs] == [0] * AT_A_TIME
            return speed(Path(folder))

    def together() -> float:
        # As long as the others: a step of many takes about three times as long as one.
        own = [f"train.replicas={replicas}", f"train.steps={max(1, steps // 4)}"]
        with tempfile.TemporaryDirectory() as folder:
            assert start(Path(folder), *own, *cadence).wait() == 0
            return speed(Path(folder))

    if one_first:
        found = together()
        return Pair(single(), found)
    return Pair(single(), together())


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicas", type=int, default=32)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6000, help="of each single run")
    arguments = parser.parse_args()
    alone = ("train.sample_every=0", "train.log_every=1000", "train.checkpoint_every=1000000")
    print(
        f"| cadence | singles, {AT_A_TIME} at a time, steps/s | {arguments.replicas} replicas, steps/s | ratio | goal |"
    )
    print("|---|---|---|---|---|")
    for name, cadence in (("training alone", alone), ("everything at its default", ())):
        pairs = [
            measure(arguments.replicas, arguments.steps, cadence, bool(number % 2)) for number in range(arguments.pairs)
        ]
        ratios = sorted(pair.ratio for pair in pairs)
        single, together = (
            statistics.median(getattr(pair, field) for pair in pairs) for field in ("single", "together")
        )
        print(
            f"| {name} | {single:,.0f} | {together:,.0f} |"
            f" {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) | {GOAL:g} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
