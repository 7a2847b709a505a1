"""Rates of several ways in turns, so that a card that slows down in between slows all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

from benchmarks.formatting import Spread
from benchmarks.gpu.speed.ways import Way

# Steps before the first block: libraries choose kernels, optimizers make their states.
FIRST_STEPS = 3


@dataclass(frozen=True)
class Protocol:
    """How rates are measured.

    Attributes:
        rounds: blocks of each way.
        block: seconds of a block of steps, about.
    """

    rounds: int = 7
    block: float = 0.2


FULL, TINY = Protocol(), Protocol(rounds=2, block=0.01)


@dataclass(frozen=True)
class Rates:
    """Seconds of a step in each round, by way.

    Attributes:
        seconds: way -> seconds of a step, one for each round.
        units: way -> units of a step.
    """

    seconds: Mapping[str, Sequence[float]]
    units: Mapping[str, float]

    def per_second(self, way: str) -> Spread:
        """Return the units per second over the rounds."""
        return Spread.of(self.units[way] / seconds for seconds in self.seconds[way])

    def step_ms(self, way: str) -> float:
        """Return the milliseconds of a step, the median of all rounds."""
        return 1e3 * median(self.seconds[way])

    def ratio(self, way: str, other: str) -> Spread:
        """Return how many times as many units a way makes as another one, in the same round."""
        pairs = zip(self.seconds[way], self.seconds[other], strict=True)
        return Spread.of(self.units[way] / mine / (self.units[other] / theirs) for mine, theirs in pairs)


def measure(ways: Mapping[str, Way], time: Callable[[Callable[[], object]], float], protocol: Protocol) -> Rates:
    """Time blocks of steps of each way in turns, every other round in reverse order.

    Args:
        ways: by name.
        time: times a call in seconds, with the work on the device that it launches.
        protocol: how many blocks, and how long they take.
    """
    steps = {}
    for name, way in ways.items():
        way.advance(FIRST_STEPS)
        seconds_per_step = time(partial(way.advance, FIRST_STEPS)) / FIRST_STEPS
        steps[name] = max(1, round(protocol.block / max(seconds_per_step, 1e-9)))
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    order = list(ways)
    for _ in range(protocol.rounds):
        for name in order:
            seconds[name].append(time(partial(ways[name].advance, steps[name])) / steps[name])
        order.reverse()
    return Rates(seconds, {name: way.units_per_step for name, way in ways.items()})
