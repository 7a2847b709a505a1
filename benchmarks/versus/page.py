"""``docs/gan-vs-vae.md`` from figures: text alone, no runs. What is said of them in words is derived from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from benchmarks.versus.pairs import CHANGES, DISTANCE, PAIRS, STRAYS, WHOLE
from benchmarks.versus.scores import CODE, DRAWS, ELBO, LOGIT, SCORES
from gan_cli.metrics.catalog import meaning

ROWS = (
    "frechet/classifier",
    "frechet/pixels",
    "precision/classifier",
    "recall/classifier",
    "density/classifier",
    "coverage/classifier",
    "precision/pixels",
    "recall/pixels",
    "density/pixels",
    "coverage/pixels",
    "class_kl/classifier",
    "sharpness",
    "memorisation/classifier",
    "memorisation/pixels",
    "copied/pixels",
)
MODELS = ("gan", "vae")
NAMES = {"gan": "GAN", "vae": "VAE"}


@dataclass(frozen=True)
class Found:
    """All that was measured, as plain values.

    Attributes:
        seeds: seed -> ``gan`` and ``vae`` (figure -> value), ``likelihood``, ``levels``, ``above``, ``preferences``,
            ``places``, ``seconds``.
        floor: figures of real samples in the place of generated ones.
        sizes: what was counted: ``generated``, ``pairs``, ``skipped``, ``parameters`` and so on.
        machine: where, in words.
    """

    seeds: Mapping[str, Mapping[str, Any]]
    floor: Mapping[str, float]
    sizes: Mapping[str, float]
    machine: str

    def each(self, *path: str) -> list[Any]:
        """What lies there, of every seed."""
        values = []
        for of_seed in self.seeds.values():
            value: Any = of_seed
            for key in path:
                value = value[key]
            values.append(value)
        return values


def page(found: Found, text: str, pictures: str) -> str:
    """The whole page.

    Args:
        found: figures.
        text: with places, in braces, for the figures.
        pictures: folder of the pictures, seen from the page.
    """
    sizes = {name: f"{value:,}" for name, value in found.sizes.items()}
    return text.format(
        pictures=pictures,
        seeds=len(found.seeds),
        machine=found.machine,
        figures=figures(found),
        order=order(found),
        seconds="; ".join(
            f"{NAMES[model]} {spread([each[place] for each in found.each('seconds')])} s"
            for place, model in enumerate(MODELS)
        ),
        elbo=spread(found.each("likelihood", "elbo")),
        iwae=spread(found.each("likelihood", "iwae_50")),
        sigma=number(fmean(found.each("likelihood", "sigma"))),
        distance=f"{DISTANCE:.3f}",
        strays=STRAYS,
        draws=DRAWS,
        price=f"{DISTANCE**2 / (2 * fmean(found.each('likelihood', 'sigma')) ** 2):,.0f}",
        levels=levels(found),
        preferences=preferred(found),
        verdicts=verdicts(found),
        places=places(found),
        **sizes,
    )


def figures(found: Found) -> str:
    """The table of samples."""
    lines = ["| figure | GAN | VAE | real | good | nearer to it |", "|---|---|---|---|---|---|"]
    for name in ROWS:
        gan, vae = (found.each(model, name) for model in MODELS)
        floor = found.floor[name]
        cells = [f"`{name}`", spread(gan), spread(vae), number(floor), meaning(name).better, leader(name, found)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def leader(name: str, found: Found) -> str:
    """Whose every seed is better than every seed of the other; else that there is no order."""
    gan, vae = ([badness(name, each, found.floor[name]) for each in found.each(model, name)] for model in MODELS)
    if max(gan) < min(vae):
        return "GAN"
    return "VAE" if max(vae) < min(gan) else "seeds overlap"


def badness(name: str, value: float, floor: float) -> float:
    """What is lower the better a figure is."""
    better = meaning(name).better
    if better in ("lower", "higher"):
        return value if better == "lower" else -value
    return abs(value - (floor if better == "as floor" else float(better)))


def order(found: Found) -> str:
    """The order of the models in words, as far as all seeds agree."""
    groups: dict[str, list[str]] = {"GAN": [], "VAE": [], "seeds overlap": []}
    for name in ROWS:
        groups[leader(name, found)].append(f"`{name}`")
    total = len(found.seeds)
    ahead = [
        f"The {model} is nearer to what is good in all {total} seeds, its worst before the other's best, by"
        f" {', '.join(groups[model])}."
        for model in ("GAN", "VAE")
        if groups[model]
    ]
    overlap = groups["seeds overlap"]
    said = [*ahead, *([f"No order over the seeds by {', '.join(overlap)}."] if overlap else [])]
    return "\n".join(f"- {each}" for each in said)


def levels(found: Found) -> str:
    """Mean scores of digits and of what was made of them."""
    names = ["x", *CHANGES]
    lines = [f"| mean score | {' | '.join(names)} | GAN's samples |", "|---|" + "---|" * (len(names) + 1)]
    for score, unit in SCORES.items():
        cells = [spread(found.each("levels", score, name)) for name in names]
        own = spread(found.each("levels", score, "own samples")) if score == LOGIT else ""
        lines.append(f"| {score}, {unit} | {' | '.join(cells)} | {own} |")
        higher = [spread(found.each("above", score, name), percent) for name in CHANGES]
        lines.append(f"| share of digits whose changed image scores above x |  | {' | '.join(higher)} |  |")
    return "\n".join(lines)


def preferred(found: Found) -> str:
    """Shares of pairs whose plausible image has the higher score, and mean differences."""
    lines = [
        "| pair | score | prefers the plausible one | standard error in a seed | plausible less implausible |"
        " standard error in a seed | as a share of its price |",
        "|---|---|---|---|---|---|---|",
    ]
    price = DISTANCE**2 / (2 * fmean(found.each("likelihood", "sigma")) ** 2)
    for pair in pairs():
        for score, unit in SCORES.items():
            of = {key: found.each("preferences", score, pair, key) for key in ("share", "share_error")}
            of |= {key: found.each("preferences", score, pair, key) for key in ("difference", "difference_error")}
            cells = [
                spread(of["share"], percent),
                percent(max(of["share_error"])),
                f"{spread(of['difference'])} {unit}",
                number(max(of["difference_error"])),
                "" if score == LOGIT or pair == " / ".join(WHOLE) else percent(fmean(of["difference"]) / price),
            ]
            lines.append(f"| {pair} | {score} | {' | '.join(cells)} |")
    return "\n".join(lines)


def verdicts(found: Found) -> str:
    """One sentence a score."""
    return "\n".join(f"- {verdict(score, found)}" for score in SCORES)


def verdict(score: str, found: Found) -> str:
    """Which pairs it takes the right way round, which the wrong one, and which it does not tell apart."""
    ways: dict[str, list[str]] = {"the plausible one": [], "the implausible one": [], "neither in all seeds": []}
    for pair in pairs():
        shares = found.each("preferences", score, pair, "share")
        errors = found.each("preferences", score, pair, "share_error")
        ways[way(shares, errors)].append(f"{pair} ({spread(shares, percent)})")
    said = [f"{liked} of {', '.join(of)}" for liked, of in ways.items() if of]
    return f"{score} prefers {'; '.join(said)}."


def way(shares: Sequence[float], errors: Sequence[float]) -> str:
    """What is preferred by more than two standard errors in every seed."""
    if all(share - 2 * error > 0.5 for share, error in zip(shares, errors, strict=True)):
        return "the plausible one"
    if all(share + 2 * error < 0.5 for share, error in zip(shares, errors, strict=True)):
        return "the implausible one"
    return "neither in all seeds"


def places(found: Found) -> str:
    """How much the price of a pixel varies with its place."""
    return ", ".join(f"{spread(found.each('places', score), percent)} for {score}" for score in (CODE, ELBO, LOGIT))


def pairs() -> list[str]:
    """Names of the kinds of pairs."""
    return [f"{good} / {bad}" for good, bad in (*PAIRS, WHOLE)]


def number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")


def percent(value: float) -> str:
    """A share in percent."""
    return f"{100 * value:.1f}%"


def spread(values: Sequence[float], written: Callable[[float], str] = number) -> str:
    """Mean and deviation over seeds."""
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return written(fmean(values))
    return f"{written(fmean(values))} ± {written(stdev(values))}"
