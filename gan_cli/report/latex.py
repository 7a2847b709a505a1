"""A comparison as a LaTeX table for a paper: booktabs, mean and standard deviation over seeds, the best in bold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from gan_cli import __version__
from gan_cli.report import provenance, summary_text
from gan_cli.report.columns import Better, better, is_measured
from gan_cli.report.formatting import format_number
from gan_cli.report.grouping import Comparison, RunGroup, Spread

SPECIAL = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    '"': "\\textquotedbl{}",
    "`": "\\textasciigrave{}",
}
ARROWS = {Better.lower: " $\\downarrow$", Better.higher: " $\\uparrow$", None: ""}
MISSING = "--"
# Most decimals of a number; smaller ones are written with a power of ten.
MAX_DECIMALS = 6


def table(comparison: Comparison) -> str:
    """Return a LaTeX table with a row for each group, complete with caption and label; it needs ``booktabs``."""
    keys = comparison.named_keys or ("run",)
    ranked = provenance.is_comparable(comparison)
    columns = [_column(comparison.groups, tag, bold=ranked and is_measured(tag)) for tag in comparison.tags]
    header = [*map(escape, keys), "seeds", *(escape(tag) + _arrow(tag) for tag in comparison.tags)]
    lines = [_row(header), "\\midrule"]
    for index, group in enumerate(comparison.groups):
        values = comparison.named_values(group) or (group.label,)
        lines.append(_row([*map(escape, values), str(len(group.runs)), *(column[index] for column in columns)]))
    alignment = "l" * len(keys) + "r" * (1 + len(columns))
    body = "\n".join(f"    {line}" for line in ["\\toprule", *lines, "\\bottomrule"])
    notes = "".join(f"% {sentence}\n" for sentence in provenance.sentences(comparison))
    return (
        f"% gan-report {__version__}; needs \\usepackage{{booktabs}}\n"
        f"{notes}"
        "\\begin{table}\n"
        "  \\centering\n"
        f"  \\caption{{{escape(_caption(comparison, ranked))}}}\n"
        "  \\label{tab:gan-report}\n"
        f"  \\begin{{tabular}}{{{alignment}}}\n"
        f"{body}\n"
        "  \\end{tabular}\n"
        "\\end{table}\n"
    )


def escape(text: str) -> str:
    """Escape the characters that LaTeX would interpret."""
    return "".join(SPECIAL.get(character, character) for character in text)


def format_spread(spread: Spread) -> str:
    """Format mean and standard deviation in mathematics, with the digits that the standard error leaves certain.

    The last digit is that of the standard error's first significant one, or second where the first is 1.
    """
    if not spread.deviation:
        certain = "" if spread.deviation is None else " \\pm 0"
        return _number(format_number(spread.mean).replace(",", "")) + certain
    error = spread.deviation / math.sqrt(spread.count)
    decimals = -math.floor(math.log10(error))
    decimals += int(error * 10.0**decimals) == 1
    if decimals > MAX_DECIMALS:
        power = math.floor(math.log10(max(abs(spread.mean), spread.deviation)))
        scaled = Spread(spread.mean / 10.0**power, spread.deviation / 10.0**power, spread.count)
        return f"({format_spread(scaled)}) \\times 10^{{{power}}}" if power < 0 else _rounded(spread, MAX_DECIMALS)
    return _rounded(spread, decimals)


def _rounded(spread: Spread, decimals: int) -> str:
    mean, deviation = (round(value, decimals) for value in (spread.mean, spread.deviation or 0.0))
    return f"{mean:.{max(decimals, 0)}f} \\pm {deviation:.{max(decimals, 0)}f}"


def _number(text: str) -> str:
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa} \\times 10^{{{int(exponent)}}}" if e else mantissa


def _column(groups: Sequence[RunGroup], tag: str, *, bold: bool) -> list[str]:
    """Return the cells of a metric, the best mean in bold."""
    spreads = [group.final(tag) for group in groups]
    best = _best((spread.mean for spread in spreads if spread is not None), better(tag)) if bold else None
    return [_cell(spread, bold=spread is not None and spread.mean == best) for spread in spreads]


def _best(means: Iterable[float], way: Better | None) -> float | None:
    """Return the best of several means; None where they are equal, or have no direction."""
    known = set(means)
    if way is None or len(known) < 2:
        return None
    return min(known) if way is Better.lower else max(known)


def _cell(spread: Spread | None, *, bold: bool) -> str:
    if spread is None:
        return MISSING
    text = format_spread(spread)
    return f"$\\mathbf{{{text}}}$" if bold else f"${text}$"


def _arrow(tag: str) -> str:
    return ARROWS[better(tag)] if is_measured(tag) else ""


def _caption(comparison: Comparison, ranked: bool) -> str:
    several = any(len(group.runs) > 1 for group in comparison.groups)
    sentences = [f"{summary_text.title(comparison)}."]
    sentences.append("Mean and sample standard deviation over seeds." if several else "One run each.")
    bold = [tag for tag in comparison.tags if is_measured(tag) and better(tag) is not None]
    if ranked and bold and len(comparison.groups) > 1:
        sentences.append("Best in bold.")
    return " ".join(sentences if ranked else [*sentences, *provenance.sentences(comparison)])


def _row(cells: Iterable[str]) -> str:
    return f"{' & '.join(cells)} \\\\"
