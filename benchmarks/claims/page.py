"""Format ``docs/claims.md`` from results: text alone, no runs."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.claims.claim import Bound, Claim, MeanRange, Result
from benchmarks.formatting import heading, row
from benchmarks.recipes import CONF

HEAD = """# Claims, and what came of them

What the field says of GANs, as experiments that anyone can rerun: `make claims` (all of it, five seeds), `make claims
FAST=1` (one seed each), `make claims ARGS="--only jsd_saturates"`. Every run is an ordinary run of a recipe,
`benchmarks/conf/experiment/claim_*.yaml`; its command works at the top of a checkout. Finished runs are kept below
`outputs/claims` and not trained again, unless with `ARGS=--fresh` (after a change to the program, say); an interrupted
one continues from its checkpoint.

Each section begins with what one should see. Below it the claim is tested: it holds when every bound is kept by as many
seeds as it asks for; where it does not, the numbers say by how much. All bounds were set before the runs. A side
condition is a bound on something that the literature does not claim; its reason is given with it. What was chosen or
tuned is said with each claim.
"""
COLUMNS = ("claim", "seeds", "verdict", "seconds")
ABOUT_SECONDS = (
    "\nSeconds are those of one processor, all seeds together. Each run has one CPU thread, two run side by side."
)


@dataclass(frozen=True)
class Entry:
    """What a page says of one claim: its row of the table, and its section."""

    row: str
    section: str


def page(claims: Mapping[str, Claim], results: Mapping[str, Result], pictures: str, earlier: str = "") -> str:
    """Return the whole page, of the claims that have results, here or on an earlier page.

    Args:
        claims: in the order of the page.
        results: by the claim's name.
        pictures: folder of the pictures, relative to the page.
        earlier: the page so far, whose entries of claims without results are kept.
    """
    entries = {
        name: entry(claim, results[name], pictures)
        for name, claim in claims.items()
        if name in results and results[name].has_all_metrics(claim)
    }
    entries = {**read_entries(earlier), **entries}
    shown = [entries[name] for name in claims if name in entries]
    table = [HEAD, heading(list(COLUMNS)), *(each.row for each in shown), ABOUT_SECONDS]
    return "\n".join(table) + "\n" + "".join(each.section for each in shown)


def read_entries(text: str) -> dict[str, Entry]:
    """Return the entries of a page by the claim's name."""
    rows = {name: line for line in text.splitlines() if (name := _claim_of_row(line))}
    parts = re.split(r"^(?=## (?:\w+)$)", text, flags=re.MULTILINE)[1:]
    sections = {part.splitlines()[0].removeprefix("## "): f"\n{part.rstrip()}\n" for part in parts}
    return {name: Entry(row, sections[name]) for name, row in rows.items() if name in sections}


def _claim_of_row(line: str) -> str | None:
    match = re.match(r"\| \[`(\w+)`\]\(#", line)
    return None if match is None else match[1]


def entry(claim: Claim, result: Result, pictures: str) -> Entry:
    """Return row and section of one claim."""
    verdicts = "<br>".join(verdict(claim, result))
    cells = [f"[`{claim.name}`](#{claim.name})", len(result.seeds), verdicts, f"{result.seconds:,.0f}"]
    return Entry(row(cells), section(claim, result, pictures))


def section(claim: Claim, result: Result, pictures: str) -> str:
    """Return the section of one claim: what to see, the claim and its verdict, and the numbers."""
    seeds = list(result.seeds)
    bounds = {bound.metric: bound for bound in claim.bounds}
    lines = [
        f"\n## {claim.name}\n",
        f"What you should see: {claim.look_for}\n",
        f"![{claim.caption}]({pictures}/{claim.name}.png)\n",
        f"*{claim.caption}*\n",
        f"**{claim.statement}**\n",
        *(f"Verdict: **{line}**.\n" for line in verdict(claim, result)),
        f"{claim.protocol}\n",
        heading(["metric", "expected", *(f"seed {seed}" for seed in seeds), "mean", "min", "max", ""]),
    ]
    # Metrics with a bound come first.
    for metric in [*bounds, *(name for name in result.metric_names if name not in bounds)]:
        lines.append(_row(metric, bounds.get(metric), result.values(metric)))
    lines.append("")
    beside = [bound for bound in claim.bounds if bound.side_condition]
    lines += [f"Side condition, {bound.metric}: {bound.side_condition}.\n" for bound in beside]
    if claim.remarks:
        lines.append(f"{claim.remarks}\n")
    lines.append(f"Measured on: {result.machine}.\n")
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


def verdict(claim: Claim, result: Result) -> list[str]:
    """Return a line for each statement of the claim: whether it holds, and the metrics that are out of their bounds."""
    parts: dict[str, list[Bound]] = {}
    for bound in claim.bounds:
        parts.setdefault(bound.statement, []).append(bound)
    return [f"{text}: {_outcome(part, result)}".removeprefix(": ") for text, part in parts.items()]


def _outcome(bounds: Sequence[Bound], result: Result) -> str:
    """Return ``holds`` or ``does not hold``, by the bounds of what is claimed; and the side conditions not met."""
    broken = [bound for bound in bounds if not bound.holds(result.values(bound.metric))]
    claimed = "; ".join(bound.metric for bound in broken if not bound.side_condition)
    beside = "; ".join(bound.metric for bound in broken if bound.side_condition)
    return (f"does not hold ({claimed})" if claimed else "holds") + (
        f"; side condition not met: {beside}" if beside else ""
    )


def _row(metric: str, bound: Bound | None, values: list[float]) -> str:
    spread = MeanRange.of(values)
    verdict_cell = "" if bound is None else _met(bound, values)
    cells = [metric.replace("|", "\\|"), str(bound or ""), *map(number, values)]
    cells += [number(each) for each in (spread.mean, spread.low, spread.high)]
    return row([*cells, verdict_cell])


def _met(bound: Bound, values: list[float]) -> str:
    if bound.side_condition:
        return "side condition: met" if bound.holds(values) else "side condition: not met"
    return "holds" if bound.holds(values) else "does not hold"


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


def processor_seconds(text: str) -> dict[str, float]:
    """Return the seconds of one seed of each claim, from the table of a page."""
    found = {}
    for name, each in read_entries(text).items():
        _, _, seeds, *_, seconds, _ = (cell.strip() for cell in each.row.split("|"))
        found[name] = float(seconds.replace(",", "")) / int(seeds)
    return found
