"""``kill -9`` at random moments and at the worst ones; each run then ends bitwise equal to an undisturbed one."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.helpers.run_directories import has_reported
from tests.soak import recipes
from tests.soak.children import KILLED, completed, start, train, wait_for
from tests.soak.equality import same_run
from tests.soak.sabotage import NOTHING, Aim, Sabotage

PICTURES, DOWNLOADED = "pictures", "downloaded"
CHECKPOINT_WRITES = 20  # a checkpoint takes some more to be written


@dataclass(frozen=True)
class Moment:
    """Where a process is killed.

    Attributes:
        phase: in words.
        file: pattern of the file that is being written or renamed; empty: whenever it happens to be.
        turns: of the calls on that file, one at random is hit.
        rename: right before a renaming, not in the middle of a write.
        dataset: whose run it is.
        after_another: the process is one that already continues after a kill.
    """

    phase: str
    file: str = ""
    turns: int = 1
    rename: bool = False
    dataset: str = PICTURES
    after_another: bool = False

    def sabotage(self, chance: random.Random) -> Sabotage:
        """What is to be done to the process."""
        if not self.file:
            return NOTHING
        aim = Aim(self.file, chance.randint(1, self.turns))
        return Sabotage(kill_in_rename=aim) if self.rename else Sabotage(kill_in_write=aim)


ANY_TIME = Moment("at a random time")
AIMED = (
    Moment("checkpoint, half written", "*/checkpoints/.step_*.tmp", turns=8 * CHECKPOINT_WRITES),
    Moment("TensorBoard's events, half flushed", "*/events.out.tfevents.*", turns=20),
    Moment("download, half written", "*/mnist/.*.part", turns=4, dataset=DOWNLOADED),
    Moment("image cache, pixels half written", "*/image_folder/.unfinished-*/pixels.npy", turns=3),
    Moment("checkpoint, written and not renamed", "*/checkpoints/.step_*.tmp", turns=8, rename=True),
    Moment("last.pt, not renamed", "*/checkpoints/.last.pt.tmp", turns=8, rename=True),
    Moment("metrics.jsonl, half a line", "*/metrics.jsonl", turns=15),
    Moment("sample picture, half written", "*/samples/.step_*.png.tmp", turns=7),
    Moment("summary, half written", "*/.summary.json.tmp"),
    Moment("download, checked and not renamed", "*/mnist/.*.part", turns=2, rename=True, dataset=DOWNLOADED),
    Moment("image cache, complete and not renamed", "*/image_folder/.unfinished-*", rename=True),
    Moment("evaluation's store, half written", "*/references/.*.part"),
    Moment("metrics.jsonl, truncated by a resumed run", "*/.metrics.jsonl.tmp", after_another=True),
    Moment("checkpoint of a resumed run, half written", "*/.step_*.tmp", turns=CHECKPOINT_WRITES, after_another=True),
    Moment("configuration, half written", "*/.hydra/config.yaml"),
)


@dataclass(frozen=True)
class Bench:
    """Where kills happen: a folder, a mirror, the runs that nothing disturbs."""

    place: Path
    mirror: str

    def overrides(self, dataset: str) -> tuple[str, ...]:
        """Of a run on that dataset."""
        if dataset == DOWNLOADED:
            return recipes.mnist_run(self.mirror)
        return recipes.folder_run(recipes.make_pictures(self.place / "pictures"))

    def sabotage(self, dataset: str, wanted: Sabotage) -> Sabotage:
        """With the small MNIST where there is one."""
        return wanted if dataset == PICTURES else recipes.with_small_mnist(wanted)

    @cache  # noqa: B019 - a bench lives as long as the soak
    def undisturbed(self, dataset: str) -> tuple[Path, float]:
        """A run of that dataset that nothing disturbs, and the seconds it took from the start of its process."""
        run = self.place / f"undisturbed_{dataset}"
        arguments = (*self.overrides(dataset), f"hydra.run.dir={run}")
        ended = completed(arguments, self.place / f"data_{dataset}", self.sabotage(dataset, NOTHING))
        return run, ended.seconds

    def survive(self, number: int, moment: Moment, chance: random.Random) -> str:
        """Kill a run at that moment, let it continue, compare; returns where it was, in words."""
        undisturbed, seconds = self.undisturbed(moment.dataset)
        attempt = _Attempt(self, moment.dataset, self.place / f"run_{number}", self.place / f"data_{number}")
        if moment.after_another:
            attempt.killed_in(Sabotage(kill_in_write=Aim("*/metrics.jsonl", 7)))
        if moment is ANY_TIME:
            phase = attempt.killed_at(chance, seconds)
        else:
            attempt.killed_in(moment.sabotage(chance))
            phase = moment.phase
        attempt.finish()
        same_run(attempt.run, undisturbed)
        return phase


class _Attempt:
    """One run over all its processes."""

    def __init__(self, bench: Bench, dataset: str, run: Path, data: Path) -> None:
        self._bench, self._dataset, self._wanted, self._data = bench, dataset, run, data
        self.run, self._starts = run, 0

    def _arguments(self) -> tuple[str, ...]:
        """Of the next process: it continues where there is a checkpoint, else the run begins again, apart."""
        if any((self.run / "checkpoints").glob("*.pt")):
            return (f"resume={self.run}",)
        self._starts += 1
        self.run = self._wanted.with_name(f"{self._wanted.name}_start_{self._starts}")
        return (*self._bench.overrides(self._dataset), f"hydra.run.dir={self.run}")

    def killed_in(self, sabotage: Sabotage) -> None:
        """Run until the process kills itself."""
        ended = train(self._arguments(), self._data, self._bench.sabotage(self._dataset, sabotage))
        assert ended.status == KILLED, f"{sabotage} never came to pass; status {ended.status}:\n{ended.err}"

    def killed_at(self, chance: random.Random, seconds: float) -> str:
        """Kill at a random time, a while after the start or after a random report; returns how far the run was.

        An undisturbed run takes so many seconds. Where the run has ended before, there is another try.
        """
        while True:
            child = start(self._arguments(), self._data, self._bench.sabotage(self._dataset, NOTHING))
            step = chance.choice((*[0] * 4, *range(10, recipes.STEPS, 10)))
            if step:
                wait_for(has_reported(self.run, step), child)
            time.sleep(chance.uniform(0.0, seconds / 4 if step == 0 else seconds / 20))  # any moment, and no event
            child.process.kill()
            if child.ended().status == KILLED:
                return f"{ANY_TIME.phase}: {self._progress()}"
            self.run = self._wanted

    def _progress(self) -> str:
        if not (self.run / "metrics.jsonl").exists():
            return "imports and data"
        return "training" if any((self.run / "checkpoints").glob("*.pt")) else "before the first checkpoint"

    def finish(self) -> None:
        """Undisturbed to the end."""
        completed(self._arguments(), self._data, self._bench.sabotage(self._dataset, NOTHING))


def mixture(times: int) -> list[Moment]:
    """So many moments: every other one at a random time, the others aimed, all kinds in turn."""
    return [AIMED[number // 2 % len(AIMED)] if number % 2 == 0 else ANY_TIME for number in range(times)]


def soak(place: Path, moments: Sequence[Moment], seed: int = 0) -> str:
    """Kill a run at each of these moments.

    Args:
        place: an empty folder.
        moments: one run each.
        seed: of turns and times.

    Returns:
        How many ended equal, and in which phase the kills came.

    Raises:
        AssertionError: one did not end equal.
    """
    chance, phases = random.Random(seed), Counter[str]()
    with recipes.mirror(recipes.small_mnist()) as address:
        bench = Bench(place, address)
        for number, moment in enumerate(moments):
            try:
                survived = bench.survive(number, moment, chance)
            except AssertionError as error:
                raise AssertionError(f"kill {number + 1} of {len(moments)}, {moment.phase}: {error}") from error
            phases[survived] += 1
            print(f"{number + 1} of {len(moments)}: {survived}", file=sys.stderr, flush=True)
    counted = "\n".join(f"  {count} {phase}" for phase, count in sorted(phases.items()))
    return f"{len(moments)} of {len(moments)} kills end bitwise equal (seed {seed}):\n{counted}"
