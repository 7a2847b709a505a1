"""The metric that a sweeper optimizes (``sweep.metric=metrics/frechet``): its direction, and its value at a run's end.

The key was ``objective`` once, which still works as a deprecated alias. Imports no torch.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gan_cli.config.schema import Config
from gan_cli.errors import ConfigError, did_you_mean
from gan_cli.metrics.directions import direction, training_tag_directions
from gan_cli.metrics.registry import metric_infos

KEY, ALIAS = "sweep.metric", "objective"
HELD_OUT_SUFFIX = "_held_out"
DIRECTIONS = {-1: "minimize", 1: "maximize"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SweepMetric:
    """The metric that a sweeper optimizes.

    Attributes:
        tag: as in ``metrics.jsonl``; ``metrics/frechet`` also stands for ``metrics/frechet/classifier``, whatever the
            backbone is.
        key: configuration key that error messages name, with the alias where that was set instead.
    """

    tag: str
    key: str = KEY

    @classmethod
    def from_keys(cls, metric: str | None, objective: str | None) -> SweepMetric | None:
        """Return the metric that ``sweep.metric`` or its alias ``objective`` names, or None where both are null.

        Raises:
            ConfigError: the two name different metrics.
        """
        if metric is not None and objective not in (None, metric):
            raise ConfigError(
                f"{ALIAS}: expected null or the value of {KEY}, {metric!r}, got {objective!r}: {ALIAS} is a deprecated"
                f" alias, set {KEY} alone"
            )
        if metric is not None:
            return cls(metric)
        return None if objective is None else cls(objective, f"{KEY} (set by its alias {ALIAS})")

    @classmethod
    def from_config(cls, config: Config) -> SweepMetric | None:
        """Return the metric of a run's configuration; raises ``ConfigError`` as :meth:`from_keys` does."""
        return cls.from_keys(config.sweep.metric, config.objective)

    def direction(self) -> str:
        """Return ``minimize`` or ``maximize``, as the metric wants it.

        Raises:
            ConfigError: of this metric neither less nor more is better.
        """
        group = self.tag.partition("/")[0]
        known = self.tag in training_tag_directions() or group in ("metrics", "divergence")
        if not known or direction(self.tag) not in DIRECTIONS:
            hint = did_you_mean(self.tag, _tags_with_direction())
            raise ConfigError(
                f"{self.key}: expected a metric of which less or more is better, got {self.tag!r}.{hint}"
                f" {_list_known_tags()}"
            )
        return DIRECTIONS[direction(self.tag)]

    def require_measured(self, config: Config, reported: Collection[str]) -> None:
        """Reject a metric that the run will never measure, as far as its configuration shows.

        Args:
            config: of the run.
            reported: tags with a direction that the algorithm itself reports.

        Raises:
            ConfigError: with the setting that would have it measured.
        """
        self.direction()
        group, _, name = self.tag.partition("/")
        first = min(reported, key=lambda known: (len(known), known), default=None)
        if group != "metrics" and self.tag not in reported:
            raise ConfigError(f"{self.key}: this run reports {first or 'metrics/...'}, not {self.tag}")
        if group == "metrics" and self.tag not in reported and not config.train.eval_every:
            raise ConfigError(
                f"{self.key}: {self.tag} is measured every train.eval_every steps and at the end, but that is 0:"
                f" train.eval_every=500{'' if first is None else f', or {KEY}={first}'}"
            )
        if name.endswith(HELD_OUT_SUFFIX) and not (config.train.held_out and config.diagnostics.every):
            raise ConfigError(f"{self.key}: {self.tag} needs train.held_out and diagnostics.every above 0")

    def require_available(self, tags: Iterable[str]) -> None:
        """Reject a metric that is none of ``tags``, those that the run's evaluations measure.

        Raises:
            ConfigError: with the tags that could be optimized.
        """
        names = sorted(tags)
        if not _matches(self.tag, names):
            better = ", ".join(name for name in names if direction(name))
            raise ConfigError(f"{self.key}: this run does not measure {self.tag}, only {better}")

    def final_value(self, summary: Mapping[str, Any]) -> float:
        """Return the metric at a run's end; its best value on the way has no checkpoint that one could go back to.

        Args:
            summary: content of ``summary.json``.

        Raises:
            ConfigError: the run has no such metric.
        """
        final = summary.get("final")
        metrics = final if isinstance(final, Mapping) else {}
        found = _matches(self.tag, metrics)
        if not found:
            raise ConfigError(f"{self.key}: the run ended without {self.tag}: never measured, or not finite at last")
        return float(metrics[found[0]])


def optimization_direction(metric: str | None, objective: str | None = None) -> str:
    """Return ``minimize`` or ``maximize`` for ``sweep.metric`` and its alias (resolver ``direction_of``).

    Raises:
        ConfigError: neither key is set, both are and differ, or of the metric neither less nor more is better.
    """
    chosen = SweepMetric.from_keys(metric, objective)
    if chosen is None:
        raise ConfigError(
            f"{KEY}: expected a metric to optimize, got null: {KEY}=metrics/frechet. {_list_known_tags()}"
        )
    return chosen.direction()


def warn_if_alias(config: Config) -> None:
    """Log that ``objective`` is deprecated where a configuration sets it."""
    if config.objective is not None:
        logger.warning("%s is deprecated: use %s=%s", ALIAS, KEY, config.objective)


def drop_replaced(earlier: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """Return earlier overrides without those of the sweep's metric where later ones set it, by either of its keys."""
    if any(_is_metric(override) for override in overrides):
        return [override for override in earlier if not _is_metric(override)]
    return list(earlier)


def _is_metric(override: str) -> bool:
    return override.lstrip("+").partition("=")[0] in (KEY, ALIAS)


def _matches(tag: str, names: Iterable[str]) -> list[str]:
    """Return ``tag`` itself where it is among the names, else the names below it, sorted."""
    names = list(names)
    return [tag] if tag in names else sorted(name for name in names if name.startswith(f"{tag}/"))


def _tags_with_direction() -> list[str]:
    measured = (f"metrics/{name}" for name in metric_infos())
    return [tag for tag in ("divergence/jsd", *training_tag_directions(), *measured) if direction(tag)]


def _list_known_tags() -> str:
    return f"Metrics with a direction: {', '.join(_tags_with_direction())}"
