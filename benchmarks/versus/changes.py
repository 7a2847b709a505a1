"""Tables and sentences about changed digits, scored by the VAE and by the GAN's discriminator."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from benchmarks.versus.pairs import CHANGES, DISTANCE, PAIRS, WHOLE_PIXEL_PAIR
from benchmarks.versus.results import Results, mean_std, number, percent
from benchmarks.versus.scores import CODE, ELBO, LOGIT, SCORES


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
    nats = price(results)
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
                else percent(fmean(of["difference"]) / nats),
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


def price(results: Results) -> float:
    """Return the nats that a change costs around the digit itself: ``distance^2 / (2 sigma^2)``."""
    return float(DISTANCE**2 / (2 * fmean(results.per_seed("likelihood", "sigma")) ** 2))
