"""Format ``docs/claims.md`` from results: text alone, no runs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from benchmarks.claims.claim import Bound, Claim, MeanRange, Result
from benchmarks.formatting import heading, row
from benchmarks.recipes import CONF

HEAD = """# Claims, and what came of them

What the field says of GANs, as experiments that anyone can rerun: `make claims` (all of it, five seeds), `make claims
FAST=1` (one seed each), `make claims ARGS="--only jsd_saturates"`. The numbers below are those of {seeds}. Every run
is an ordinary run of a recipe, `benchmarks/conf/experiment/claim_*.yaml`; its command works at the top of a checkout.
Finished runs are kept below `outputs/claims` and not trained again, unless with `ARGS=--fresh` (after a change to the
program, say). A claim holds when every bound is kept by as many seeds as it asks for; where it does not, the numbers
say by how much. What was chosen or tuned is said with each claim.
"""


def page(claims: Mapping[str, Claim], results: Mapping[str, Result], pictures: str) -> str:
    """Return the whole page, of the claims that have results.

    Args:
        claims: in the order of the page.
        results: by the claim's name.
        pictures: folder of the pictures, relative to the page.
    """
    shown = {name: claim for name, claim in claims.items() if name in results and results[name].has_all_metrics(claim)}
    seeds = max((len(result.seeds) for result in results.values()), default=0)
    head = [
        HEAD.format(seeds="one seed" if seeds == 1 else f"{seeds} seeds"),
        heading(["claim", "seeds", "verdict", "seconds of training"]),
    ]
    for name, claim in shown.items():
        result = results[name]
        cells = [f"[`{name}`](#{name})", len(result.seeds), verdict(claim, result), f"{result.seconds:,.0f}"]
        head.append(row(cells))
    machines = sorted({results[name].machine for name in shown})
    head.append(f"\nMeasured on: {'; '.join(machines)}. Each run has one CPU thread, two run side by side.")
    return "\n".join(head) + "\n" + "".join(section(claim, results[name], pictures) for name, claim in shown.items())


def section(claim: Claim, result: Result, pictures: str) -> str:
    """Return the section of one claim."""
    seeds = list(result.seeds)
    bounds = {bound.metric: bound for bound in claim.bounds}
    lines = [
        f"\n## {claim.name}\n",
        f"**{claim.statement}**\n",
        f"{claim.protocol}\n",
        f"Verdict: **{verdict(claim, result)}**.\n",
        heading(["figure", "expected", *(f"seed {seed}" for seed in seeds), "mean", "min", "max", ""]),
    ]
    # Metrics with a bound come first.
    for metric in [*bounds, *(name for name in result.metric_names if name not in bounds)]:
        lines.append(_row(metric, bounds.get(metric), result.values(metric)))
    lines += [f"\n![{claim.caption}]({pictures}/{claim.name}.png)\n", f"{claim.caption}\n"]
    if claim.remarks:
        lines.append(f"{claim.remarks}\n")
    lines += ["```bash", *commands(claim, seeds), f"python -m benchmarks.claims --only {claim.name}", "```", ""]
    return "\n".join(lines)


def commands(claim: Claim, seeds: list[int]) -> list[str]:
    """Return the commands that start the runs by hand; arms that differ in one override share a command."""
    lines: dict[str, dict[str, list[str]]] = {}
    for arm in claim.arms:
        swept = lines.setdefault(arm.recipe, {})
        for override in arm.overrides:
            key, _, value = override.partition("=")
            swept.setdefault(key, []).append(value)
    seed = ",".join(map(str, seeds))
    flag = "-m " if len(seeds) > 1 else ""
    return [
        f"gan-train -m --config-dir {CONF} experiment={recipe}"
        f" {' '.join(f'{key}={chr(44).join(values)}' for key, values in swept.items())} seed={seed}"
        if swept
        else f"gan-train {flag}--config-dir {CONF} experiment={recipe} seed={seed}"
        for recipe, swept in lines.items()
    ]


def verdict(claim: Claim, result: Result) -> str:
    """Return ``holds``, or ``does not hold`` with the metrics that are out of their bounds."""
    broken = [bound.metric for bound in claim.bounds if not bound.holds(result.values(bound.metric))]
    return f"does not hold ({'; '.join(broken)})" if broken else "holds"


def _row(metric: str, bound: Bound | None, values: list[float]) -> str:
    spread = MeanRange.of(values)
    verdict_cell = "" if bound is None else "holds" if bound.holds(values) else "does not hold"
    cells = [metric.replace("|", "\\|"), str(bound or ""), *map(number, values)]
    cells += [number(each) for each in (spread.mean, spread.low, spread.high)]
    return row([*cells, verdict_cell])


def number(value: float) -> str:
    """Format a number with three digits; infinity, a step that was never reached, as ``never``."""
    if math.isinf(value):
        return "never"
    if value == round(value) and abs(value) < 1e6:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def to_json(result: Result) -> str:
    """Return a result as JSON."""
    seeds = {str(seed): dict(metrics) for seed, metrics in result.seeds.items()}
    return json.dumps({"seeds": seeds, "seconds": result.seconds, "machine": result.machine}, indent=1) + "\n"


def read_results(folder: Path) -> dict[str, Result]:
    """Read the results of a folder, by the claim's name."""
    found = {}
    for file in sorted(folder.glob("*.json")):
        content = json.loads(file.read_text())
        seeds = {int(seed): metrics for seed, metrics in content["seeds"].items()}
        found[file.stem] = Result(seeds, content["seconds"], content["machine"])
    return found
