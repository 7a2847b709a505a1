"""What the steps of the command for a GPU compute: differences of metrics, growth, turns, plain loops."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from benchmarks.formatting import Spread
from benchmarks.gpu import memory, parity, runs
from benchmarks.gpu.probes import numerics
from benchmarks.gpu.setting import Setting
from benchmarks.gpu.speed import rates
from benchmarks.gpu.speed.plain_loop import PlainLoop
from benchmarks.gpu.speed.ways import load
from benchmarks.gpu.speed.workloads import WORKLOADS


@pytest.fixture
def dry(tmp_path: Path) -> Setting:
    """The setting of a dry run that writes into the test's folder."""
    return Setting(tmp_path, "cpu", tiny=True)


def test_metrics_of_two_runs_are_compared_by_their_size() -> None:
    def compared(first: float, second: float) -> parity.Difference:
        return parity.compare_metrics({("run", 5, "loss/d"): first}, {("run", 5, "loss/d"): second})

    assert compared(1.0, 1.0) == parity.Difference(0.0, "", 1)
    assert compared(math.nan, math.nan).worst == 0
    assert compared(math.inf, 1.0).worst == math.inf
    assert compared(1.0, 1.1).worst == pytest.approx(0.1 / 1.1)
    assert compared(1.0, 1.1).place == "loss/d at step 5"
    assert compared(0.0, 1e-4).worst == pytest.approx(1e-2), "small metrics count by the floor"
    lone = parity.compare_metrics({("run", 5, "a"): 1.0}, {("run", 5, "b"): 1.0})
    assert lone.worst == math.inf


def test_metrics_are_read_without_times(tmp_path: Path) -> None:
    (tmp_path / "seed_0").mkdir()
    line = {"step": 5, "time": 1.5, "loss/d": 0.5, "speed/steps_per_second": 3.0, "metrics/frechet": 1.0}
    (tmp_path / "seed_0" / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    assert parity.read_metrics(tmp_path) == {("seed_0", 5, "loss/d"): 0.5}


def test_growth_is_that_of_a_line_through_the_readings_after_the_first_fifth() -> None:
    def readings(held: Callable[[int], float]) -> list[memory.Reading]:
        return [memory.Reading(step, held(step), 7.0, 7.0) for step in range(100, 1100, 100)]

    assert memory.growth(readings(lambda step: 50.0 if step > 150 else 0.0), "resident") == pytest.approx(0)
    assert memory.growth(readings(lambda step: step / 100), "resident") == pytest.approx(8)
    assert memory.growth(readings(float), "reserved") == pytest.approx(0)


class Clocked:
    """A way whose steps take a time on a clock that no real one is needed for."""

    def __init__(self, clock: list[float], log: list[str], name: str, seconds: float, units: float) -> None:
        self.clock, self.log, self.name, self.seconds, self.units_per_step = clock, log, name, seconds, units

    def advance(self, count: int) -> None:
        self.clock[0] += count * self.seconds
        self.log.append(self.name)


def test_ways_are_timed_in_turns_and_compared_round_by_round() -> None:
    clock, log = [0.0], list[str]()
    ways = {"a": Clocked(clock, log, "a", 0.5, 10.0), "b": Clocked(clock, log, "b", 0.25, 1.0)}

    def timed(act: Callable[[], object]) -> float:
        start = clock[0]
        act()
        return clock[0] - start

    measured = rates.measure(ways, timed, rates.Protocol(rounds=3, block=2.0))
    assert log[-6:] == ["a", "b", "b", "a", "a", "b"]
    assert measured.per_second("a") == Spread(20.0, 20.0, 20.0)
    assert measured.step_ms("b") == 250
    assert measured.ratio("a", "b").median == 5


@pytest.mark.parametrize("name", ["mlp_wgan", "ring8"])
def test_plain_loop_trains_both_networks(name: str, dry: Setting) -> None:
    workload = WORKLOADS[name]
    plan = runs.plan(dry, (*workload.options(dry), "train.batch_size=4"))
    loop = PlainLoop(plan, workload, load(workload, dry), reads_losses=True)
    before = [runs.weights(network) for network in (loop.generator, loop.discriminator)]
    loop.advance(2)
    for start, network in zip(before, (loop.generator, loop.discriminator), strict=True):
        assert not torch.equal(runs.weights(network), start)
    if name == "mlp_wgan":
        assert max(float(value.detach().abs().max()) for value in loop.discriminator.parameters()) <= 0.01 + 1e-6
        assert loop.units_per_step == 4 * 5


def test_numbers_drawn_on_the_host_are_those_of_the_stream(dry: Setting) -> None:
    def first_weights() -> torch.Tensor:
        algorithm = runs.assemble(dry, *numerics.AGAINST_CPU["mlp"])
        runs.advance(algorithm, range(2))
        return runs.weights(*numerics.networks(algorithm))

    plain = first_weights()
    with numerics.drawing_on_the_host():
        assert torch.equal(first_weights(), plain)
    assert torch.equal(first_weights(), plain)
