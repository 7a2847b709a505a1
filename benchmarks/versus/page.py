"""Format ``docs/gan-vs-vae.md`` from results: text alone, no runs. Sentences about metrics are derived from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from benchmarks.recipes import CONF
from benchmarks.versus.pairs import CHANGES, DISTANCE, PAIRS, STRAY_PIXELS, WHOLE_PIXEL_PAIR
from benchmarks.versus.scores import CODE, DRAWS, ELBO, LOGIT, SCORES
from gan_cli.metrics.registry import metric_info

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
class Results:
    """Results of all measurements, as plain values.

    Attributes:
        seeds: seed -> ``gan`` and ``vae`` (metric -> value), ``likelihood``, ``levels``, ``above``, ``preferences``,
            ``places``, ``seconds``.
        floor: metrics of real samples in the place of generated ones.
        sizes: counts: ``generated``, ``pairs``, ``skipped``, ``parameters`` and so on.
        machine: description of the machine it was measured on.
    """

    seeds: Mapping[str, Mapping[str, Any]]
    floor: Mapping[str, float]
    sizes: Mapping[str, float]
    machine: str

    def per_seed(self, *path: str) -> list[Any]:
        """Return the value at a path of keys, of every seed."""
        values = []
        for of_seed in self.seeds.values():
            value: Any = of_seed
            for key in path:
                value = value[key]
            values.append(value)
        return values


def page(results: Results, text: str, pictures: str) -> str:
    """Return the whole page.

    Args:
        results: what was measured.
        text: with names, in braces, that the metrics replace.
        pictures: folder of the pictures, relative to the page.
    """
    sizes = {name: f"{value:,}" for name, value in results.sizes.items()}
    return text.format(
        conf=CONF,
        pictures=pictures,
        seeds=len(results.seeds),
        machine=results.machine,
        figures=metrics_table(results),
        order=order(results),
        seconds="; ".join(
            f"{NAMES[model]} {mean_std([each[place] for each in results.per_seed('seconds')])} s"
            for place, model in enumerate(MODELS)
        ),
        elbo=mean_std(results.per_seed("likelihood", "elbo")),
        iwae=mean_std(results.per_seed("likelihood", "iwae_50")),
        sigma=number(fmean(results.per_seed("likelihood", "sigma"))),
        distance=f"{DISTANCE:.3f}",
        strays=STRAY_PIXELS,
        draws=DRAWS,
        price=f"{DISTANCE**2 / (2 * fmean(results.per_seed('likelihood', 'sigma')) ** 2):,.0f}",
        levels=levels_table(results),
        preferences=preferences_table(results),
        verdicts=verdicts(results),
        places=places(results),
        **sizes,
    )


def metrics_table(results: Results) -> str:
    """Return the table of sample metrics."""
    lines = ["| figure | GAN | VAE | real | good | nearer to it |", "|---|---|---|---|---|---|"]
    for name in ROWS:
        gan, vae = (results.per_seed(model, name) for model in MODELS)
        floor = results.floor[name]
        cells = [
            f"`{name}`",
            mean_std(gan),
            mean_std(vae),
            number(floor),
            metric_info(name).better,
            better_model(name, results),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def better_model(name: str, results: Results) -> str:
    """Return the model whose every seed is better than every seed of the other, or that the seeds overlap."""
    gan, vae = (
        [badness(name, each, results.floor[name]) for each in results.per_seed(model, name)] for model in MODELS
    )
    if max(gan) < min(vae):
        return "GAN"
    return "VAE" if max(vae) < min(gan) else "seeds overlap"


def badness(name: str, value: float, floor: float) -> float:
    """Map a metric's value to one that is lower the better it is."""
    better = metric_info(name).better
    if better in ("lower", "higher"):
        return value if better == "lower" else -value
    return abs(value - (floor if better == "as floor" else float(better)))


def order(results: Results) -> str:
    """Describe the order of the models, as far as all seeds agree."""
    groups: dict[str, list[str]] = {"GAN": [], "VAE": [], "seeds overlap": []}
    for name in ROWS:
        groups[better_model(name, results)].append(f"`{name}`")
    total = len(results.seeds)
    ahead = [
        f"The {model} is nearer to what is good in all {total} seeds, its worst before the other's best, by"
        f" {', '.join(groups[model])}."
        for model in ("GAN", "VAE")
        if groups[model]
    ]
    overlap = groups["seeds overlap"]
    sentences = [*ahead, *([f"No order over the seeds by {', '.join(overlap)}."] if overlap else [])]
    return "\n".join(f"- {each}" for each in sentences)


