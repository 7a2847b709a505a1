"""Measure the speed of workloads, by name: each way of making steps in turns, and what a step takes at least."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from benchmarks.gpu import runs
from benchmarks.gpu.findings import Findings
from benchmarks.gpu.setting import Setting, step_parser
from benchmarks.gpu.speed import limits
from benchmarks.gpu.speed.rates import FULL, TINY, Rates, measure
from benchmarks.gpu.speed.ways import (
    EAGER,
    PLAIN,
    RECORDED,
    STREAMED,
    OwnSteps,
    Way,
    compiled_makers,
    load,
    makers,
)
from benchmarks.gpu.speed.workloads import WORKLOADS, Workload


def main() -> None:
    """Run the step."""
    parser = step_parser(__doc__)
    parser.add_argument("names", nargs="+", choices=tuple(WORKLOADS), metavar="WORKLOAD")
    parser.add_argument("--compiled", action="store_true", help="compiled networks beside those as they are")
    arguments = parser.parse_args()
    setting = Setting.of(arguments)
    found = setting.findings("speed")
    for name in arguments.names:
        with found.keep_error(name):
            measure_workload(name, setting, found, compiled=arguments.compiled)


def measure_workload(name: str, setting: Setting, found: Findings, *, compiled: bool) -> None:
    """Measure a workload, and add a finding for each way."""
    workload = WORKLOADS[name]
    source = load(workload, setting)
    ways: dict[str, Way] = {}
    for way, make in (compiled_makers if compiled else makers)(workload, source, setting).items():
        with found.keep_error(f"{name}: {way}"):
            ways[way] = make()
    rates = measure(ways, runs.seconds, TINY if setting.tiny else FULL)
    label = f"{name}, compiled" if compiled else name
    # At once: what follows may take long, or fail.
    for way in ways:
        found.add(f"{label}: {way}", values=values(way, rates, workload))
    details = {way: about(label, way, made, setting, found) for way, made in ways.items() if isinstance(made, OwnSteps)}
    for way in ways:
        found.add(f"{label}: {way}", values={**values(way, rates, workload), **details.get(way, {})})
    if EAGER in ways:
        add_limits(label, ways, rates, details, setting, found)
    del ways
    if setting.device == "cuda":
        torch.cuda.empty_cache()


def values(way: str, rates: Rates, workload: Workload) -> dict[str, Any]:
    """Return the rate of a way, and its ratio to the slowest careful script: the plain loop, else eager steps."""
    found: dict[str, Any] = {
        "unit": workload.unit,
        "rate": asdict(rates.per_second(way)),
        "step_ms": rates.step_ms(way),
    }
    for other, key in ((PLAIN, "to_plain"), (EAGER, "to_eager"), (RECORDED, "to_recorded")):
        if other in rates.seconds and other != way:
            found[key] = asdict(rates.ratio(way, other))
    return found


def about(label: str, way: str, made: OwnSteps, setting: Setting, found: Findings) -> dict[str, Any]:
    """Return what else is known of a way: its precision, the host's time, the device's own, its kernels."""
    known: dict[str, Any] = {"precision": made.plan.device.facts()["precision"]}
    with found.keep_error(f"{label}: {way}, details"):
        known["host_ms"] = limits.host_ms(made.advance, setting.pick(20, 2))
        if way == STREAMED:
            known["data_wait"] = limits.data_wait(made, setting.pick(500, 5))
        if setting.device == "cuda":
            if made.plan.device.graph:
                known["replay_ms"] = limits.replay_ms(made.trainer)
            known |= limits.profile(f"{label}: {way}", made, setting)
    return known


def add_limits(
    label: str,
    ways: Mapping[str, Way],
    rates: Rates,
    details: Mapping[str, Mapping[str, Any]],
    setting: Setting,
    found: Findings,
) -> None:
    """Add the limit of a single run's step on this card, and the share of it that recorded steps reach."""
    eager = ways[EAGER]
    assert isinstance(eager, OwnSteps)
    with found.keep_error(f"{label}: limit"):
        known = limits.limit(eager, details.get(RECORDED, {}).get("kernels"), setting)
        if RECORDED in ways:
            share = known.alone / rates.step_ms(RECORDED)
            found.add(f"{label}: limit", values={"share": share, **asdict(known)})
    stacked = next((way for way in ways if way.endswith(f"replicas, {RECORDED}")), None)
    if stacked is not None:
        made = ways[stacked]
        assert isinstance(made, OwnSteps)
        with found.keep_error(f"{label}: report"):
            milliseconds = 1e3 * runs.seconds(made.bench.algorithm.report)
            found.add(f"{label}: report of all replicas", values={"milliseconds": milliseconds})


if __name__ == "__main__":
    main()
