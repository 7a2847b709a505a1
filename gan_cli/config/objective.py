"""The figure that a sweeper improves (``objective=metrics/frechet``): which way, and what a run made of it.

Imports no torch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from gan_cli.config.schema import Config
from gan_cli.errors import ConfigError, nearest
from gan_cli.metrics.catalog import MEANINGS, REPORTED, direction

HELD_OUT = "_held_out"
WORDS = {-1: "minimize", 1: "maximize"}
EXAMPLES = ("divergence/jsd", *REPORTED, *(f"metrics/{name}" for name in MEANINGS))


def sought(tag: str | None) -> str:
    """``minimize`` or ``maximize`` (resolver ``direction_of``).

    Raises:
        ConfigError: there is no objective, or it is a figure of which neither less nor more is better.
    """
    if tag is None:
        raise ConfigError(f"objective: expected a figure to improve, got null: objective=metrics/frechet. {_known()}")
    group = tag.partition("/")[0]
    known = tag in REPORTED or group in ("metrics", "divergence")
    if not known or direction(tag) not in WORDS:
        hint = nearest(tag, _with_direction())
        raise ConfigError(
            f"objective: expected a figure of which less or more is better, got {tag!r}.{hint} {_known()}"
        )
    return WORDS[direction(tag)]


def require_measured(tag: str, config: Config, reported: Collection[str]) -> None:
    """Refuse an objective that a run would never come to know; for what can be told before data are read.

    Args:
        tag: the objective.
        config: of the run.
        reported: what the algorithm's own reports say of which less or more is better.

    Raises:
        ConfigError: says what to set instead.
    """
    sought(tag)
    group, _, name = tag.partition("/")
    first = min(reported, key=lambda known: (len(known), known))
    if group != "metrics" and tag not in reported:
        raise ConfigError(f"objective: this run reports {first}, not {tag}")
    if group == "metrics" and tag not in reported and not config.train.eval_every:
        raise ConfigError(
            f"objective: {tag} is measured every train.eval_every steps and at the end, but that is 0:"
            f" train.eval_every=500, or objective={first}"
        )
    if name.endswith(HELD_OUT) and not (config.train.held_out and config.diagnostics.every):
        raise ConfigError(f"objective: {tag} needs train.held_out and diagnostics.every above 0")


def require_among(tag: str, names: Iterable[str]) -> None:
    """Refuse an objective that is none of these figures.

    Raises:
        ConfigError: lists them.
    """
    names = sorted(names)
    if not _matches(tag, names):
        better = ", ".join(name for name in names if direction(name))
        raise ConfigError(f"objective: this run does not measure {tag}, only {better}")


def value(tag: str, summary: Mapping[str, Any]) -> float:
    """What a run made of the objective: the figure at its end, not the best on the way, which no one can go back to.

    Args:
        tag: ``metrics/frechet`` also stands for ``metrics/frechet/classifier``, whatever the backbone is.
        summary: content of ``summary.json``.

    Raises:
        ConfigError: the run has no such figure.
    """
    final = summary.get("final")
    figures = final if isinstance(final, Mapping) else {}
    found = _matches(tag, figures)
    if not found:
        raise ConfigError(f"objective: the run ended without {tag}: never measured, or not finite at last")
    return float(figures[found[0]])


def _matches(tag: str, names: Iterable[str]) -> list[str]:
    names = list(names)
    return [tag] if tag in names else sorted(name for name in names if name.startswith(f"{tag}/"))


def _with_direction() -> list[str]:
    return [name for name in EXAMPLES if direction(name)]


def _known() -> str:
    return f"Figures with a direction: {', '.join(_with_direction())}"