def levels_table(results: Results) -> str:
    """Return the table of mean scores of digits and of their changed versions."""
    names = ["x", *CHANGES]
    lines = [f"| mean score | {' | '.join(names)} | GAN's samples |", "|---|" + "---|" * (len(names) + 1)]
    for score, unit in SCORES.items():
        cells = [mean_std(results.per_seed("levels", score, name)) for name in names]
        own = mean_std(results.per_seed("levels", score, "own samples")) if score == LOGIT else ""
        lines.append(f"| {score}, {unit} | {' | '.join(cells)} | {own} |")
        higher = [mean_std(results.per_seed("above", score, name), percent) for name in CHANGES]
        lines.append(f"| share of digits whose changed image scores above x |  | {' | '.join(higher)} |  |")
    return "\n".join(lines)


def preferences_table(results: Results) -> str:
    """Return the table of the shares of pairs whose plausible image has the higher score, and mean differences."""
    lines = [
        "| pair | score | prefers the plausible one | standard error in a seed | plausible less implausible |"
        " standard error in a seed | as a share of its price |",
        "|---|---|---|---|---|---|---|",
    ]
    price = DISTANCE**2 / (2 * fmean(results.per_seed("likelihood", "sigma")) ** 2)
    for pair in pairs():
        for score, unit in SCORES.items():
            of = {key: results.per_seed("preferences", score, pair, key) for key in ("share", "share_error")}
            of |= {key: results.per_seed("preferences", score, pair, key) for key in ("difference", "difference_error")}
            cells = [
                mean_std(of["share"], percent),
                percent(max(of["share_error"])),
                f"{mean_std(of['difference'])} {unit}",
                number(max(of["difference_error"])),
                ""
                if score == LOGIT or pair == " / ".join(WHOLE_PIXEL_PAIR)
                else percent(fmean(of["difference"]) / price),
            ]
            lines.append(f"| {pair} | {score} | {' | '.join(cells)} |")
    return "\n".join(lines)


def verdicts(results: Results) -> str:
    """Return one sentence a score."""
    return "\n".join(f"- {verdict(score, results)}" for score in SCORES)


def verdict(score: str, results: Results) -> str:
    """Name the pairs whose plausible image a score prefers, whose implausible one, and those it does not tell apart."""
    ways: dict[str, list[str]] = {"the plausible one": [], "the implausible one": [], "neither in all seeds": []}
    for pair in pairs():
        shares = results.per_seed("preferences", score, pair, "share")
        errors = results.per_seed("preferences", score, pair, "share_error")
        ways[preferred_side(shares, errors)].append(f"{pair} ({mean_std(shares, percent)})")
    sentences = [f"{liked} of {', '.join(of)}" for liked, of in ways.items() if of]
    return f"{score} prefers {'; '.join(sentences)}."


def preferred_side(shares: Sequence[float], errors: Sequence[float]) -> str:
    """Return which image is preferred by more than two standard errors in every seed."""
    if all(share - 2 * error > 0.5 for share, error in zip(shares, errors, strict=True)):
        return "the plausible one"
    if all(share + 2 * error < 0.5 for share, error in zip(shares, errors, strict=True)):
        return "the implausible one"
    return "neither in all seeds"


def places(results: Results) -> str:
    """Describe how much the change by a moved pixel varies with its place."""
    return ", ".join(
        f"{mean_std(results.per_seed('places', score), percent)} for {score}" for score in (CODE, ELBO, LOGIT)
    )


def pairs() -> list[str]:
    """Return the names of the kinds of pairs."""
    return [f"{good} / {bad}" for good, bad in (*PAIRS, WHOLE_PIXEL_PAIR)]


def number(value: float) -> str:
    """Format a number with three digits, or with all before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")


def percent(value: float) -> str:
    """Format a share in percent."""
    return f"{100 * value:.1f}%"


def mean_std(values: Sequence[float], written: Callable[[float], str] = number) -> str:
    """Format mean and standard deviation over seeds."""
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return written(fmean(values))
    return f"{written(fmean(values))} ± {written(stdev(values))}"
