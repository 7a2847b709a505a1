"""Format findings in Markdown: goals, speeds, what is wrong, and the machine. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.formatting import Spread, heading, row
from benchmarks.gpu.goals import GOALS, Found

GOAL_COLUMNS = ("work, on one H200", "goal", "measured", "command")
OF_A_STEP = ("step, ms", "times the plain loop", "host, ms", "device, ms", "kernels", "precision")
SPEED_COLUMNS = ("workload", "way", "rate", *OF_A_STEP)
CEILINGS = {"products_bf16": "bf16", "products_tf32": "TF32", "products_fp32": "float32"}


def section(found: Found) -> str:
    """Return the section of the page: the goals with what was measured of each; speeds and machine where there are."""
    parts = [goals(found), speeds(found), machine(found)]
    return "\n\n".join(filter(None, parts))


def summary(found: Found) -> str:
    """Return the section, and all that the page leaves out: how steps ended and what is wrong."""
    parts = ["# One GPU", section(found), steps(found), wrong(found)]
    return "\n\n".join(filter(None, parts)) + "\n"


def goals(found: Found) -> str:
    """Return the table of goals."""
    rows = (row((goal.work, goal.goal, goal.measured(found), f"`{goal.command}`")) for goal in GOALS)
    return "\n".join((heading(GOAL_COLUMNS), *rows))


def speeds(found: Found) -> str:
    """Return the table of all ways that were measured; empty where there are none."""
    rows = [
        row(tuple(_speed(name, finding.values)))
        for (step, name), finding in found.items()
        if step == "speed" and "rate" in finding.values
    ]
    return "\n".join((heading(SPEED_COLUMNS), *rows)) if rows else ""


def _speed(name: str, values: Mapping[str, Any]) -> Iterator[str]:
    workload, _, way = name.partition(": ")
    yield from (workload, way, f"{Spread(**values['rate']).text(0)} {values['unit']}", f"{values['step_ms']:.3f}")
    yield Spread(**values["to_plain"]).text(2) if "to_plain" in values else ""
    for key, digits in (("host_ms", 3), ("replay_ms", 3), ("kernels", 0)):
        value = values.get(key)
        yield "" if value is None else f"{value:.{digits}f}"
    yield values.get("precision", "")


def machine(found: Found) -> str:
    """Describe card, versions and measured ceilings in a paragraph; empty where nothing was measured."""
    facts = {name: finding.values for (step, name), finding in found.items() if step == "facts"}
    card, versions = facts.get("card", {}), facts.get("versions", {})
    if not card:
        return ""
    parts = [
        f"{card.get('name')} (driver {card.get('driver_version', 'unknown')})",
        f"torch {versions.get('torch')} for CUDA {versions.get('cuda')}",
        f"Python {versions.get('python')}",
    ]
    rates = [f"{facts[name]['tflops']:,.0f} TFLOP/s in {words}" for name, words in CEILINGS.items() if facts.get(name)]
    if facts.get("copy"):
        rates.append(f"{facts['copy']['gigabytes_per_second']:,.0f} GB/s copied")
    launch = facts.get("launch", {})
    rates += [f"{value:.2f} us a launch, {name.partition('_')[0]}" for name, value in launch.items()]
    invocation = found.get(("invocation", "machine"))
    day = f"; {invocation.values['day']}, `{invocation.values['command']}`" if invocation else ""
    return f"{', '.join(parts)}{day}. Measured ceilings: {', '.join(rates)}."


def steps(found: Found) -> str:
    """List how the steps ended."""
    rows = [
        row((name, finding.values["status"], finding.values.get("seconds", "")))
        for (step, name), finding in found.items()
        if step == "steps"
    ]
    return "\n".join((heading(("step", "ended", "seconds")), *rows)) if rows else ""


def wrong(found: Found) -> str:
    """List all findings that are not as they should be."""
    bad = [each for each in found.values() if each.right is False and each.step != "steps"]
    lines = [f"- {each.step}: {each.name}: {each.error or dict(each.values)}" for each in bad]
    return "\n".join(("Wrong:", "", *lines)) if lines else ""
