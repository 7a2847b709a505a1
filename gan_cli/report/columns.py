"""Properties of metrics by their tags: which to show, which way is better, upper bounds, units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from enum import Enum

from gan_cli.errors import ConfigError, did_you_mean
from gan_cli.metrics.directions import direction, metric_name
from gan_cli.metrics.registry import UNRANKED, metric_infos
from gan_cli.metrics.training_tags import training_tags
from gan_cli.report.records import CEILING, DIVERGENCE, HELD_OUT_SUFFIX, RunRecord


class Better(Enum):
    """Direction in which a metric improves."""

    lower = "lower"
    higher = "higher"


SHARE, PROBABILITY = "share", "probability"
# Units of metrics between 0 and 1.
SHARES = (SHARE, PROBABILITY)
# Tags whose values can be compared only between losses that estimate the same divergence.
LOSS_SPECIFIC_PREFIXES = ("loss/", "d_real/", "d_fake/")
# Curves to draw beside those of the table's columns and of families' own tags, and curves to fold away.
DRAWN_TAGS = (
    "d/accuracy_real",
    "d/accuracy_fake",
    "d_real/mean",
    "d_fake/mean",
    "diagnosis/diversity",
    "diagnosis/gradient",
)
FOLDED_TAGS = (
    "diagnosis/modes",
    "diagnosis/neighbours",
    "diagnosis/held_out_gap",
    "loss/d",
    "loss/g",
    "loss/penalty",
    "grad_norm/d",
    "grad_norm/g",
    "noise/sigma",
)
# Most measured metrics in the default table, of evaluation.json and of metrics/ each.
MAX_MEASURED_COLUMNS = 4
PERIODIC_PREFIX = "metrics/"
TRAINING_PREFIXES = (
    *LOSS_SPECIFIC_PREFIXES,
    DIVERGENCE,
    "d/",
    "grad_norm/",
    "noise/",
    "lr/",
    "augment/",
    "speed/",
    "diagnosis/",
)


def better(tag: str) -> Better | None:
    """Return the direction in which a metric improves, or None where it has none."""
    return {-1: Better.lower, 1: Better.higher}.get(direction(tag))


def known_tags(runs: Iterable[RunRecord]) -> list[str]:
    """Return every tag that some run has a value for."""
    return list(dict.fromkeys(tag for run in runs for tag in (*run.final, *run.curves)))


def default_tags(tags: Sequence[str], most_measured: int | None = MAX_MEASURED_COLUMNS) -> list[str]:
    """Return the default columns: metrics measured on samples, divergences, else the accuracy of D.

    Args:
        tags: of the metrics that runs have.
        most_measured: maximum number of measured metrics, of ``evaluation.json`` and of ``metrics/`` each; None: all.
    """
    evaluated = [tag for tag in tags if is_measured(tag) and not tag.startswith(PERIODIC_PREFIX)]
    periodic = [tag for tag in tags if is_measured(tag) and tag.startswith(PERIODIC_PREFIX)]
    periodic = [tag for tag in periodic if tag.removeprefix(PERIODIC_PREFIX) not in evaluated]
    measured = [
        *sorted(evaluated, key=_rank)[:most_measured],
        *sorted(periodic, key=_rank)[:most_measured],
    ]
    divergences = [tag for tag in tags if _is_estimate(tag)]
    # Where nothing was measured, the accuracy of D is the next best information.
    accuracies = [tag for tag in ("d/accuracy_real", "d/accuracy_fake") if tag in tags and not measured]
    return [*measured, *divergences, *accuracies]


def is_measured(tag: str) -> bool:
    """Return whether a metric was measured on samples and tells how good they are.

    Estimates of D in training do not: a weak D estimates a small divergence, however bad the samples are.
    """
    return better(tag) is not None and not tag.startswith(TRAINING_PREFIXES)


def validate_tags(option: str, wanted: Sequence[str], known: Iterable[str]) -> list[str]:
    """Return the tags that a command line asks for, each once.

    Args:
        option: of the command line, for messages.
        wanted: its values.
        known: tags of the runs.

    Raises:
        ConfigError: no run has such a metric.
    """
    names = sorted(set(known))
    for tag in wanted:
        if tag not in names:
            advice = did_you_mean(tag, names)
            if metric_name(tag) in metric_infos() and not any(metric_name(name) == metric_name(tag) for name in names):
                advice = " gan-eval PATH... measures it."
            raise ConfigError(f"{option} {tag}: no run has such a metric.{advice}")
    return list(dict.fromkeys(wanted))


def ceiling(tag: str, runs: Iterable[RunRecord]) -> tuple[float, str] | None:
    """Return the largest value that a divergence of these runs can have, and the text for it; else None."""
    if not tag.startswith(DIVERGENCE):
        return None
    # Runs of earlier versions say it only in a tag of its own.
    values = ((run.infos.get(tag), run.final.get(CEILING)) for run in runs)
    known = (reported if info is None else info.ceiling for info, reported in values)
    value = next((value for value in known if value is not None), None)
    if value is None:
        return None
    return value, "log 2" if math.isclose(value, math.log(2)) else f"{value:g}"


def unit(tag: str, runs: Iterable[RunRecord]) -> str:
    """Return the unit of a metric in these runs; empty for a plain number."""
    described = next((info for run in runs if (info := run.info(tag)) is not None), None)
    if described is not None:
        return described.unit
    if tag.startswith("d/accuracy"):
        return SHARE
    info = metric_infos().get(metric_name(tag))
    return "" if info is None else info.unit


def curve_tags(tags: Sequence[str], chosen: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the tags whose curves are drawn, and those whose curves are folded away.

    Args:
        tags: of all curves.
        chosen: columns of the table.
    """
    divergences = [tag for tag in tags if _is_estimate(tag)]
    own = [tag.name for tag in training_tags() if tag.drawn]
    drawn = dict.fromkeys([*chosen, *divergences, *DRAWN_TAGS, *own])
    folded = dict.fromkeys(FOLDED_TAGS)
    return [tag for tag in drawn if tag in tags], [tag for tag in folded if tag in tags and tag not in drawn]


def comparable_groups(tag: str, divergences: Sequence[str]) -> dict[str, list[int]]:
    """Partition groups by what may share an axis: all, or those of one divergence where a metric depends on the loss.

    Args:
        tag: of the metric.
        divergences: name of the divergence that the D of each group estimates.

    Returns:
        Divergence, or an empty string where it does not matter, -> indices of groups.
    """
    kinds: dict[str, list[int]] = {}
    for index, divergence in enumerate(divergences):
        kinds.setdefault(divergence if tag.startswith(LOSS_SPECIFIC_PREFIXES) else "", []).append(index)
    return kinds


def _is_estimate(tag: str) -> bool:
    """Return whether a tag is the divergence that D estimates on training data."""
    return tag.startswith(DIVERGENCE) and better(tag) is not None and not tag.endswith(HELD_OUT_SUFFIX)


def _rank(tag: str) -> int:
    info = metric_infos().get(metric_name(tag))
    return UNRANKED if info is None else info.rank
