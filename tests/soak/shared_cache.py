"""Runs that begin at once over one data root which is still empty: one cache comes of it, and the same for all."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.soak import recipes
from tests.soak.children import KILLED, Child, Ended, ready, wait_for
from tests.soak.equality import same_run
from tests.soak.sabotage import NOTHING, Aim, Sabotage

SHORTER = ("train.steps=40",)


@dataclass(frozen=True)
class Cache:
    """What is made below the data root.

    Attributes:
        name: in words.
        arguments: of a run that needs it.
        sabotage: of every process.
        victim: what is done to the one that is killed.
        made: patterns below the data root, and how many files or folders of each there are in the end.
    """

    name: str
    arguments: tuple[str, ...]
    sabotage: Sabotage
    victim: Sabotage
    made: dict[str, int]


def caches(pictures: Path, mirror: str) -> tuple[Cache, ...]:
    """A cache of decoded images, and a downloaded dataset; both with the store of evaluations."""
    store = {"references/[!.]*": 1}
    download = Aim("*/mnist/.*.part", 2)
    return (
        Cache(
            "image cache",
            recipes.folder_run(pictures),
            NOTHING,
            Sabotage(kill_in_write=Aim("*/image_folder/.unfinished-*/pixels.npy", 2)),
            {"image_folder/[!.]*": 1, **store},
        ),
        Cache(
            "download",
            recipes.mnist_run(mirror),
            recipes.with_small_mnist(NOTHING),
            recipes.with_small_mnist(Sabotage(kill_in_write=download)),
            {"mnist/[!.]*": 4, **store},
        ),
    )


def soak(place: Path, processes: int = 10) -> str:
    """Raise AssertionError unless all complete, equal, with one cache; then with one of them killed as it builds."""
    pictures = recipes.make_pictures(place / "pictures")
    lines = []
    with recipes.mirror(recipes.small_mnist()) as mirror:
        for cache in caches(pictures, mirror):
            for victims in (0, 1):
                here = place / f"{cache.name.replace(' ', '_')}_{victims}"
                builders = _at_once(here, cache, processes, victims)
                lines.append(
                    f"{cache.name}: {processes - victims} of {processes} complete ({victims} killed), equal, one"
                    f" cache; {builders} were making it at once"
                )
    return "\n  ".join(lines)


def _at_once(here: Path, cache: Cache, processes: int, victims: int) -> int:
    """Start all, look at what they leave; returns how many of them were making the cache."""
    runs = [here / f"run_{number}" for number in range(processes)]
    sabotages = [cache.victim] * victims + [cache.sabotage] * (processes - victims)
    data = here / "data"
    children = [
        ready((*cache.arguments, *SHORTER, f"hydra.run.dir={run}"), data, sabotage)
        for run, sabotage in zip(runs, sabotages, strict=True)
    ]
    for child in children[:victims]:
        child.release()
        wait_for(functools.partial(_started, data, child), child)
    for child in children[victims:]:
        child.release()
    ended = [child.ended() for child in children]
    for one in ended[:victims]:
        assert one.status == KILLED, f"{cache.name}: not killed, status {one.status}:\n{one.err}"
    for one in ended[victims:]:
        assert one.status == 0, f"{cache.name}: status {one.status}:\n{one.err}"
    for run in runs[victims + 1 :]:
        same_run(run, runs[victims])
    for pattern, count in cache.made.items():
        found = sorted((here / "data").glob(pattern))
        assert len(found) == count, f"{cache.name}: {found}"
    left = _partial(here / "data")
    assert len(left) <= victims, f"{cache.name}: left behind: {left}"
    return _makers(ended)


def _partial(data: Path) -> list[Path]:
    """Files and folders that were not finished; a killed process leaves one, which is removed after a day."""
    return sorted(data.glob("*/.*"))


def _started(data: Path, victim: Child) -> bool:
    """Whether the victim is at work, or already dead."""
    return bool(_partial(data)) or not victim.alive()


def _makers(ended: Sequence[Ended]) -> int:
    return sum("decoding" in one.err or "downloading" in one.err for one in ended)
