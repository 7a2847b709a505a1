"""``docs/claims.md`` from results: text alone, no runs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from benchmarks.claims.claim import Bound, Claim, Result, Spread

HEAD = """# Claims, and what came of them

What the field says of GANs, as experiments that anyone can rerun: `make claims` (all of it, five seeds), `make claims
FAST=1` (one seed each), `make claims ARGS="--only jsd_saturates"`. The numbers below are those of {seeds}. Every run
is an ordinary run of a recipe, `conf/experiment/claim_*.yaml`. Finished runs are kept below `outputs/claims` and not
trained again, unless with `ARGS=--fresh` (after a change to the program, say). A claim holds when every bound is kept
by as many seeds as it asks for; where it does not, the numbers say by how much. What was chosen or tuned is said with
each claim.
"""


def page(claims: Mapping[str, Claim], results: Mapping[str, Result], pictures: str) -> str:
    """The whole page, of the claims that have results.

    Args:
        claims: in order.
        results: by the claim's name.
        pictures: folder of the pictures, seen from the page.
    """
    shown = {name: claim for name, claim in claims.items() if name in results and results[name].answers(claim)}
    seeds = max((len(result.seeds) for result in results.values()), default=0)
    head = [
        HEAD.format(seeds="one seed" if seeds == 1 else f"{seeds} seeds"),
        "| claim | seeds | verdict | seconds of training |",
        "|---|---|---|---|",
    ]
    for name, claim in shown.items():
        result = results[name]
        head.append(f"| [`{name}`](#{name}) | {len(result.seeds)} | {verdict(claim, result)} | {result.seconds:,.0f} |")
    machines = sorted({results[name].machine for name in shown})
    head.append(f"\nMeasured on: {'; '.join(machines)}. Each run has one CPU thread, two run side by side.")
    return "\n".join(head) + "\n" + "".join(section(claim, results[name], pictures) for name, claim in shown.items())


def section(claim: Claim, result: Result, pictures: str) -> str:
    """One claim."""
    seeds = list(result.seeds)
    bounds = {bound.figure: bound for bound in claim.bounds}
    lines = [
        f"\n## {claim.name}\n",
        f"**{claim.statement}**\n",
        f"{claim.protocol}\n",
        f"Verdict: **{verdict(claim, result)}**.\n",
        f"| figure | expected | {' | '.join(f'seed {seed}' for seed in seeds)} | mean | min | max | |",
        "|---|---|" + "---|" * (len(seeds) + 4),
    ]
    # What is judged comes first.
    for figure in [*bounds, *(name for name in result.names if name not in bounds)]:
        lines.append(_row(figure, bounds.get(figure), result.values(figure)))
    lines += [f"\n![{claim.shows}]({pictures}/{claim.name}.png)\n", f"{claim.shows}\n"]
    if claim.remarks:
        lines.append(f"{claim.remarks}\n")
    lines += ["```bash", *commands(claim, seeds), f"python -m benchmarks.claims --only {claim.name}", "```", ""]
    return "\n".join(lines)


def commands(claim: Claim, seeds: list[int]) -> list[str]:
    """The runs, as one would start them by hand; arms that differ in one override share a line."""
    lines: dict[str, dict[str, list[str]]] = {}
    for arm in claim.arms:
        swept = lines.setdefault(arm.recipe, {})
        for override in arm.overrides:
            key, _, value = override.partition("=")
            swept.setdefault(key, []).append(value)
    seed = ",".join(map(str, seeds))
    flag = "-m " if len(seeds) > 1 else ""
    return [
        f"gan-train -m experiment={recipe} {' '.join(f'{key}={chr(44).join(values)}' for key, values in swept.items())}"
        f" seed={seed}"
        if swept
        else f"gan-train {flag}experiment={recipe} seed={seed}"
        for recipe, swept in lines.items()
    ]


def verdict(claim: Claim, result: Result) -> str:
    """``holds``, or ``does not hold`` with the figures that break their bounds."""
    broken = [bound.figure for bound in claim.bounds if not bound.holds(result.values(bound.figure))]
    return f"does not hold ({'; '.join(broken)})" if broken else "holds"


def _row(figure: str, bound: Bound | None, values: list[float]) -> str:
    spread = Spread.of(values)
    judged = "" if bound is None else "holds" if bound.holds(values) else "does not hold"
    cells = [figure.replace("|", "\\|"), str(bound or ""), *map(number, values)]
    cells += [number(each) for each in (spread.mean, spread.low, spread.high)]
    return f"| {' | '.join(cells)} | {judged} |"


def number(value: float) -> str:
    """Three digits; ``never`` for what did not happen."""
    if math.isinf(value):
        return "never"
    if value == round(value) and abs(value) < 1e6:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def stored(result: Result) -> str:
    """A result as JSON."""
    seeds = {str(seed): dict(figures) for seed, figures in result.seeds.items()}
    return json.dumps({"seeds": seeds, "seconds": result.seconds, "machine": result.machine}, indent=1) + "\n"


def restored(folder: Path) -> dict[str, Result]:
    """The results of a folder by claim."""
    found = {}
    for file in sorted(folder.glob("*.json")):
        content = json.loads(file.read_text())
        seeds = {int(seed): figures for seed, figures in content["seeds"].items()}
        found[file.stem] = Result(seeds, content["seconds"], content["machine"])
    return found
