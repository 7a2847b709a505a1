"""Ten thousand steps with reports, pictures, evaluations and checkpoints all the time: nothing grows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.soak import recipes
from tests.soak.children import completed
from tests.soak.sabotage import Sabotage

MEBI = 2**20
ARGUMENTS = (
    *(item for item in recipes.SMALL if not item.startswith("architecture=")),
    "architecture=mlp_small",
    "dataset=ring8",
    "train.log_every=10",
    "train.sample_every=100",
    "train.checkpoint_every=100",
    "train.eval_every=500",
    "evaluation.samples=100",
)


@dataclass(frozen=True)
class Growth:
    """What a process holds more at the end than after its first fifth.

    Attributes:
        resident: MiB of its memory, by a line fitted through all reports between.
        allocated: MiB on the GPU, the same.
        files: open files, the median of the last fifth against that of the second: a picture that is being written
            while a report is due has its file open, and is no growth.
        threads: the same.
    """

    resident: float
    allocated: float
    files: int
    threads: int


def growth(place: Path, steps: int, arguments: tuple[str, ...] = ()) -> Growth:
    """Train for so many steps in an empty folder."""
    watch = place / "watch.jsonl"
    overrides = (*ARGUMENTS, f"train.steps={steps}", *arguments, f"hydra.run.dir={place / 'run'}")
    completed(overrides, place / "data", Sabotage(watch=str(watch)), patience=1.0 * steps)
    held = [json.loads(line) for line in watch.read_text().splitlines()]
    held = [line for line in held if line["step"] >= steps // 5]
    at = np.array([line["step"] for line in held])
    assert at[-1] == steps

    def fitted(name: str) -> float:
        slope = np.polyfit(at, [line[name] for line in held], 1)[0]
        return float(slope * (at[-1] - at[0]) / MEBI)

    def risen(name: str) -> int:
        counts = [line[name] for line in held]
        part = len(counts) // 4
        return round(np.median(counts[-part:]) - np.median(counts[:part]))

    return Growth(fitted("rss"), fitted("allocated"), risen("files"), risen("threads"))


def soak(place: Path, steps: int = 10_000, most: float = 5.0, arguments: tuple[str, ...] = ()) -> str:
    """Raise AssertionError where more than ``most`` MiB, 1 MiB on the GPU, a file or a thread have come to be held."""
    found = growth(place, steps, arguments)
    output = (
        f"from step {steps // 5} to {steps}: {found.resident:+.2f} MiB of memory,"
        f" {found.allocated:+.2f} MiB on the GPU, {found.files:+d} open files, {found.threads:+d} threads"
    )
    assert found.resident < most, output
    assert found.allocated < 1.0, output
    assert found.files <= 0, output
    assert found.threads <= 0, output
    return output
